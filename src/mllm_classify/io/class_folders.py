"""Folders of class folders, the commonest form of a data set."""

import os
from pathlib import PurePosixPath

from mllm_classify.io.files import InputError
from mllm_classify.io.limits import ENTRIES
from mllm_classify.io.text import short, shown

SUFFIXES = {
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tif", ".tiff", ".webp"),
}
"""Endings of pictures; files of others, and those whose names begin with a dot, are none."""


def listed(folder: str) -> dict[str, list[str]]:
    """The pictures in each class folder, and in folders of it, as paths in `folder`; both sorted.

    Raises InputError where there is no class folder, one has no pictures, a picture lies outside of them, or a name is
    not UTF-8. Links to class folders are followed, those in them are not.
    """
    classes: dict[str, list[str]] = {}
    count = 0
    try:
        for entry in sorted(os.scandir(folder), key=lambda it: it.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                classes[_text(entry.name, folder)] = files = _pictures(folder, entry.name)
                count += len(files)
            elif _is_picture(entry.name):
                msg = f"{short(folder, 300)}: the picture {shown(entry.name)} lies outside of the class folders, so it has no class"
                raise InputError(msg)
            if count > ENTRIES:
                msg = f"{short(folder, 300)}: more than {ENTRIES:,} pictures"
                raise InputError(msg)
    except OSError as error:
        msg = f"dataset.folder: {folder!r} cannot be read ({error.strerror})"
        raise InputError(msg) from None
    if not classes:
        msg = f"dataset.folder: {folder!r} has no folders in it; one of each class is needed, with its pictures"
        raise InputError(msg)
    if empty := [name for name, files in classes.items() if not files]:
        msg = (
            f"dataset.folder: {folder!r}: the class folder {shown(empty[0])} has no pictures; remove it (dataset.classes lists "
            "classes without pictures)"
        )
        raise InputError(msg)
    return classes


def _pictures(folder: str, name: str) -> list[str]:
    """The pictures in a class folder."""
    top = os.path.join(folder, name)  # noqa: PTH118 (half a million of them)
    found = []
    for place, inner, files in os.walk(top, onerror=_raise):
        inner[:] = [it for it in inner if not it.startswith(".")]
        relative = os.path.relpath(place, folder)
        found += [_text(f"{relative}/{it}", folder) for it in files if _is_picture(it)]
    return sorted(found)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and PurePosixPath(name).suffix.lower() in SUFFIXES


def _raise(error: OSError) -> None:
    raise error


def _text(name: str, folder: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        msg = f"{short(folder, 300)}: the name {name!a} is not UTF-8; rename it"
        raise InputError(msg) from None
    return name
