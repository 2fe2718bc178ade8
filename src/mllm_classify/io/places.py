"""Where pictures lie, and their bytes as they are: a place is written in the column `file` of images.parquet.

`cats/1.jpg`               a file
`test-000.tar!a/1.jpg`     a member of a tar file that is not compressed
`test-0.parquet#17/image`  a row, counted from 0, and a column of a Parquet or Arrow file
`torchvision:{...}#17`     an item of one of torchvision's data sets that has no file of its own
`cats/1.jpg@0,5,90,60`     a part of any of these: left, top, right and bottom in pixels, cut out when it is read

A file that is called so goes first. Names inside of files are looked up in them, and never become paths.
"""

import re
from pathlib import Path
from typing import NamedTuple

from mllm_classify.io import columns, tar, torchvision_sets
from mllm_classify.io.files import InputError, locate, regular

MEMBER = re.compile(r"(.+?\.tar)!(.+)", re.DOTALL)
ROW = re.compile(r"(.+?\.(?:parquet|arrow))#(0|[1-9]\d{0,14})/(.+)", re.DOTALL)
ITEM = re.compile(r"(torchvision:\{.*\})#(0|[1-9]\d{0,14})", re.DOTALL)


PART = re.compile(r"(.+)@(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})", re.DOTALL)


class Place(NamedTuple):
    """The file that holds a picture, and where in it that is: a member, a row and its column, or an item."""

    file: Path | None  # None for a set that has none
    member: str = ""
    row: int = -1
    column: str = ""
    items: str = ""
    part: tuple[int, int, int, int] | None = None

    @property
    def inside(self) -> str:
        """What is written after the file's name."""
        part = f"@{','.join(map(str, self.part))}" if self.part else ""
        return (f"!{self.member}" if self.member else f"#{self.row}/{self.column}" if self.column else "") + part


def member(shard: str, name: str) -> str:
    """The place of a member of a tar file."""
    return f"{shard}!{name}"


def row(file: str, number: int, column: str) -> str:
    """The place of a value in a file of columns."""
    return f"{file}#{number}/{column}"


def part(written: str, rectangle: tuple[int, int, int, int]) -> str:
    """The place of a part of a picture."""
    return f"{written}@{','.join(map(str, rectangle))}"


def place(written: str, folder: str | None = None) -> Place:
    """What a place means. Raises InputError as `locate` does."""
    if (cut := PART.fullmatch(written)) and not _is_file(locate(written, folder)):
        left, top, right, bottom = map(int, cut.groups()[1:])
        return place(cut[1], folder)._replace(part=(left, top, right, bottom))
    if found := ITEM.fullmatch(written):
        return Place(None if folder is None else Path(folder), row=int(found[2]), items=found[1])
    found = MEMBER.fullmatch(written) or ROW.fullmatch(written)
    if found is None or _is_file(locate(written, folder)):
        return Place(locate(written, folder))
    file = locate(found[1], folder)
    return Place(file, found[2]) if found.re is MEMBER else Place(file, row=int(found[2]), column=found[3])


def told(written: str, folder: str | None = None) -> str:
    """Where a picture lies, for messages."""
    it = place(written, folder)
    if it.items or it.file is None:
        return written
    return f"{it.file.absolute()}{it.inside}"


def exists(written: str, folder: str | None = None) -> bool:
    """Whether the file is there in which a picture lies."""
    file = place(written, folder).file
    return file is None or _is_file(file) or file.is_dir()


def read(written: str, folder: str | None = None) -> bytes:
    """The bytes of a picture; of a part, those of a PNG of its pixels. Raises OSError where they cannot be read, with the
    reason in words. Of a picture that cannot be decoded a part has all its bytes.
    """
    it = place(written, folder)
    content = _whole(it, folder)
    if it.part is None:
        return content
    # a dry run looks at places, and loads no library of pictures
    from mllm_classify.io import pictures

    try:
        return pictures.part(content, it.part)
    except InputError:
        return content


def _whole(it: Place, folder: str | None) -> bytes:
    if it.items:
        return torchvision_sets.picture(it.items, folder, it.row)
    assert it.file is not None
    if it.member:
        return tar.read(it.file, it.member)
    if it.column:
        return columns.read(it.file, it.row, it.column)
    return regular(it.file).read_bytes()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
