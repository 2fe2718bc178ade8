"""The embedded default, end to end: real photographs, real weights, a real encoder, a real endpoint."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify.outputs import OUTPUTS
from tests import plain
from tests.plain.encoder_choice import encoder_choice
from tests.plain.encoders import encoder_tables
from tests.plain.mapping_quality import mapping_quality as plain_mapping_quality
from tests.plain.noise import noise_tables
from tests.workflow.study import PROJECT, Study, outputs_of

HEADERS = {
    "table2": "statistic,A,S,S+,S-,M,M+,M-,N",
    "table3": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-,ImGT_and_ReGT",
    "table4": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-",
    "table5": "model,A,S,S+,S-,M,M+,M-,N",
    "table6": "model,distractors,ImGT_A,ImGT_A_ci95,ReGT_A,ReGT_A_ci95,ReGT_S,ReGT_S_ci95,ReGT_S+,ReGT_S+_ci95,ReGT_S-,"
    "ReGT_S-_ci95,ReGT_M,ReGT_M_ci95,ReGT_M+,ReGT_M+_ci95,ReGT_M-,ReGT_M-_ci95",
}


@pytest.mark.parametrize("table", HEADERS)
def test_first_columns_are_the_papers(demonstration: Study, table: str) -> None:
    header = (demonstration.folder / "results" / f"{table}.csv").read_text().splitlines()[0]
    assert header.startswith(HEADERS[table] + ",")


@pytest.fixture(scope="module")
def computed(demonstration: Study) -> dict[str, list[dict]]:
    config = demonstration.config
    results, variants, encoder = demonstration.folder / "results", config["variants"], config["encoder"]["name"]
    tables = plain.tables(results, config["models"], choices=config["choices"], variants=variants, encoder=encoder)
    tables |= noise_tables(results, config["models"], variants=variants, encoder=encoder)
    return tables | encoder_tables(results, config) | {"encoder_choice": encoder_choice(results, config)}


COMMAND = [sys.executable, "-m", "mllm_classify"]
EXISTING = outputs_of(PROJECT / "config.yaml")
UNCOMPUTED = {
    "usage": "test_usage", "disputed": "test_annotate", "protocols": "test_recomputed", "top_k": "test_top_k",
    "label_quality": "test_label_quality", "quality_precision": "test_label_quality", "calibration": "test_calibration",
    "reliability": "test_calibration", "granularity": "test_granularity", "levels": "test_granularity", "mapping_quality": "test_mapping_quality",
}  # fmt: skip
"""Tables that are computed otherwise elsewhere, and where."""
MADE = [name for name in EXISTING if OUTPUTS[name].form != "figure" and name not in UNCOMPUTED]


@pytest.mark.parametrize("table", MADE)
def test_every_figure_equals_an_independent_computation(
    demonstration: Study, computed: dict[str, list[dict]], table: str
) -> None:
    assert demonstration.differences(table, computed[table]) == []


def test_every_model_has_its_row_and_family(demonstration: Study) -> None:
    families = {row["model"]: row["family"] for row in demonstration.rows("table3")}
    assert families == {
        "EfficientNet-Lite0": "supervised",
        "EfficientNet-Lite1": "supervised",
        "EfficientNet-Lite2": "supervised",
        "ConSE on EfficientNet-Lite2": "supervised + text",
        "conse-chat (not an LLM)": "MLLM",
    }


def test_oop_rate_is_neither_0_nor_100(demonstration: Study) -> None:
    assert [0 < float(row["A"]) < 100 for row in demonstration.rows("table5")] == [True]


def test_repeats_at_a_temperature_differ_and_ways_that_show_the_same_to_the_model_do_not(demonstration: Study) -> None:
    """conse-chat reads nothing of a prompt but the names on its list, in any order."""
    assert {row["variant"] for row in demonstration.rows("agreement")} == {"temperature 1"}
    assert all(0 < float(row["text_all"]) < 100 for row in demonstration.rows("agreement"))
    found = {row["variant"]: row for row in demonstration.rows("sensitivity") if row["task"] == "CW"}
    assert list(found) == ["main", "image first", "4 images, shuffled", "class list shuffled", "temperature 1"]
    for name in ("image first", "4 images, shuffled", "class list shuffled"):
        assert {found[name][f"{label_set}_A_vs_main"] for label_set in ("ImGT", "ReGT")} == {"0.00"}
        assert found[name]["OOP"] == found["main"]["OOP"]
    assert found["4 images, shuffled"]["clusters"] == "8"


def test_cw_plus_is_at_least_cw_in_every_column(demonstration: Study) -> None:
    found = {row["task"]: row for row in demonstration.rows("table4")}
    columns = [name for name in HEADERS["table4"].split(",")[2:] if found["CW"][name]]
    assert len(columns) >= 6
    assert all(float(found["CW+"][name]) >= float(found["CW"][name]) for name in columns)


@pytest.mark.parametrize("table", HEADERS)
@pytest.mark.parametrize("suffix", [".csv", ".md", ".html", ".tex"])
def test_every_rendering_says_demonstration_and_n(demonstration: Study, table: str, suffix: str) -> None:
    content = (demonstration.folder / "results" / table).with_suffix(suffix).read_text()
    assert "(demonstration)" in content
    assert ",30" in content if suffix == ".csv" else "n = 30" in content


def test_predictions_keep_the_contract(demonstration: Study) -> None:
    contract = (
        "image_id task variant repeat text texts class_ids scores status error reasoning answer_logprob letters "
        "finish_reason prompt request group served_model fingerprint prompt_tokens completion_tokens cached_tokens "
        "reasoning_tokens batched latency nodes tree_nodes whole_tokens"
    )
    folder = demonstration.folder / "results/predictions/photos"
    for model in demonstration.config["models"]:
        frame = pl.read_parquet(folder / f"{model['name']}.parquet")
        tasks = ["OW", "CW", "MC"] if model["kind"] == "engine" else ["CW"]
        assert " ".join(frame.columns) == contract
        assert frame.select("image_id", "task", "variant", "repeat").is_unique().all()
        assert frame["task"].unique(maintain_order=True).to_list() == tasks
        ways = [it for it in demonstration.config["variants"] if it["name"] in model.get("variants", [])]
        asked = len(tasks[:2]) + sum(way.get("repeats", 1) for way in ways)
        assert frame.filter(pl.col("task") != "MC").height == 30 * asked
        assert frame["status"].unique().to_list() == ["ok"]


def test_every_answer_of_the_chat_model_is_in_its_journal(demonstration: Study) -> None:
    files = list((demonstration.folder / "journal/conse-chat").glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    # the preflight's own questions are none of the study's
    probes = {line["request"] for line in lines if line.get("key", "").startswith("probe ")}
    lines = [line for line in lines if line["request"] not in probes]
    records = [line for line in lines if "response" in line]
    answers = pl.read_parquet(demonstration.folder / "results/predictions/photos/conse-chat.parquet")
    texts = {record["key"]: record["response"]["choices"][0]["message"]["content"] for record in records}
    # each once, although two questions may be the same to the letter
    asked = answers.drop_nulls("latency")
    assert len(texts) == len(records) == asked.select("request", "image_id", "repeat").n_unique()
    alone = answers.filter(pl.col("variant") != "4 images, shuffled")
    assert {text for text in texts.values() if not text.startswith("1. ")} == set(alone["text"])
    assert asked.height == len(records)
    # what was sent stands once, without images
    sent = {line["request"]: line["sent"] for line in lines if "sent" in line}
    assert {record["request"] for record in records} == set(sent) == set(answers["request"])
    assert "base64" not in json.dumps(sent)


def test_nothing_to_do_after_a_finished_run(demonstration: Study) -> None:
    done = demonstration.snakemake("results/table3.csv")
    assert done.returncode == 0
    assert "Nothing to be done" in done.stderr + done.stdout


def test_same_inputs_give_the_same_bytes(demonstration: Study, tmp_path: Path) -> None:
    again = demonstration.copy(tmp_path / "study")
    cheap = ["labels", "choices", "score", *EXISTING]
    again.make("all", "--forcerun", *cheap, "mapping")
    for file in sorted(path for path in (again.folder / "results").rglob("*") if path.is_file()):
        assert file.read_bytes() == (demonstration.folder / file.relative_to(again.folder)).read_bytes(), file


def test_conse_chat_killed_half_way_asks_only_for_what_it_lacks(demonstration: Study, tmp_path: Path) -> None:
    config = demonstration.config
    (entry,) = (it for it in config["models"] if it["name"] == "conse-chat")
    entry |= {"tasks": ["OW", "CW"], "variants": []}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [
        *(sys.executable, "-m", "mllm_classify", "predict", "--model", "conse-chat"),
        *("--config", str(tmp_path / "config.yaml")),
        *("--images", "results/dataset/photos/images.parquet", "--classes", "results/dataset/photos/classes.parquet"),
        *("--journal", str(tmp_path), "--output", str(tmp_path / "again.parquet")),
    ]

    def answered() -> int:
        return sum(file.read_text().count('"response"') for file in (tmp_path / "conse-chat").glob("*.jsonl"))

    killed = subprocess.Popen(
        command, cwd=demonstration.folder, env=os.environ | demonstration.environment, stderr=subprocess.PIPE
    )
    while answered() < 12:
        assert killed.poll() is None
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    before = answered()
    assert 12 <= before < 60

    done = demonstration.run(*command)
    assert done.returncode == 0, done.stderr
    assert f"lacks {60 - before} of 60 answers" in done.stderr
    assert answered() == 60
    undisturbed = pl.read_parquet(demonstration.folder / "results/predictions/photos/conse-chat.parquet")
    undisturbed = undisturbed.filter(pl.col("task") != "MC", pl.col("variant") == "").drop("latency")
    assert pl.read_parquet(tmp_path / "again.parquet").drop("latency").equals(undisturbed)


def test_answers_are_no_output_that_snakemake_would_delete(demonstration: Study) -> None:
    done = demonstration.snakemake("--delete-all-output", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "results/table3.csv" in done.stdout + done.stderr
    assert "journal" not in done.stdout + done.stderr


def test_mapping_rules_on_the_labelled_answers_equal_an_independent_computation(demonstration: Study) -> None:
    file = demonstration.folder / demonstration.config["dataset"]["answer_labels"]
    expected = plain_mapping_quality(demonstration.folder / "results", demonstration.config, file)
    found = [row for row in demonstration.rows("mapping_quality") if not row["signal"]]
    assert [{name: row[name] for name in cells} for row, cells in zip(found, expected, strict=True)] == expected


def test_answers_are_drawn_labelled_and_read_back(demonstration: Study, tmp_path: Path) -> None:
    """By a person who takes each answer that is a class's name for that class, and leaves out the others."""
    sheet, labels = tmp_path / "sheet.csv", tmp_path / "labels.csv"
    draw = [*COMMAND, "annotate", "answers", "--annotator", "Kim", "--count", "12", "--sheet", str(sheet)]
    assert demonstration.run(*draw).returncode == 0
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert "conse-chat" not in sheet.read_text()
    for row in rows:
        candidates = {name.lower(): name for name in row["candidates"].split(" | ")}
        if row["answer"].lower() in candidates:
            row |= {"relation": "same", "classes": candidates[row["answer"].lower()]}
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    again = demonstration.run(*draw)
    assert again.returncode == 1
    assert "is there already, and may be labelled; name another file" in again.stderr
    read = [*COMMAND, "annotate", "read-answers", "--sheets", str(sheet), "--labels", str(labels)]
    assert demonstration.run(*read).returncode == 0
    labelled = [row for row in rows if row["relation"]]
    assert 0 < len(labelled) < 12
    with labels.open(newline="") as file:
        assert [row["answer"] for row in csv.DictReader(file)] == sorted(row["answer"] for row in labelled)
