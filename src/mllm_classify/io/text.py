"""Text that others wrote, made safe to look at: answers of models, labels and names of classes; and spans of numbers."""

import reprlib
import unicodedata
from collections.abc import Iterable

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of what has no picture of its own, or turns the text around it: escape codes, bidi controls."""
LONGEST_LINE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a spreadsheet's formula may begin (OWASP, CSV injection)."""


def visible(text: str) -> str:
    r"""Text in one line, in which whatever would not be seen stands as its code.

    >>> visible("a\x1b[31mred\nb")
    'a\\x1b[31mred\\nb'
    """
    return "".join(
        character.encode("unicode_escape").decode("ascii") if unicodedata.category(character) in UNSEEN else character
        for character in text
    )


def one_line(text: str) -> str:
    """One visible line of what a server or a library says, of at most LONGEST_LINE characters."""
    return visible(" ".join(text[: 4 * LONGEST_LINE].split())[:LONGEST_LINE])


def short(text: str, longest: int) -> str:
    """Visible text of at most so many characters; of what is longer the middle goes, for ends tell names apart.

    >>> short("EfficientNet-Lite2 (not an LLM)", 23)
    'EfficientNe…not an LLM)'
    """
    text = visible(text[: 2 * longest] + text[-longest:] if len(text) > 3 * longest else text)
    if len(text) <= longest:
        return text
    tail = longest // 2
    return f"{text[: longest - 1 - tail]}…{text[-tail:]}"


def cell(text: str) -> str:
    """Visible text for a cell of a CSV file: what a spreadsheet would compute begins with an apostrophe.

    >>> cell("=1+1")
    "'=1+1"
    """
    return f"'{visible(text)}" if text.lstrip(" ").startswith(FORMULA) else visible(text)


class _Brief(reprlib.Repr):
    """Values in few characters, however large they are, and however deep."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = longest

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write numbers of thousands of digits
        return super().repr_int(x, level) if x.bit_length() < 1000 else f"a number of {x.bit_length()} bits"


def shown(value: object, longest: int = 80) -> str:
    """A value of the user's as Python writes it, in one line of at most so many characters.

    >>> shown({"class": "cat"})
    "{'class': 'cat'}"
    """
    return short(_Brief(longest).repr(value), longest)


def spelling(unknown: Iterable[str], known: Iterable[str]) -> str:
    """What to say of unknown names of which one looks like a known one: they differ in Unicode's normal form (NFC, NFD)."""
    by_looks = {unicodedata.normalize("NFC", name): name for name in known}
    pairs = ((name, by_looks.get(unicodedata.normalize("NFC", name))) for name in unknown)
    alike = next(((name, other) for name, other in pairs if other is not None), None)
    if alike is None:
        return ""
    return f"; {alike[0]!a} and {alike[1]!a} look alike and are other characters (Unicode's NFC and NFD): write one of them"


def span(numbers: Iterable[int]) -> str:
    """From the smallest to the largest: "2 to 3", "3" where all are 3, and "0" where there is none."""
    ends = sorted(set(numbers)) or [0]
    return " to ".join(map(str, dict.fromkeys([ends[0], ends[-1]])))
