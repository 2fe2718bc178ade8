"""What all figures have in common."""

import polars as pl
import pytest

from mllm_classify.figures.change import change
from mllm_classify.figures.costs import costs
from mllm_classify.figures.coverage import coverage
from mllm_classify.figures.difficulty import difficulty
from mllm_classify.figures.oop import oop
from mllm_classify.figures.ranks import ranks
from mllm_classify.figures.style import save
from mllm_classify.figures.tasks import tasks
from mllm_classify.figures.variants import variants
from tests.figures.drawn import (
    ABSTENTION,
    RANKING,
    SENSITIVITY,
    TABLE3,
    TABLE4,
    TABLE5,
    TABLE6,
    USAGE,
    drawn_texts,
    texts,
)

FIGURES = {
    change: TABLE3,
    tasks: TABLE4,
    ranks: RANKING,
    coverage: ABSTENTION,
    difficulty: TABLE6,
    costs: USAGE,
    oop: TABLE5,
    variants: SENSITIVITY,
}
"""What each figure is drawn from."""


@pytest.mark.parametrize("draw", FIGURES)
def test_figures_are_the_same_bytes_and_show_any_name(tmp_path, draw):
    """Also of twenty models, of names that others would take for markup, and of very long ones."""
    names = [
        "$x_1$ & <script>",
        "\u202egnp.exe\x1b[31m",
        "a" * 150 + " (not an LLM)",
        *(f"model {n}" for n in range(17)),
    ]
    rows = FIGURES[draw]
    first = rows.filter(pl.col("model") == rows["model"][0])
    many = pl.concat(first.with_columns(pl.lit(model).alias("model")) for model in names)
    for copy in ("one", "other"):
        save(draw(many), tmp_path / f"{copy}.svg")
    for suffix in ("svg", "pdf"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"other.{suffix}").read_bytes()
    shown = " ".join(texts(tmp_path / "one.svg"))
    assert "$x_1$ & <script>" in shown
    assert "\\u202egnp.exe\\x1b[31m" in shown
    assert "…" in shown
    assert "(not an LLM)" in shown
    assert "model 16" in shown


@pytest.mark.parametrize("draw", [tasks, oop, ranks, coverage, variants])
def test_a_figure_of_nothing_says_so(tmp_path, draw):
    (text,) = drawn_texts(draw(FIGURES[draw].clear()), tmp_path)
    assert text.startswith("no model ")


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_of_one_model_is_drawn(tmp_path, draw):
    table = FIGURES[draw]
    assert drawn_texts(draw(table.filter(pl.col("model") == table["model"][0])), tmp_path)
