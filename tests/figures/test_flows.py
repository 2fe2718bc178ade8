from matplotlib.patches import PathPatch, Rectangle

from mllm_classify.figures.flows import flows
from tests.figures.drawn import drawn_texts, written

COLUMNS = "set before after n regt"
ROWS = [("one", "N", "S+", "10", "ReGT"), ("one", "S+", "S+", "30", "ReGT"), ("one", "S+", "M-", "60", "ReGT"), ("<b>", "M+", "N", "7", "ReGT")]  # fmt: skip


def test_every_set_has_its_flows_and_every_category_its_number(tmp_path):
    figure = flows(written(COLUMNS, *ROWS))
    one, other = figure.axes
    heights = [round(it.get_height(), 3) for it in one.patches if isinstance(it, Rectangle)]
    assert heights == [0.1, 0.9, 0.4, 0.6]
    assert [len([it for it in axes.patches if isinstance(it, PathPatch)]) for axes in (one, other)] == [3, 1]
    shown = drawn_texts(figure, tmp_path)
    assert {"N 10", "S+ 90", "S+ 40", "M- 60", "M+ 7", "one → ReGT", "<b> → ReGT"} <= set(shown)


def test_ribbons_lie_within_their_bars(tmp_path):
    (axes, _) = flows(written(COLUMNS, *ROWS)).axes
    bars = [it for it in axes.patches if isinstance(it, Rectangle)]
    ribbons = [it.get_path().vertices for it in axes.patches if isinstance(it, PathPatch)]
    left = sum(points[-2][1] - points[0][1] for points in ribbons)
    assert round(left, 9) == round(sum(bar.get_height() for bar in bars[:2]), 9) == 1


def test_without_corrections_the_figure_says_so(tmp_path):
    assert drawn_texts(flows(written(COLUMNS)), tmp_path) == ["no image has an earlier label"]
