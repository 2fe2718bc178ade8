"""Torchvision's data set classes, by name: their items, without a download.

Pictures that lie in files of their own are read there. Others, which the library holds as arrays, are PPM files of the
same pixels: bytes that no version of an encoder changes.
"""

import errno
import inspect
import json
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from mllm_classify.io.borders import brief
from mllm_classify.io.files import InputError
from mllm_classify.io.text import short, shown

PREFIX = "torchvision:"
"""Begins a place, before the data set's name and options as JSON."""
OURS = ("root", "download", "transform", "transforms", "target_transform", "loader", "is_valid_file")
"""Arguments that are not the user's to give."""
FILES = ("samples", "_samples", "_image_files", "_images", "imgs")
"""Attributes in which classes of the library list the files of their items."""
_one_item = Lock()


def written(name: str, options: dict[str, Any]) -> str:
    """A data set as places name it."""
    return PREFIX + json.dumps({"set": name, "options": options}, sort_keys=True, separators=(",", ":"))


def opened(name: str, options: dict[str, Any], folder: str | None) -> Any:
    """A data set. Raises InputError where torchvision has none of that name, or the folder does not hold it."""
    return _opened(written(name, options), folder)


def file(data: Any, item: int, folder: str | None) -> str | None:
    """The file of an item relative to the folder, if it has one of its own there."""
    for attribute in FILES:
        listed = getattr(data, attribute, None)
        if isinstance(listed, list | tuple) and len(listed) == len(data) and len(data):
            first = listed[item][0] if isinstance(listed[item], list | tuple) else listed[item]
            if isinstance(first, str | Path) and folder is not None and Path(first).is_relative_to(folder):
                return Path(first).relative_to(folder).as_posix()
    return None


def picture(places: str, folder: str | None, item: int) -> bytes:
    """The picture of an item, as PPM. Raises OSError where there is none."""
    try:
        data = _opened(places, folder)
        if item >= len(data):
            raise OSError(errno.ENOENT, f"the data set has {len(data)} items")
        with _one_item:  # FakeData draws by torch's one generator
            image = data[item][0].convert("RGB")
    except InputError as error:
        raise OSError(errno.EIO, str(error)) from None
    except (AttributeError, TypeError, ValueError, LookupError, EOFError) as error:
        raise OSError(errno.EIO, brief(error)) from None
    content: bytes = image.tobytes()
    return b"P6\n%d %d\n255\n" % image.size + content


def label(data: Any, item: int) -> int:
    """The class of an item. Raises InputError where it has several, or none."""
    targets = getattr(data, "targets", None)
    try:
        value = targets[item] if targets is not None and len(targets) == len(data) else data[item][1]
        return int(value)
    except (TypeError, ValueError, LookupError):
        msg = f"item {item} has no class"
        raise InputError(msg) from None


@lru_cache(maxsize=4)
def _opened(places: str, folder: str | None) -> Any:
    """The data set of a place."""
    from torchvision import datasets

    name, options = (json.loads(places.removeprefix(PREFIX))[key] for key in ("set", "options"))
    made = getattr(datasets, name, None) if name in datasets.__all__ else None
    if not inspect.isclass(made) or not issubclass(made, datasets.VisionDataset):
        msg = f"dataset.set: {shown(name)} is no data set of torchvision; such are CIFAR10, Food101 and DTD"
        raise InputError(msg)
    takes = inspect.signature(made).parameters
    if unknown := [key for key in options if key not in takes or key in OURS]:
        known = ", ".join(key for key in takes if key not in OURS) or "none"
        msg = f"dataset.options: {unknown[0]!r} is no option of {name}, which takes {known}"
        raise InputError(msg)
    given = dict(options)
    if "root" in takes:
        if folder is None:
            msg = f"dataset.folder: missing; {name} lies in one"
            raise InputError(msg)
        given["root"] = folder
    try:
        return made(**given)
    except Exception as error:
        msg = (
            f"dataset.folder: {short(str(folder), 300)} holds no {name} that torchvision can read ({brief(error)}); nothing is "
            f"downloaded here: torchvision.datasets.{name}(..., download=True) does that"
        )
        raise InputError(msg) from error
