"""Which images are evaluated, and whether their files are sound.

To add a source of data sets, add its section to config/dataset.py, its module to this folder, and its row to `READERS`.
"""

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from mllm_classify.dataset import imagenet, table
from mllm_classify.dataset.registered import Registered
from mllm_classify.io.files import InputError, locate, regular, sha256
from mllm_classify.io.pictures import decoded
from mllm_classify.io.text import short, shown

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset

IMAGES: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "file": pl.String(),  # null, as is its hash, where there are predictions only
    "sha256": pl.String(),
    "problem": pl.String(),  # why it cannot be decoded, where such images are counted
}
READERS: Final[dict[str, Callable[[Any, pl.DataFrame], list[Registered]]]] = {
    "table": table.registered,
    "imagenet": imagenet.registered,
}
"""The reader of each source of data sets: of a data set of that source, and its classes."""


def images(
    dataset: "AnyDataset",
    classes: pl.DataFrame,
    progress: Callable[[int], Callable[[int], None]] = lambda _total: lambda _done: None,
) -> pl.DataFrame:
    """The images in their order, each opened and decoded once where there are files.

    Raises InputError naming place and file: an image twice, a file that is absent, has another SHA-256 than the manifest
    says, or, unless such files are counted, cannot be decoded or is truncated.
    """
    registered = READERS[dataset.source](dataset, classes)
    seen: dict[str, str] = {}
    for image in registered:
        if not image.image_id:
            msg = f"{image.place}: image_id is empty"
            raise InputError(msg)
        if image.image_id in seen:
            msg = f"{image.place}: image_id {shown(image.image_id)} stands at {seen[image.image_id]} already"
            raise InputError(msg)
        seen[image.image_id] = image.place
    if not registered:
        msg = f"dataset {dataset.name!r}: no images"
        raise InputError(msg)
    rows: list[tuple[str, str | None, str | None, str | None]] = []
    report = progress(len(registered))
    report(0)
    # decoding leaves Python: threads use all cores
    with ThreadPoolExecutor() as threads:
        checked = threads.map(lambda it: _checked(it, dataset.folder), registered)
        for image, (name, digest, problem) in zip(registered, checked, strict=True):
            if problem is not None and dataset.corrupt == "error":
                msg = f"{image.place}: file {shown(image.file, 300)} {problem}"
                raise InputError(msg)
            rows.append((image.image_id, name, digest, problem))
            report(len(rows))
    return pl.DataFrame(rows, schema=IMAGES, orient="row")


def _checked(image: Registered, folder: str | None) -> tuple[str | None, str | None, str | None]:
    """The name of an image's file, its SHA-256, and why it cannot be decoded in full, if so; nothing where there is no file."""
    if image.file is None:
        return None, None, None
    name, content = _read(image.place, image.file, folder)
    digest = sha256(content)
    if image.sha256 and image.sha256 != digest:
        msg = (
            f"{image.place}: {image.file} has the SHA-256 {digest}, not the manifest's {image.sha256}; restore the "
            "picture, or look at the new one, correct its labels, and write its SHA-256 into the manifest"
        )
        raise InputError(msg)
    try:
        decoded(content)
    except InputError as error:
        return name, digest, str(error)
    return name, digest, None


def _read(place: str, file: str, folder: str | None) -> tuple[str, bytes]:
    """A file's name and content. Where none is called so, another Unicode normal form of the name will do: Macs write such."""
    try:
        path = locate(file, folder)
    except InputError as error:
        msg = f"{place}: file {error}"
        raise InputError(msg) from None
    for name in dict.fromkeys([file, *(unicodedata.normalize(form, file) for form in ("NFC", "NFD"))]):
        try:
            return name, regular(locate(name, folder)).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            msg = f"{place}: file {shown(file)} cannot be read ({error.strerror})"
            raise InputError(msg) from None
    msg = f"{place}: file {shown(file, 300)} not found; looked for {short(str(path.absolute()), 300)} (dataset.folder says where images are)"
    raise InputError(msg)
