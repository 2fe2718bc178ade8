"""Data sets whose pictures bring their labels along: class folders, the hub's, tar shards, torchvision's (docs/datasets.md)."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.every_dataset import Dataset, LabelSet
from mllm_classify.config.marks import CONTENT, DISPLAY, RUNTIME, Choice, Label
from mllm_classify.io import hub_cache
from mllm_classify.io.class_folders import listed
from mllm_classify.io.files import InputError

OWN = "the data set's own"


class OwnLabels(LabelSet):
    """The labels that come with the pictures, or a file of others."""

    label: Annotated[Label, DISPLAY] = Field(OWN, description="what tables call the label set")
    file: Annotated[str | None, CONTENT] = Field(  # type: ignore[assignment]  # of the others it is needed
        None, description="other labels, by image_id; without it, those that come with the pictures"
    )


class PicturedDataset(Dataset):
    """A data set whose pictures bring their labels."""

    classes: Annotated[
        str | None, CONTENT, Choice("ours", "evaluates ImageNet's images, of which the class list is given")
    ] = Field(
        None,
        description="the class list, as for `source: table`, which may have more classes than there are pictures of; without it, "
        "the classes are those that the pictures' labels name, underscores read as blanks",
    )
    synsets: Annotated[str | None, CONTENT] = Field(
        None, description="the synsets of `classes`, one a line, where the pictures' labels are synsets"
    )
    imgt: OwnLabels = Field(OwnLabels(), description="one original label an image")

    @property
    def has_files(self) -> bool:
        return True

    @property
    def only_registered(self) -> bool:
        return True

    @property
    def chosen_by_labels(self) -> bool:
        return True

    @property
    def synsets_file(self) -> str | None:
        return self.synsets

    @property
    def names_file(self) -> str | None:
        """The class list: the file of all names; none where the pictures' labels are the list."""
        return self.classes

    @property
    def class_list(self) -> str:
        """What tables call the class list."""
        return "those of its pictures" if self.classes is None else Path(self.classes).name

    def listing(self) -> list[str] | None:
        """The pictures that are there now, where that takes a moment: others than were registered are registered anew."""
        return None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.synsets is not None and self.classes is None:
            msg = f"dataset.synsets: {self.synsets!r} are those of a class list; add dataset.classes"
            raise ValueError(msg)
        if self.regt is not None and self.regt.format != "table":
            msg = (
                f"dataset.regt.format: {self.regt.format!r} labels ImageNet's validation images; needs source: imagenet"
            )
            raise ValueError(msg)
        return self


class NamingDataset(PicturedDataset):
    """A data set whose pictures' labels are names."""

    names: Annotated[str | None, CONTENT] = Field(
        None,
        description="what classes are called in words: CSV of class and name, a JSON object, or text with a class and its name a "
        "line; without it, they are called what their pictures' labels are, and where all are synsets of ImageNet-1k, as there",
    )


class FolderDataset(NamingDataset):
    """A folder of class folders, in which the pictures lie. An image's id is its path in there."""

    source: Literal["folder"] = Field(description="a folder of class folders")
    folder: Annotated[str, RUNTIME] = Field(description="the folder in which the class folders lie")

    def listing(self) -> list[str] | None:
        return (
            [file for files in listed(self.folder).values() for file in files] if Path(self.folder).is_dir() else None
        )


class HubDataset(NamingDataset):
    """A data set of the Hugging Face hub, from the cache of its files (Parquet), or that of `datasets` (Arrow)."""

    source: Literal["hub"] = Field(description="the Hugging Face hub, from the cache on this machine")
    repository: str = Field(min_length=1, max_length=200, pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$", description="owner/name")
    revision: str = Field(
        "main",
        min_length=1,
        max_length=200,
        pattern=r"^\w[\w-]*([./][\w-]+)*$",
        description="a commit, branch or tag; a commit stays the same",
    )
    config: str | None = Field(None, pattern=r"^\w[\w.-]*$", description="the configuration, where it has several")
    split: str = Field(pattern=r"^\w[\w.-]*$", max_length=200, description="the split, such as test")
    image: str | None = Field(None, description="the column of pictures; by default the only one of these")
    labels: str | None = Field(None, description="the column of classes; by default the only one of these")
    id: str | None = Field(None, description="a column of ids; without it, an image is SPLIT/NUMBER, its row from 0")
    folder: Annotated[str | None, RUNTIME] = Field(
        None, description="where its .parquet or .arrow files lie, if not in a cache: HF_HOME says where that is"
    )

    def files(self) -> hub_cache.Split:
        """The files of the split. Raises InputError where they are not on this machine."""
        return hub_cache.split(hub_cache.Wanted(self.repository, self.revision, self.config, self.split, self.folder))

    @property
    def root(self) -> str | None:
        try:
            return self.files().folder
        except InputError:  # the images job says what is wrong
            return self.folder


class WebDataset(PicturedDataset):
    """Tar shards as WebDataset writes them: files of one name belong together. An image's id is that name, without endings."""

    source: Literal["webdataset"] = Field(description="tar shards")
    folder: Annotated[str, RUNTIME] = Field(description="the folder in which the shards lie")
    shards: str = Field(
        description="their names in there: `*` for anything, `{000..041}` for numbers; all of them must be there"
    )
    image: list[str] = Field(
        ["jpg", "jpeg", "png", "webp", "bmp", "gif", "ppm", "tif", "tiff"],
        min_length=1,
        description="endings of pictures, of which each sample has one",
    )
    labels: str = Field(
        "cls",
        min_length=1,
        description="the ending of labels: a class's number or name, or for .json the object in `field`",
    )
    field: str = Field("label", description="where .json files hold the class")
    classes: Annotated[str, CONTENT] = Field(description="the class list, as for `source: table`: numbers say little")

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if PurePosixPath(self.shards).is_absolute() or ".." in PurePosixPath(self.shards).parts:
            msg = f"dataset.shards: {self.shards!r} leads out of dataset.folder; name shards in it"
            raise ValueError(msg)
        return self


class TorchvisionDataset(NamingDataset):
    """A data set class of torchvision, which is on this machine already. An image's id is its number."""

    source: Literal["torchvision"] = Field(description="torchvision's data sets, by name")
    set: str = Field(pattern=r"^\w+$", description="the class's name: CIFAR10, Food101, DTD, ...")
    options: dict[str, str | int | float | bool] = Field(
        {}, description="its arguments but root: `train: false` or `split: test`, as torchvision has them"
    )
    folder: Annotated[str | None, RUNTIME] = Field(None, description="root: where the library put its files")
