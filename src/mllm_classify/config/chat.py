"""Entries of models that are asked over the OpenAI chat protocol."""

import re
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, model_validator

from mllm_classify.config.marks import CONTENT, DISPLAY, MOST, RUNTIME, WEEK, Choice, Label, Section
from mllm_classify.config.models import Model
from mllm_classify.config.tasks import Layout
from mllm_classify.dollars import dollars
from mllm_classify.io.files import portable
from mllm_classify.tasks import TASK, Scale, TaskName

SECRET = re.compile(r"(key|token|secret|password|credential|^sig|^signature)$", re.IGNORECASE)
"""Names of a URL's parameters that hold what must not be written down."""
OURS = {"model", "messages", "stream", "n", "structured_outputs"}
"""Keys of a request that the project sets itself."""
Constraint = Literal[
    "structured_outputs", "guided_choice", "regex", "grammar", "response_format", "response_format regex"
]
"""By which field of a request, and in which of its forms, servers let a model answer with listed names only."""
CONSTRAINTS = {constraint.split()[0] for constraint in get_args(Constraint)}
"""These fields. A request can have one of them."""


class Request(Section):
    """What is sent with every request. null is not sent: some models refuse temperature, or know another limit."""

    temperature: Annotated[
        float | None, Choice("inferred", "does not say; one answer an image suggests greedy decoding")
    ] = Field(0.0, ge=0, le=100, description="as sent; 0 is greedy")
    top_p: float | None = Field(None, gt=0, le=1, description="as sent")
    max_tokens: int | None = Field(
        64, gt=0, le=MOST, description="as sent; not sent where max_completion_tokens is given"
    )
    max_completion_tokens: int | None = Field(None, gt=0, le=MOST, description="as sent; reasoning is counted in it")
    seed: Annotated[int, Field(ge=-MOST, le=MOST)] | Literal["repeats"] | None = Field(
        "repeats",
        description="repeats: each repeat sends its number, and nothing else sends one. A number is sent, repeats count on "
        "from it. null is never sent, for APIs that know no seed",
    )
    reasoning_effort: str | None = Field(None, description="as sent")
    service_tier: str | None = Field(None, description="as sent")
    logprobs: bool | None = Field(
        None, description="as sent; true keeps how likely each answer was (`answer_logprob` of the predictions)"
    )
    top_logprobs: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="as sent, with `logprobs`: likeliest tokens at each place; of MC by letter, they tell each option's "
        "probability (`letters`)",
    )
    detail: Literal["low", "high", "auto"] | None = Field(None, description="as sent with every image")

    @model_validator(mode="after")
    def _with_logprobs(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            msg = f"top_logprobs: {self.top_logprobs}: needs logprobs: true"
            raise ValueError(msg)
        return self

    @model_validator(mode="before")
    @classmethod
    def _one_limit(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("max_completion_tokens") is not None:
            return {"max_tokens": None} | given
        return given

    @property
    def limit(self) -> int:
        """Tokens that an answer may have, as far as that is known."""
        return self.max_completion_tokens or self.max_tokens or 1024


class Picture(Section):
    """How an image is sent: as the bytes that it has, unless its format, colours or size do not allow that."""

    longest_side: int | None = Field(
        None, gt=0, le=100_000, description="pixels; larger images are scaled down to it and sent as JPEG"
    )
    max_bytes: int = Field(
        20_000_000,
        ge=1000,
        le=MOST,
        description="of a picture as it is sent, base64 included; larger ones are sent as JPEG, scaled down until they fit",
    )
    quality: int = Field(95, ge=1, le=100, description="of such a JPEG")
    formats: list[Literal["JPEG", "PNG", "WEBP", "GIF"]] = Field(
        ["JPEG", "PNG"],
        description="whose bytes the server reads; others are sent as PNG. Servers on llama.cpp read no WebP",
    )


class Likelihood(Section):
    """How CW-likelihood and OW-likelihood rank classes by their names' log-probabilities."""

    top: Annotated[int, Field(gt=0, le=MOST)] | Literal["all"] = Field(
        5, description="classes whose ranking is certain and kept; `all` asks for every name, whatever it takes"
    )
    scales: list[Scale] = Field(
        list(get_args(Scale)),
        min_length=1,
        description="by what: the log-probability itself, its mean over tokens or bytes, and what the image adds to it; a scale "
        "whose bounds cut little asks most names",
    )
    end: str = Field(
        "template",
        min_length=1,
        max_length=100,
        description="the token that ends an answer, whose probability counts: the one that the chat template puts behind it, "
        "or this text; `none` counts none, so that a name which begins another gains by that",
    )


class Prices(Section):
    """What tokens cost, in dollars per million."""

    input: Annotated[float, DISPLAY] = Field(ge=0, le=MOST, description="tokens of prompts and images")
    cached_input: Annotated[float | None, DISPLAY] = Field(
        None, ge=0, le=MOST, description="those that the provider had in its cache; by default like others"
    )
    output: Annotated[float, DISPLAY] = Field(ge=0, le=MOST, description="tokens of answers, reasoning among them")
    batch: Annotated[float, DISPLAY] = Field(0.5, ge=0, le=1000, description="factor for what the Batch API answers")

    def cost(self, prompt: float, cached: float, completion: float, *, batch: bool = False) -> float:
        """Dollars for so many tokens; `cached` are among those of the prompt."""
        return dollars(self.model_dump(), prompt, cached, completion, batch=batch)


class Batch(Section):
    """Questions are handed in as files and answered within a day, at half the price (OpenAI's Batch API)."""

    requests: Annotated[int, RUNTIME] = Field(50_000, gt=0, le=50_000, description="at most so many in a file")
    bytes: Annotated[int, RUNTIME] = Field(200_000_000, gt=0, le=200_000_000, description="a file has at most so many")
    enqueued_tokens: Annotated[int | None, RUNTIME] = Field(
        None, gt=0, le=MOST, description="tokens of prompts that may wait at once, as the account's tier allows"
    )
    poll: Annotated[float, RUNTIME] = Field(
        60, gt=0, le=WEEK, description="seconds between questions whether it is done"
    )
    rounds: Annotated[int, RUNTIME] = Field(
        3, gt=0, le=1000, description="how often a question is handed in that failed or expired"
    )


class ChatModel(Model):
    """A model asked through the OpenAI chat protocol."""

    family: Annotated[Literal["MLLM"], DISPLAY] = Field("MLLM", description="as tables show it")
    model: str = Field(description="the model's name in requests")
    revision: str | None = Field(
        None, description="a new one when the same requests would be answered by something else"
    )
    tasks: list[TaskName] = Field(
        ["OW", "CW"], min_length=1, description="what it is asked; each needs a prompt under tasks"
    )
    variants: list[Label] = Field([], description="which of variants: it is asked, too")
    layout: Annotated[Layout, Choice("ours", "does not say where the image stands")] = Field(
        "image_last",
        description="where instructions and class list stand: before the image; before it in the system message, for chat "
        "templates that render images first; or after it, where no prefix cache serves them",
    )
    request: Request = Request()
    extra_body: dict[str, Any] = Field(
        {}, description="further keys of requests, as sent: `mm_processor_kwargs`, `chat_template_kwargs`, `top_k`"
    )
    constrained_by: Constraint = Field(
        "structured_outputs",
        description="the field by which the server holds answers to CW-constrained to the class list: vLLM's "
        "`structured_outputs`, or `guided_choice` before 0.12; SGLang's `regex`; llama.cpp's `grammar`; OpenAI's JSON schema "
        "in `response_format`, which many know; TGI's regex there",
    )
    picture: Picture = Picture()
    likelihood: Likelihood = Likelihood()
    image_tokens: Annotated[int | None, RUNTIME, Field(gt=0, le=MOST)] = Field(
        None, description="what an image costs in tokens, for estimates"
    )
    prices: Annotated[Prices | None, DISPLAY] = None
    budget: Annotated[float | None, RUNTIME, Field(gt=0, le=MOST)] = Field(
        None, description="dollars: asking stops before all answers of this model together cost more; needs prices"
    )
    api_key_env: Annotated[str | None, RUNTIME] = Field(
        None, description="the environment variable that holds the key; the key itself is never written"
    )
    concurrency: Annotated[int, RUNTIME, Field(gt=0, le=10_000)] = Field(8, description="requests at once")
    requests_per_minute: Annotated[float | None, RUNTIME, Field(gt=0, le=MOST)] = Field(
        None, description="at most so many"
    )
    tokens_per_minute: Annotated[float | None, RUNTIME, Field(gt=0, le=MOST)] = Field(
        None, description="at most so many, of prompts and answers together"
    )
    timeout: Annotated[float, RUNTIME, Field(gt=0, le=WEEK)] = Field(120, description="seconds for one request")
    retries: Annotated[int, RUNTIME, Field(ge=0, le=1_000_000)] = Field(
        8, description="per request, of what may succeed later; with back-off, or as long as the server says"
    )
    patience: Annotated[float, RUNTIME, Field(gt=0, le=WEEK)] = Field(
        300, description="seconds without any answer after which the job stops, so that a dead server is not asked on"
    )
    max_errors: Annotated[int, RUNTIME, Field(ge=0, le=MOST)] = Field(
        0, description="answers that may fail for good; they count as wrong. With more of them, the job fails"
    )
    min_cached_share: Annotated[float, RUNTIME, Field(ge=0, le=1)] = Field(
        0.95,
        description="share of the class list's tokens that must come from the server's prefix cache; 0 asks for none",
    )

    @property
    def worded(self) -> bool:
        return True

    @property
    def prompted_tasks(self) -> list[TaskName]:
        return self.tasks

    @property
    def prompted_variants(self) -> list[str]:
        return self.variants

    @property
    def tells_all_likelihoods(self) -> bool:
        return self.likelihood.top == "all" and any(TASK[task].ranked for task in self.tasks)

    @property
    def starts(self) -> bool:
        return True

    @property
    def served(self) -> str:
        """The model's name in requests."""
        return self.model

    @property
    def constrained(self) -> bool:
        """Whether the server lets it answer with listed words only."""
        return any(TASK[task].constrained for task in self.tasks)

    @property
    def in_batches(self) -> bool:
        """Whether questions are handed in as files."""
        return False

    @model_validator(mode="after")
    def _request_fits(self) -> Self:
        ours = OURS | set(Request.model_fields)
        if self.constrained:
            ours |= CONSTRAINTS
        if taken := [key for key in self.extra_body if key in ours]:
            msg = f"models ({self.name}): extra_body: {taken[0]!r} is not for this place; request: and constrained_by: set it"
            raise ValueError(msg)
        if self.budget is not None and (ranked := [task for task in self.tasks if TASK[task].ranked]):
            msg = (
                f"models ({self.name}): budget: {self.budget:g}: what {ranked[0]} costs depends on its answers; give it an "
                "entry of its own, without a budget"
            )
            raise ValueError(msg)
        if self.budget is not None and self.prices is None:
            msg = f"models ({self.name}): budget: {self.budget:g}: needs prices:"
            raise ValueError(msg)
        return self


def refuse_secret(where: str, url: str) -> None:
    """Raise ValueError where a URL holds a user or a password: it is written into files that others see."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        msg = f"{where}: url: holds a user or a password; name the key's variable in api_key_env"
        raise ValueError(msg)
    if secret := [name for name, _ in parse_qsl(parts.query) if SECRET.search(name)]:
        msg = f"{where}: url: {secret[0]}=: holds a key; name the key's variable in api_key_env"
        raise ValueError(msg)


class EndpointModel(ChatModel):
    """An API that somebody else runs."""

    kind: Literal["endpoint"]
    url: Annotated[str, RUNTIME] = Field(
        description="base URL of an OpenAI-compatible API, with /v1 where it has that; a query stays behind the path"
    )
    api_key_header: Annotated[str, RUNTIME] = Field(
        "Authorization",
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        max_length=100,
        description="the header that brings the key: behind `Bearer` in `Authorization`, alone in any other",
    )

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        refuse_secret(f"models ({self.name})", self.url)
        return self


class OpenAIModel(ChatModel):
    """OpenAI's API, by its own client."""

    kind: Literal["openai"]
    url: Annotated[str, RUNTIME] = Field("https://api.openai.com/v1", description="another only for gateways to it")
    api_key_env: Annotated[str | None, RUNTIME] = Field(
        "OPENAI_API_KEY", description="the environment variable that holds the key; the key itself is never written"
    )
    constrained_by: Literal["response_format"] = Field(
        "response_format", description="OpenAI's JSON schema holds answers to CW-constrained to the class list"
    )
    batch: Annotated[Batch | None, RUNTIME] = None

    @model_validator(mode="after")
    def _answers_in_words(self) -> Self:
        if ranked := [task for task in self.tasks if TASK[task].ranked]:
            msg = (
                f"models ({self.name}): tasks: {ranked[0]!r}: OpenAI's API gives no log-probabilities of given names; ask "
                "vLLM (kind vllm, engine or endpoint)"
            )
            raise ValueError(msg)
        return self

    @property
    def in_batches(self) -> bool:
        return self.batch is not None


class EngineModel(ChatModel):
    """An endpoint that the job starts, waits for, and stops."""

    kind: Literal["engine"]
    command: list[str] = Field(min_length=1, description="{port}, {python} and {gpus} (of resources) are filled in")
    start_timeout: Annotated[float, RUNTIME, Field(gt=0, le=WEEK)] = Field(
        600, description="seconds until it must answer"
    )


class VLLMModel(ChatModel):
    """vLLM, which the job starts from an environment of its own (`make vllm`), waits for, and stops."""

    kind: Literal["vllm"]
    model: str = Field(description="hub id, or folder")
    revision: str | None = Field(None, description="the hub's commit, branch or tag")
    chat_template: Annotated[str | None, CONTENT] = Field(None, description="a Jinja file in place of the model's own")
    flags: dict[str, Any] = Field(
        {},
        description="further flags of `vllm serve` that can change answers: `{max-model-len: 16384, dtype: bfloat16}`",
    )
    performance: Annotated[dict[str, Any], RUNTIME] = Field(
        {}, description="flags that cannot, and how GPUs share the work: `{gpu-memory-utilization: 0.95}`"
    )
    environment: Annotated[str, RUNTIME] = Field(".venv-vllm", description="folder of the environment that holds vLLM")
    start_timeout: Annotated[float, RUNTIME, Field(gt=0, le=WEEK)] = Field(
        3600, description="seconds until it must answer"
    )

    @property
    def served(self) -> str:
        """The model's name in requests: not where its weights lie on this machine."""
        return portable(self.model)

    @model_validator(mode="after")
    def _own_flags(self) -> Self:
        own = {"model", "revision", "chat-template", "served-model-name", "host", "port", "api-key"}
        for key in ("flags", "performance"):
            if taken := [flag for flag in getattr(self, key) if flag.lstrip("-").replace("_", "-") in own]:
                msg = f"models ({self.name}): {key}: {taken[0]!r} is set by the job; remove it"
                raise ValueError(msg)
        return self
