import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest

from mllm_classify.choices.confusions import CONFUSIONS
from mllm_classify.figures.confusions import LARGEST, Block, confusions, densest_blocks
from mllm_classify.figures.style import save
from mllm_classify.io.text import short
from tests.figures.drawn import texts

NAMES = ["tabby cat", "tiger cat", "$x_1$ <script>alert(1)</script>", "missile", "missile", "a" * 60]
CLASSES = pl.DataFrame({"class_id": range(len(NAMES)), "name": NAMES})


def counted(*rows):
    return pl.DataFrame([(*row, 0.5, None) for row in rows], schema=CONFUSIONS, orient="row")


def test_blocks_are_the_groups_that_are_confused_most():
    """Three classes that are taken for one another, two others, and one that is always right."""
    counts = np.diag([10] * 6)
    for one, other in [(0, 1), (1, 0), (1, 2), (2, 0)]:
        counts[one, other] = 4
    counts[3, 4] = 2
    assert [(block.images, sorted(block.classes)) for block in densest_blocks(counts)] == [(16, [0, 1, 2]), (2, [3, 4])]


@pytest.mark.parametrize("counts", [np.diag([3, 3, 3]), np.zeros((3, 3), dtype=int)])
def test_a_classifier_that_is_never_wrong_has_no_blocks(counts):
    assert densest_blocks(counts) == []


def test_no_class_stands_in_two_blocks_and_none_is_too_large():
    counts = np.random.default_rng(1).poisson(0.05, (200, 200)) + np.diag([40] * 200)
    blocks = densest_blocks(counts)
    classes = [class_id for block in blocks for class_id in block.classes]
    assert len(classes) == len(set(classes))
    assert all(2 <= len(block.classes) <= LARGEST for block in blocks)
    wrong = counts - np.diag(np.diag(counts))
    assert blocks == [Block(int(wrong[np.ix_(block.classes, block.classes)].sum()), block.classes) for block in blocks]


def test_the_picture_of_confusions_shows_shares_and_names_as_they_are(tmp_path):
    counts = counted((0, 0, 6), (0, 1, 2), (1, 1, 3), (1, 2, 1), (2, 0, 5), (3, 4, 1), (4, 4, 1), (5, 3, 9))
    save(confusions(CLASSES.reverse(), counts, "A & B on <these>", "a-b"), tmp_path / "confusions.svg")
    shown = texts(tmp_path / "confusions.svg")
    assert {
        "25",
        "100",
        "75",
        "tabby cat",
        short(NAMES[2], 26),
        "missile (3)",
        "missile (4)",
        short("a" * 60, 26),
    } <= set(shown)
    assert any("A & B on <these>" in text for text in shown)
    assert any("18 of 28 images taken for another class" in text for text in shown)
    links = {
        "".join(link.itertext()).strip(): link.attrib["{http://www.w3.org/1999/xlink}href"]
        for link in ET.parse(tmp_path / "confusions.svg").iter("{http://www.w3.org/2000/svg}a")
    }
    # 2 of the 8 images of class 0 were taken for class 1, and 1 of 4 likewise
    assert links["75"] in {f"explorer.html#confused={pair}&model=a-b" for pair in ("0-0", "1-1")}
    assert links["25"] in {f"explorer.html#confused={pair}&model=a-b" for pair in ("0-1", "1-2")}
    save(confusions(CLASSES, counts, "a file", None), tmp_path / "unlinked.svg")
    assert "explorer.html" not in (tmp_path / "unlinked.svg").read_text()
    assert "<script" not in (tmp_path / "confusions.svg").read_text()
    assert (tmp_path / "confusions.pdf").read_bytes().startswith(b"%PDF")


def test_a_picture_without_confusions_says_so(tmp_path):
    save(confusions(CLASSES, counted((0, 0, 3)), "C", None), tmp_path / "confusions.svg")
    assert any("0 of 3 images" in text for text in texts(tmp_path / "confusions.svg"))
