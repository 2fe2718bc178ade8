import math
import random

import numpy as np
import polars as pl
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from mllm_classify.predict.rows import PREDICTIONS, error_rows, ranking_rows
from mllm_classify.tables.label_quality import issues, label_quality
from mllm_classify.tables.quality_precision import quality_precision
from mllm_classify.tasks import RANKED
from tests.plain.files import records
from tests.plain.main_answers import Files
from tests.plain.noise import PROBABLE
from tests.plain.quality import label_quality as plain_quality
from tests.plain.quality import quality_precision as plain_precision
from tests.tables.random_studies import ENTRIES, MODELS_OF, NAMES, VARIANTS, lazy, make_study
from tests.tables.small import CLASSES, labelled
from tests.tables.studies import STUDY, rows

MODELS = pl.DataFrame({"model": ["a", "b"], "label": ["Model A", "Model B"], "family": ["x", "y"]})
LABELS = labelled(("i", 0, [0], "S+"), ("j", 0, [1], "S-"), ("k", 1, [1], "S+"), ("l", 1, [], "N")).with_columns(
    imgt_admissible=pl.Series([[0], [0], [1, 2], [1, 2]], dtype=pl.List(pl.Int32))
)


def found(frame, labels=LABELS):
    return label_quality({"a": frame.lazy()}, {}, labels, CLASSES, MODELS, STUDY)


def likelihoods(*rankings, task="CW-likelihood"):
    """Predictions of a model that ranks classes by the log-probabilities of their names: image, classes, probabilities."""
    rows = [
        {"image_id": image, "task": task, "variant": "", "repeat": 0, "status": "ok", "class_ids": ids,
         "scores": [math.log(it) for it in scores]}
        for image, ids, scores in rankings
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=PREDICTIONS)


def test_scores_issues_and_ranks_by_hand():
    """j is called 1 with more than the 0.5 that 1 has, on average, where it is the label; l has 2, which its label admits."""
    frame = ranking_rows(
        ["i", "j", "k", "l"],
        [[0, 1], [1, 0], [1, 3], [3, 2, 1]],
        [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.5, 0.3, 0.2]],
    )
    names = ["image_id", "self_confidence", "normalized_margin", "issue", "self_confidence_rank", "normalized_margin_rank",
             "confident_learning_rank"]  # fmt: skip
    assert found(frame).select(names).rows() == [
        ("i", 0.9, 0.9, False, 4, 4, 4),
        ("j", 0.2, 0.2, True, 1, 1, 1),
        ("k", 0.6, 0.6, False, 3, 3, 3),
        ("l", 0.5, 0.5, False, 2, 2, 2),
    ]
    assert found(frame)["model"].unique().to_list() == ["Model A"]


def test_a_label_that_a_ranking_has_cut_off_has_no_probability_and_errors_have_no_row():
    frame = pl.concat([ranking_rows(["j", "k"], [[1], [3]], [[0.7], [0.4]]), error_rows(["i"], ["torn"])])
    assert found(frame).select("image_id", "self_confidence", "normalized_margin").rows() == [
        ("j", 0.0, 0.15),
        ("k", 0.0, 0.3),
    ]
    assert found(ranking_rows(["j"], [[1]])).height == 0


@pytest.mark.parametrize("seed", range(8))
def test_scores_and_issues_are_cleanlabs(seed):
    rng = np.random.default_rng(seed)
    classes, count = 6, 200
    probabilities = rng.dirichlet(np.full(classes, 0.5), count).astype(np.float32)
    drawn = (probabilities.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    labels = np.where(rng.random(count) < 0.2, rng.integers(0, classes, count), drawn)
    assert (
        issues(labels, probabilities).tolist()
        == find_label_issues(
            labels, probabilities, filter_by="confident_learning", min_examples_per_class=0, n_jobs=1
        ).tolist()
    )
    order = np.argsort(-probabilities, axis=1)
    images = [f"{number:03}" for number in range(count)]
    frame = ranking_rows(images, order.tolist(), np.take_along_axis(probabilities, order, axis=1).tolist())
    of = labelled(*((image, int(label), [int(label)], "S+") for image, label in zip(images, labels, strict=True)))
    names = pl.DataFrame({"class_id": range(classes), "name": list("abcdef")})
    table = label_quality({"a": frame.lazy()}, {}, of, names, MODELS, STUDY)
    for name in ("self_confidence", "normalized_margin"):
        wanted = get_label_quality_scores(labels, probabilities.astype(float), method=name)
        assert table[name].to_numpy() == pytest.approx(wanted, abs=2e-6)


def test_labels_that_are_all_alike_are_no_issues():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    assert issues(np.array([0, 0]), probabilities).tolist() == [False, False]


def test_likelihoods_of_all_names_are_softened_to_probabilities_and_classes_of_one_name_are_one():
    """Log-probabilities need not sum to 1 over the names: i's are 0.06 and 0.03 of 0.1. Missile is 2 and 3."""
    frame = likelihoods(
        ("i", [0, 1, 2, 3], [0.06, 0.03, 0.01, 0.01]),
        ("k", [2, 3, 1, 0], [0.5, 0.5, 0.3, 0.2]),
        ("l", [1, 2, 3, 0], [0.4, 0.1, 0.1, 0.1]),
    )
    labels = labelled(("i", 0, [0], "S+"), ("k", 3, [3], "S+"), ("l", 0, [1], "S-"))
    table = label_quality({}, {"b": frame.lazy()}, labels, CLASSES, MODELS, STUDY)
    assert table.select("model", "task", "image_id", "self_confidence", "normalized_margin").rows() == [
        ("Model B", "CW-likelihood", "i", 0.6, 0.65),
        ("Model B", "CW-likelihood", "k", 0.5, 0.6),
        ("Model B", "CW-likelihood", "l", pytest.approx(1 / 6, abs=1e-6), 0.25),
    ]
    whole = [0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [1 / 6, 2 / 3, 1 / 6]
    wanted = get_label_quality_scores(np.array([0, 2, 0]), np.array(whole), method="normalized_margin")
    assert table["normalized_margin"].to_numpy() == pytest.approx(wanted, abs=2e-6)
    assert {row["task"] for row in rows(quality_precision(table, STUDY))} == {"CW-likelihood"}


def test_a_scoring_that_left_a_name_out_of_one_ranking_has_no_rows():
    """Whether a label outside of it is likelier than another one is not known."""
    cut = likelihoods(("i", [0, 1, 2, 3], [0.6, 0.3, 0.1, 0.1]), ("j", [0, 1], [0.6, 0.3]))
    whole = likelihoods(("i", [0, 1, 2, 3], [0.6, 0.3, 0.1, 0.1]), task="CW-likelihood per token")
    frame = pl.concat([cut, whole]).lazy()
    table = label_quality({}, {"a": frame}, LABELS, CLASSES, MODELS, STUDY)
    assert table.select("task", "image_id").rows() == [("CW-likelihood per token", "i")]


def with_all_names(folder, seed):
    """The random study's model that ranks by likelihood: its rankings by OW-likelihood are of all names."""
    rng = random.Random(seed)
    path = next(folder.glob("predictions/*/likely.parquet"))
    said = []
    for row in records(path):
        scores = sorted((rng.uniform(-8, 0) for _ in NAMES), reverse=True)
        ranked = {"class_ids": rng.sample(range(len(NAMES)), len(NAMES)), "scores": scores}
        said.append(row | (ranked if row["task"].startswith("OW-likelihood") and row["status"] == "ok" else {}))
    pl.DataFrame(said, schema=PREDICTIONS).write_parquet(path)


@pytest.mark.parametrize(("seed", "count"), [(1, 4), (3, 40), (4, 150)])
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count):
    _, labels, classes = make_study(tmp_path, seed, count, second_label_set=True, one_way=False, several="wrong")
    confident = lazy(tmp_path, "predictions", [e["name"] for e in ENTRIES if e["kind"] in PROBABLE])
    files = Files(tmp_path, ENTRIES, tmp_path / "pairs.csv", variants=VARIANTS)
    with_all_names(tmp_path, seed)
    table = label_quality(confident, lazy(tmp_path, "predictions", ["likely"]), labels, classes, MODELS_OF, STUDY)
    wanted = plain_quality(files)
    assert table.height == len(wanted) > 0
    order = {name: place for place, name in enumerate(["CW", *RANKED])}

    def key(row):
        return row["model"], order[row["task"]], row["image_id"]

    for row, expected in zip(sorted(table.to_dicts(), key=key), sorted(wanted, key=key), strict=True):
        assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert {*table["task"]} == {"CW", *(name for name in RANKED if name.startswith("OW"))}
    assert table["issue"].any() or count < 40
    found = rows(quality_precision(table, STUDY))
    expected = plain_precision(table.to_dicts())
    assert [{name: row[name] for name in other} for row, other in zip(found, expected, strict=True)] == expected
