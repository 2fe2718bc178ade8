import csv
import html
import io
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mllm_classify.figures.style import save
from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.predict.rows import PREDICTIONS, answer_rows, error_rows, ranking_rows
from mllm_classify.report.panels import SHOWN, Answers, as_csv, chosen, draw, examples, said, table
from mllm_classify.score.score import SCORES
from mllm_classify.tables.render import as_html
from mllm_classify.tables.table import Study

NAMES = ["tea cup", "<b>espresso</b>", "=missile", "daisy"]
STUDY = Study("four <i>pictures</i>", "old", "new", None, "names.txt (4)")
MODELS = pl.DataFrame(
    [("chat", "Chat (not an LLM)", "MLLM"), ("rank", "$R_1$ <s>", "supervised")],
    schema=["model", "label", "family"],
    orient="row",
)
IDS = ["a", "b", "c"]
EVIL = "=cmd|' /C calc'!A0\x1b[31m\u202e<script>alert(1)</script>" + "x" * 5000


def scores(*rows):
    """Rows of model, image, scoring, imgt, regt, category."""
    return pl.DataFrame(
        [
            {"model": model, "image_id": image, "task": scoring[:2], "variant": "", "repeat": 0, "scoring": scoring,
             "status": "ok", "imgt": imgt, "regt": regt, "category": category}
            for model, image, scoring, imgt, regt, category in rows
        ],
        schema=SCORES,
    )  # fmt: skip


def mapped(rows):
    """Rows of image, task, in_prompt, nearest class. All similarities are 0.625."""
    return pl.DataFrame(
        [
            {
                "image_id": image,
                "task": task,
                "variant": "",
                "repeat": 0,
                "in_prompt": listed,
                "nearest_class": near,
                "similarity": 0.625,
            }
            for image, task, listed, near in rows
        ],
        schema=MAPPING,
    )


CHAT = Answers(
    answer_rows(IDS, ["CW"] * 3, [EVIL, "DAISY ", "tea cup"]),
    mapped([("a", "CW", False, 1), ("b", "CW", True, 3), ("c", "CW", True, 0)]),
)
RANK = Answers(ranking_rows(IDS, [[2, 0], [3, 1], [1, 2]]), None)
SCORED = scores(
    *(("chat", image, scoring, imgt, regt, category) for scoring in ("CW+", "CW") for image, imgt, regt, category in
      [("a", False, True, "S-"), ("b", True, True, "S+"), ("c", False, True, "N")]),
    ("rank", "a", "CW", False, False, "S-"), ("rank", "b", "CW", True, True, "S+"), ("rank", "c", "CW", False, True, "N"),
)  # fmt: skip
LABELS = pl.DataFrame(
    {"image_id": IDS, "imgt": [0, 3, 1], "regt": [[1], [3], []]},
    schema={"image_id": pl.String, "imgt": pl.Int32, "regt": pl.List(pl.Int32)},
)


@pytest.fixture(scope="module")
def chosen_examples():
    return examples(SCORED, LABELS, NAMES, {"chat": CHAT, "rank": RANK}, MODELS, "correct")


def test_images_on_which_most_models_change_come_first_then_those_on_which_they_disagree():
    rows = [
        # changes for both, for one, for none; disagreement: 1 of 2, none
        *(("m", image, "CW", imgt, regt, "M-") for image, imgt, regt in
          [("z", 0, 1), ("y", 0, 1), ("x", 1, 1), ("w", 1, 1), ("v", 1, 1)]),
        *(("n", image, "CW", imgt, regt, "M-") for image, imgt, regt in
          [("z", 0, 1), ("y", 1, 1), ("x", 0, 0), ("w", 1, 1), ("v", 1, 1)]),
        ("m", "q", "CW", 0, 1, "S-"), ("n", "q", "CW", 0, 0, "S-"),
    ]  # fmt: skip
    frame = scores(*((*row[:3], bool(row[3]), bool(row[4]), row[5]) for row in rows))
    assert chosen(frame).rows() == [
        ("S-", "q", 1, 1), ("M-", "z", 2, 0), ("M-", "y", 1, 0), ("M-", "x", 0, 1), ("M-", "v", 0, 0),
    ]  # fmt: skip
    assert chosen(frame.sample(fraction=1, shuffle=True, seed=1)).equals(chosen(frame))
    assert chosen(frame.filter(pl.col("category") == "M-")).height == SHOWN == 4


def test_ties_go_by_the_images_name_and_one_label_set_makes_one_group():
    frame = scores(*(("m", image, "CW", True, None, None) for image in "edcba"))
    assert chosen(frame).rows() == [(None, image, 0, 0) for image in "abcd"]


def test_the_nearest_class_is_told_where_it_counts_and_is_another():
    near = mapped([("a", "OW", None, 1), ("b", "OW", None, 3), ("a", "CW", False, 1), ("b", "CW", True, 0)])
    texts = answer_rows(["a", "b", "a", "b"], ["OW", "OW", "CW", "CW"], ["coffee", " Daisy", "coffee", "tea cup"])
    answers = Answers(texts, near)
    assert said(answers, "OW", NAMES).rows() == [
        ("a", "coffee", NAMES[1], 0.625, None),
        ("b", " Daisy", None, None, None),
    ]
    assert said(answers, "CW+", NAMES).rows() == [
        ("a", "coffee", NAMES[1], 0.625, True),
        ("b", "tea cup", None, None, False),
    ]
    assert said(answers, "CW", NAMES)["taken_for"].to_list() == [None, None]


def test_an_error_is_told():
    assert said(Answers(error_rows(["a"], ["torn"]), None), "CW", NAMES)["prediction"].to_list() == ["(error)"]


def test_every_model_stands_at_its_task_of_table_3(chosen_examples):
    shown = chosen_examples.select("category", "image_id", "changed", "model", "task", "imgt", "regt").rows()
    assert shown == [
        ("S+", "b", 0, "Chat (not an LLM)", "CW+", True, True),
        ("S+", "b", 0, "$R_1$ <s>", "CW", True, True),
        ("S-", "a", 1, "Chat (not an LLM)", "CW+", False, True),
        ("S-", "a", 1, "$R_1$ <s>", "CW", False, False),
        ("N", "c", 2, "Chat (not an LLM)", "CW+", False, True),
        ("N", "c", 2, "$R_1$ <s>", "CW", False, True),
    ]
    assert chosen_examples["prediction"].to_list() == ["DAISY ", "daisy", EVIL, "=missile", "tea cup", NAMES[1]]
    assert chosen_examples["regt_labels"].to_list()[::2] == ["daisy", NAMES[1], ""]
    assert chosen_examples["oop"].to_list() == [False, None, True, None, False, None]


def test_a_spreadsheet_and_a_terminal_see_text(chosen_examples):
    rows = list(csv.DictReader(io.StringIO(as_csv(chosen_examples))))
    answers = [row["prediction"] for row in rows]
    assert answers[2].startswith("'=cmd|' /C calc'!A0\\x1b[31m\\u202e<script>")
    assert len(answers[2]) <= 301
    assert answers[3] == "'=missile"
    assert all(character.isprintable() or character == "\n" for character in as_csv(chosen_examples))


def test_a_page_shows_text(chosen_examples):
    page = as_html(table(chosen_examples, STUDY))
    assert "<script>alert" not in page
    assert html.escape("<script>alert(1)</script>") in page
    assert "<b>espresso" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "x" * 301 not in page
    assert page.count("✗") == 5
    assert "Chat (not an LLM)" in page


def test_without_a_second_label_set_nothing_is_said_of_it():
    one = scores(*(("rank", image, "CW", image == "a", None, None) for image in IDS))
    labels = LABELS.with_columns(pl.lit(None, pl.List(pl.Int32)).alias("regt"))
    found = examples(one, labels, NAMES, {"rank": RANK}, MODELS, "correct")
    page = as_html(table(found, STUDY._replace(regt=None)))
    assert page.count("✓") == 1
    assert ">ReGT" not in page
    assert "ReGT" not in "".join(it.get_text() for it in draw(found, {}).texts)


def test_panels_show_marks_and_text(chosen_examples, tmp_path):
    red = Image.fromarray(np.full((40, 90, 3), (255, 0, 0), dtype=np.uint8))
    for name in ("one", "other"):
        save(draw(chosen_examples, {"a": red, "b": None}), tmp_path / f"{name}.svg")
    content = (tmp_path / "one.svg").read_text()
    texts = ["".join(it.itertext()) for it in ET.fromstring(content).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("✗") == 5
    assert texts.count("✓") == 7
    assert texts.count("no picture here") == 2
    assert {"$R_1$ <s>, CW", "Chat (not an LLM), CW+", "ReGT: (none)", "ImGT: daisy"} <= set(texts)
    assert any(text.startswith("“=cmd|") and text.endswith("” → OOP → <b>espresso</b> (0.62)") for text in texts)
    assert {"“DAISY ” → in prompt", "=missile"} <= set(texts)
    assert "<script" not in content
    assert content.count("<image") == 3
    for suffix in ("svg", "pdf"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"other.{suffix}").read_bytes()


def test_a_right_answer_has_another_colour_and_another_mark_than_a_wrong_one(chosen_examples):
    colours = {text.get_text(): text.get_color() for text in draw(chosen_examples, {}).texts if text.get_text() in "✓✗"}
    assert colours["✓"] != colours["✗"]


def test_predictions_keep_the_columns_that_are_read():
    assert {"text", "class_ids", "status", "task", "variant", "repeat"} <= PREDICTIONS.keys()
