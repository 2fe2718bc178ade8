"""An archive's files are data: whatever is named like something that programs look for, nothing of it runs.

A trap is a file that leaves a mark, named after it, when a program that works in its folder runs or obeys it.
"""

import os
import re
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
from tests.workflow.study import PROJECT, SMALL, Study

PYTHON = "open({mark!r}, 'w').close()\n"
SHELL = "touch {mark}\n"
PROFILE = "default-resources:\n  - \"mem_mb=[open({mark!r}, 'w'), 100][1]\"\n"
EXPRESSIONS = "__use_yte__: true\n__definitions__:\n  - open({mark!r}, 'w').close()\ncores: 1\n"
MONITOR = '[core]\n\trepositoryformatversion = 0\n\tfsmonitor = "touch {mark}; false"\n'
TRAPS = {
    # Python: modules of the working directory, and what its start reads
    **dict.fromkeys(["snakemake.py", "polars.py", "yaml.py", "json.py", "matplotlib/__init__.py"], PYTHON),
    **dict.fromkeys(["mllm_classify/__init__.py", "mllm_classify/__main__.py"], PYTHON),
    **dict.fromkeys(["src/mllm_classify/__init__.py", "src/mllm_classify/io/files.py"], PYTHON),
    **dict.fromkeys(["sitecustomize.py", "usercustomize.py", "src/sitecustomize.py", "setup.py"], PYTHON),
    **dict.fromkeys(["conftest.py", "tests/conftest.py"], PYTHON),
    "x.pth": "import os; " + PYTHON,
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p conftest"\n',
    "setup.cfg": "[tool:pytest]\naddopts = -p conftest\n",
    # Snakemake: the workflow, profiles, and what it keeps
    **dict.fromkeys(["Snakefile", "workflow/Snakefile", "workflow/rules/common.smk"], PYTHON),
    "profiles/default/profile.yaml": PROFILE,
    "profiles/default/config.v9+.yaml": PROFILE,
    "default/config.yaml": PROFILE,
    "default/profile.v9+.yaml": EXPRESSIONS,
    "slurm/profile.yaml": PROFILE,
    "snakemake/slurm/profile.yaml": PROFILE,
    ".snakemake/pip-deployments/yappi.py": PYTHON,
    ".snakemake/scripts/tmp.py": PYTHON,
    ".snakemake/metadata/cmVzdWx0cy90YWJsZTMuY3N2": "{{}}",
    # others
    "matplotlibrc": "lines.linewidth: 20\naxes.facecolor: red\n",
    ".git/config": MONITOR,
    ".git/HEAD": "ref: refs/heads/main\n",
    ".git/objects/x": "",
    ".git/refs/x": "",
    ".git/hooks/post-index-change": "#!/bin/sh\n" + SHELL,
    **dict.fromkeys(["Makefile", "GNUmakefile"], "X := $(shell " + SHELL.strip() + ")\nall:\n"),
    **dict.fromkeys([".bashrc", ".bash_profile", ".profile"], SHELL),
    ".env": "BASH_ENV=.bashrc\n",
}
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


def set_traps(marks: Path, names: list[str]) -> dict[str, bytes]:
    """Contents of traps, whose marks are files of that folder."""
    return {name: TRAPS[name].format(mark=str(marks / re.sub(r"\W", "_", name))).encode() for name in names}


def sprung(marks: Path) -> list[str]:
    found = {path.name for path in marks.iterdir()}
    return [name for name in TRAPS if re.sub(r"\W", "_", name) in found]


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
    """Whether it is just there or named by the configuration, and even where the check is called from its folder."""
    changed = bundle | set_traps(marks, list(TRAPS))
    archive = rebuilt(changed, tmp_path / "b.zip", change)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mllm_classify.bundle.verify", archive],
        cwd=folder, env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(PROJECT / "src")},
        check=False, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert sprung(marks) == [], done.stderr
    assert done.returncode == 0, done.stderr
    assert "whole; every table follows" in done.stdout
    assert "files differ, Snakefile first" in done.stderr
    # those that no configuration names are no part of the study
    assert ("files belong to no study and are not used, .bash_profile first" in done.stderr) == (change is None)


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
    "Makefile": "make",
    ".bashrc": "BASH_ENV=.bashrc bash -c true",
}


@pytest.mark.parametrize("name", SPRINGING)
def test_a_trap_is_one(tmp_path: Path, marks: Path, name: str) -> None:
    """A program that works in its folder runs it: a mark that is not there says something."""
    folder, rules = tmp_path / "folder", tmp_path / "rules.smk"
    rules.write_text("rule:\n    output: 'made'\n    shell: 'touch made'\n")
    together = [it for it in TRAPS if it.startswith(".git/")] if name.startswith(".git/") else [name]
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
    classes = {"results/embeddings/e/small/classes.parquet": b""}
    encoder = {"name": "e", "kind": "sentence-transformers", "path": weights, "templates": "small/templates.txt"}
    archive = rebuilt(bundle | templates | classes, tmp_path / "b.zip", lambda config: config.update(encoder=encoder))
    (found,) = verify(archive, embed=True)
    assert found.startswith("config.yaml: ")
    assert found.endswith(f"{weights!r}: {problem}")
