from mllm_classify.figures.ranks import ranks
from tests.figures.drawn import RANKING, drawn_texts


def test_ranks_show_ties_moves_and_intervals(tmp_path):
    figure = ranks(RANKING)
    (axes,) = figure.axes
    slopes = {tuple(line.get_ydata()): line.get_linestyle() for line in axes.lines if len(set(line.get_xdata())) == 2}
    # c falls from the first place to the last; a rises; b keeps its place, which it shared
    assert slopes == {(1, 0): "-", (0, 2): "--", (2, 1): ":"}
    (tie,) = (line for line in axes.lines if len(set(line.get_xdata())) == 1)
    assert (tie.get_xdata()[0] < 0, tie.get_ydata().tolist()) == (True, [0.7, 2.3])
    shown = drawn_texts(figure, tmp_path)
    assert {"a · 70.00 % · 2 [1 to 3]", "1 [1] · 80.00 % · a", "3 [2 to 3] · 60.00 % · c"} <= set(shown)
    assert {"ImGT (old)", "ReGT (new)", "higher under ReGT (1)", "lower (1)", "same place (1)"} <= set(shown)
    assert any("Kendall's tau 0.50 (0.10 to 0.90)" in text and "n = 40" in text for text in shown)
