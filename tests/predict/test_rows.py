import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.io.files import PROJECT
from mllm_classify.predict.rows import PREDICTIONS, TRUNCATED, answer_rows, gathered


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


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_shards_that_share_groups_put_together_are_what_one_job_writes(images, shards, together, repeats, seed):
    """Variants stand by name and repeat; groups of images take turns, in another order in each repeat."""
    image_ids = [f"image{number}" for number in range(images)]
    rng = random.Random(seed)
    parts: list[list[tuple[str, str, int]]] = [[] for _ in range(shards)]
    for task, variant in [("OW", ""), ("OW", "b"), ("OW", "a"), ("CW", "")]:
        for repeat in range(repeats if variant else 1):
            order = rng.sample(image_ids, images)
            for number, start in enumerate(range(0, images, together)):
                parts[number % shards] += [(task, variant, repeat, image) for image in order[start : start + together]]
    frames = []
    for part in parts:
        rows = answer_rows([row[3] for row in part], [row[0] for row in part], [f"{row}" for row in part])
        about = {"variant": [row[1] for row in part], "repeat": pl.Series([row[2] for row in part], dtype=pl.Int32)}
        frames.append(rows.with_columns(**{name: pl.Series(values) for name, values in about.items()}))
    found = gathered(
        [frame.select(*PREDICTIONS) for frame in frames if frame.height], pl.DataFrame({"image_id": image_ids})
    )
    ways = [("OW", "", 0), *(("OW", name, repeat) for name in "ab" for repeat in range(repeats)), ("CW", "", 0)]
    expected = [(*way, image) for way in ways for image in image_ids]
    assert found.select("task", "variant", "repeat", "image_id").rows() == expected
    assert found["text"].to_list() == [f"{row}" for row in expected]


@given(st.permutations(["OW", "CW", "MC"]), st.permutations(range(3)))
def test_tasks_stand_in_the_order_of_one_job_though_a_shard_lacks_some(tasks, order):
    parts = [answers(["b"], *tasks[1:]), answers(["a"], *tasks), answers(["c"], tasks[2])]
    found = gathered([parts[number] for number in order], pl.DataFrame({"image_id": ["a", "b", "c"]}), tasks)
    assert found.select("task", "image_id").rows() == [
        (tasks[0], "a"), (tasks[1], "a"), (tasks[1], "b"), (tasks[2], "a"), (tasks[2], "b"), (tasks[2], "c"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "finish", "truncated"),
    [("ok", "length", True), ("ok", "stop", False), ("error", "length", False), ("ok", None, None)],
)
def test_an_answer_is_truncated_where_it_was_cut_off_and_an_error_is_no_answer(status, finish, truncated):
    frame = pl.DataFrame({"status": status, "finish_reason": finish}, schema_overrides={"finish_reason": pl.String})
    assert frame.select(TRUNCATED).item() is truncated


def test_what_truncated_means_is_told_once():
    """`answers` makes servers' words for it one; nothing else compares with that."""
    telling = [path for path in (PROJECT / "src").rglob("*.py") if '"length"' in path.read_text()]
    assert sorted(path.name for path in telling) == ["answers.py", "rows.py"]
