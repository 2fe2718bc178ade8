"""The second pass, drawn: bars of the table's shares, and pictures with what was said of them."""

import polars as pl
from PIL import Image

from mllm_classify.annotate import drawing, second_pass
from mllm_classify.annotate.second_pass import decisions, read
from tests.annotate.exports import annotation, task
from tests.annotate.test_second_pass import KEYED, NAMES, NO_EQUIVALENCES, STUDY


def decided(*items):
    export = read(list(items), "e.json", NAMES)
    found = decisions(KEYED, export, NO_EQUIVALENCES)
    return found, second_pass.second_pass(KEYED, export, found, "<Chat>", STUDY).rows.cast(pl.String)


ITEMS = [
    task("t1", annotation(1, proposed=["daisy"])),
    task("t2", annotation(1, proposed=["maze"])),
    task("t3", annotation(1, proposed=["maze", "daisy"])),
]


def test_bars_are_the_shares_of_the_table():
    _, rows = decided(*ITEMS)
    figure = drawing.parts(rows)
    (axes,) = figure.axes
    drawn = {
        (row, outcome): bar.get_width()
        for outcome, bars in zip(second_pass.OUTCOMES, axes.containers, strict=True)
        for row, bar in enumerate(bars)
    }
    shown = [row for row in rows.to_dicts() if row["decided"] != "0"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["M- (1)", "S- (2)", "all (3)"]
    for number, row in enumerate(shown):
        for outcome in second_pass.OUTCOMES:
            assert f"{drawn[number, outcome]:.2f}" == row[outcome]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[0] == "preferred <Chat>"


def test_examples_say_what_was_right():
    found, _ = decided(*ITEMS)
    pictures = {image: Image.new("RGB", (8, 6), "red") for image in "abc"}
    figure = drawing.examples(KEYED, found, NAMES, "Chat", pictures)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["preferred Chat", "kept ReGT without Chat", "combined ReGT and Chat"]
    said = [[(text.get_text(), text.get_color()) for text in axes.texts] for axes in figure.axes]
    green, orange = drawing.CORRECT, drawing.WRONG
    assert said[0] == [("a, S-", "black"), ("ReGT: maze", orange), ("Chat: daisy", green), ("new: daisy", "black")]
    assert said[1] == [("b, S-", "black"), ("ReGT: maze", green), ("Chat: daisy", orange), ("new: maze", "black")]
    assert said[2][1:4] == [("ReGT: maze", green), ("ReGT: missile", orange), ("Chat: daisy", green)]


def test_without_decisions_or_pictures_they_say_so():
    found, rows = decided()
    for figure in (drawing.parts(rows), drawing.examples(KEYED, found, NAMES, "Chat", {})):
        assert "nothing" in figure.texts[0].get_text()
    some, _ = decided(*ITEMS)
    assert "picture" in drawing.examples(KEYED, some, NAMES, "Chat", {}).texts[0].get_text()
