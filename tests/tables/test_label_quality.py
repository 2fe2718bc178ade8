import numpy as np
import polars as pl
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from mllm_classify.predict.rows import error_rows, ranking_rows
from mllm_classify.tables.label_quality import issues, label_quality
from mllm_classify.tables.quality_precision import quality_precision
from tests.plain.main_answers import Files
from tests.plain.noise import PROBABLE
from tests.plain.quality import label_quality as plain_quality
from tests.plain.quality import quality_precision as plain_precision
from tests.tables.random_studies import ENTRIES, MODELS_OF, VARIANTS, lazy, make_study
from tests.tables.small import CLASSES, labelled
from tests.tables.studies import STUDY, rows

MODELS = pl.DataFrame({"model": ["a", "b"], "label": ["Model A", "Model B"], "family": ["x", "y"]})
LABELS = labelled(("i", 0, [0], "S+"), ("j", 0, [1], "S-"), ("k", 1, [1], "S+"), ("l", 1, [], "N")).with_columns(
    imgt_admissible=pl.Series([[0], [0], [1, 2], [1, 2]], dtype=pl.List(pl.Int32))
)


def found(frame, labels=LABELS):
    return label_quality({"a": frame.lazy()}, labels, CLASSES, MODELS, STUDY)


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
    table = label_quality({"a": frame.lazy()}, of, names, MODELS, STUDY)
    for name in ("self_confidence", "normalized_margin"):
        wanted = get_label_quality_scores(labels, probabilities.astype(float), method=name)
        assert table[name].to_numpy() == pytest.approx(wanted, abs=2e-6)


def test_labels_that_are_all_alike_are_no_issues():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    assert issues(np.array([0, 0]), probabilities).tolist() == [False, False]


@pytest.mark.parametrize(("seed", "count"), [(1, 4), (3, 40), (4, 150)])
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count):
    _, labels, classes = make_study(tmp_path, seed, count, second_label_set=True, one_way=False, several="wrong")
    confident = lazy(tmp_path, "predictions", [e["name"] for e in ENTRIES if e["kind"] in PROBABLE])
    files = Files(tmp_path, ENTRIES, tmp_path / "pairs.csv", variants=VARIANTS)
    table = label_quality(confident, labels, classes, MODELS_OF, STUDY)
    wanted = plain_quality(files)
    assert table.height == len(wanted) > 0
    for row, expected in zip(table.to_dicts(), sorted(wanted, key=lambda it: it["model"] != "Neighbours"), strict=True):
        assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert table["issue"].any() or count < 40
    found = rows(quality_precision(table, STUDY))
    expected = plain_precision(table.to_dicts())
    assert [{name: row[name] for name in other} for row, other in zip(found, expected, strict=True)] == expected
