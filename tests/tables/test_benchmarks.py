import pytest

from mllm_classify.tables.benchmarks import benchmarks
from tests.figures.drawn import DATASET_LABELS, DATASETS, written
from tests.plain import correlation as plain
from tests.tables.studies import rows

FIVE = written(
    "model task measure family A_p A_p_low A_p_high n_p A_q A_q_low A_q_high n_q macro",
    *(
        (name, "CW", "ImGT", "MLLM", f"{p}.00", "0.00", "99.00", "9", f"{q}.00", "0.00", "99.00", "9", f"{(p + q) / 2:.2f}")
        for name, p, q in (("a", 10, 80), ("b", 20, 60), ("c", 30, 70), ("d", 40, 50), ("e", 50, 90))
    ),
)  # fmt: skip
SCORES = {
    "MMMU": {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0, "elsewhere": 9.0},
    "OCRBench": {"a": 600.0, "b": 700.0, "c": 650.0},
}


def test_models_with_both_figures_are_ranked_by_both():
    found = rows(benchmarks(FIVE, DATASET_LABELS, {"label": "Leaderboard", "scores": SCORES}))
    of = {"p": [10, 20, 30, 40, 50], "q": [80, 60, 70, 50, 90], "mean": [45, 40, 50, 45, 70]}
    expected = []
    for dataset, accuracies in of.items():
        for benchmark, scores in SCORES.items():
            both = [(accuracies["abcde".index(name)], score) for name, score in scores.items() if name in "abcde"]
            rho = plain.spearman(*(list(side) for side in zip(*both, strict=True)))
            figures = [rho, *plain.interval(rho, len(both) - 3)]
            shown = ["" if it is None else f"{it:.3f}" for it in figures]
            expected.append([dataset, benchmark, str(len(both)), *shown, "Leaderboard"])
    assert [list(row.values()) for row in found] == expected
    assert found[0]["rho"] == "1.000"


def test_a_model_that_lacks_a_data_set_is_not_in_its_row_and_others_are():
    scores = {"label": "L", "scores": {"MMMU": {"a": 1.0, "c": 2.0, "$b$ <s>": 3.0}}}
    found = {row["dataset"]: row["models"] for row in rows(benchmarks(DATASETS, DATASET_LABELS, scores))}
    assert found == {"p": "3", "q": "2", "mean": "2"}


@pytest.mark.parametrize("scores", [{"X": {}}, {"X": {"a": 1.0}}])
def test_of_too_few_models_nothing_is_said(scores):
    for row in rows(benchmarks(FIVE, DATASET_LABELS, {"label": "L", "scores": scores})):
        assert (row["rho"], row["rho_low"], row["rho_high"]) == ("", "", "")
