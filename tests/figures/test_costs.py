import polars as pl

from mllm_classify.figures.costs import costs
from tests.figures.drawn import USAGE, drawn_texts


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
