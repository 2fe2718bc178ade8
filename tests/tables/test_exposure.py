import polars as pl
import pytest

from mllm_classify.tables.exposure import exposure
from mllm_classify.tables.render import as_markdown
from tests.plain import correlation as plain
from tests.tables.studies import STUDY, rows

CLASSES = pl.DataFrame(
    {"class_id": range(7), "name": ["cat", "Dog ", "owl", "elk", "bat", "Bat", "gnu"]},
    schema={"class_id": pl.Int32, "name": pl.String},
)
ACCURACIES = {"M": ["90", "80", "50", "20", "10", "0", "40"], "W": ["10", "20", "50", "60", "50", "0", "90"]}
PER_CLASS = pl.DataFrame(
    [(model, "CW", str(number), value) for model, values in ACCURACIES.items() for number, value in enumerate(values)],
    schema=["model", "task", "class_id", "ImGT"], orient="row",
)  # fmt: skip
# bat is two classes' name, and gnu is not counted
NAMES = [
    ("cat", 900.0, 9.0),
    ("dog", 800.0, 9.5),
    ("owl", 30.0, None),
    ("elk", 20.0, 2.0),
    ("bat", 5.0, 3.0),
    ("yak", 1.0, 1.0),
]
WITH_MORE = [*NAMES, ("gnu", 700.0, 1.0)]


def told(names=NAMES):
    return {"label": "Captions of X", "names": names}


def test_models_by_how_far_accuracy_follows_mentions():
    found = rows(exposure(PER_CLASS, CLASSES, STUDY, told()))
    assert [(row["model"], row["task"], row["classes_compared"], row["rho"]) for row in found] == [
        ("M", "CW", "4", "1.000"), ("W", "CW", "4", "-1.000"),
    ]  # fmt: skip
    assert {row["source"] for row in found} == {"Captions of X"}


@pytest.mark.parametrize("names", [NAMES, WITH_MORE])
def test_an_independent_computation_gives_the_same_figures(names):
    spelled = {"cat": 0, "dog": 1, "owl": 2, "elk": 3, "gnu": 6}
    known = {spelled[name]: figures for name, *figures in names if name in spelled}
    for row in rows(exposure(PER_CLASS, CLASSES, STUDY, told(names))):
        accuracy = {number: float(ACCURACIES[row["model"]][number]) for number in known}
        both = [number for number, (_, words) in known.items() if words is not None]
        counts, words = {it: known[it][0] for it in known}, {it: known[it][1] for it in both}
        expected = {
            "rho": (plain.spearman(list(accuracy.values()), list(counts.values())), len(known) - 3),
            "words_rho": (plain.spearman([accuracy[it] for it in both], [words[it] for it in both]), len(both) - 3),
            "partial_rho": (
                plain.partial([accuracy[it] for it in both], [counts[it] for it in both], [words[it] for it in both]),
                len(both) - 4,
            ),
        }
        for name, (rho, freedom) in expected.items():
            figures = [rho, *plain.interval(rho, freedom)]
            for end, figure in zip(("", "_low", "_high"), figures, strict=True):
                cell = row[name + end]
                assert cell == "" if figure is None else float(cell) == pytest.approx(figure, abs=0.00051), name + end


def test_without_words_people_see_no_columns_of_them():
    text = as_markdown(exposure(PER_CLASS, CLASSES, STUDY, told([(name, count, None) for name, count, _ in NAMES])))
    assert "rho, words" not in text
    assert "rho, words" in as_markdown(exposure(PER_CLASS, CLASSES, STUDY, told()))
    assert "Captions of X" in text
    assert "7 classes with images" in text
