import math
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from mllm_classify.mapping.nearest import BLOCK, nearest
from tests.mapping.answers import CLASS_VECTORS, VECTORS, embedded, mapped


@pytest.mark.parametrize("task", ["OW", "CW"])
def test_the_nearest_class_knows_no_exact_match(task):
    """An answer that is a class name goes where its embedding goes."""
    (row,) = mapped([("a", task, "cat")], embedded(cat=[0, 0.6, 0.8])).to_dicts()
    assert row["nearest_class"] == 2
    assert row["exact_classes"] == [0]


@pytest.mark.parametrize("answer", ["MISSILE", "rocket"])
def test_a_shared_name_is_all_its_classes_exactly_and_its_first_when_nearest(answer):
    (row,) = mapped([("a", "CW", answer)], embedded(**{answer: [0.6, 0.8, 0]})).to_dicts()
    assert row["exact_classes"] == ([1, 3] if answer == "MISSILE" else [])
    assert row["nearest_class"] == 1
    assert row["margin"] == pytest.approx(0.2)


def test_a_shared_name_is_its_first_class_whichever_embedding_is_nearer():
    """Names that differ in case may have different vectors."""
    vectors = CLASS_VECTORS.with_columns(
        pl.Series("embedding", [*VECTORS[:3], [0.0, 0.8, 0.6]], pl.Array(pl.Float32, 3))
    )
    (row,) = mapped([("a", "OW", "x")], embedded(x=[0, 0.8, 0.6]), class_vectors=vectors).to_dicts()
    assert row["nearest_class"] == 1
    assert (row["similarity"], row["margin"]) == (pytest.approx(1), pytest.approx(0.4))


def test_of_equally_near_classes_the_lowest_wins():
    (row,) = mapped([("a", "OW", "x")], embedded(x=[0.5, 0, 0.5])).to_dicts()
    assert (row["nearest_class"], row["margin"]) == (0, 0)


def test_answers_beyond_one_block_are_all_compared():
    count = BLOCK + 3
    angles = np.arange(count) % 7
    answers = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    classes = answers[:7]
    found = nearest(answers, classes, [[i] for i in range(7)])
    assert found["nearest_class"].to_list() == angles.tolist()
    assert found["similarity"].to_numpy() == pytest.approx(np.ones(count), abs=1e-6)


def test_without_another_name_the_margin_is_infinite():
    one = np.ones((1, 1), dtype=np.float32)
    assert nearest(one, one, [[0]]).row(0) == (0, 1, math.inf)


SAVED = """
import sys
import numpy as np
from mllm_classify.mapping.nearest import nearest
vectors = np.random.default_rng(3).normal(size=(400, 384)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
sys.stdout.write(nearest(vectors[:100], vectors[100:], [[it] for it in range(300)]).write_csv())
"""


def test_similarities_are_the_same_to_the_bit_whatever_a_processor_sums_first():
    """OpenBLAS sums otherwise for each of them; those that a processor cannot be are ignored."""
    found = set()
    for core in ("Prescott", "Nehalem", "Sandybridge", "Haswell"):
        environment = os.environ | {"OPENBLAS_CORETYPE": core}
        done = subprocess.run(
            [sys.executable, "-c", SAVED], env=environment, check=True, capture_output=True, text=True
        )
        found.add(done.stdout)
    assert len(found) == 1
