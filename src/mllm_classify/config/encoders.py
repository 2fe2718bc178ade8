"""Text encoders: what maps answers to classes, and names."""

from typing import Annotated, Literal

from pydantic import Field

from mllm_classify.config.marks import CONTENT, RUNTIME, Choice, Name, Section
from mllm_classify.config.vision import OpenClip


class EncoderSection(Section):
    """A text encoder, and how names and answers are put to it."""

    name: Name = Field(description="names the folder of its embeddings")
    templates: Annotated[str, CONTENT] = Field(description="text file of templates, one a line, {} for the name")
    answers: Annotated[
        Literal["templates", "bare"],
        Choice("inferred", "averages templates; whether answers pass through them too it does not say"),
    ] = Field("templates", description="whether answers pass through the templates, as class names do")
    device: Annotated[str, RUNTIME] = Field("cpu", description="as torch names it")
    batch_size: Annotated[int, RUNTIME, Field(gt=0)] = Field(256, description="texts at once")


class Encoder(EncoderSection):
    """A model of sentence-transformers."""

    kind: Literal["sentence-transformers"]
    path: str = Field(description="hub id, folder, or package:NAME/FOLDER")


class OpenClipEncoder(EncoderSection, OpenClip):
    """The text side of an image-text model."""

    kind: Literal["open_clip"]


AnyEncoder = Annotated[Encoder | OpenClipEncoder, Field(discriminator="kind")]
ENCODERS = ("open_clip", "sentence-transformers")
