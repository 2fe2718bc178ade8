"""How much a Parquet file unpacks to, as its own records say, before any of it is unpacked.

Runs and dictionaries let a file of a kB hold a list of 10^9 values. What is read here are the records of Parquet's
specification (parquet.thrift) alone, in Thrift's compact protocol: its list of columns, and the header of each page.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from mllm_classify.io.limits import PARQUET_BYTES, PARQUET_FOOTER_BYTES, PARQUET_ROWS, PARQUET_VALUES

MAGIC = b"PAR1"
"""Ends every Parquet file."""
TRUE, FALSE = 1, 2
"""Kinds of fields that are booleans, and have no more bytes."""
LONG = 15
"""Stands for a list's number of values where that follows."""
# fields of parquet.thrift by their numbers
ROWS, ROW_GROUPS, COLUMNS, META_DATA, PATH, COMPRESSED, DATA_PAGE, DICTIONARY_PAGE = 3, 4, 1, 3, 3, 7, 9, 11
UNPACKED_SIZE, PACKED_SIZE, HEADERS, VALUES = 2, 3, (5, 8), 1


class NotParquetError(ValueError):
    """What its records say is not what the specification says."""


class Size(NamedTuple):
    """What a file unpacks to."""

    rows: int
    values: int  # of the column that has most, those in lists among them
    unpacked: int  # bytes of all pages


def excess(file: BinaryIO) -> str:
    """In which way a file has more than is read; nothing where it has not.

    Raises NotParquetError where its records cannot be read.
    """
    try:
        found = size(file)
    except (LookupError, TypeError, ValueError, AttributeError, struct.error) as error:
        msg = f"its records cannot be read: {type(error).__name__}"
        raise NotParquetError(msg) from None
    limits = Size(PARQUET_ROWS, PARQUET_VALUES, PARQUET_BYTES)
    names = ("rows", "values in a column", "bytes when it is unpacked")
    return next(
        (
            f"{number:,} {name}, more than the {limit:,} that are read"
            for number, name, limit in zip(found, names, limits, strict=True)
            if number > limit
        ),
        "",
    )


def size(file: BinaryIO) -> Size:
    """What a file says that it unpacks to. It stops to count where that is more than is read."""
    end = file.seek(0, 2)
    file.seek(max(0, end - 8))
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != MAGIC or not 0 < length <= min(PARQUET_FOOTER_BYTES, end - 8):
        raise ValueError
    file.seek(end - 8 - length)
    footer = _struct(file)
    values: dict[tuple[bytes, ...], int] = {}
    unpacked = 0
    for group in footer[ROW_GROUPS]:
        for column in group[COLUMNS]:
            meta = column[META_DATA]
            name = tuple(meta[PATH])
            for held, pages in _pages(file, meta):
                values[name] = values.get(name, 0) + held
                unpacked += pages
                if values[name] > PARQUET_VALUES or unpacked > PARQUET_BYTES:
                    return Size(footer[ROWS], max(values.values()), unpacked)
    return Size(footer[ROWS], max(values.values(), default=0), unpacked)


def _pages(file: BinaryIO, meta: dict[int, Any]) -> Iterator[tuple[int, int]]:
    """The values and the unpacked bytes of each page of a column."""
    if not meta[COMPRESSED]:
        return
    place = min(filter(None, (meta[DATA_PAGE], meta.get(DICTIONARY_PAGE))))
    end = place + meta[COMPRESSED]
    while place < end:
        file.seek(place)
        header = _struct(file)
        if header[PACKED_SIZE] < 0 or header[UNPACKED_SIZE] < 0:
            raise ValueError
        place = file.tell() + header[PACKED_SIZE]
        yield max((header[it][VALUES] for it in HEADERS if it in header), default=0), header[UNPACKED_SIZE]


def _struct(file: BinaryIO) -> dict[int, Any]:
    fields: dict[int, Any] = {}
    number = 0
    while head := file.read(1)[0]:
        delta, kind = divmod(head, 16)
        number = number + delta if delta else _integer(file)
        fields[number] = kind == TRUE if kind in (TRUE, FALSE) else _value(file, kind)
    return fields


def _value(file: BinaryIO, kind: int) -> Any:
    match kind:
        case 1 | 2 | 3:  # booleans in lists, and bytes
            return file.read(1)[0]
        case 4 | 5 | 6:
            return _integer(file)
        case 7:  # double
            return file.read(8)
        case 8:  # text or bytes
            return file.read(_whole(file))
        case 9 | 10:  # lists and sets
            count, inner = divmod(file.read(1)[0], 16)
            return [_value(file, inner) for _ in range(_whole(file) if count == LONG else count)]
        case 12:
            return _struct(file)
        case _:  # a map, of which Parquet has none, or nothing that Thrift knows
            raise ValueError


def _whole(file: BinaryIO) -> int:
    """A number of seven bits a byte, the lowest first."""
    number = shift = 0
    while (byte := file.read(1)[0]) & 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise ValueError
    return number | byte << shift


def _integer(file: BinaryIO) -> int:
    """Such a number whose lowest bit is its sign."""
    number = _whole(file)
    return number >> 1 ^ -(number & 1)
