from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.tables.hard_classes import hard_classes
from mllm_classify.tables.render import as_markdown
from tests.figures.drawn import written
from tests.tables.studies import rows

COLUMNS = "model class_id class n ImGT ImGT_low ImGT_high"


def per_class(*accuracies):
    """per_class.csv as it is read, of model, class and accuracy."""
    return written(COLUMNS, *((model, str(number), f"class {number}", "4", f"{value:.2f}", "1.00", "99.00")
                              for model, number, value in accuracies))  # fmt: skip


P = per_class(
    ("Old", 0, 0), ("New", 0, 75), ("Third", 0, 100),
    ("Old", 1, 25), ("New", 1, 100), ("Third", 1, 0),
    ("Old", 2, 100), ("New", 2, 25), ("Third", 2, 0),
    ("Old", 3, 50), ("New", 3, 50),
    ("Old", 4, 0), ("New", 4, 25),
    ("New", 5, 100),
)  # fmt: skip
LABELS = {"p": "Photographs", "q": "Quilts"}


def test_classes_that_the_newer_solves_come_first_and_one_that_only_one_has_seen_not_at_all():
    found = rows(hard_classes({"p": P, "q": per_class(("Third", 0, 0))}, ["Old", "New"], LABELS))
    shown = (
        "dataset",
        "kind",
        "class",
        "n",
        "older",
        "newer",
        "gain",
        "models_solving",
        "models",
        "older_model",
        "newer_model",
    )
    assert [[row[name] for name in shown] for row in found] == [
        ["p", "solved", "class 0", "4", "0.00", "75.00", "75.00", "2", "3", "Old", "New"],
        ["p", "solved", "class 1", "4", "25.00", "100.00", "75.00", "1", "3", "Old", "New"],
        ["p", "lost", "class 2", "4", "100.00", "25.00", "-75.00", "1", "3", "Old", "New"],
        ["p", "failed by both", "class 4", "4", "0.00", "25.00", "25.00", "0", "2", "Old", "New"],
        ["p", "solved by both", "class 3", "4", "50.00", "50.00", "0.00", "2", "2", "Old", "New"],
    ]  # fmt: skip


def test_people_are_told_how_many_there_are():
    text = as_markdown(hard_classes({"p": P, "q": P}, ["Old", "New"], LABELS))
    assert "Photographs: solved 2, lost 1, failed by both 1, solved by both 1; Quilts: solved 2" in text


VALUES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12)


@given(VALUES)
def test_an_independent_count_gives_the_same_kinds(values):
    frames = {"p": per_class(*((model, number, 25 * right) for number, pair in enumerate(values)
                               for model, right in zip(("Old", "New"), pair, strict=True)))}  # fmt: skip
    found = rows(hard_classes(frames, ["Old", "New"], {"p": "P"}))
    names = {
        (True, True): "solved by both",
        (True, False): "lost",
        (False, True): "solved",
        (False, False): "failed by both",
    }
    assert Counter(row["kind"] for row in found) == Counter(names[old >= 2, new >= 2] for old, new in values)
    for row in found:
        old, new = values[int(row["class_id"])]
        assert (float(row["gain"]), row["models_solving"]) == (25 * (new - old), str((old >= 2) + (new >= 2)))
