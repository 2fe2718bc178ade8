"""Columns as one sequence of bytes, which the page's script unpacks."""

import gzip
import io
import json

import numpy as np

from mllm_classify.report.explorer.data import Array, Data


def packed(data: Data) -> bytes:
    """All of it in one sequence of bytes, compressed; the same data give the same bytes.

    Four bytes say how long the head is, a JSON object of the facts and of where each column lies; numbers are
    little-endian, and begin at multiples of 8. A list of texts is two columns: all of them, joined, in UTF-8, and
    (`NAME_ends`) where each ends, in UTF-16 units, as browsers count, after a 0.
    """
    plain: dict[str, Array] = {}
    texts = []
    for name, column in data.columns.items():
        if isinstance(column, list):
            texts.append(name)
            lengths = [len(text.encode("utf-16-le")) // 2 for text in column]
            plain[f"{name}_ends"] = np.cumsum([0, *lengths]).astype(np.uint32)
            plain[name] = np.frombuffer("".join(column).encode(), dtype=np.uint8)
        else:
            plain[name] = column
    places: dict[str, tuple[str, int, int]] = {}
    body = io.BytesIO()
    for name, column in plain.items():
        body.write(bytes(-body.tell() % 8))
        places[name] = (column.dtype.name, body.tell(), len(column))
        body.write(column.astype(column.dtype.newbyteorder("<")).tobytes())
    head = json.dumps({**data.facts, "columns": places, "texts": texts}, sort_keys=True, ensure_ascii=False).encode()
    head += b" " * (-(4 + len(head)) % 8)
    return gzip.compress(len(head).to_bytes(4, "little") + head + body.getvalue(), compresslevel=6, mtime=0)
