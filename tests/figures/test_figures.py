import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest

from mllm_classify.choices.confusions import CONFUSIONS
from mllm_classify.figures.figures import (
    DRAWN,
    LARGEST,
    MARKERS,
    Block,
    change,
    confusion_blocks,
    costs,
    coverage,
    densest_blocks,
    difficulty,
    oop,
    ranks,
    save,
    sensitivity,
    tasks,
)
from mllm_classify.io.text import short

NAMES = ["tabby cat", "tiger cat", "$x_1$ <script>alert(1)</script>", "missile", "missile", "a" * 60]


def confusions(*rows):
    return pl.DataFrame([(*row, 0.5, None) for row in rows], schema=CONFUSIONS, orient="row")


def texts(path):
    """What an SVG shows as text."""
    return ["".join(element.itertext()) for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


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
    found = densest_blocks(counts)
    classes = [class_id for block in found for class_id in block.classes]
    assert len(classes) == len(set(classes))
    assert all(2 <= len(block.classes) <= LARGEST for block in found)
    wrong = counts - np.diag(np.diag(counts))
    assert found == [Block(int(wrong[np.ix_(block.classes, block.classes)].sum()), block.classes) for block in found]


def test_the_picture_of_confusions_shows_shares_and_names_as_they_are(tmp_path):
    found = confusions((0, 0, 6), (0, 1, 2), (1, 1, 3), (1, 2, 1), (2, 0, 5), (3, 4, 1), (4, 4, 1), (5, 3, 9))
    save(confusion_blocks(found, NAMES, "A & B on <these>"), tmp_path / "confusions.svg")
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
    assert "<script" not in (tmp_path / "confusions.svg").read_text()
    assert (tmp_path / "confusions.pdf").read_bytes().startswith(b"%PDF")


def test_a_picture_without_confusions_says_so(tmp_path):
    save(confusion_blocks(confusions((0, 0, 3)), NAMES, "C"), tmp_path / "confusions.svg")
    assert any("0 of 3 images" in text for text in texts(tmp_path / "confusions.svg"))


ROWS = pl.DataFrame(
    [
        ("M", "ImGT + random", "99.1", "98.0", "100.0", "90.0", "89.0", "91.0", "0.5", "4"),
        ("M", "ImGT + 999 (CW)", "70.1", "65.0", "75.0", "80.0", "70.0", "90.0", "20.0", "1000"),
        ("M", "ReGT + confEVA(ReGT)", "50.0", None, None, "80.0", None, None, "10.0", "4"),
        ("<N>", "ImGT + random", "60.0", "50.0", "70.0", "60.0", "50.0", "70.0", "0.5", "4"),
    ],
    schema=["model", "distractors", "ImGT_A", "ImGT_A_low", "ImGT_A_high", "ReGT_A", "ReGT_A_low", "ReGT_A_high",
            "difficulty", "options"],
    orient="row",
)  # fmt: skip


def test_accuracy_is_drawn_against_difficulty_for_both_label_sets(tmp_path):
    figure = difficulty(ROWS)
    assert [axes.get_title() for axes in figure.axes] == ["ImGT accuracy (%)", "ReGT accuracy (%)"]
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["ImGT + random\n0.5 %", "ImGT + 999 (CW)\n20.0 %", "ReGT + confEVA(ReGT)\n10.0 %"]
    drawn = [container[0].get_ydata().tolist() for container in figure.axes[0].containers]
    # only questions about the same labels are joined
    assert drawn == [[99.1, 70.1], [50.0], [60.0]]
    save(figure, tmp_path / "difficulty.svg")
    assert {"M", "<N>"} <= set(texts(tmp_path / "difficulty.svg"))


def test_without_a_second_label_set_there_is_one_panel():
    nothing = [pl.lit(None, pl.String).alias(name) for name in ("ReGT_A", "ReGT_A_low", "ReGT_A_high")]
    assert len(difficulty(ROWS.with_columns(nothing)).axes) == 1


def test_the_same_figure_is_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        save(difficulty(ROWS), tmp_path / f"{name}.svg")
    for suffix in ("svg", "pdf"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"other.{suffix}").read_bytes()


def written(columns, *rows):
    """A table as its CSV is read: text."""
    return pl.DataFrame(rows, schema=dict.fromkeys(columns.split(), pl.String), orient="row")


def drawn_texts(figure, path):
    save(figure, path / "figure.svg")
    assert (path / "figure.pdf").read_bytes().startswith(b"%PDF")
    return texts(path / "figure.svg")


TABLE3 = written(
    "model task ImGT_A ImGT_A_low ImGT_A_high ReGT_A ReGT_A_low ReGT_A_high change imgt regt",
    ("worst", "CW", "60.00", "50.00", "70.00", "55.00", "45.00", "65.00", "-5.00", "old", "new"),
    ("$b$ <s>", "OW", "80.00", "70.00", "90.00", "92.50", "85.00", "95.00", "12.50", "old", "new"),
)


def test_the_change_is_drawn_from_one_accuracy_to_the_other_the_best_model_first(tmp_path):
    figure = change(TABLE3)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["$b$ <s> · OW", "worst · CW"]
    points = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() in "os"]
    assert points == [[80, 60], [92.5, 55]]
    shown = drawn_texts(figure, tmp_path)
    assert {"+12.50", "-5.00", "$b$ <s> · OW", "ImGT (old)", "ReGT (new)"} <= set(shown)


TABLE4 = written(
    "model task ImGT_A ImGT_A_low ImGT_A_high ReGT_A ReGT_A_low ReGT_A_high",
    *((model, task, f"{value}", "1", "99", f"{value + 1}", "2", "99.5")
      for model, start in {"one": 10.0, "other": 50.0}.items() for task, value in {"OW": start, "CW+": start + 20, "CW": start + 10}.items()),
)  # fmt: skip


def test_tasks_have_marks_of_their_own(tmp_path):
    figure = tasks(TABLE4)
    imgt, regt = figure.axes
    assert [label.get_text() for label in imgt.get_yticklabels()] == ["other", "one"]
    assert [container[0].get_xdata().tolist() for container in imgt.containers] == [[50, 10], [70, 30], [60, 20]]
    assert regt.containers[0][0].get_xdata().tolist() == [51, 11]
    assert len({container[0].get_marker() for container in imgt.containers}) == 3
    assert {"OW", "CW+", "CW", "ImGT accuracy (%)"} <= set(drawn_texts(figure, tmp_path))


def test_tasks_without_a_second_label_set_are_one_panel():
    assert len(tasks(TABLE4.with_columns(pl.lit(None, pl.String).alias("ReGT_A"))).axes) == 1


SIZES = "A S S+ S- M M+ M- N n n_S n_S+ n_S- n_M n_M+ n_M- n_N"


def test_the_out_of_prompt_rate_is_told_where_there_are_images(tmp_path):
    rows = written(
        f"model {SIZES}",
        ("m", "12.5", "0.0", None, "100.0", *[None] * 4, "8", "4", "0", "1", *["0"] * 4),
        ("other", "25.0", "5.0", None, "50.0", *[None] * 4, "8", "4", "0", "1", *["0"] * 4),
    )
    figure = oop(rows)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["A\n8", "S\n4", "S-\n1"]
    assert {"12.5", "100.0", "25.0", "50.0", "m", "other"} <= set(drawn_texts(figure, tmp_path))


RANKING = written(
    "model ImGT_A ReGT_A ImGT_A_rank ImGT_A_rank_low ImGT_A_rank_high ReGT_A_rank ReGT_A_rank_low ReGT_A_rank_high "
    "tau tau_low tau_high imgt regt",
    *((*row, "0.50", "0.10", "0.90", "old", "new") for row in [
        ("a", "70.00", "80.00", "2", "1", "3", "1", "1", "1"),
        ("b", "70.00", "75.00", "2", "2", "3", "2", "1", "3"),
        ("c", "90.00", "60.00", "1", "1", "1", "3", "2", "3"),
    ]),
)  # fmt: skip


def test_ranks_show_ties_moves_and_intervals(tmp_path):
    figure = ranks(RANKING)
    (axes,) = figure.axes
    slopes = {tuple(line.get_ydata()): line.get_linestyle() for line in axes.lines if len(set(line.get_xdata())) == 2}
    # c falls from the first place to the last; a rises; b keeps its rank, which it shared
    assert slopes == {(1, 0): "-", (0, 2): "--", (2, 1): ":"}
    (tie,) = (line for line in axes.lines if len(set(line.get_xdata())) == 1)
    assert (tie.get_xdata()[0] < 0, tie.get_ydata().tolist()) == (True, [0.7, 2.3])
    shown = drawn_texts(figure, tmp_path)
    assert {"a · 70.00 % · 2 [1 to 3]", "1 [1] · 80.00 % · a", "3 [2 to 3] · 60.00 % · c"} <= set(shown)
    assert {"ImGT (old)", "ReGT (new)", "higher under ReGT (1)", "lower (1)", "same rank (1)"} <= set(shown)
    assert any("Kendall's tau 0.50 (0.10 to 0.90)" in text for text in shown)


USAGE = written(
    "model task variant requests prompt_tokens cached_tokens completion_tokens reasoning_tokens cost",
    ("priced", "OW", "", "10", "20000", "5000", "300", "100", "1.25"),
    ("priced", "MC", "one", "10", "1000000", "0", "300", "0", "1.00"),
    ("priced", "MC", "other", "10", "2000000", "0", "300", "0", "1.50"),
    ("silent", "OW", "", "7", None, None, None, None, None),
)


def test_costs_add_up_variants_and_say_what_is_not_known(tmp_path):
    figure = costs(USAGE)
    requests, prompts, _, dollars = figure.axes
    assert [label.get_text() for label in requests.get_yticklabels()] == ["priced · OW", "priced · MC", "silent · OW"]
    assert [bar.get_width() for bar in requests.patches] == [10, 20, 7]
    assert [bar.get_width() for bar in prompts.patches] == [20000, 3000000, 0, 5000, 0, 0]
    assert [bar.get_hatch() for bar in prompts.patches] == [None] * 3 + ["////"] * 3
    assert [bar.get_width() for bar in dollars.patches] == [1.25, 2.5, 0]
    assert {"20.0 k", "3.0 M", "not counted", "no price", "2.50"} <= set(drawn_texts(figure, tmp_path))


def test_what_nobody_counts_has_no_panel(tmp_path):
    figure = costs(USAGE.filter(pl.col("model") == "silent"))
    assert [axes.get_title() for axes in figure.axes] == ["requests"]
    assert any("prompt tokens, answer tokens, dollars" in text for text in drawn_texts(figure, tmp_path))


ABSTENTION = written(
    "model label_set signal coverage risk risk_low risk_high aurc imgt regt",
    *((model, label_set, signal, f"{part}0.00", f"{part + 2}.00", "1.00", "30.00", f"1{number}.50", "old", "new")
      for number, model in enumerate(["one", "other"]) for label_set in ("ImGT", "ReGT")
      for signal in ("similarity", "margin") for part in (5, 10)),
)  # fmt: skip


def test_coverage_has_a_panel_for_each_signal_and_label_set(tmp_path):
    figure = coverage(ABSTENTION.filter(~((pl.col("model") == "other") & (pl.col("label_set") == "ReGT"))))
    assert [axes.get_title() for axes in figure.axes] == [
        f"by {signal}, {name}" for name in ("ImGT (old)", "ReGT (new)") for signal in ("similarity", "margin")
    ]
    assert [len(axes.containers) for axes in figure.axes] == [2, 2, 1, 1]
    line, *_ = figure.axes[0].containers[1]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([50, 100], [7, 12])
    assert {"one", "other", "AURC 10.50", "AURC 11.50"} <= set(drawn_texts(figure, tmp_path))


WAYS = pl.DataFrame(
    [
        ("M", "CW+", "main", None, None, None, None, None, None, None, None),
        ("M", "CW+", "hot", "5.00", "1.00", "9.00", "0.0312", "-5.00", "-9.00", "0.50", "1"),
        ("M", "CW", "hot", "-30.00", "-45.00", "-15.00", "<1e-12", "-3.00", "-9.00", "0.50", "0.4"),
        ("M", "CW-constrained", "main", "1.00", "0.00", "2.00", "0.6", None, None, None, None),
        ("$N$", "CW", "hot", "0.00", "0.00", "0.00", "1", "0.00", "0.00", "0.00", "1"),
    ],
    schema=["model", "task", "variant",
            *(f"{name}_A_{end}" for name in ("ImGT", "ReGT") for end in ("vs_main", "vs_main_low", "vs_main_high", "p_holm"))],
    orient="row",
)  # fmt: skip


def test_every_difference_has_its_mark_filled_where_it_is_told_from_none(tmp_path):
    figure = sensitivity(WAYS)
    assert [axes.get_title() for axes in figure.axes] == [f"{n} accuracy: change in points" for n in ("ImGT", "ReGT")]
    marks = [line for line in figure.axes[0].lines if line.get_marker() in MARKERS]
    shown = sorted(
        (x, round(y), line.get_markerfacecolor() != "white")
        for line in marks
        for x, y in zip(*line.get_data(), strict=True)
    )
    assert shown == [(-30.0, 0, True), (0.0, 2, False), (1.0, 1, False), (5.0, 0, True)]
    save(figure, tmp_path / "figure.svg")
    assert {"M · hot", "M · CW-constrained", "$N$ · hot", "CW+", "CW", "CW-constrained"} <= set(
        texts(tmp_path / "figure.svg")
    )


def test_of_one_model_variants_have_its_lines_to_themselves_and_of_none_it_says_so(tmp_path):
    save(sensitivity(WAYS.filter(pl.col("model") == "M")), tmp_path / "figure.svg")
    assert {"hot", "CW-constrained"} <= set(texts(tmp_path / "figure.svg"))
    save(sensitivity(WAYS.head(1)), tmp_path / "none.svg")
    assert texts(tmp_path / "none.svg") == ["no model was asked the same images in two ways"]
    one_label_set = WAYS.with_columns(pl.lit(None, pl.String).alias(name) for name in WAYS.columns if "ReGT" in name)
    assert len(sensitivity(one_label_set).axes) == 1


EVERY = {
    "coverage": ABSTENTION,
    "change": TABLE3,
    "tasks": TABLE4,
    "ranks": RANKING,
    "costs": USAGE,
    "difficulty": ROWS,
}


@pytest.mark.parametrize("name", EVERY)
def test_figures_are_the_same_bytes_and_show_any_name(tmp_path, name):
    """Also of twenty models, of names that others would take for markup, and of very long ones."""
    names = [
        "$x_1$ & <script>",
        "\u202egnp.exe\x1b[31m",
        "a" * 150 + " (not an LLM)",
        *(f"model {n}" for n in range(17)),
    ]
    rows = EVERY[name]
    first = rows.filter(pl.col("model") == rows["model"][0])
    many = pl.concat(first.with_columns(pl.lit(model).alias("model")) for model in names)
    for copy in ("one", "other"):
        save(DRAWN[name](many), tmp_path / f"{copy}.svg")
    for suffix in ("svg", "pdf"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"other.{suffix}").read_bytes()
    shown = " ".join(texts(tmp_path / "one.svg"))
    assert "$x_1$ & <script>" in shown
    assert "\\u202egnp.exe\\x1b[31m" in shown
    assert "…" in shown
    assert "(not an LLM)" in shown
    assert "model 16" in shown


@pytest.mark.parametrize(
    ("name", "rows"),
    {"tasks": TABLE4, "ranks": RANKING, "coverage": ABSTENTION, "oop": written(f"model {SIZES}")}.items(),
)
def test_a_figure_of_nothing_says_so(tmp_path, name, rows):
    (said,) = drawn_texts(DRAWN[name](rows.clear()), tmp_path)
    assert said.startswith("no model ")


def test_a_figure_of_one_model_is_drawn(tmp_path):
    for name, rows in EVERY.items():
        assert drawn_texts(DRAWN[name](rows.filter(pl.col("model") == rows["model"][0])), tmp_path)
