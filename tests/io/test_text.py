import doctest
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.io import text
from mllm_classify.io.text import UNSEEN, cell, short, visible


def test_examples_in_docstrings_hold():
    assert doctest.testmod(text).failed == 0


def test_what_is_not_seen_or_turns_text_around_stands_as_its_code():
    assert visible("\x1b[31m red\x1b[0m \u202egnp.exe\u2066 a\u200bb\tc\r\n\x00\u2028\ufeff") == (
        r"\x1b[31m red\x1b[0m \u202egnp.exe\u2066 a\u200bb\tc\r\n\x00\u2028\ufeff"
    )
    assert visible("café 茶 ☕ <b>&amp;</b> $x_1$") == "café 茶 ☕ <b>&amp;</b> $x_1$"


def test_a_spreadsheet_sees_no_formula():
    for start in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1"):
        assert cell(start).startswith("'"), start
    assert [cell(text) for text in ("tea cup", "a=b", "1-2", "")] == ["tea cup", "a=b", "1-2", ""]


@given(st.text(), st.integers(2, 50))
def test_short_text_is_short_and_visible(written, longest):
    shown = short(written, longest)
    assert len(shown) <= longest
    assert not any(unicodedata.category(character) in UNSEEN for character in shown)
    assert shown == visible(written) or "…" in shown


def test_a_very_long_answer_costs_nothing():
    assert short("a" * 10_000_000 + "z", 9) == "aaaa…aaaz"
