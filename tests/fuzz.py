"""Files that others write, damaged at random, and what their readers make of them.

`python -m tests.fuzz --count 10000 --state FILE` goes through so many damaged files of each kind, and goes on where it was
stopped. A reader must read a file, or refuse it in one line: no traceback, no hang, and no file read that is invalid by a
plain reading of its own.
"""

import argparse
import json
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mllm_classify.io.borders import UnforeseenError
from mllm_classify.io.files import InputError

SLOW = 5.0
"""Seconds of a processor that no small file may take."""
TOKENS = [
    b"\0", b'"', b"'", b"\\", b"\n", b"\r", b"\r\n", b"\t", b",", b"|", b"#", b":", b" ", b"\xff", b"\xc3",
    b"\xef\xbb\xbf", b"\\ud800", b"\\udc00", b"\\u0000", b"null", b"true", b"NaN", b"Infinity", b"1e999", b"-1",
    b"0.5", b"N", b"[]", b"{}", b"9" * 5000, b"[" * 2000, b'{"a":' * 300, b"]", b"}", "\u2028".encode(),
    "é".encode(), "e\u0301".encode(), b"a" * 5000,
]  # fmt: skip


class Reader(NamedTuple):
    """A reader, a file that it reads, and whether what it made of a damaged one is right."""

    file: str
    content: bytes
    read: Callable[[Path], Any]
    right: Callable[[bytes, Any], bool]
    foreign: bool = False  # whether a library decodes the file, whose own errors nobody can foresee


def damaged(content: bytes, number: int) -> bytes:
    """One of endlessly many damaged forms of a file; the same for the same number."""
    draw = random.Random(number)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        start = draw.randrange(len(content) + 1)
        end = min(len(content), start + draw.choice([0, 1, 2, 8, 40]))
        match draw.randrange(7):
            case 0:
                content = content[:start] + content[end:]
            case 1:
                content = content[:end] + content[start:]
            case 2 | 3:
                content = content[:start] + draw.choice(TOKENS) + content[draw.choice([start, end]) :]
            case 4:
                content = content[:start]
            case 5:
                other = draw.randrange(len(content) + 1)
                content = content[:start] + content[other : other + 20] + content[start:]
            case 6:
                content = content[:start] + bytes(draw.randrange(256) for _ in range(end - start)) + content[end:]
    return content


def holds(right, *arguments):
    """Whether a plain reading has no objection: an error of it is one."""
    try:
        return bool(right(*arguments))
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError):
        return False


def outcome(reader: Reader, folder: Path, number: int) -> tuple[str, str]:
    """What came of one damaged file: read or refused, or else a fault; and what shows that."""
    content = damaged(reader.content, number)
    path = folder / reader.file
    path.write_bytes(content)
    started = time.process_time()
    try:
        result = reader.read(path)
    except UnforeseenError as error:
        kind, shown = "refused" if reader.foreign else "unforeseen", "".join(traceback.format_exception(error))
    except InputError as error:
        one_line = len(str(error).splitlines()) <= 20 and len(str(error)) < 5000
        kind, shown = ("refused" if one_line else "unclear"), str(error)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        kind, shown = "traceback", "".join(traceback.format_exception(error))
    else:
        kind, shown = ("read" if holds(reader.right, content, result) else "wrong"), repr(result)
    if time.process_time() - started > SLOW:
        kind = "slow"
    return kind, f"{content!r:.2000}\n{shown:.3000}"


FAULTS = ("unforeseen", "unclear", "traceback", "wrong", "slow")


def main() -> int:
    from tests.fuzzed import readers

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="damaged files of each kind")
    parser.add_argument("--state", type=Path, required=True, help="the file from which the next run goes on")
    parser.add_argument("--only", help="one kind")
    args = parser.parse_args()
    state = json.loads(args.state.read_text()) if args.state.exists() else {}
    for name, reader in readers().items():
        if args.only not in (None, name):
            continue
        known = state.setdefault(name, {"next": 0, "outcomes": {}, "faults": {}})
        counts = Counter(known["outcomes"])
        with tempfile.TemporaryDirectory() as folder:
            for number in range(known["next"], args.count):
                kind, shown = outcome(reader, Path(folder), number)
                counts[kind] += 1
                if kind in FAULTS:
                    known["faults"][str(number)] = f"{kind}: {shown}"
                if number % 500 == 499 or number == args.count - 1:
                    known |= {"next": number + 1, "outcomes": dict(counts)}
                    args.state.write_text(json.dumps(state, indent=1))
        print(name, dict(counts), f"{len(known['faults'])} faults", flush=True)
    return 1 if any(known["faults"] for known in state.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
