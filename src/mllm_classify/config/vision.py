"""Entries of models that look at images themselves."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.marks import CONTENT, DISPLAY, RUNTIME, Choice, Section
from mllm_classify.config.models import Model

HUB = "hf-hub:"
"""Begins the name of a model that the Hugging Face hub has, for timm and open_clip."""


class Inference(Section):
    """How images are computed."""

    device: Annotated[str, RUNTIME] = Field("cpu", description="as torch names it")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32",
        description="of what looks at images; bf16 and fp16 are torch's mixed precision, where the device has it. Texts and "
        "similarities are always fp32",
    )
    batch_size: Annotated[int, RUNTIME, Field(gt=0, le=100_000)] = Field(16, description="images at once")
    workers: Annotated[int, RUNTIME, Field(ge=0, le=1000)] = Field(
        0,
        description="processes that decode images, and on a CPU compute them; 0: as many as the entry's cpus, one less "
        "beside an accelerator (at most 16)",
    )
    part: Annotated[int, RUNTIME, Field(gt=0, le=10_000_000)] = Field(
        1024,
        description="images after which results are kept on disk, so that a killed job goes on from there; rounded up to "
        "whole batches",
    )

    @property
    def images_in_part(self) -> int:
        """Images in a part: whole batches, as what is in a batch shows in the last bits."""
        return math.ceil(self.part / self.batch_size) * self.batch_size


class VisionModel(Model):
    """A model that looks at images itself."""

    scores: Literal["first", "all"] = Field(
        "first",
        description="which classes its predictions keep with their scores: the 20 of highest score, or all, without which "
        "results/calibration.csv has neither temperatures nor scores of whole distributions (docs/calibration.md)",
    )

    @property
    def inference(self) -> Inference:
        """How it computes images."""
        assert isinstance(self, Inference)
        return self

    @property
    def together(self) -> int:
        return self.inference.batch_size

    @property
    def keeps_parts(self) -> bool:
        return True

    @property
    def starts(self) -> bool:
        return True


class Timm(Section):
    """A model of timm and its weights."""

    architecture: str = Field(description="timm's name of the model, or hf-hub:OWNER/NAME")
    revision: str | None = Field(
        None, description="commit, tag or branch on the hub, of weights that are from there; a commit pins them"
    )
    weights: str | None = Field(
        None, description="checkpoint: a path or package:NAME/FILE; without it, timm's own from the hub"
    )
    size: Annotated[
        Literal["test", "train"],
        Choice("ours", "does not say; timm tests EfficientNetV2-XL with 512 pixels, and it was trained with 384"),
    ] = Field("test", description="which of timm's sizes images have, where its configuration of the model has two")

    @model_validator(mode="after")
    def _revision_of_the_hub(self) -> Self:
        if self.revision is not None and self.weights is not None and not self.architecture.startswith(HUB):
            msg = f"revision: {self.revision!r} is of weights on the hub, and weights names a file; remove one of them"
            raise ValueError(msg)
        return self


class Classifier(Timm, Inference):
    """A timm model with a classification head over the data set's classes."""


class TimmModel(VisionModel, Classifier):
    """A classifier as it is."""

    kind: Literal["timm"]
    family: Annotated[Literal["supervised"], DISPLAY] = Field("supervised", description="as tables show it")
    outputs: Annotated[str | None, CONTENT] = Field(
        None,
        description="the synsets of its outputs, one a line, for data sets of some of these classes: only theirs are ranked, and "
        "may be predicted; without it, its outputs are the data set's classes",
    )

    @property
    def probable(self) -> bool:
        return True

    @property
    def confident(self) -> bool:
        return True


class ConseModel(VisionModel):
    """Convex combination of semantic embeddings (Norouzi et al., ICLR 2014)."""

    kind: Literal["conse"]
    family: Annotated[Literal["supervised + text"], DISPLAY] = Field(
        "supervised + text", description="as tables show it"
    )
    classifier: Classifier = Field(description="whose probabilities weight the class embeddings")
    top: int = Field(10, gt=0, le=10_000, description="T, the classes that are combined")

    @property
    def inference(self) -> Inference:
        return self.classifier

    @property
    def needs_class_embeddings(self) -> bool:
        return True


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


class OpenClipModel(VisionModel, OpenClip, Templates, Inference):
    """A zero-shot classifier: the class whose name's embedding is nearest to the image's."""

    kind: Literal["open_clip"]
    family: Annotated[Literal["VLM"], DISPLAY] = Field("VLM", description="as tables show it")

    @property
    def confident(self) -> bool:
        return True


class DinoTxtModel(VisionModel, Templates, Inference):
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
    def confident(self) -> bool:
        return True


class TrainingImages(Section):
    """The labelled images among which neighbours are looked for."""

    folder: Annotated[str, RUNTIME] = Field(description="where the files lie")
    images: Annotated[str, CONTENT] = Field(
        description="records of image_id, the file in the folder, and class: a name, a synset or a number (docs/labels.md)"
    )


class KnnModel(VisionModel, Timm, Inference):
    """The classes of the nearest images of a training set, by an image encoder of timm."""

    kind: Literal["knn"]
    family: Annotated[Literal["self-supervised + k-NN"], DISPLAY] = Field(
        "self-supervised + k-NN", description="as tables show it"
    )
    pool: Annotated[
        str | None,
        Choice("ours", "does not say; DINOv3's authors take the class token (`token`), timm the mean of its patches"),
    ] = Field(None, description="timm's global_pool of the features; without it, the architecture's own")
    train: TrainingImages = Field(description="the labelled images")
    k: Annotated[int, Choice("paper", "k = 11 (Table 3)")] = Field(
        11, gt=0, le=1_000_000, description="neighbours that vote"
    )
    vote: Annotated[Literal["softmax", "majority"], Choice("ours", "does not say how neighbours vote")] = Field(
        "softmax", description="neighbours' weights: exp(cosine / temperature), as DINO's authors do, or equal ones"
    )
    temperature: Annotated[float, Choice("ours", "does not say; 0.07 is that of DINO's authors")] = Field(
        0.07, gt=0, le=100, description="of that vote"
    )
    stored: Annotated[Literal["fp16", "fp32"], Choice("ours", "not mentioned")] = Field(
        "fp16",
        description="of the features, which have length 1: fp16 halves them (10.5 GB for ImageNet's 1.28 million of 4,096)",
    )
    features: Annotated[str, RUNTIME] = Field(
        "features", description="folder in which features are kept; a run computes those that are missing"
    )

    @property
    def probable(self) -> bool:
        return True

    @property
    def confident(self) -> bool:
        return True

    @property
    def keeps_parts(self) -> bool:
        return False  # but its features
