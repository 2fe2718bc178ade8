import random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.predict.rows import PREDICTIONS, answer_rows, gathered


def answers(image_ids, *tasks):
    """As a job writes them: by task, then in the order of the images."""
    ids = image_ids * len(tasks)
    rows = answer_rows(ids, [task for task in tasks for _ in image_ids], [f"of {image_id}" for image_id in ids])
    return rows.select(*PREDICTIONS)


@given(st.integers(1, 20), st.integers(1, 25), st.permutations(["OW", "CW"]), st.integers(0, 99))
def test_shards_put_together_are_what_one_job_writes(images, shards, tasks, seed):
    image_ids = [f"image{number}" for number in range(images)]
    random.Random(seed).shuffle(image_ids)
    parts = [answers(image_ids[start::shards], *tasks) for start in range(shards)]
    found = gathered(parts, pl.DataFrame({"image_id": image_ids}))
    assert_frame_equal(found, answers(image_ids, *tasks))
