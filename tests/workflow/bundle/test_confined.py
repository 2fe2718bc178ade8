"""An archive's files are data: whatever is named like something that programs look for, nothing of it runs."""

import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mllm_classify.bundle.archive import SUMS, digest, write
from mllm_classify.bundle.verify import verify
from tests.waiting import PATIENCE
from tests.workflow.bundle.traps import TRAPS, set_traps, sprung
from tests.workflow.study import PROJECT, SMALL, Study

NOWHERE = {
    "/dev/zero": "no file of the archive",
    "~/classes.txt": "no file of the archive",
    "../outside.txt": "no file of the archive",
    "small/../../outside.txt": "no file of the archive",
    "no-such-file.txt": "no file of the archive",
    "package:this.x/classes.txt": "in no package that this project uses",
    "package:json/classes.txt": "in no package that this project uses",
    "package:pytest/classes.txt": "in no package that this project uses",
    "package:skimage//dev/zero": "in no package that this project uses",
    "package:skimage/../../classes.txt": "in no package that this project uses",
}
ENVIRONMENT = {"BASH_ENV": ".bashrc", "ENV": ".bashrc", "SNAKEMAKE_PROFILE": "slurm", "XDG_CONFIG_HOME": ".",
               "MATPLOTLIBRC": ".", "MPLCONFIGDIR": ".", "GIT_DIR": ".git", "PYTHONUSERBASE": "."}  # fmt: skip
"""Of a user who works with relative paths."""


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the archive of a small study holds: one recorded model, without an encoder."""
    study = Study(tmp_path_factory.mktemp("author") / "study")
    study.shrink()
    (study.folder / "small/ids.csv").write_text("image_id,class_id\ncoffee,0\ncat,2\nbrick,3\nrocket,4\n")
    (study.folder / "small/images.csv").unlink()
    config = study.config
    for key in ("encoder", "variants"):
        del config[key]
    config["dataset"].pop("images")
    config["tables"] = {"resamples": 100}
    config["models"] = [{"name": "ids", "label": "Ids", "kind": "recorded", "file": "small/ids.csv"}]
    study.write_config(config)
    study.make("results/bundle.zip")
    with zipfile.ZipFile(study.folder / "results/bundle.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(found: dict[str, bytes], target: Path, change: Callable[[dict], object] | None = None) -> Path:
    """An archive with sums that are right, and a changed configuration."""
    if change is not None:
        config = yaml.safe_load(found["config.yaml"])
        change(config)
        found = found | {"config.yaml": yaml.safe_dump(config).encode()}
    listed = sorted(name for name in found if name != SUMS)
    sums = "".join(f"{digest(found[name])}  {name}\n" for name in listed).encode()
    write(found | {SUMS: sums}, target)
    return target


def name_traps(config: dict) -> None:
    """Prompts may have any name and content; no model is asked these."""
    config["variants"] = [{"name": name, "task": "CW", "prompt": name} for name in TRAPS]


@pytest.mark.parametrize("change", [None, name_traps])
def test_nothing_of_an_archive_runs(
    bundle: dict[str, bytes], tmp_path: Path, marks: Path, change: Callable[[dict], object] | None
) -> None:
    """Whether it is just there or named by the configuration, and even where the check is called from its folder.

    Who unpacks it at home, has it there, too.
    """
    changed = bundle | set_traps(marks, list(TRAPS))
    archive = rebuilt(changed, tmp_path / "b.zip", change)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mllm_classify.bundle.verify", archive],
        cwd=folder, env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(PROJECT / "src"), "HOME": str(folder)},
        check=False, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert sprung(marks) == [], done.stderr
    assert done.returncode == 0, done.stderr
    assert "whole; every table" in done.stdout
    assert "files differ, Snakefile first" in done.stderr
    # those that no configuration names are no part of the study
    assert ("files belong to no study and are not used, .Rprofile first" in done.stderr) == (change is None)


def test_make_imports_nothing_from_the_folder_in_which_it_is_called() -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/installed", "verify-bundle", "BUNDLE=b.zip"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert shlex.split(shown.stdout) == [".venv/bin/python", "-P", "-m", "mllm_classify.bundle.verify", "b.zip"]


SPRINGING = {
    "snakemake.py": "python -m snakemake --version",
    "polars.py": "python -c 'import polars'",
    "yaml.py": "python -m snakemake --version",
    "matplotlib/__init__.py": "python -m matplotlib",
    "polars/__init__.py": "python -c 'import polars'",
    "__main__.py": "python .",
    "sitecustomize.py": "PYTHONPATH=. python -c pass",
    "snakemake_logger_plugin_trap/__init__.py": "python -m snakemake --version",
    "mllm_classify/__init__.py": "python -m mllm_classify",
    "src/mllm_classify/__init__.py": "PYTHONPATH=src python -m mllm_classify",
    "src/sitecustomize.py": "PYTHONPATH=src python -c pass",
    "conftest.py": "python -m pytest",
    "Snakefile": "python -m snakemake --dry-run",
    "workflow/Snakefile": "python -m snakemake --dry-run",
    "profiles/default/profile.yaml": "python -m snakemake --cores 1 --snakefile {rules}",
    "profiles/default/config.v9+.yaml": "python -m snakemake --cores 1 --snakefile {rules}",
    "default/config.yaml": "python -m snakemake --cores 1 --snakefile {rules}",
    "default/profile.v9+.yaml": "python -m snakemake --snakefile {rules}",
    "slurm/profile.yaml": "SNAKEMAKE_PROFILE=slurm python -m snakemake --cores 1 --snakefile {rules}",
    "snakemake/slurm/profile.yaml": "XDG_CONFIG_HOME=$PWD python -m snakemake --profile slurm --cores 1 --snakefile {rules}",
    ".snakemake/pip-deployments/yappi.py": "python -P -c 'import snakemake, yappi'",
    ".git/config": "git status",
    "config": "git ls-files --others || GIT_DIR=. GIT_WORK_TREE=. git status",
    ".gitconfig": "git init --quiet r && cd r && HOME=.. git status",
    "Makefile": "make",
    "makefile": "make",
    ".bashrc": "BASH_ENV=.bashrc bash -c true",
    ".bash_login": "HOME=$PWD bash --login -c true",
}


@pytest.mark.parametrize("name", SPRINGING)
def test_a_trap_is_one(tmp_path: Path, marks: Path, name: str) -> None:
    """A program that works in its folder runs it: a mark that is not there says something."""
    folder, rules = tmp_path / "folder", tmp_path / "rules.smk"
    rules.write_text("rule:\n    output: 'made'\n    shell: 'touch made'\n")
    together = [it for it in TRAPS if it.startswith(".git/")] if name.startswith(".git/") else [name]
    together += ["HEAD", "objects/x", "refs/x"] * (name == "config")
    for it, content in set_traps(marks, together).items():
        (folder / it).parent.mkdir(parents=True, exist_ok=True)
        (folder / it).write_bytes(content)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {it: value for it, value in os.environ.items() if not it.startswith(("PYTHON", "GIT_", "MLLM_"))}
    command = SPRINGING[name].format(rules=shlex.quote(str(rules)))
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=kept | {"PATH": path}, check=False, capture_output=True, text=True
    )
    assert name in sprung(marks), done.stdout + done.stderr


@pytest.mark.parametrize("name", NOWHERE)
def test_a_file_that_is_not_the_archives_is_named_and_not_read(
    bundle: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    archive = rebuilt(bundle, tmp_path / "b.zip", lambda config: config["dataset"].update(classes=name))
    assert verify(archive) == [f"config.yaml: {name!r}: {NOWHERE[name]}"]
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ("/models/minilm", "weights must be the hub's, or a package's"),
        ("small", "weights must be the hub's, or a package's"),
        ("package:this.x/model", "in no package that this project uses"),
    ],
)
def test_weights_of_an_archive_or_of_the_machine_are_not_loaded(
    bundle: dict[str, bytes], tmp_path: Path, weights: str, problem: str
) -> None:
    templates = {"small/templates.txt": SMALL["templates.txt"].encode()}
    classes = {"results/embeddings/e/small/classes.parquet": bundle["results/dataset/small/classes.parquet"]}
    encoder = {"name": "e", "kind": "sentence-transformers", "path": weights, "templates": "small/templates.txt"}
    archive = rebuilt(bundle | templates | classes, tmp_path / "b.zip", lambda config: config.update(encoder=encoder))
    (found,) = verify(archive, embed=True)
    assert found.startswith("config.yaml: ")
    assert found.endswith(f"{weights!r}: {problem}")
