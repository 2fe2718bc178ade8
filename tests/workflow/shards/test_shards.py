"""A model's images shared between jobs: the same rows, and no answer asked for twice."""

from itertools import count
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from tests.chat_server import chat_server, digested_answer, error
from tests.workflow.study import Study

PREDICTIONS = "results/predictions/small/chat.parquet"
QUESTIONS = 8


def small(folder: Path, url: str, shards: int) -> Study:
    study = Study(folder)
    study.shrink(kind="endpoint", url=url, shards=shards)
    return study


def predictions(study: Study) -> pl.DataFrame:
    return pl.read_parquet(study.folder / PREDICTIONS).drop("latency")


def test_three_shards_predict_what_one_does_and_go_on_where_it_stopped(tmp_path: Path) -> None:
    with chat_server() as server:
        whole = small(tmp_path / "whole", server.url, 1)
        whole.make(PREDICTIONS)

    asked = count(1)
    with chat_server(
        lambda body: digested_answer(body) if next(asked) <= QUESTIONS / 2 else error(400, "no")
    ) as server:
        study = small(tmp_path / "half", server.url, 1)
        assert study.snakemake(PREDICTIONS).returncode != 0
        assert "4 of 8 requests failed" in (study.folder / "logs/predict/chat.log").read_text()

    with chat_server() as server:
        study.edit("config.yaml", "shards: 1", "shards: 3")
        config = study.config
        config["models"][0]["url"] = server.url
        study.write_config(config)
        assert study.scheduled(PREDICTIONS) == {
            "gather/chat", *(f"predict/chat, shard {number} of 3" for number in (1, 2, 3)),
        }  # fmt: skip
        study.make(PREDICTIONS)
        assert len(server.requests) == QUESTIONS / 2

    assert_frame_equal(predictions(study), predictions(whole))
