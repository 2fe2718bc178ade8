import re

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mllm_classify.choices.confusions import CONFUSIONS, NAMED, confusions, counts, named, rankings, read
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError
from mllm_classify.predict.rows import PREDICTIONS

LABELS = pl.DataFrame(
    {
        "image_id": list("abcdefg"),
        "imgt": [0, 0, 0, 0, 1, 1, None],
        "excluded": [None, None, None, None, None, "uncertain", "no ImGT label"],
    }
)


def predictions(rankings, scores=None, status=None):
    count = len(rankings)
    columns = {
        "image_id": list("abcdefg")[:count],
        "class_ids": rankings,
        "scores": scores or [None] * count,
        "status": status or ["ok"] * count,
    }
    return pl.DataFrame(columns, schema={name: PREDICTIONS[name] for name in columns})


def test_first_classes_are_counted_by_label():
    """The last two images have an open label, the fourth an error."""
    found = confusions(
        predictions([[0, 1], [2, 0], [2, 1], [1], [1], [3], [3]], status=["ok", "ok", "ok", "error", *["ok"] * 3]),
        LABELS,
    )
    expected = [[0, 2, 2, 2 / 3, None], [0, 0, 1, 1 / 3, None], [1, 1, 1, 1.0, None]]
    assert_frame_equal(found, pl.DataFrame(expected, schema=CONFUSIONS, orient="row"))
    assert counts(found, 4).tolist() == [[1, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_kept_scores_are_averaged_over_the_images_of_a_class():
    found = confusions(predictions([[0, 1], [2, 0]], [[0.75, 0.25], [0.5, 0.25]]), LABELS)
    expected = [[0, 0, 1, 0.5, 0.5], [0, 2, 1, 0.5, 0.25], [0, 1, 0, 0.0, 0.125]]
    assert_frame_equal(found, pl.DataFrame(expected, schema=CONFUSIONS, orient="row"))


def test_the_order_is_by_count_then_probability_then_similarity():
    found = pl.DataFrame(
        [[0, 0, 5, 0.5, 0.5], [0, 4, 2, 0.2, 0.1], [0, 1, 1, 0.1, 0.1], [0, 2, 1, 0.1, 0.2], [0, 3, 0, 0.0, 0.01]],
        schema=CONFUSIONS,
        orient="row",
    )
    vectors = np.eye(7, dtype=np.float32)
    vectors[6] = 0.8 * vectors[0] + 0.6 * vectors[6]
    #  most often; of 1 and 2, confused once, the likelier; never confused: with a probability; the similar; the rest
    assert rankings(found, 7, vectors)[0].tolist() == [4, 2, 1, 3, 6, 5, 0]


def test_without_probabilities_and_embeddings_a_hash_decides_and_never_the_number():
    nothing = pl.DataFrame(schema=CONFUSIONS)
    found = rankings(nothing, 50, None)
    assert (found[:, -1] == np.arange(50)).all()
    assert (np.sort(found, axis=1) == np.arange(50)).all()
    firsts = found[:, 0]
    assert len(set(firsts.tolist())) > 25
    assert (np.diff(found[0][:-1]) < 0).any()
    assert rankings(nothing, 50, None).tolist() == found.tolist()


def test_the_order_of_the_images_changes_nothing():
    rng = np.random.default_rng(1)
    rows = predictions(
        [rng.permutation(4)[:3].tolist() for _ in range(5)], rng.dirichlet(np.ones(3), 5).round(3).tolist()
    )
    assert_frame_equal(confusions(rows, LABELS), confusions(rows.reverse(), LABELS.reverse()))


CLASSES = pl.DataFrame({"class_id": [0, 1, 2], "name": ["tabby", "tiger", "lynx"]})
FOUND = pl.DataFrame([[0, 0, 3, 0.6, None], [0, 2, 2, 0.4, None]], schema=CONFUSIONS, orient="row")


def test_another_studys_confusions_are_read_with_their_names(tmp_path):
    file = tmp_path / "c.parquet"
    parquet.write(named(FOUND, CLASSES), NAMED, file)
    assert pl.read_parquet(file)["predicted_name"].to_list() == ["tabby", "lynx"]
    assert_frame_equal(read(str(file), CLASSES), FOUND)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            CLASSES.with_columns(name=pl.Series(["tabby", "lynx", "tiger"])),
            "predicted 2 is 'lynx', and 'tiger' in the data set",
        ),
        (CLASSES[:2], "predicted 2 is 'lynx', and None in the data set"),
        (CLASSES.with_columns(name=pl.lit("x")), "label 0 is 'tabby', and 'x' in the data set"),
    ],
)
def test_confusions_of_another_class_list_are_refused(tmp_path, classes, message):
    file = tmp_path / "c.parquet"
    parquet.write(named(FOUND, CLASSES), NAMED, file)
    with pytest.raises(InputError, match=re.escape(message)):
        read(str(file), classes)


def test_confusions_without_names_are_refused(tmp_path):
    parquet.write(FOUND, CONFUSIONS, tmp_path / "c.parquet")
    with pytest.raises(InputError, match="no column 'label_name'"):
        read(str(tmp_path / "c.parquet"), CLASSES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (pl.lit(1.5, pl.Float32).alias("share"), "counts or shares are none"),
        (pl.lit(-1, pl.Int32).alias("images"), "counts or shares are none"),
        (pl.lit(None, pl.Float32).alias("share"), "counts or shares are none"),
        (pl.lit(float("nan"), pl.Float32).alias("probability"), "counts or shares are none"),
        (pl.col("label").cast(pl.String), "the column 'label' is not Int32"),
    ],
)
def test_confusions_that_are_none_are_refused(tmp_path, change, said):
    file = str(tmp_path / "c.parquet")
    parquet.write(named(FOUND, CLASSES).with_columns(change), None, file)
    with pytest.raises(InputError, match=said):
        read(file, CLASSES)
