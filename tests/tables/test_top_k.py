import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.predict.rows import answer_rows, error_rows, ranking_rows
from mllm_classify.tables.render import as_markdown
from mllm_classify.tables.top_k import top_k
from tests import plain
from tests.plain.main_answers import Files
from tests.plain.top_k import top_k as plain_top_k
from tests.tables.random_studies import ENTRIES, MODELS_OF, VARIANTS, lazy, make_study
from tests.tables.small import CLASSES, labelled, ranked
from tests.tables.studies import ONE_LABEL_SET, STUDY, rows

MODELS = pl.DataFrame({"model": ["a", "b"], "label": ["Model A", "Model B"], "family": ["x", "y"]})
LABELS = labelled(("i", 0, [1], "S-"), ("j", 0, [0], "S+"), ("k", 1, [], "N"), ("l", 2, [2, 3], "M+"))
LABELS = LABELS.with_columns(expert_admissible="expert")

WITHOUT_REGT = LABELS.with_columns(
    pl.lit(None, LABELS.schema[it]).alias(it) for it in ("regt", "regt_admissible", "category")
)


def table(predictions, mappings=None, labels=LABELS, study=STUDY, k=(1, 2)):
    predictions, mappings = (
        {name: frame.lazy() for name, frame in (frames or {}).items()} for frames in (predictions, mappings)
    )
    return top_k(predictions, mappings, labels, CLASSES, MODELS, study, list(k))


def cells(found, *names):
    return [tuple(row[name] for name in names) for row in rows(found)]


def test_any_of_the_first_k_may_be_right_under_both_label_sets():
    """Of four images, the second guess saves one under ImGT and another under ReGT; one has no label, one an error."""
    frame = pl.concat([ranked(("i", [1, 0]), ("j", [1, 0]), ("k", [0, 2])), error_rows(["l"], ["torn"])])
    found = table({"a": frame})
    assert cells(found, "model", "task", "k", "ImGT_A", "ReGT_A", "n", "n_errors", "n_shorter") == [
        ("Model A", "CW", "1", "0.00", "50.00", "4", "1", "0"),
        ("Model A", "CW", "2", "50.00", "75.00", "4", "1", "0"),
    ]
    found = table({"a": frame}, study=STUDY._replace(n_images="excluded"))
    assert cells(found, "k", "ReGT_A", "ImGT_compared") == [("1", "33.33", "0.00"), ("2", "66.67", "66.67")]
    assert "Shorter" not in as_markdown(found)
    found = table({"a": frame}, labels=WITHOUT_REGT, study=ONE_LABEL_SET)
    assert cells(found, "ImGT_A", "ReGT_A") == [("0.00", ""), ("50.00", "")]


def test_a_shorter_list_counts_as_far_as_it_goes_and_a_k_that_none_reaches_has_no_row():
    frame = ranked(("i", [1, 0]), ("j", [0]), ("k", [3]), ("l", [0, 3]))
    found = table({"a": frame, "b": ranked(*((image, [0]) for image in "ijkl"))}, k=(1, 2, 3))
    assert cells(found, "model", "k", "ImGT_A", "n_shorter") == [
        ("Model A", "1", "25.00", "0"),
        ("Model B", "1", "50.00", "0"),
        ("Model A", "2", "50.00", "2"),
    ]
    assert "Shorter: images" in as_markdown(found)


def test_an_empty_ranking_is_wrong_at_every_k_and_missing_images_are_not_counted():
    frame = ranked(("i", [1, 0]), ("j", [])).with_columns(pl.col("status"))
    assert cells(table({"a": frame}), "k", "ImGT_A", "n", "n_shorter") == [
        ("1", "0.00", "2", "1"),
        ("2", "50.00", "2", "1"),
    ]


def mapped(*answers):
    """A mapping of CW from image, status, and what each answer of a list stands for: exact classes, nearest class."""
    about = {"task": "CW", "variant": "", "repeat": 0, "encoder": "e"}
    each = []
    for image, status, *lists in answers:
        read = [{"status": "ok", "in_prompt": bool(exact), "exact_classes": exact, "included_classes": exact,
                 "nearest_class": nearest} for exact, nearest in lists]  # fmt: skip
        first = read[0] | {"status": status}
        each.append(about | {"image_id": image} | first | {"ranked": read if len(read) > 1 else None})
    return pl.DataFrame(each, schema=MAPPING)


def test_every_answer_of_a_list_is_mapped_by_each_scoring_and_takes_a_place():
    """An answer out of prompt takes a place of CW without naming anything, and by CW+ names the nearest class."""
    words = answer_rows(["i", "j", "k", "l"], ["CW"] * 4, ["x"] * 4)
    mapping = mapped(
        ("i", "ok", ([], 3), ([], 0)), ("j", "ok", ([], 1), ([0], 0)), ("k", "ok", ([3], 3)), ("l", "error", ([2], 2))
    )
    found = table({"a": words}, {"a": mapping})
    assert sorted(cells(found, "task", "k", "ImGT_A", "ReGT_A", "n_errors", "n_shorter")) == [
        ("CW", "1", "0.00", "25.00", "1", "0"),
        ("CW", "2", "25.00", "50.00", "1", "1"),
        ("CW+", "1", "0.00", "25.00", "1", "0"),
        ("CW+", "2", "50.00", "50.00", "1", "1"),
    ]


def test_single_answers_in_words_have_no_row():
    words = answer_rows(["i", "j"], ["CW"] * 2, ["x"] * 2)
    found = table({"a": words}, {"a": mapped(("i", "ok", ([0], 0)), ("j", "ok", ([], 1)))})
    assert found.rows.height == 0
    assert found.rows.columns[:4] == ["model", "task", "k", "ImGT_A"]


RANKINGS = st.lists(st.permutations(range(4)), min_size=4, max_size=4)


@given(RANKINGS, st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_accuracy_never_falls_with_k_and_all_classes_are_all_right(rankings, numbers):
    frame = ranking_rows(list("ijkl"), [list(it) for it in rankings])
    found = table({"a": frame}, k=sorted({*numbers, 4}))
    for name in ("ImGT_A", "ReGT_A"):
        values = [float(row[name]) for row in rows(found)]
        assert values == sorted(values)
        assert values[-1] == 100
    assert max(int(row["k"]) for row in rows(found)) == 4


@given(RANKINGS, st.randoms(use_true_random=False))
def test_the_order_of_the_first_k_does_not_matter(rankings, rng):
    def shuffled(ranking):
        first, rest = list(ranking[:2]), list(ranking[2:])
        rng.shuffle(first)
        rng.shuffle(rest)
        return first + rest

    one, other = (
        table({"a": ranking_rows(list("ijkl"), lists)}, k=[2])
        for lists in ([list(it) for it in rankings], [shuffled(it) for it in rankings])
    )
    assert rows(one) == rows(other)


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set", "n_images", "several"),
    [
        (1, 4, True, "correct", "wrong"),
        (3, 40, True, "excluded", "any"),
        (4, 150, True, "correct", "first"),
        (5, 40, False, "correct", "any"),
    ],
)
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count, second_label_set, n_images, several):
    study = STUDY._replace(n_images=n_images, regt="New labels" if second_label_set else None)
    _, labels, classes = make_study(tmp_path, seed, count, second_label_set, one_way=False, several=several)
    predictions = lazy(tmp_path, "predictions", [e["name"] for e in ENTRIES])
    mappings = lazy(tmp_path, "mapping", [e["name"] for e in ENTRIES if plain.files.worded(e)])
    found = rows(top_k(predictions, mappings, labels, classes, MODELS_OF, study, [1, 2, 3, 5]))
    files = Files(tmp_path, ENTRIES, tmp_path / "pairs.csv", n_images, several, VARIANTS)
    wanted = plain_top_k(files, [1, 2, 3, 5])

    def key(row):
        return row["model"], row["task"], int(row["k"])

    assert len({key(row) for row in found}) == len(found) == len(wanted) > 12
    for row, expected in zip(sorted(found, key=key), sorted(wanted, key=key), strict=True):
        assert {name: row[name] for name in expected} == expected, json.dumps(expected)
    assert np.all(np.diff([int(row["k"]) for row in found]) >= 0)
