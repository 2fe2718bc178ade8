"""A study with a cross-encoder that decides among the nearest classes: killed, computed once more, and given another one."""

import csv
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import polars as pl
import psutil
import pytest

from tests.cross_encoders import random_cross_encoder
from tests.plain.encoders import encoder_tables
from tests.plain.mapping_quality import mapping_quality
from tests.waiting import PATIENCE, wait_until
from tests.workflow.study import Study, reconfigure

IMAGES = ["coffee", "cat", "brick", "rocket"]
ANSWERS = {
    "OW": ["teacup", "a tabby", "a wall of bricks", "a rocket"],
    "CW": ["cup of coffee", "tabby cat", "brick wall", "missiles"],
}
LABELS = """answer,relation,classes,annotator,kind,pass
teacup,same,tea cup,Ann,people,1
a tabby,same,tabby cat,Ann,people,1
brick wall,same,stone wall,Ann,people,1
missiles,same,missile,Ann,people,1
tabby cat,same,tabby cat,Ann,people,1
a rocket,none,,Ann,people,1
"""
PAIRS = "classes,admits,source\n4|5,,both fly\n"
RERANKED = "results/reranked/crossed/small/told.parquet"
TARGETS = [f"results/{name}.csv" for name in ("encoders", "encoder_pairs", "mapping_quality")]
TABLES = {"encoders", "encoder_pairs", "mapping_quality"}


@pytest.fixture
def study(embedder: str, tmp_path: Path) -> Study:
    study = Study(tmp_path / "study")
    study.shrink(embedder=embedder)
    for seed in (0, 1):
        random_cross_encoder(study.folder / f"small/cross-encoder-{seed}", seed=seed)
    with (study.folder / "small/told.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image_id", "task", "text"])
        rows.writerows(
            (image, task, text) for task, texts in ANSWERS.items() for image, text in zip(IMAGES, texts, strict=True)
        )
    (study.folder / "small/answers.csv").write_text(LABELS)
    (study.folder / "small/pairs.csv").write_text(PAIRS)
    crossed = study.config["encoder"] | {
        "name": "crossed",
        "reranker": {"path": "small/cross-encoder-0", "nearest": 4, "batch_size": 3},
    }
    told = {"name": "told", "label": "Told", "kind": "recorded", "file": "small/told.csv", "column": "text"}
    config = study.config | {"encoders": [crossed], "models": [told]}
    config |= {"tasks": {}, "variants": [], "tables": {"resamples": 100}}
    config["dataset"] = config["dataset"] | {"answer_labels": "small/answers.csv"}
    study.write_config(config)
    return study


def kill_the_job(study: Study) -> None:
    """End the job that re-ranks outright, as soon as it runs. Snakemake goes on to its own end."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TARGETS]
    with subprocess.Popen(
        command, cwd=study.folder, env=study.whole_environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as snakemake:

        def jobs() -> list[psutil.Process]:
            found = []
            for it in psutil.Process(snakemake.pid).children(recursive=True):
                with suppress(psutil.Error):  # it may have ended since
                    found += [it] if it.cmdline()[1:4] == ["-m", "mllm_classify", "rerank"] else []
            return found

        try:
            wait_until(jobs)
            for job in jobs():
                job.send_signal(signal.SIGKILL)
            assert snakemake.wait(PATIENCE) != 0
        finally:
            snakemake.kill()


def assert_tables_equal_a_plain_computation(study: Study) -> list[tuple[str, str]]:
    """Returns the accuracies under ImGT of OW: by the encoder alone, and by the cross-encoder."""
    results, equivalences = study.folder / "results", study.folder / "small/pairs.csv"
    expected = encoder_tables(results, study.config, equivalences)
    expected["mapping_quality"] = mapping_quality(results, study.config, study.folder / "small/answers.csv")
    for table, wanted in expected.items():
        found = study.rows(table)
        found = [row for row in found if not row["signal"]] if table == "mapping_quality" else found
        rows = [{name: row[name] for name in other} for row, other in zip(found, wanted, strict=True)]
        assert rows == [{name: str(it) for name, it in other.items()} for other in wanted], table
    return [(row["encoder"], row["ImGT_A"]) for row in study.rows("encoders") if row["task"] == "OW"][:2]


def test_a_cross_encoder_is_killed_computed_plainly_and_exchanged(study: Study) -> None:
    kill_the_job(study)
    assert not list((study.folder / "results/reranked").rglob("*.parquet"))
    assert not [it for it in TARGETS if (study.folder / it).exists()]
    study.make(*TARGETS)

    answers = {text for texts in ANSWERS.values() for text in texts}
    pairs = pl.read_parquet(study.folder / RERANKED)
    assert pairs.group_by("text").len().sort("text").rows() == [(text, 4) for text in sorted(answers)]
    first = assert_tables_equal_a_plain_computation(study)
    mapped = {
        encoder: pl.read_parquet(study.folder / f"results/mapping/{encoder}/small/told.parquet")
        for encoder in ("served", "crossed")
    }
    differing = mapped["served"]["nearest_class"] != mapped["crossed"]["nearest_class"]
    assert differing.any()  # or nothing was seen of it
    shown = {row["templates"] for row in study.rows("encoders")}
    assert "small/templates.txt; nearest 4 re-ranked by small/cross-encoder-0" in shown

    # another one: what follows from it is made again, and no embedding
    kept = {path: path.stat().st_mtime_ns for path in (study.folder / "results/embeddings").rglob("*.parquet")}
    plainly, another = mapped["served"], {"path": "small/cross-encoder-1", "nearest": 3, "batch_size": 64}
    reconfigure(lambda config: config["encoders"][0]["reranker"].update(another))(study)
    assert study.scheduled(*TARGETS) == {"rerank/crossed/told", "mapping/crossed/told", *TABLES}
    study.make(*TARGETS)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    second = assert_tables_equal_a_plain_computation(study)
    assert first[0] == second[0]
    assert pl.read_parquet(study.folder / "results/mapping/served/small/told.parquet").equals(plainly)
    after = pl.read_parquet(study.folder / "results/mapping/crossed/small/told.parquet")
    assert (after["nearest_class"] != mapped["crossed"]["nearest_class"]).any()
