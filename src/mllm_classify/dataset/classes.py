"""The class list: names, and for ImageNet synsets."""

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from mllm_classify.io.files import InputError, read_text
from mllm_classify.io.names import read_names
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset

CLASSES: dict[str, pl.DataType] = {
    "class_id": pl.Int32(),
    "name": pl.String(),
    "synset": pl.String(),  # null but for ImageNet
    "same_name": pl.List(pl.Int32),
}

DIGITS = 20
"""Fewer digits make the number of a class; Python refuses to read thousands."""


class ClassList(NamedTuple):
    """Class names in the order of their ids, and their synsets where they have such."""

    names: list[str]
    synsets: list[str] | None = None


def classes(dataset: "AnyDataset") -> pl.DataFrame:
    """The class list that a file holds: ids are 0-based positions in it; ImageNet's are the order of sorted synsets."""
    assert dataset.names_file is not None
    file = dataset.names_file
    synsets = None if dataset.synsets_file is None else read_text(dataset.synsets_file).split()
    names = read_names(file)
    if synsets is not None and len(names) != len(synsets):
        msg = f"{file}: {len(names)} names; {dataset.synsets_file} has synsets of {len(synsets)} classes"
        raise InputError(msg)
    return numbered(ClassList(names, synsets))


def numbered(listed: ClassList) -> pl.DataFrame:
    """A class list with the columns of CLASSES.

    `same_name` lists all classes that answers cannot tell from this one, because their names are equal after
    lower-casing and stripping (ImageNet's 657 and 744 are both "missile"); the class itself is among them.
    """
    frame = pl.DataFrame(
        {"class_id": range(len(listed.names)), "name": listed.names, "synset": listed.synsets},
        schema_overrides={name: CLASSES[name] for name in ("class_id", "name", "synset")},
    )
    key = pl.col("name").str.to_lowercase().str.strip_chars()
    groups = frame.group_by(key.alias("key")).agg(pl.col("class_id").sort().alias("same_name"))
    return frame.with_columns(key.alias("key")).join(groups, on="key", how="left").sort("class_id").drop("key")


def class_names(classes: pl.DataFrame) -> list[str]:
    """The names in the order of their ids."""
    return classes.sort("class_id")["name"].to_list()


class Lookup:
    """Class ids from what a file says: an id, a synset, or a name that only one class has.

    Names may be written with underscores for blanks: american_bulldog is "american bulldog", if no class is called
    american_bulldog.
    """

    def __init__(self, classes: pl.DataFrame) -> None:
        self.count = classes.height
        self._known: dict[str, list[int]] = {}
        self._spaced: dict[str, list[int]] = {}
        for class_id, name, synset in classes.select("class_id", "name", "synset").iter_rows():
            key = name.strip().lower()
            self._known.setdefault(key, []).append(class_id)
            self._spaced.setdefault(_spaced(key), []).append(class_id)
            if synset is not None:
                self._known.setdefault(synset, []).append(class_id)

    def knows(self, text: str) -> bool:
        """Whether a text stands for a class, or for several of one name."""
        return self._ids(text.strip().lower()) is not None

    def _ids(self, key: str) -> list[int] | None:
        if (ids := self._known.get(key, self._spaced.get(_spaced(key)))) is not None:
            return ids
        return [int(key)] if key.isdecimal() and len(key) < DIGITS and int(key) < self.count else None

    def one(self, place: str, value: object) -> int:
        """The class that a value of a file stands for. Raises InputError naming the place where it is none."""
        if isinstance(value, int) and not isinstance(value, bool):
            if 0 <= value < self.count:
                return value
        elif isinstance(value, str) and (ids := self._ids(value.strip().lower())) is not None:
            if len(ids) > 1:
                msg = f"{place}: {shown(value)} is the name of several classes; write one of the ids {ids}"
                raise InputError(msg)
            return ids[0]
        msg = f"{place}: {shown(value)} is not a class: neither one of the {self.count} names nor an id from 0 to {self.count - 1}"
        raise InputError(msg)


def _spaced(name: str) -> str:
    return name.replace("_", " ").strip()
