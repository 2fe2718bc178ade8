"""Stand-ins for the servers of docs/providers.md: each refuses what the real one refuses, in its words, and answers as it does.

They see: the answer to a question is the name that the picture's colour stands for.
"""

import base64
import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web
from PIL import Image

from tests.chat_server import Body, completion, images_of, prompt_of, serving

SAMPLING = {"temperature", "top_p", "max_tokens", "seed"}
NEEDED = {"model", "messages"}


class RefusedError(Exception):
    """A reply with another status than 200."""

    def __init__(self, status: int, said: Any) -> None:
        super().__init__(said)
        self.response = web.json_response(said, status=status)


def error(message: str, **others: Any) -> Body:
    return {"error": {"message": message} | others}


def apart(regex: str) -> list[str]:
    """The alternatives of `(one|another)`."""
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\\.|[^|\\])+", regex[1:-1])]


def literals(grammar: str) -> list[str]:
    """The strings of a grammar in GBNF."""
    return [json.loads(text) for text in re.findall(r'"(?:[^"\\]|\\.)*"', grammar)]


def enumerated(schema: Body) -> tuple[str, list[str]]:
    """The one key of a JSON schema, and its values."""
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    (key,) = schema["required"]
    return key, schema["properties"][key]["enum"]


class Dialect:
    """Reads `reads`, ignores other fields, and knows no way to hold answers to a list."""

    base = "/v1"
    key_header = "Authorization"
    reads: ClassVar[set[str]] = NEEDED | SAMPLING
    formats: ClassVar[set[str]] = {"jpeg", "png", "webp"}
    caches = False  # whether it says how many tokens came from a cache
    context: int | None = None  # tokens beyond which prompts are cut in silence

    def __init__(self) -> None:
        self.prompts: set[str] = set()

    def unknown(self, name: str) -> None:
        """What becomes of a field that it does not read."""

    def check(self, body: Body) -> None:
        """Raise RefusedError for what else it does not take."""

    def unauthorized(self) -> tuple[int, Any]:
        return 401, error("Incorrect API key provided", code="invalid_api_key")

    def undecodable(self) -> tuple[int, Any]:
        return 400, error("invalid image", type="invalid_request_error")

    def models(self, model: str) -> tuple[int, Any]:
        return 200, {"object": "list", "data": [{"id": model, "object": "model"}]}

    def listed(self, body: Body) -> list[str] | None:
        """The only answers that it may give."""

    def said(self, answer: str, body: Body) -> Body:
        """The message."""
        return {"role": "assistant", "content": answer}

    def colour(self, url: str) -> tuple[int, int, int]:
        """The first pixel of a picture."""
        head, _, data = url.partition(";base64,")
        if head.removeprefix("data:image/") not in self.formats:
            raise RefusedError(*self.undecodable())
        return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").getpixel((0, 0))

    def answer(self, body: Body) -> Body:
        for name in body.keys() - self.reads:
            self.unknown(name)
        self.check(body)
        seen = [self.colour(url) for url in images_of(body)] or [(0, 0, 0)]
        prompt = prompt_of(body)
        names = re.findall("^- (.+)$", prompt, re.MULTILINE)
        free = names[seen[-1][0] % len(names)] if names else "green"
        only = self.listed(body)
        text = free if only is None or free in only else only[0]
        tokens = min(100 + 10 * len(names), self.context or 10**9)
        usage: Body = {"prompt_tokens": tokens, "completion_tokens": 3, "total_tokens": tokens + 3}
        if self.caches:
            usage["prompt_tokens_details"] = {"cached_tokens": tokens if prompt in self.prompts else 0}
        self.prompts.add(prompt)
        choice = {"index": 0, "finish_reason": "stop", "message": self.said(text, body)}
        return completion(None, choices=[choice], usage=usage, model=body["model"])


class InJson(Dialect):
    """Holds answers to OpenAI's JSON schema."""

    reads = NEEDED | SAMPLING | {"response_format"}

    def check(self, body: Body) -> None:
        if (form := body.get("response_format")) and form["type"] != "json_schema":
            said = f"Invalid value: '{form['type']}'. Supported values are: 'json_object', 'json_schema', and 'text'."
            raise RefusedError(400, error(said, param="response_format.type"))

    def schema(self, body: Body) -> tuple[str, list[str]] | None:
        form = body.get("response_format", {})
        return enumerated(form["json_schema"]["schema"]) if form.get("type") == "json_schema" else None

    def listed(self, body: Body) -> list[str] | None:
        schema = self.schema(body)
        return schema and schema[1]

    def said(self, answer: str, body: Body) -> Body:
        schema = self.schema(body)
        return super().said(json.dumps({schema[0]: answer}) if schema else answer, body)


class OpenAI(InJson):
    """A reasoning model of https://platform.openai.com/docs/api-reference/chat

    Errors: https://github.com/Mai-with-u/MaiBot/issues/1406, https://github.com/johny-b/llmcomp/issues/69
    """

    reads = NEEDED | {"top_p", "max_completion_tokens", "seed", "reasoning_effort", "response_format"}

    def unknown(self, name: str) -> None:
        said = f"Unsupported parameter: '{name}' is not supported with this model."
        raise RefusedError(400, error(said, param=name, code="unsupported_parameter"))

    def models(self, model: str) -> tuple[int, Any]:
        """A restricted key: https://github.com/charonn0/Xojo-OpenAI/issues/8"""
        return 403, error("You have insufficient permissions for this operation. Missing scopes: api.model.read.")

    def said(self, answer: str, body: Body) -> Body:
        return super().said(answer, body) | {"refusal": None, "annotations": []}


class Azure(OpenAI):
    """https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle, which lists models, not deployments."""

    base = "/openai/v1"

    def models(self, model: str) -> tuple[int, Any]:
        return 200, {"object": "list", "data": [{"id": "gpt-35-turbo", "object": "model", "status": "succeeded"}]}


class AzureDated(OpenAI):
    """https://learn.microsoft.com/azure/ai-foundry/openai/reference: the key in `api-key`, the version in the query.

    No list below a deployment: https://github.com/MicrosoftDocs/azure-docs/issues/110272
    """

    base = "/openai/deployments/DEPLOYMENT?api-version=2024-10-21"
    key_header = "api-key"

    def unauthorized(self) -> tuple[int, Any]:
        return 401, error("Access denied due to invalid subscription key or wrong API endpoint.", code="401")

    def models(self, model: str) -> tuple[int, Any]:
        return 404, error("Resource not found", code="404")


class Gemini(InJson):
    """https://ai.google.dev/gemini-api/docs/openai; errors: https://github.com/Vali-98/ChatterUI/issues/227"""

    base = "/v1beta/openai"
    reads = NEEDED | {"temperature", "top_p", "max_tokens", "reasoning_effort", "response_format"}

    def unknown(self, name: str) -> None:
        said = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
        raise RefusedError(400, [error(said, code=400, status="INVALID_ARGUMENT")])

    def models(self, model: str) -> tuple[int, Any]:
        return super().models(f"models/{model}")


class Anthropic(Dialect):
    """https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk

    Its list wants another header: https://github.com/altic-dev/FluidVoice/issues/137; temperature:
    https://github.com/axonops/cqlai/issues/194
    """

    reads = NEEDED | {"top_p", "max_tokens", "max_completion_tokens"}

    def check(self, body: Body) -> None:
        if "temperature" in body:
            said = "`temperature` is deprecated for this model."
            raise RefusedError(400, error(said, code="invalid_request_error"))

    def models(self, model: str) -> tuple[int, Any]:
        return 401, error("x-api-key header is required", type="authentication_error") | {"type": "error"}


class Mistral(InJson):
    """https://docs.mistral.ai/api/; errors: https://github.com/editor-code-assistant/eca/issues/231"""

    reads = NEEDED | {"temperature", "top_p", "max_tokens", "random_seed", "response_format", "reasoning_effort"}

    def unknown(self, name: str) -> None:
        detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]
        raise RefusedError(
            422, {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "code": None}
        )

    def said(self, answer: str, body: Body) -> Body:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Is it green?"}]}
        text = super().said(answer, body)["content"]
        return {"role": "assistant", "content": [thinking, {"type": "text", "text": text}]}


class OpenRouter(InJson):
    """https://openrouter.ai/docs/api/reference/errors-and-debugging: the first request loses its provider."""

    base = "/api/v1"
    reads = NEEDED | SAMPLING | {"response_format", "provider"}

    def answer(self, body: Body) -> Body:
        lost = {"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "Somebody"}}
        response = super().answer(body)
        if len(self.prompts) == 1:
            self.prompts.add("lost")
            response["choices"][0] |= {"finish_reason": "error", "error": lost}
        return response

    def said(self, answer: str, body: Body) -> Body:
        return super().said(answer, body) | {"reasoning": "Is it green?", "refusal": None}


class VLLM(Dialect):
    """https://docs.vllm.ai/en/latest/serving/openai_compatible_server/

    Fields that it does not know are ignored, `guided_choice` since 0.12: https://github.com/vllm-project/vllm/pull/29326
    """

    reads = NEEDED | SAMPLING | {"max_completion_tokens", "structured_outputs"}
    caches = True

    def unauthorized(self) -> tuple[int, Any]:
        return 401, {"error": "Unauthorized"}

    def listed(self, body: Body) -> list[str] | None:
        return body.get("structured_outputs", {}).get("choice")

    def said(self, answer: str, body: Body) -> Body:
        return super().said(answer, body) | {"refusal": None, "function_call": None, "reasoning": None}


class SGLang(Dialect):
    """https://docs.sglang.io/docs/advanced_features/structured_outputs"""

    reads = NEEDED | SAMPLING | {"max_completion_tokens", "regex", "ebnf"}
    caches = True

    def listed(self, body: Body) -> list[str] | None:
        return apart(body["regex"]) if "regex" in body else None

    def said(self, answer: str, body: Body) -> Body:
        return super().said(answer, body) | {"reasoning_content": None, "tool_calls": None}


class TGI(Dialect):
    """https://github.com/huggingface/text-generation-inference/blob/main/router/src/lib.rs (ChatRequest, GrammarType)

    Errors: router/src/validation.rs beside it.
    """

    reads = NEEDED | SAMPLING | {"response_format"}

    def check(self, body: Body) -> None:
        if not 0 < body.get("top_p", 0.5) < 1:
            said = "Input validation error: `top_p` must be > 0.0 and < 1.0"
            raise RefusedError(422, {"error": said, "error_type": "validation"})
        if "value" not in body.get("response_format", {"value": ""}):
            said = "Failed to deserialize the JSON body into the target type: response_format: missing field `value`"
            raise RefusedError(422, said)

    def listed(self, body: Body) -> list[str] | None:
        form = body.get("response_format", {})
        return apart(form["value"]) if form.get("type") == "regex" else None


class LlamaCpp(Dialect):
    """https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md

    Errors: https://github.com/cline/cline/issues/8977
    """

    reads = NEEDED | SAMPLING | {"max_completion_tokens", "grammar", "json_schema", "response_format"}
    formats: ClassVar[set[str]] = {"jpeg", "png", "gif", "bmp"}

    def undecodable(self) -> tuple[int, Any]:
        return 400, error("Failed to load image or audio file", code=400)

    def listed(self, body: Body) -> list[str] | None:
        return literals(body["grammar"]) if "grammar" in body else None

    def said(self, answer: str, body: Body) -> Body:
        return super().said(answer, body) | {"reasoning_content": "Is it green?"}


class Ollama(InJson):
    """https://docs.ollama.com/api/openai-compatibility, https://github.com/ollama/ollama/blob/main/openai/openai.go

    Prompts are cut in silence: https://github.com/ollama/ollama/issues/3839
    """

    reads = NEEDED | SAMPLING | {"response_format", "reasoning_effort", "reasoning"}

    def check(self, body: Body) -> None:
        """It ignores forms of answers that it does not know."""

    def undecodable(self) -> tuple[int, Any]:
        return 400, error("invalid image input", param=None, code=None)

    def said(self, answer: str, body: Body) -> Body:
        return super().said(answer, body) | {"reasoning": "Is it green?"}


class LMStudio(InJson):
    """https://lmstudio.ai/docs/developer/openai-compat; errors: https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/1752"""

    formats: ClassVar[set[str]] = {"jpeg", "png"}

    def undecodable(self) -> tuple[int, Any]:
        return 400, {"error": "'url' field must be a base64 encoded image."}


DIALECTS: dict[str, list[Callable[[], Dialect]]] = {
    "OpenAI": [OpenAI], "Azure OpenAI": [Azure, AzureDated], "Gemini": [Gemini], "Anthropic": [Anthropic],
    "Mistral": [Mistral], "OpenRouter": [OpenRouter], "vLLM": [VLLM], "SGLang": [SGLang], "TGI": [TGI],
    "llama.cpp": [LlamaCpp], "Ollama": [Ollama], "LM Studio": [LMStudio],
}  # fmt: skip
"""By headings of docs/providers.md, one for each entry below it."""


@dataclass
class Spoken:
    """What a server saw: the bodies of all questions, and its refusals of them."""

    url: str = ""
    requests: list[Body] = field(default_factory=list)
    refused: list[web.Response] = field(default_factory=list)


def admit(dialect: Dialect, request: web.Request, key: str | None) -> None:
    bearer = "Bearer " if dialect.key_header == "Authorization" else ""
    if key is not None and request.headers.get(dialect.key_header) != f"{bearer}{key}":
        raise RefusedError(*dialect.unauthorized())
    if request.query_string != dialect.base.partition("?")[2]:
        raise RefusedError(404, error("Resource not found", code="404"))


@contextlib.contextmanager
def speaking(dialect: Dialect, key: str | None) -> Iterator[Spoken]:
    """A server at the dialect's own path, which takes one key, or any."""
    spoken = Spoken()
    path, mark, query = dialect.base.partition("?")

    async def reply(request: web.Request) -> web.Response:
        try:
            admit(dialect, request, key)
            if request.method == "GET":
                status, listing = dialect.models("a-model")
                return web.json_response(listing, status=status)
            body = await request.json()
            spoken.requests.append(body)
            return web.json_response(dialect.answer(body))
        except RefusedError as error:
            if request.method == "POST":
                spoken.refused.append(error.response)
            return error.response

    app = web.Application(client_max_size=64 * 2**20)
    app.add_routes([web.get(f"{path}/models", reply), web.post(f"{path}/chat/completions", reply)])
    with serving(app) as address:
        spoken.url = address + path + mark + query
        yield spoken
