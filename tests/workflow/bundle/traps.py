"""Files that programs look for in the folder where they work, or at home, and run or obey.

A trap is such a file that leaves a mark, named after it, when it is run; or one that changes or hinders what is made.
"""

import re
import sys
from pathlib import Path

PYTHON = "open({mark!r}, 'w').close()\n"
SHELL = "touch {mark}\n"
PROFILE = "default-resources:\n  - \"mem_mb=[open({mark!r}, 'w'), 100][1]\"\n"
EXPRESSIONS = "__use_yte__: true\n__definitions__:\n  - open({mark!r}, 'w').close()\ncores: 1\n"
MONITOR = '[core]\n\trepositoryformatversion = 0\n\tfsmonitor = "touch {mark}; false"\n'
MAKE = "X := $(shell " + SHELL.strip() + ")\nall:\n"
HOOK = "#!/bin/sh\n" + SHELL
UGLY = "lines.linewidth: 20\naxes.facecolor: red\n"
USER = f".local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
MODULES = ["json", "snakemake", "polars", "yaml", "matplotlib", "mllm_classify", "numpy", "scipy", "pydantic", "PIL"]
PLUGINS = [f"snakemake_{it}_plugin_trap/__init__.py" for it in ("executor", "logger", "report", "storage", "scheduler")]
TRAPS = {
    # Python: modules of the working directory, and what its start reads
    **dict.fromkeys([f"{it}.py" for it in MODULES] + [f"{it}/__init__.py" for it in MODULES], PYTHON),
    **dict.fromkeys(["mllm_classify/__main__.py", "__main__.py", "__init__.py", "site.py", "encodings.py"], PYTHON),
    **dict.fromkeys([f"src/{it}" for it in ("mllm_classify/__init__.py", "mllm_classify/io/files.py")], PYTHON),
    **dict.fromkeys([f"{it}{name}customize.py" for it in ("", "src/") for name in ("site", "user")], PYTHON),
    **dict.fromkeys([f"{USER}/sitecustomize.py", f"{USER}/usercustomize.py", ".pythonrc.py", "setup.py"], PYTHON),
    **dict.fromkeys(["x.pth", "src/x.pth", f"{USER}/x.pth"], "import os; " + PYTHON),
    "trap-1.dist-info/METADATA": "Name: trap\nVersion: 1\n",
    "trap-1.dist-info/entry_points.txt": "[pytest11]\ntrap = conftest\n[matplotlib.backend]\nagg = conftest\n",
    "pyvenv.cfg": "home = .\ninclude-system-site-packages = true\n",
    ".python-version": "2.7\n",
    # tests and tools of Python
    **dict.fromkeys(["conftest.py", "tests/conftest.py", "noxfile.py", "ipython_config.py"], PYTHON),
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p conftest"\n[build-system]\nrequires = []\n'
    'build-backend = "setup"\nbackend-path = ["."]\n',
    "setup.cfg": "[tool:pytest]\naddopts = -p conftest\n",
    **dict.fromkeys(["pytest.ini", "tox.ini"], "[pytest]\naddopts = -p conftest\n"),
    ".pdbrc": "!" + PYTHON,
    **dict.fromkeys(["pip.conf", ".config/pip/pip.conf"], "[global]\nno-index = true\n"),
    # Snakemake: the workflow, profiles, plugins, and what it keeps
    **dict.fromkeys(["Snakefile", "snakefile", "workflow/Snakefile", "workflow/rules/common.smk"], PYTHON),
    **dict.fromkeys(["workflow/rules/predict.smk", "workflow/scripts/trap.py", *PLUGINS], PYTHON),
    **dict.fromkeys([f"profiles/default/{it}" for it in ("profile.yaml", "config.yaml", "config.v9+.yaml")], PROFILE),
    **dict.fromkeys([f"workflow/profiles/default/{it}" for it in ("profile.yaml", "config.v9+.yaml")], PROFILE),
    **dict.fromkeys(["default/config.yaml", "slurm/profile.yaml", "snakemake/slurm/profile.yaml"], PROFILE),
    **dict.fromkeys(["none/profile.yaml", "none/config.yaml", ".config/snakemake/none/config.yaml"], PROFILE),
    "default/profile.v9+.yaml": EXPRESSIONS,
    **dict.fromkeys([".snakemake/pip-deployments/yappi.py", ".snakemake/scripts/tmp.py"], PYTHON),
    ".snakemake/metadata/cmVzdWx0cy90YWJsZTMuY3N2": "{{}}",
    ".snakemake/locks/0.output.lock": "results/table3.csv\n",
    ".snakemake/mllm-classify/code-3.11-1.json": "[]",
    # figures and libraries
    **dict.fromkeys(["matplotlibrc", ".matplotlib/matplotlibrc", ".config/matplotlib/matplotlibrc"], UGLY),
    ".config/matplotlib/stylelib/default.mplstyle": UGLY,
    **dict.fromkeys(["dask.yaml", ".config/dask/dask.yaml"], "scheduler: trap\n"),
    ".numba_config.yaml": "disable_jit: true\n",
    # git: a repository, and one without a folder of its own
    **dict.fromkeys([".git/config", "config", ".gitconfig", ".config/git/config"], MONITOR),
    **dict.fromkeys([".git/HEAD", "HEAD"], "ref: refs/heads/main\n"),
    **dict.fromkeys([".git/objects/x", ".git/refs/x", "objects/x", "refs/x"], ""),
    **dict.fromkeys([f".git/hooks/{it}" for it in ("post-index-change", "fsmonitor-watchman", "pre-commit")], HOOK),
    # make, shells, and variables of the environment
    **dict.fromkeys(["Makefile", "makefile", "GNUmakefile"], MAKE),
    **dict.fromkeys([".bashrc", ".bash_profile", ".bash_login", ".profile", ".zshenv", ".envrc", ".shrc"], SHELL),
    ".env": "BASH_ENV=.bashrc\nLD_PRELOAD=./trap.so\nPYTHONPATH=.\nOPENBLAS_CORETYPE=trap\n",
    "trap.so": "no library\n",
    # others
    ".Rprofile": "file.create({mark!r})\n",
    ".condarc": "channels: [trap]\n",
    ".netrc": "default login trap password trap\n",
    ".curlrc": "output = {mark}\n",
    ".mllm_classify/config.yaml": PROFILE,
}


def mark(name: str) -> str:
    return re.sub(r"\W", "_", name)


def set_traps(marks: Path, names: list[str]) -> dict[str, bytes]:
    """Contents of traps, whose marks are files of that folder."""
    return {name: TRAPS[name].format(mark=str(marks / mark(name))).encode() for name in names}


def sprung(marks: Path) -> list[str]:
    found = {path.name for path in marks.iterdir()}
    return [name for name in TRAPS if mark(name) in found]
