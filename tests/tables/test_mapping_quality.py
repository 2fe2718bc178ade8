"""Mapping rules measured on labelled answers."""

import csv
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given as drawn_by
from hypothesis import settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from mllm_classify.config.answer_labels import COLUMNS, read_answer_labels
from mllm_classify.judge.verdicts import JUDGEMENTS, VERDICTS
from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.measures.mapping_rules import kappa
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.tables.mapping_quality import mapping_quality
from mllm_classify.tables.render import write
from tests import plain
from tests.plain.mapping_quality import mapping_quality as plainly
from tests.tables.random_studies import ENTRIES, WORDS, lazy, make_study
from tests.tables.small import CLASSES
from tests.tables.studies import RESAMPLES, STUDY, rows

AMONG = [["e", "t.txt", "templates"]]


def answers(*nearest):
    """Predictions and mapping of one model: answers, with their nearest class, similarity and margin."""
    about = {"task": "OW", "variant": "", "repeat": 0, "status": "ok", "encoder": "e"}
    cells = [about | {"image_id": str(n), "text": text, "nearest_class": near, "similarity": similarity, "margin": 0.1}
             for n, (text, near, similarity) in enumerate(nearest)]  # fmt: skip
    predictions, mapping = (
        pl.DataFrame([{name: cell[name] for name in schema if name in cell} for cell in cells], schema=schema).lazy()
        for schema in (PREDICTIONS, MAPPING)
    )
    return {("e", "m"): mapping}, {"m": predictions}


def judgements(*pairs):
    """What one judge said, from answer, class, rank and verdict; the verdict of a control plays no part."""
    control = {"answer": "pet", "class_id": None, "rank": None, "verdict": "same", "control": "plain"}
    cells = [dict(zip(("answer", "class_id", "rank", "verdict"), pair, strict=True)) for pair in pairs]
    frame = pl.DataFrame([*cells, control], schema={name: JUDGEMENTS[name] for name in control})
    return {"j": frame.lazy()}


def labels(*lines, who="Ann", kind="people", number=1):
    """From answer, relation and classes."""
    return [[answer, relation, classes, who, kind, number] for answer, relation, *classes in lines]


SAID = answers(
    ("Cat", 0, 1.0), ("a dog", 1, 0.9), ("kitten", 0, 0.8), ("=rocket", 2, 0.7), ("pet", 1, 0.6), ("sofa", 0, 0.5)
)
FIRST = labels(
    ("Cat", "same", "cat"), ("a dog", "same", "dog"), ("kitten", "more specific", "cat"), ("'=rocket", "same", "missile"),
    ("pet", "more general", "cat", "dog"), ("sofa", "none"),
)  # fmt: skip


def found(*of_labels, said=SAID, judged=None):
    table = mapping_quality(*said, CLASSES, STUDY, AMONG, [*of_labels], judged or {}, RESAMPLES)
    return rows(table), table


def only(of, **cells):
    (row,) = [row for row in of if row["signal"] == "" and all(row[name] == value for name, value in cells.items())]
    return row


def test_each_rule_by_hand():
    """Four of six mean a class. exact: Cat. included: Cat, a dog. nearest: those, kitten and the rocket right; pet, sofa wrong."""
    of, table = found(*FIRST)
    expected = {
        "exact": ("1", "100.00", "25.00"), "included": ("2", "100.00", "50.00"), "nearest": ("6", "66.67", "100.00"),
        "exact, else nearest": ("6", "66.67", "100.00"),
    }  # fmt: skip
    for rule, cells in expected.items():
        row = only(of, rule=rule, answers="all")
        assert (row["mapped"], row["precision"], row["recall"]) == cells
        assert (row["n"], row["meant"], row["labels"]) == ("6", "4", "Ann, pass 1")
    # the general word may be a dog: 5 of 6 would be possible
    assert only(of, rule="nearest", answers="all")["possible"] == "83.33"
    row = only(of, rule="nearest", answers="no class names")
    assert (row["n"], row["right"], row["precision"]) == ("5", "3", "60.00")
    # nearest: cat dog cat missile dog cat; labels: cat dog cat missile - -. Agreement 4/6, by chance (3*2 + 2*1 + 1*1)/36
    assert float(only(of, rule="nearest", answers="all")["kappa"]) == pytest.approx(
        (4 / 6 - 9 / 36) / (1 - 9 / 36), abs=6e-4
    )
    assert table.first == 6


def test_a_judge_s_mapping_by_hand():
    """Names stand for their classes, whatever it says; a dog and the rocket are given theirs, the pet a wrong one, others none."""
    judged = judgements(
        ("a dog", 0, 1, "sibling"), ("a dog", 1, 2, "same"), ("a dog", 2, 3, "same"), ("=rocket", 2, 1, "same"),
        ("pet", 1, 1, "same"), ("kitten", 0, 1, "more specific"), ("Cat", 1, 1, "same"),
    )  # fmt: skip
    of, _ = found(*FIRST, judged=judged)
    row = only(of, rule="exact, else judged", encoder="j", answers="all")
    assert [row[name] for name in ("mapped", "right", "meant", "precision", "recall")] == [
        "4",
        "3",
        "4",
        "75.00",
        "75.00",
    ]
    row = only(of, rule="exact, else judged", answers="no class names")
    assert [row[name] for name in ("mapped", "right", "n")] == ["3", "2", "5"]


def test_thresholds_trade_recall_for_precision():
    of, table = found(*FIRST)
    curve = [row for row in of if row["signal"] == "similarity" and row["answers"] == "all"]
    assert [(row["threshold"], row["mapped"], row["precision"], row["recall"]) for row in curve] == [
        ("1.000", "1", "100.00", "25.00"), ("0.900", "2", "100.00", "50.00"), ("0.800", "3", "100.00", "75.00"),
        ("0.700", "4", "100.00", "100.00"), ("0.600", "5", "80.00", "100.00"), ("0.500", "6", "66.67", "100.00"),
    ]  # fmt: skip
    assert all(row["signal"] == "" for row in rows(table)[: table.first])


def test_passes_that_disagree_are_kept_and_left_out_of_what_is_agreed():
    second = labels(*((a, r, *c) for a, r, c, *_ in FIRST[:4]), ("pet", "same", "dog"), number=2)
    of, table = found(*FIRST, *second)
    row = only(of, rule="nearest", answers="all", labels="agreed")
    assert (row["n"], row["n_agreed"], row["n_labelled"]) == ("4", "4", "6")
    assert {row["labels"] for row in of} == {"agreed", "Ann, pass 1", "Ann, pass 2"}
    # of five answers that both label, pass 1 means a class in four, and pass 2 gives these the same
    between = only(of, rule="Ann, pass 2")
    assert (between["n"], between["mapped"], between["precision"], between["recall"]) == ("5", "5", "80.00", "100.00")
    assert rows(table)[table.first - 1] == between


@pytest.mark.parametrize(("kind", "said"), [("people", "human"), ("model", "a model, not people")])
def test_only_people_are_called_human(kind, said, tmp_path):
    of, table = found(*labels(("Cat", "same", "cat"), who="Kim", kind=kind))
    assert of[0]["annotators"] == f"Kim ({said}, 1 pass)"
    write(table, tmp_path / "t.csv")
    for suffix in ("csv", "md", "html"):
        text = (tmp_path / f"t.{suffix}").read_text()
        assert said in text
        assert ("human" in text) == (kind == "people")


def test_labels_of_answers_that_no_model_gives_count_nowhere():
    of, _ = found(*FIRST, *labels(("zebra", "same", "cat")))
    assert {row["n_labelled"] for row in of} == {"6"}
    assert found(*labels(("zebra", "same", "cat")))[0] == []


@settings(max_examples=60)
@drawn_by(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=30), st.randoms())
def test_kappa_is_scikit_learns_with_weights(pairs, rng):
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    weights = np.array([[1.0] * len(pairs), [float(rng.randrange(1, 4)) for _ in pairs]])
    for value, each in zip(kappa(one, other, weights), weights, strict=True):
        if len({*one, *other}) == 1:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(cohen_kappa_score(one, other, sample_weight=each), abs=1e-9)


@pytest.mark.parametrize(("seed", "passes"), [(1, 1), (2, 2), (3, 3)])
def test_every_figure_equals_an_independent_computation(tmp_path, seed, passes):
    """Random vectors and labels; equal names, errors, empty answers, lists of names, other tasks and variants."""
    _, _, classes = make_study(tmp_path, seed, 30, second_label_set=True, one_way=False, several="first")
    rng = random.Random(seed)
    names = classes["name"].to_list()
    fewest = {"same": 1, "more specific": 1, "several": 2, "more general": 0, "none": None}
    file = tmp_path / "labels.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for said in sorted({it.strip() for it in WORDS + names} - {""}):
            for number in range(1, passes + 1):
                relation = rng.choice([*fewest, "same", ""])
                least = fewest.get(relation)
                chosen = [] if least is None else rng.sample(names, least + rng.randrange(2))
                if rng.random() < 0.9:
                    writer.writerow([said.replace("\n", "\\n"), relation, "|".join(chosen), "Ann", "people", number])
    words = sorted(entry["name"] for entry in ENTRIES if plain.files.worded(entry))
    encoded = {("e", name): frame for name, frame in lazy(tmp_path, "mapping", words).items()}
    read = [list(it) for it in read_answer_labels(str(file))]
    judged = judgements(
        *((said, class_id, rank, rng.choice(VERDICTS))
          for said in sorted({it.strip() for it in WORDS} - {""})
          for rank, class_id in enumerate(rng.sample(range(len(names)), 3), 1)
          for _ in range(3))
    )  # fmt: skip
    (tmp_path / "judgements/j").mkdir(parents=True)
    judged["j"].collect().write_parquet(tmp_path / "judgements/j/d.parquet")
    said = lazy(tmp_path, "predictions", words)
    table = mapping_quality(encoded, said, classes, STUDY, AMONG, read, judged, RESAMPLES)
    config = {"encoder": {"name": "e", "templates": "t.txt"}, "models": ENTRIES, "judge": {"name": "j"}}
    expected = plainly(tmp_path, config, file)
    shown = [row for row in rows(table) if row["signal"] == ""]
    assert len(shown) == len(expected) > 5
    for row, other in zip(shown, expected, strict=True):
        assert {name: row[name] for name in other} == other
    for row in rows(table):
        assert int(row["right"]) <= min(int(row["mapped"]), int(row["meant"]))
        assert float(row["possible"] or 0) >= float(row["precision"] or 0)
        if row["kappa_low"]:
            assert float(row["kappa_low"]) <= float(row["kappa_high"])
