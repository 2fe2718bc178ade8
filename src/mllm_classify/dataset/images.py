"""Which images are evaluated."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.label_files import VALIDATION_IMAGE, labelled_images, original_labels
from mllm_classify.io.files import InputError, locate, read_csv, read_text, sha256
from mllm_classify.io.pictures import decoded

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset, ImagenetDataset, TableDataset

IMAGES: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "file": pl.String(),  # null, as is its hash, where there are predictions only
    "sha256": pl.String(),
    "problem": pl.String(),  # why it cannot be decoded, where such images are counted
}
VALIDATION_IMAGES = 50_000


class Registered(NamedTuple):
    """An image that is to be evaluated."""

    place: str  # that names it in errors
    image_id: str
    file: str | None
    sha256: str  # that the manifest demands, or empty


def images(
    dataset: "AnyDataset",
    classes: pl.DataFrame,
    progress: Callable[[int], Callable[[int], None]] = lambda _total: lambda _done: None,
) -> pl.DataFrame:
    """The images in their order, each opened and decoded once where there are files.

    Raises InputError naming place and file: an image twice, a file that is absent, has another SHA-256 than the manifest
    says, or, unless such files are counted, cannot be decoded or is truncated.
    """
    found = _imagenet(dataset, classes) if dataset.source == "imagenet" else _table(dataset)
    seen: dict[str, str] = {}
    for image in found:
        if not image.image_id:
            msg = f"{image.place}: image_id is empty"
            raise InputError(msg)
        if image.image_id in seen:
            msg = f"{image.place}: image_id {image.image_id!r} stands at {seen[image.image_id]} already"
            raise InputError(msg)
        seen[image.image_id] = image.place
    if not found:
        msg = f"dataset {dataset.name!r}: no images"
        raise InputError(msg)
    rows: list[tuple[str, str | None, str | None, str | None]] = []
    report = progress(len(found))
    report(0)
    # decoding leaves Python: threads use all cores
    with ThreadPoolExecutor() as threads:
        checked = threads.map(lambda it: _checked(it, dataset.folder), found)
        for image, (digest, problem) in zip(found, checked, strict=True):
            if problem is not None and dataset.corrupt == "error":
                msg = f"{image.place}: file {image.file!r} {problem}"
                raise InputError(msg)
            rows.append((image.image_id, image.file, digest, problem))
            report(len(rows))
    return pl.DataFrame(rows, schema=IMAGES, orient="row")


def _table(dataset: "TableDataset") -> list[Registered]:
    if dataset.images is not None:
        return [
            Registered(place, row["image_id"], row["file"], row.get("sha256", ""))
            for place, row in read_csv(dataset.images, "image_id", "file")
        ]
    file = dataset.imgt.file
    return [
        Registered(f"{file}: {image_id!r}", image_id, image_id if dataset.folder is not None else None, "")
        for image_id in labelled_images(file)
    ]


def _imagenet(dataset: "ImagenetDataset", classes: pl.DataFrame) -> list[Registered]:
    """The validation images, or those of a subset of the classes by ImGT, in the order of their numbers."""
    ids = [f"ILSVRC2012_val_{number:08d}" for number in range(1, VALIDATION_IMAGES + 1)]
    if dataset.classes is not None:
        lookup = Lookup(classes)
        chosen = frozenset(
            lookup.one(f"{dataset.classes}:{number}", line)
            for number, line in enumerate(read_text(dataset.classes).splitlines(), 1)
            if line.strip() and not line.startswith("#")
        )
        labels = original_labels(dataset, lookup)
        ids = [it for it in ids if it in labels and (labels[it].classes or frozenset()) <= chosen]
    if dataset.folder is None:
        return [Registered("", image_id, None, "") for image_id in ids]
    files = _files(dataset, dataset.folder)
    missing = [image_id for image_id in ids if image_id not in files]
    if missing:
        msg = (
            f"dataset.folder: {dataset.folder!r} and its folders lack {len(missing)} of {len(ids)} images, "
            f"{missing[0]}.JPEG among them"
        )
        raise InputError(msg)
    return [Registered(files[image_id], image_id, files[image_id], "") for image_id in ids]


def _files(dataset: "ImagenetDataset", folder: str) -> dict[str, str]:
    """Validation images in a folder and in the folders in it, by their id."""
    found: dict[str, str] = {}
    try:
        for entry in sorted(os.scandir(folder), key=lambda it: it.name):
            inside = sorted(it.name for it in os.scandir(entry.path)) if entry.is_dir() else None
            for name in [entry.name] if inside is None else [f"{entry.name}/{it}" for it in inside]:
                image_id = dataset.image_id(name)
                if not VALIDATION_IMAGE.fullmatch(image_id):
                    continue
                if image_id in found:
                    msg = f"dataset.folder: {folder!r} has {image_id!r} twice: {found[image_id]} and {name}"
                    raise InputError(msg)
                found[image_id] = name
    except OSError as error:
        msg = f"dataset.folder: {folder!r} cannot be read ({error.strerror})"
        raise InputError(msg) from None
    return found


def _checked(image: Registered, folder: str | None) -> tuple[str | None, str | None]:
    """The SHA-256 of an image's file, and why it cannot be decoded in full, if so; nothing where there is no file."""
    if image.file is None:
        return None, None
    content = _read(image.place, image.file, folder)
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
        return digest, str(error)
    return digest, None


def _read(place: str, file: str, folder: str | None) -> bytes:
    try:
        path = locate(file, folder)
    except InputError as error:
        msg = f"{place}: file {error}"
        raise InputError(msg) from None
    try:
        return path.read_bytes()
    except FileNotFoundError:
        msg = f"{place}: file {file!r} not found; looked for {path.absolute()} (dataset.folder says where images are)"
        raise InputError(msg) from None
    except OSError as error:
        msg = f"{place}: file {file!r} cannot be read ({error.strerror})"
        raise InputError(msg) from None
