"""Text encoders: what maps answers to classes, and names."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.chat import refuse_secret
from mllm_classify.config.marks import CONTENT, MOST, RUNTIME, WEEK, Choice, Name, Section, tags
from mllm_classify.config.vision import OpenClip


class Reranker(Section):
    """A cross-encoder of sentence-transformers, which reads an answer and a class name together, and says how well they fit."""

    path: str = Field(description="hub id, folder, or package:NAME/FOLDER of a model that gives a pair one score")
    nearest: int = Field(
        10, ge=2, le=1000, description="of each answer, so many classes of the nearest names, by the encoder"
    )
    device: Annotated[str, RUNTIME] = Field("cpu", description="as torch names it")
    batch_size: Annotated[int, RUNTIME, Field(gt=0, le=100_000)] = Field(64, description="pairs at once")


class EncoderSection(Section):
    """A text encoder, and how names and answers are put to it."""

    name: Name = Field(description="names the folders of its embeddings and mappings; no two encoders share one")
    templates: Annotated[str, CONTENT] = Field(description="text file of templates, one a line, {} for the name")
    answers: Annotated[
        Literal["templates", "bare"],
        Choice(
            "code",
            "averages templates; the names of its authors' prediction files say that answers passed through them, too",
        ),
    ] = Field("templates", description="whether answers pass through the templates, as class names do")
    query_prompt: Annotated[str, Choice("ours", "does not mention instruction-tuned encoders")] = Field(
        "",
        max_length=2000,
        description="stands before every answer, as instruction-tuned encoders want of queries, with the blank at its end",
    )
    document_prompt: str = Field(
        "", max_length=2000, description="stands before every class name, as they want of documents"
    )
    reranker: Annotated[Reranker | None, Choice("ours", "maps to the nearest class by embeddings")] = Field(
        None, description="a cross-encoder that decides among the nearest classes"
    )
    batch_size: Annotated[int, RUNTIME, Field(gt=0, le=100_000)] = Field(256, description="texts at once")

    @model_validator(mode="after")
    def _no_place_in_prompts(self) -> Self:
        for key in ("query_prompt", "document_prompt"):
            if "{}" in getattr(self, key):
                msg = f"encoder ({self.name}): {key}: holds {{}}, which is the name's place in templates; write what stands before it"
                raise ValueError(msg)
        return self


class Encoder(EncoderSection):
    """A model of sentence-transformers."""

    kind: Literal["sentence-transformers"]
    path: str = Field(description="hub id, folder, or package:NAME/FOLDER")
    device: Annotated[str, RUNTIME] = Field("cpu", description="as torch names it")


class OpenClipEncoder(EncoderSection, OpenClip):
    """The text side of an image-text model."""

    kind: Literal["open_clip"]
    device: Annotated[str, RUNTIME] = Field("cpu", description="as torch names it")


class OpenAIEncoder(EncoderSection):
    """An OpenAI-compatible `/v1/embeddings`, wherever it is. Answers are kept in `journal/embeddings/NAME/`."""

    kind: Literal["openai"]
    model: str = Field(description="the model's name in requests")
    revision: str | None = Field(
        None, description="a new one when the same requests would be answered by something else"
    )
    dimensions: int | None = Field(
        None, gt=0, le=100_000, description="as sent: the length of the vectors, where a model has several"
    )
    url: Annotated[str, RUNTIME] = Field(
        "https://api.openai.com/v1", description="base URL of an OpenAI-compatible API, with /v1"
    )
    api_key_env: Annotated[str | None, RUNTIME] = Field(
        None, description="the environment variable that holds the key; the key itself is never written"
    )
    concurrency: Annotated[int, RUNTIME, Field(gt=0, le=10_000)] = Field(4, description="requests at once")
    timeout: Annotated[float, RUNTIME, Field(gt=0, le=WEEK)] = Field(120, description="seconds for one request")
    retries: Annotated[int, RUNTIME, Field(ge=0, le=1_000_000)] = Field(
        8, description="per request, of what may succeed later; with back-off, or as long as the server says"
    )
    patience: Annotated[float, RUNTIME, Field(gt=0, le=WEEK)] = Field(
        300, description="seconds without any answer after which the job stops, so that a dead server is not asked on"
    )
    requests_per_minute: Annotated[float | None, RUNTIME, Field(gt=0, le=MOST)] = Field(
        None, description="at most so many"
    )
    tokens_per_minute: Annotated[float | None, RUNTIME, Field(gt=0, le=MOST)] = Field(
        None, description="at most so many, by an estimate of three characters each"
    )

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        refuse_secret(f"encoder ({self.name})", self.url)
        return self


AnyEncoder = Annotated[Encoder | OpenClipEncoder | OpenAIEncoder, Field(discriminator="kind")]
ENCODERS = tags(AnyEncoder, "kind")
