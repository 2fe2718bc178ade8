import csv
import io

import polars as pl
import pytest

from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.tables.render import as_markdown, write
from mllm_classify.tables.table import Study
from mllm_classify.tables.usage import usage

STUDY = Study("data", "Old labels", None, None, "names.txt (10)")
MODELS = pl.DataFrame([{"model": name, "label": name.upper(), "family": "MLLM"} for name in "ab"])
PRICES = {"input": 10, "cached_input": 1, "output": 100, "batch": 0.5}


def answered(image, task="CW", *, tokens=(None,) * 4, latency=1.0, batched=False, **others):
    """A row of predictions; `tokens` are those of the prompt, from the cache, of the answer, and of reasoning."""
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
    about = {"image_id": image, "task": task, "variant": "", "repeat": 0, "text": "x", "status": "ok"}
    return about | dict(zip(names, tokens, strict=True)) | {"latency": latency, "batched": batched} | others


def used(prices=None, **predictions):
    """The table of models that are called as the keywords, which stand in the order of names."""
    frames = {name: pl.LazyFrame(predictions[name], schema=PREDICTIONS) for name in sorted(predictions)}
    return usage(frames, dict.fromkeys(predictions) | (prices or {}), MODELS, STUDY)


def rows(table):
    return list(csv.DictReader(io.StringIO(table.rows.write_csv())))


SHOWN = ["images", "answers", "n_errors", "n_truncated", "requests", "prompt_tokens", "cached_tokens", "completion_tokens",
         "reasoning_tokens", "cached_share", "cost"]  # fmt: skip


def shown(table):
    return {(row["model"], row["task"], row["variant"]): [row[name] for name in SHOWN] for row in rows(table)}


def test_what_a_task_used_is_the_sum_of_its_answers():
    """Of 300,000 prompt tokens 200,000 are cached: 1 + 0.2 dollars; 10,000 tokens of answers: 1 dollar."""
    table = used(
        {"a": PRICES},
        a=[
            answered("i0", tokens=(100_000, 0, 2_000, 1_000), latency=1.0),
            answered("i1", tokens=(100_000, 100_000, 3_000, 1_500), latency=2.0),
            answered("i2", tokens=(100_000, 100_000, 5_000, 500), latency=4.0, finish_reason="length"),
            answered("i3", status="error", text=None, latency=None, finish_reason="length"),
            answered("i0", "OW", tokens=(1_000, 0, 10, 0), latency=0.25),
        ],
    )
    assert shown(table) == {
        ("A", "CW", ""): ["4", "4", "1", "1", "3", "300000", "200000", "10000", "3000", "66.7", "2.20"],
        ("A", "OW", ""): ["1", "1", "0", "0", "1", "1000", "0", "10", "0", "0.0", "0.01"],
    }


def test_what_a_batch_answered_costs_its_factor():
    """1,000,000 tokens alone and as many in a batch: 10 and 5 dollars."""
    table = used(
        {"a": PRICES},
        a=[
            answered("i0", tokens=(1_000_000, 0, 0, 0), latency=3.0),
            answered("i1", tokens=(1_000_000, 0, 0, 0), latency=None, batched=True),
        ],
    )
    assert shown(table)["A", "CW", ""] == [
        "2", "2", "0", "0", "2", "2000000", "0", "0", "0", "0.0", "15.00",
    ]  # fmt: skip


def test_a_request_about_several_images_is_counted_once():
    about = {"variant": "groups"}
    table = used(
        a=[
            answered("i0", tokens=(900, None, 30, None), latency=2.0, **about),
            answered("i1", latency=None, batched=None, **about),
            answered("i2", latency=None, batched=None, **about),
        ]
    )
    assert shown(table)["A", "CW", "groups"] == ["3", "3", "0", "0", "1", "900", "0", "30", "0", "0.0", ""]


def test_repeats_are_answers_about_the_same_images():
    table = used(a=[answered("i0", repeat=repeat, variant="hot") for repeat in range(3)])
    assert shown(table)["A", "CW", "hot"][:5] == ["1", "3", "0", "0", "3"]


def test_errors_are_counted_whether_or_not_anything_came():
    table = used(
        a=[
            answered("i0", tokens=(10, 0, 2, 0)),
            answered("i1", tokens=(10, 0, 9, 9), status="error", error="cut off"),
            answered("i2", latency=None, batched=None, status="error", error="HTTP 400"),
        ]
    )
    assert shown(table)["A", "CW", ""][:8] == ["3", "3", "2", "0", "2", "20", "0", "11"]


@pytest.mark.parametrize("price", [None, PRICES])
def test_a_server_that_does_not_count_has_empty_cells_and_no_cost(price):
    assert shown(used({"a": price}, a=[answered("i0"), answered("i1")]))["A", "CW", ""] == [
        "2", "2", "0", "0", "2", "", "", "", "", "", "",
    ]  # fmt: skip


def test_models_stand_by_name_with_their_own_prices():
    one, two = [answered("i0", tokens=(1_000_000, 0, 0, 0))], [answered("i0", tokens=(1_000_000, 0, 0, 0))]
    prices = {"a": PRICES, "b": PRICES | {"input": 3}}
    found = shown(used(prices, b=two, a=one))
    assert found == shown(used(prices, a=one, b=two))
    assert {key[0]: row[-1] for key, row in found.items()} == {"A": "10.00", "B": "3.00"}
    assert list(found) == [("A", "CW", ""), ("B", "CW", "")]


def test_it_is_written_in_four_forms(tmp_path):
    table = used(a=[answered("i0", tokens=(10, 5, 2, 0))])
    write(table, tmp_path / "t.csv")
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".md", ".html", ".tex"}
    assert "What chat models used" in as_markdown(table)
    assert rows(table)[0]["dataset"] == "data"
