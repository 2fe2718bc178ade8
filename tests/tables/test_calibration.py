import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.predict.rows import error_rows, ranking_rows
from mllm_classify.score.score import SCORES
from mllm_classify.tables.calibration import calibration
from mllm_classify.tables.reliability import reliability
from mllm_classify.tables.render import as_markdown
from tests.plain.calibration import calibration as plain_calibration
from tests.plain.calibration import reliability as plain_reliability
from tests.plain.calibration import unlike
from tests.plain.main_answers import Files
from tests.plain.noise import PROBABLE
from tests.tables.random_studies import ENTRIES, MODELS_OF, VARIANTS, lazy, make_study
from tests.tables.small import CLASSES, labelled
from tests.tables.studies import RESAMPLES, STUDY, header, rows

NO_SCORES = pl.DataFrame(schema=SCORES)
MODELS = pl.DataFrame({"model": ["a", "b"], "label": ["Model A", "Model B"], "family": ["x", "y"]})
LABELS = labelled(("i", 0, [1], "S-"), ("j", 0, [0], "S+"), ("k", 1, [], "N"), ("l", 2, [2, 3], "M+"))
WHOLE = ranking_rows(
    ["i", "j", "k", "l"],
    [[0, 1, 2, 3], [1, 0, 2, 3], [1, 2, 0, 3], [3, 2, 1, 0]],
    [[0.5, 0.25, 0.25, 0], [0.75, 0.25, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0]],
)
"""Right under ImGT: i and k; under ReGT: l. Fold 0 has j and k, fold 1 i and l."""


def table(predictions, labels=LABELS, study=STUDY):
    lazy_frames = {name: frame.lazy() for name, frame in predictions.items()}
    return calibration(lazy_frames, {}, NO_SCORES, {}, labels, CLASSES, MODELS, study, RESAMPLES)


def of(found, **wanted):
    return [row for row in rows(found) if all(row[name] == value for name, value in wanted.items())]


def test_every_figure_of_four_images_by_hand():
    """Confidences 0.5 (right), 0.75 (wrong), 1 (right), 0.5 (wrong); bins of a fifteenth hold 2, 1 and 1 of them."""
    found = table({"a": WHOLE})
    (row,) = of(found, label_set="ImGT", scores="as given")
    assert {name: row[name] for name in ("accuracy", "confidence", "ECE", "n", "n_errors")} == {
        "accuracy": "50.00", "confidence": "68.75", "ECE": "18.75", "n": "4", "n_errors": "0",
    }  # fmt: skip
    assert row["Brier"] == f"{(0.25 + 0.5625 + 0 + 0.25) / 4:.4f}"
    assert row["NLL"] == "0.6931"  # logarithms of 2, 4, 1 and 2, a quarter each
    # of the right class 0.5, 0.25, 1 and 0.5
    assert row["class_NLL"] == "0.6931"
    assert row["class_Brier"] == f"{((0.25 + 2 / 16) + (0.5625 + 0.5625) + 0 + (0.25 + 0.25)) / 4:.4f}"
    # kept 1 to 4: no mistake, one, one and a half, two
    assert row["AURC"] == f"{100 * (0 + 1 / 2 + 1.5 / 3 + 2 / 4) / 4:.2f}"
    assert (row["accuracy_50"], row["accuracy_80"]) == ("50.00", "50.00")
    (row,) = of(found, label_set="ReGT", scores="as given")
    assert [row[name] for name in ("accuracy", "n", "class_NLL", "class_Brier")] == ["33.33", "3", "", ""]


def test_the_first_classes_of_a_cut_ranking_have_neither_temperature_nor_whole_distribution():
    cut = WHOLE.with_columns(pl.col("class_ids", "scores").list.head(1))
    found = table({"a": cut})
    assert {(row["scores"], row["temperature"], row["class_NLL"]) for row in rows(found)} == {("as given", "", "")}
    assert not {"T", "NLL, classes"} & set(header(found))
    whole = table({"a": WHOLE, "b": cut})
    assert {"T", "NLL, classes"} <= set(header(whole))
    same = ("confidence", "ECE", "ECE_low", "ECE_mass", "Brier", "NLL", "NLL_high", "AURC", "AURC_high", "accuracy_50")
    one, other = (of(whole, model=f"Model {name}", label_set="ImGT", scores="as given")[0] for name in "AB")
    assert [one[name] for name in same] == [other[name] for name in same]


def test_sigmoids_are_confidences_and_no_distribution():
    scores = [[0.9, 0.8, 0.1, 0.1], [0.3, 0.2, 0.1, 0.1], [0.2, 0.1, 0, 0], [0.9, 0.9, 0.9, 0.9]]
    found = table({"a": WHOLE.with_columns(scores=pl.Series(scores, dtype=pl.List(pl.Float32)))})
    assert {row["scores"] for row in rows(found)} == {"as given"}


def test_errors_and_missing_images_are_left_out_and_said():
    frame = pl.concat([WHOLE[:2], error_rows(["l"], ["torn"])])
    (row,) = of(table({"a": frame}), label_set="ImGT", scores="as given")
    assert (row["n"], row["n_errors"], row["accuracy"]) == ("2", "1", "50.00")
    assert "Errors: images without a ranking" in as_markdown(table({"a": frame}))


def test_nothing_is_known_of_a_model_that_gives_no_scores():
    found = table({"a": WHOLE.with_columns(scores=pl.lit(None, WHOLE.schema["scores"]))})
    assert found.rows.height == 0


LIKELIHOODS = st.lists(
    st.lists(st.integers(1, 50), min_size=4, max_size=4).map(lambda it: sorted(it, reverse=True)),
    min_size=4,
    max_size=4,
)


@given(LIKELIHOODS)
def test_a_temperature_changes_no_accuracy_and_the_order_of_images_nothing(parts):
    shares = [[part / sum(of_image) for part in of_image] for of_image in parts]
    frame = WHOLE.with_columns(scores=pl.Series(shares, dtype=pl.List(pl.Float32)))
    found = table({"a": frame})
    for label_set in ("ImGT", "ReGT"):
        given, soft = (of(found, label_set=label_set, scores=name) for name in ("as given", "temperature"))
        assert given[0]["accuracy"] == soft[0]["accuracy"]
    assert rows(table({"a": frame.reverse()}, LABELS.reverse())) == rows(found)


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set", "several"),
    [(1, 4, True, "wrong"), (3, 40, True, "any"), (4, 150, True, "wrong"), (5, 40, False, "any")],
)
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count, second_label_set, several):
    study = STUDY._replace(regt="New labels" if second_label_set else None)
    _, labels, _ = make_study(tmp_path, seed, count, second_label_set, one_way=False, several=several)
    confident = lazy(tmp_path, "predictions", [e["name"] for e in ENTRIES if e["kind"] in PROBABLE])
    files = Files(tmp_path, ENTRIES, tmp_path / "pairs.csv", several=several, variants=VARIANTS)
    about = (confident, {}, NO_SCORES, {}, labels, CLASSES, MODELS_OF, study)
    found = rows(calibration(*about, RESAMPLES))
    wanted = plain_calibration(files)

    assert len(found) == len(wanted)
    assert {row["scores"] for row in found} == {"as given", "temperature"}
    assert unlike(found, wanted) == []
    bins = [row for row in rows(reliability(*about)) if row["scores"] == "as given"]
    expected = plain_reliability(files)
    assert [{name: row[name] for name in other} for row, other in zip(bins, expected, strict=True)] == expected
