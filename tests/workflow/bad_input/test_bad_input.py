"""Bad input: one clear line that names file, key and value, a failing exit code, and nothing half-written."""

import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mllm_classify.io.files import locate
from tests.chat_server import chat_server
from tests.workflow.study import PROJECT, Study

SERVER = str(PROJECT / "tests/chat_server.py")
IMAGES = "resources/photos/images.csv"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study that was never run, with one chat model."""
    study = Study(tmp_path / "study")
    config = study.config
    config["models"] = [
        {
            "name": "chat",
            "label": "Chat",
            "kind": "engine",
            "model": "chat",
            "command": [sys.executable, SERVER, "--port", "{port}", "--log", str(tmp_path / "asked")],
            "start_timeout": 60,
        }
    ]
    del config["choices"], config["annotate"]
    study.write_config(config)
    return study


def entry(key: str, value: object) -> Callable[[Study], None]:
    def apply(study: Study) -> None:
        config = study.config
        config["models"][0][key] = value
        study.write_config(config)

    return apply


def edit(file: str, old: str, new: str) -> Callable[[Study], None]:
    return lambda study: study.edit(file, old, new)


def two_of_one_name(study: Study) -> None:
    config = study.config
    config["models"].append(config["models"][0] | {"label": "Another"})
    study.write_config(config)


def picture(content: bytes) -> Callable[[Study], None]:
    def apply(study: Study) -> None:
        (study.folder / "picture.png").write_bytes(content)
        row = next(row for row in (study.folder / IMAGES).read_text().splitlines() if row.startswith("coffee,"))
        study.edit(IMAGES, row, f"coffee,{study.folder}/picture.png,")

    return apply


def truncated() -> bytes:
    return locate("package:skimage/data/coffee.png").read_bytes()[:5000]


CASES: dict[str, tuple[Callable[[Study], None], str]] = {
    "unknown key": (entry("temprature", 1), r"config\.yaml: models\[0\]\.temprature: unknown key \(value 1\)"),
    "unknown kind": (entry("kind", "vlm"), r"config\.yaml: models\[0\]\.kind: 'vlm' is no kind of model; one of .*'timm'"),
    "two models of one name": (two_of_one_name, r"config\.yaml: models\[1\]\.name: 'chat' is also models\[0\]\.name"),
    "not YAML": (edit("config.yaml", "models:", "models: ["), r"config\.yaml: line \d+: "),
    "no prompt file": (
        lambda s: (s.folder / "resources/prompts/cw.v1.txt").unlink(), r"resources/prompts/cw\.v1\.txt: cannot be read",
    ),
    "unreadable image": (picture(b"no picture"), r"resources/photos/images\.csv:\d+: file '.*picture\.png' is not an image"),
    "truncated image": (picture(truncated()), r"resources/photos/images\.csv:\d+: file '.*picture\.png' cannot be decoded"),
    "absent image": (
        edit(IMAGES, "skimage/data/brick.png", "skimage/data/absent.png"),
        r"resources/photos/images\.csv:\d+: file 'package:skimage/data/absent\.png' not found",
    ),
    "label outside the class list": (
        edit("resources/photos/imgt.csv", "rocket,657", "rocket,1000"), r"resources/photos/imgt\.csv:\d+: '1000' is not a class",
    ),
    "image labelled twice": (
        edit("resources/photos/regt.csv", "brick,N,", "cat,N,x\nbrick,N,"), r"resources/photos/regt\.csv:\d+: image 'cat' is labelled at",
    ),
    "image without a label": (
        edit("resources/photos/imgt.csv", "rocket,657,missile\n", ""), r"resources/photos/imgt\.csv: no label for 1 of 30 images: 'rocket'\. Label them",
    ),
    "engine that does not exist": (
        entry("command", ["no-such-engine", "{port}"]), r"model 'chat': command: 'no-such-engine' is not a program",
    ),
    "engine that ends at once": (
        entry("command", ["{python}", "-c", "print('out of memory'); raise SystemExit(7)"]),
        r"model 'chat': command: the engine ended with status 7 .*'out of memory'",
    ),
}  # fmt: skip


PREDICTIONS = "results/predictions/photos/chat.parquet"


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line(study: Study, case: str) -> None:
    """Before the model is asked: the engine starts in none of these."""
    spoil, pattern = CASES[case]
    spoil(study)
    done = study.snakemake(PREDICTIONS)
    assert done.returncode != 0
    assert len(re.findall(rf"(?m)^(?:error: )?{pattern}", done.stdout + done.stderr)) == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(study.folder.rglob("*.tmp"))
    assert not (study.folder / PREDICTIONS).exists()
    assert not (study.folder.parent / "asked").exists()


def test_engine_that_never_answers(study: Study) -> None:
    entry("command", ["{python}", "-c", "import time; time.sleep(60)"])(study)
    entry("start_timeout", 1)(study)
    done = study.snakemake(PREDICTIONS)
    assert done.returncode != 0
    assert "model 'chat': start_timeout: the engine did not answer at http://127.0.0.1:" in done.stdout + done.stderr
    assert not (study.folder / PREDICTIONS).exists()


def test_overrides_on_the_command_line_are_refused(study: Study) -> None:
    done = study.snakemake("-n", "results/table3.csv", "--config", "models=none")
    assert done.returncode != 0
    assert "One file configures a run" in done.stdout + done.stderr


def test_what_to_make_is_not_a_file_of_configuration(study: Study) -> None:
    """Snakemake reads what follows --configfile before any line of ours: a table that is there may pass for YAML."""
    (study.folder / "results").mkdir(exist_ok=True)
    (study.folder / "results/table3.yaml").write_text("model: task\n")
    done = study.snakemake("-n", "--configfile", "config.yaml", "results/table3.yaml")
    assert done.returncode != 0
    assert "name what it shall make before it" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    done = study.snakemake("-n", "--configfile", "config.yaml", "--", "results/table3.csv")
    assert done.returncode == 0, done.stderr


def test_a_table_that_the_configuration_has_not_is_refused_with_what_it_needs(study: Study) -> None:
    done = study.snakemake("-n", "results/difficulty.svg")
    assert done.returncode != 0
    assert (
        "difficulty: not part of config.yaml, which would need multiple choice (choices)" in done.stdout + done.stderr
    )


def test_a_preset_does_not_mix_with_the_configuration(study: Study) -> None:
    config = study.config
    config["models"][0]["name"] = "preset"
    (study.folder / "presets").mkdir(exist_ok=True)
    study.write_config(config)
    (study.folder / "config.yaml").rename(study.folder / "presets/one.yaml")
    (study.folder / "config.yaml").write_text("broken: true\n")
    done = study.snakemake("-n", "all", "--configfile", "presets/one.yaml")
    assert done.returncode == 0, done.stderr
    assert "Asking preset" in done.stdout + done.stderr


def test_an_edit_during_a_run_stops_the_jobs_that_follow(study: Study) -> None:
    """A job reads the configuration when it starts: it must not do other work than what will be recorded."""
    command = (
        "import pathlib, runpy, sys; p = pathlib.Path('config.yaml');"
        " p.write_text(p.read_text().replace('name: minilm', 'name: other'));"
        f" sys.argv = {[SERVER, '--port', '{port}', '--log', 'asked']!r}; runpy.run_path({SERVER!r}, run_name='__main__')"
    )
    study.shrink(kind="engine", command=["{python}", "-c", command])
    done = study.snakemake("results/table5.csv", "--jobs", "1")
    assert done.returncode != 0
    assert "has changed since this run was started" in done.stdout + done.stderr
    assert not (study.folder / "results/table5.csv").exists()


def test_odd_answers_are_reported_and_scored(study: Study, embedder: str) -> None:
    """Answers are data, not configuration: they are kept as they came and scored by the rules."""
    odd = {"empty": "", "longer than 1000 characters": "x" * 2**20, "with control characters": "tab\x00by \x1b[31mcat"}
    sorts = itertools.cycle(odd.values())
    with chat_server(lambda _: next(sorts)) as server:
        study.shrink(embedder=embedder, kind="endpoint", url=server.url, tasks=["CW"])
        done = study.snakemake("results/table5.csv", "results/oop_texts.csv")
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    for sort in odd:
        assert len(re.findall(rf"\d of 4 answers are {sort}", printed)) == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", printed)
    assert len(max(printed.splitlines(), key=len)) < 4000
    texts = pl.read_parquet(study.folder / "results/predictions/small/chat.parquet")["text"]
    assert set(texts) == set(odd.values())
    scores = pl.read_parquet(study.folder / "results/scores.parquet").filter(scoring="CW")
    assert scores["oop"].all()
    assert not scores["imgt"].any()
    assert scores.filter(regt=True)["category"].unique().to_list() == ["N"]
