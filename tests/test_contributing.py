"""CONTRIBUTING.md names the files that additions touch: they exist, and what stands today came about in the same way."""

import re
import tomllib
from typing import get_args

import pytest

from mllm_classify.config.dataset import AnyDataset
from mllm_classify.config.kinds import KINDS
from mllm_classify.config.study import Config
from mllm_classify.dataset import images, label_files
from mllm_classify.io.files import PROJECT
from mllm_classify.outputs import OUTPUTS
from mllm_classify.plan.code import PACKAGE
from mllm_classify.plan.files import PATTERNS
from mllm_classify.tasks import TASKS
from tools.reference import SECTIONS

GUIDE = (PROJECT / "CONTRIBUTING.md").read_text()
EXAMPLES = {
    "src/mllm_classify/tables/NAME.py": "src/mllm_classify/tables/gains.py",
    "src/mllm_classify/figures/NAME.py": "src/mllm_classify/figures/change.py",
    "src/mllm_classify/predict/NAME.py": "src/mllm_classify/predict/timm.py",
    "src/mllm_classify/dataset/sources/NAME.py": "src/mllm_classify/dataset/sources/imagenet.py",
    "workflow/report/NAME.rst": "workflow/report/gains.rst",
    "tests/tables/test_NAME.py": "tests/tables/test_gains.py",
    "resources/prompts/NAME.v1.txt": "resources/prompts/ow.v1.txt",
}
PATHS = sorted(
    set(re.findall(r"`((?:src|tests|workflow|tools|resources|docs)/[^`]*|\.ci/run|pyproject\.toml)`", GUIDE))
)


@pytest.mark.parametrize("path", PATHS)
def test_what_it_names_is_there(path: str) -> None:
    assert "NAME" not in path or path in EXAMPLES
    assert (PROJECT / EXAMPLES.get(path, path)).exists()


def test_every_example_is_named() -> None:
    assert set(EXAMPLES) <= set(PATHS)


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_an_output_is_its_module_its_row_and_its_caption(output) -> None:
    """No other file of the product has its name, but those that take its table, and pages that people read."""
    module = PACKAGE / f"{output.module.replace('.', '/')}.py"
    caption = PROJECT / f"workflow/report/{output.name}.rst"
    assert module.exists()
    assert caption.exists() == bool(output.title)
    word = re.compile(rf"""["'/]{output.name}["'.]""")
    rules = [*(PROJECT / "workflow/rules").glob("*.smk"), PROJECT / "Snakefile"]
    commands = [PACKAGE / "__main__.py", PACKAGE / "make.py", *(PACKAGE / "bundle").glob("*.py"),
                *(it for it in (PACKAGE / "plan").glob("*.py") if it.name != "values.py")]  # fmt: skip
    if output.name not in PATTERNS and output.name not in Config.model_fields:
        assert [path.name for path in (*rules, *commands) if word.search(path.read_text())] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_its_section_its_module_and_its_heading(kind: str) -> None:
    assert (PACKAGE / f"predict/{kind}.py").exists()
    assert any(f"kind {kind}" in title or re.search(rf"kind .*\b{kind}\b", title) for title in SECTIONS)


def test_a_source_is_its_section_its_module_and_its_heading() -> None:
    sources = {get_args(it.model_fields["source"].annotation)[0] for it in get_args(get_args(AnyDataset)[0])}
    assert sources == set(images.READERS)
    for source in sources:
        assert (PACKAGE / f"dataset/sources/{source}.py").exists()
        assert f"dataset, source {source}" in SECTIONS


def test_a_format_is_its_module() -> None:
    assert {path.stem for path in (PACKAGE / "dataset/formats").glob("*.py")} - {"__init__"} == set(label_files.READERS)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_is_its_entry_and_a_prompt(task) -> None:
    name = task.name.lower().partition("-")[0]
    prompt = PROJECT / f"resources/prompts/{name}.v1.txt"
    assert (task.placeholder or "") in prompt.read_text()


def test_the_rules_of_the_house_hold_for_lengths() -> None:
    files = [*PACKAGE.rglob("*"), *(PROJECT / "tests").rglob("*.py"), *(PROJECT / "tools").glob("*.py"),
             *(PROJECT / "benchmarks").glob("*.py"), *(PROJECT / "workflow/rules").glob("*.smk"), PROJECT / "Makefile"]  # fmt: skip
    sources = [it for it in files if it.suffix in (".py", ".js", ".css", ".html", ".smk", "") and it.is_file()]
    assert len(sources) > 300
    assert [it.name for it in sources if len(it.read_text().splitlines()) > 400] == []
    assert len((PACKAGE / "__main__.py").read_text().splitlines()) < 150


def test_every_test_has_a_target_and_ci_calls_every_target() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    targets = re.findall(r"^(test[a-z-]*|lint):", makefile, re.MULTILINE)
    called = (PROJECT / ".ci/run").read_text().partition("exec make")[2].split()
    assert len(targets) > 12
    assert sorted(targets) == sorted(it for it in called if it.startswith(("test", "lint")))
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    apart = {it for it in settings["norecursedirs"] if it.startswith("tests/")}
    assert apart == {
        it for line in re.findall(r"pytest (?!-m).*", makefile) for it in line.split() if it.startswith("tests/")
    }
    assert all((PROJECT / it).is_dir() for it in apart)
