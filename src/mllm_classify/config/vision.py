"""Entries of models that compare images with texts or with other images, and text encoders."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.marks import CONTENT, DISPLAY, RUNTIME, Choice, Name, Section
from mllm_classify.config.models import Model

HUB = "hf-hub:"
"""Begins open_clip's name of a model that the hub has."""


class Inference(Section):
    """How images are computed."""

    device: Annotated[str, RUNTIME] = Field("cpu", description="as torch names it")
    batch_size: Annotated[int, RUNTIME, Field(gt=0)] = Field(16, description="images at once")
    workers: Annotated[int, RUNTIME, Field(ge=0)] = Field(
        0, description="processes that read and prepare images; 0: none but the job's own"
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="of the image side's arithmetic (torch's autocast); texts and similarities are always fp32"
    )


class Templates(Section):
    """How class names become texts."""

    templates: Annotated[
        str, CONTENT, Choice("inferred", 'takes the mean over "multiple prompt templates"; not said which ones')
    ] = Field(
        "resources/templates/imagenet-7.v1.txt", description="text file of templates, one a line, {} for the name"
    )


class OpenClip(Section):
    """An image-text model of open_clip."""

    model: str = Field(
        description="open_clip's name of it, hf-hub:OWNER/NAME, or a folder with open_clip_config.json, safetensors and tokenizer"
    )
    pretrained: str | None = Field(
        None, description="for open_clip's names: a tag (webli), or a checkpoint: a path or package:NAME/FILE"
    )
    revision: str | None = Field(None, description="the hub's commit, tag or branch of the weights")

    @model_validator(mode="after")
    def _weights_are_named_once(self) -> Self:
        if self.model.startswith(HUB) and self.pretrained is not None:
            msg = f"pretrained: {self.pretrained!r}: {self.model} has weights of its own; remove the key"
            raise ValueError(msg)
        return self


class OpenClipModel(Model, OpenClip, Templates, Inference):
    """A zero-shot classifier: the class whose name's embedding is nearest to the image's."""

    kind: Literal["open_clip"]
    family: Annotated[Literal["VLM"], DISPLAY] = Field("VLM", description="as tables show it")

    @property
    def together(self) -> int:
        return self.batch_size


class DinoTxtModel(Model, Templates, Inference):
    """DINOv3 with dino.txt, a zero-shot classifier, from a local clone of its repository: docs/models.md."""

    kind: Literal["dinotxt"]
    family: Annotated[Literal["VLM"], DISPLAY] = Field("VLM", description="as tables show it")
    repository: str = Field(description="folder of the clone; its code runs")
    entry: str = Field("dinov3_vitl16_dinotxt_tet1280d20h24l", description="what its hubconf.py calls the model")
    weights: str = Field(description="checkpoint of the image head and the text encoder")
    backbone_weights: str = Field(description="checkpoint of the image encoder")
    vocabulary: str = Field(
        "package:open_clip/bpe_simple_vocab_16e6.txt.gz", description="the tokenizer's; open_clip has the same"
    )

    @property
    def together(self) -> int:
        return self.batch_size


class TrainingImages(Section):
    """The labelled images among which neighbours are looked for."""

    folder: Annotated[str, RUNTIME] = Field(description="where the files lie")
    images: Annotated[str, CONTENT] = Field(
        description="records of image_id, the file in the folder, and class: a name, a synset or a number (docs/labels.md)"
    )


class KnnModel(Model, Inference):
    """The classes of the nearest images of a training set, by an image encoder of timm."""

    kind: Literal["knn"]
    family: Annotated[Literal["self-supervised + k-NN"], DISPLAY] = Field(
        "self-supervised + k-NN", description="as tables show it"
    )
    architecture: str = Field(description="timm's name of the encoder")
    weights: str | None = Field(
        None, description="checkpoint: a path or package:NAME/FILE; without it, timm's own from the hub"
    )
    pool: Annotated[
        str | None,
        Choice("ours", "does not say; DINOv3's authors take the class token (`token`), timm the mean of its patches"),
    ] = Field(None, description="timm's global_pool of the features; without it, the architecture's own")
    train: TrainingImages = Field(description="the labelled images")
    k: Annotated[int, Choice("paper", "k = 11 (Table 3)")] = Field(11, gt=0, description="neighbours that vote")
    vote: Annotated[Literal["softmax", "majority"], Choice("ours", "does not say how neighbours vote")] = Field(
        "softmax", description="neighbours' weights: exp(cosine / temperature), as DINO's authors do, or equal ones"
    )
    temperature: Annotated[float, Choice("ours", "does not say; 0.07 is that of DINO's authors")] = Field(
        0.07, gt=0, description="of that vote"
    )
    stored: Annotated[Literal["fp16", "fp32"], Choice("ours", "not mentioned")] = Field(
        "fp16",
        description="of the features, which have length 1: fp16 halves them (10.5 GB for ImageNet's 1.28 million of 4,096)",
    )
    features: Annotated[str, RUNTIME] = Field(
        "features", description="folder in which features are kept; a run computes those that are missing"
    )

    @property
    def together(self) -> int:
        return self.batch_size


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
