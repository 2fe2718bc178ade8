"""Which images are evaluated, and whether their files are sound.

To add a source of data sets, add its section to the configuration, its module to `dataset/sources/`, and its row to `READERS`.
"""

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from mllm_classify.dataset.classes import ClassList, classes, numbered
from mllm_classify.dataset.sources import crops, folder, hub, imagenet, table, torchvision, webdataset
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io import places
from mllm_classify.io.files import InputError, sha256
from mllm_classify.io.names import read_names
from mllm_classify.io.pictures import Look, seen
from mllm_classify.io.text import short, shown

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset

IMAGES: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "file": pl.String(),  # its place (`io.places`); null, as is its hash, where there are predictions only
    "sha256": pl.String(),
    "problem": pl.String(),  # why it cannot be decoded, where such images are counted
    # how the picture looks (`io.pictures.Look`); null where it cannot be decoded
    "format": pl.String(),
    "width": pl.Int32(),
    "height": pl.Int32(),
    "traits": pl.List(pl.String()),
    "own_label": pl.Int32(),  # its class as the source says it; null where the source does not
}
READERS: Final[dict[str, Callable[[Any, pl.DataFrame], list[Registered]]]] = {
    "table": table.registered,
    "imagenet": imagenet.registered,
    "crops": crops.registered,
    "folder": folder.registered,
    "hub": hub.registered,
    "webdataset": webdataset.registered,
    "torchvision": torchvision.registered,
}
"""The reader of each source of data sets: of a data set of that source, and its classes."""
OWN_CLASSES: Final[dict[str, Callable[[Any], ClassList]]] = {
    "folder": folder.own_classes,
    "hub": hub.own_classes,
    "torchvision": torchvision.own_classes,
}
"""What reads the class list of sources that bring one, where the configuration names no file of it."""


def class_list(dataset: "AnyDataset") -> pl.DataFrame:
    """The classes of a data set (columns: CLASSES). Raises InputError where they cannot be had."""
    return classes(dataset) if dataset.names_file is not None else numbered(OWN_CLASSES[dataset.source](dataset))


def translated(classes: pl.DataFrame, dataset: "AnyDataset") -> pl.DataFrame:
    """The class list with the names by which models are told of classes: those of the data set's `translation`, where it has one.

    Raises InputError where that has another number of names.
    """
    if dataset.translation is None:
        return classes
    names = read_names(dataset.translation)
    if len(names) != classes.height:
        msg = f"{dataset.translation}: {len(names)} names; the class list has {classes.height} classes"
        raise InputError(msg)
    synsets = classes.sort("class_id")["synset"].to_list()
    return numbered(ClassList(names, None if None in synsets else synsets))


def images(
    dataset: "AnyDataset",
    among: pl.DataFrame,
    progress: Callable[[int], Callable[[int], None]] = lambda _total: lambda _done: None,
) -> pl.DataFrame:
    """The images of a data set and its classes in their order, each opened and decoded once where there are files.

    Raises InputError naming place and file: an image twice, a file that is absent, has another SHA-256 than the manifest
    says, or, unless such files are counted, cannot be decoded or is truncated.
    """
    registered = READERS[dataset.source](dataset, among)
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
    rows: list[tuple[Any, ...]] = []
    report, root = progress(len(registered)), dataset.root
    report(0)
    # decoding leaves Python: threads use all cores
    with ThreadPoolExecutor() as threads:
        checked = threads.map(lambda it: _checked(it, dataset, root), registered)
        for image, (name, digest, problem, look) in zip(registered, checked, strict=True):
            if problem is not None and dataset.corrupt == "error":
                msg = f"{image.place}: file {shown(image.file, 300)} {problem}"
                raise InputError(msg)
            looks = look or [None] * len(Look._fields)
            rows.append((image.image_id, name, digest, problem, *looks, image.own_label))
            report(len(rows))
    return pl.DataFrame(rows, schema=IMAGES, orient="row")


def _checked(
    image: Registered, dataset: "AnyDataset", root: str | None
) -> tuple[str | None, str | None, str | None, Look | None]:
    """The name of an image's file, its SHA-256, and how it looks, or why it cannot be decoded; nothing where there is no file."""
    if image.file is None:
        return None, None, None, None
    name, content = _read(image.place, image.file, root)
    digest = sha256(content)
    if image.sha256 and image.sha256 != digest:
        msg = (
            f"{image.place}: {image.file} has the SHA-256 {digest}, not the manifest's {image.sha256}; restore the "
            "picture, or look at the new one, correct its labels, and write its SHA-256 into the manifest"
        )
        raise InputError(msg)
    try:
        return name, digest, None, seen(content, dataset.reading)[0]
    except InputError as error:
        return name, digest, str(error), None


def files_of(registered: pl.DataFrame) -> list[tuple[str, str]]:
    """The images' files, each with its SHA-256."""
    return registered.select("file", "sha256").drop_nulls().rows()


def remarks(registered: pl.DataFrame, dataset: "AnyDataset") -> list[str]:
    """What there is to say of pictures that do not look the same to all programs, with their number."""
    counted = dict(registered["traits"].explode().drop_nulls().value_counts().iter_rows())
    metadata = {"ignore": "ignored", "obey": "obeyed"}[
        dataset.pictures.metadata
    ] + " for every model (pictures.metadata)"
    said = {
        "transparent": "transparent in parts: shown on white",
        "several": "of several frames: the first is shown",
        "oriented": f"with an EXIF orientation: {metadata}",
        "profile": f"with a colour profile other than sRGB: {metadata}",
        "gamma": f"with other colours than sRGB by PNG's chunks: {metadata}",
    }
    return [f"{counted[trait]} images {what}" for trait, what in said.items() if trait in counted]


def _read(place: str, file: str, folder: str | None) -> tuple[str, bytes]:
    """A file's name and content. Where none is called so, another Unicode normal form of the name will do: Macs write such."""
    try:
        told = places.told(file, folder)
    except InputError as error:
        msg = f"{place}: file {error}"
        raise InputError(msg) from None
    for name in dict.fromkeys([file, *(unicodedata.normalize(form, file) for form in ("NFC", "NFD"))]):
        try:
            return name, places.read(name, folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            msg = f"{place}: file {shown(file)} cannot be read ({error.strerror})"
            raise InputError(msg) from None
    msg = f"{place}: file {shown(file, 300)} not found; looked for {short(told, 300)} (dataset.folder says where images are)"
    raise InputError(msg)
