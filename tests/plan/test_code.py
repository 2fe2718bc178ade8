"""The digest of code: what changes it, what does not, and that it covers everything on a job's way."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mllm_classify.config.judge import EndpointJudge
from mllm_classify.config.kinds import KINDS
from mllm_classify.config.load import load
from mllm_classify.io.files import PROJECT
from mllm_classify.outputs import ACROSS, OUTPUTS
from mllm_classify.plan import code
from mllm_classify.plan.code import PACKAGE, code_digest, reached
from mllm_classify.plan.lineage import WHOLE, Lineages
from tests.plan.mutation import functions, mutated
from tests.pythons import other_pythons

CONFIG = load(PROJECT / "config.yaml")
SHIPPED = Lineages(CONFIG)
ENTRY = EndpointJudge(name="j", label="J", kind="endpoint", url="http://127.0.0.1:1/v1", model="m")
JUDGED = Lineages(CONFIG.model_copy(update={"judge": ENTRY}))
MODULES = {
    **{job: SHIPPED.job(job).modules for job in [*SHIPPED.names(), *WHOLE]},
    **{f"{job}, with a judge": JUDGED.job(job).modules for job in ("judge/j", "estimate")},
    **{f"predict, kind {kind}": [f"predict.{kind}"] for kind in KINDS},
    **{f"embed, kind {kind}": ["embed.texts", f"embed.{kind}"] for kind in ("open_clip", "openai")},
    "rerank": ["mapping.cross_encoder"],
    "start": ["report.start"],
    **{f"table {name}": [output.module] for name, output in (OUTPUTS | ACROSS).items()},
}
"""The code of every job that there may be."""
DIGESTED = {module: sorted(job for job, of in MODULES.items() if module in reached(*of)) for module in
            sorted(set().union(*(reached(*of) for of in MODULES.values())))}  # fmt: skip
PLANNING = ("__main__", "cli", "make", "outputs", "plan", "config", "tables.inputs")
"""What no job's digest may hold but of those that hold the configuration itself: a new key would ask every model again."""
NO_RESULT = {
    "report.summary": "prints what finished tables hold, and writes no file",
    "bundle.verify": "compares files with others, and writes none",
    "compare.command": "compares finished studies, for a user, and writes beside them; so do its other modules",
    "compare.differences": "the same",
    "compare.page": "the same",
    "compare.studies": "the same",
    "annotate.answers": "draws answers for annotators: a command of the user's, of whose files a study names the labels",
    "annotate.drawing": "draws what people decided, as the table of a user's command has it",
    "annotate.label_studio": "serves Label Studio, from its own environment",
    "annotate.pictures": "copies pictures to where they are served",
    "annotate.second_pass": "reads what people decided: a command of the user's, of whose files a study names the labels",
    "predict.chat.supervisor": "ends processes",
    "predict.vision.adopt": "hands on rows that a job has computed, once some were computed again",
    "conse_server.__main__": "is an engine: its command is in the lineage of the entry, and its version in revision",
}
"""Modules beside those: they touch frames or run on their own, and decide no figure of a table."""


def names(module: Path) -> str:
    return ".".join(module.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


EVERY = sorted(names(path) for path in PACKAGE.rglob("*.py"))


def test_every_module_is_digested_or_touches_no_frame() -> None:
    """What reads files, knows the configuration and calls stages hands frames on, and changes none."""
    for module in EVERY:
        if module in DIGESTED or module in NO_RESULT:
            continue
        stem = PACKAGE.joinpath(*module.split("."))
        path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
        assert not list(functions(path.read_text())), f"{module} touches frames and is in no job's digest"


@pytest.mark.parametrize("module", DIGESTED)
def test_an_operator_turned_around_in_a_function_that_touches_a_frame_changes_the_digest(module: str) -> None:
    """Of every job on whose way the function is."""
    assert not module.startswith(PLANNING) or set(DIGESTED[module]) <= set(WHOLE)
    stem = PACKAGE.joinpath(*module.split("."))
    source = (stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")).read_text()
    before = code._read(source.encode(), PACKAGE.name)[0]
    for function in functions(source):
        for changed in mutated(source, function):
            assert code._read(changed.encode(), PACKAGE.name)[0] != before, function


@pytest.mark.parametrize(
    ("module", "function", "old", "new"),
    [
        ("measures.selection", "evaluated", "is_null", "is_not_null"),
        ("measures.selection", "main_scores", "==", "!="),
        ("tables.given", "images", "evaluated(", "("),
        ("predict.vision.finished", "shown", "is_null", "is_not_null"),
    ],
)
def test_what_the_command_line_once_decided_is_digested(module: str, function: str, old: str, new: str) -> None:
    """Which images are evaluated, which scores a table takes, which images a model is asked about."""
    source = (PACKAGE / f"{module.replace('.', '/')}.py").read_text()
    tree = ast.parse(source)
    (node,) = (it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef) and it.name == function)
    text = ast.get_source_segment(source, node)
    assert text is not None
    assert old in text
    changed = source.replace(text, text.replace(old, new, 1))
    assert code._read(changed.encode(), PACKAGE.name)[0] != code._read(source.encode(), PACKAGE.name)[0]
    assert DIGESTED[module]


def test_comments_docstrings_layout_and_types_do_not_count(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (package / "__init__.py").write_text("")
    sources = [
        "import typing\nfrom p import b\n\ndef f(x):\n    return x + 1\n",
        '"""A module."""\nimport typing\nfrom p import b\n# why\ndef f(x):\n    """A function."""\n    return (x\n        + 1)\n',
    ]
    (package / "b.py").write_text("ONE = 1\n")
    digests = set()
    for number, source in enumerate(sources):
        (package / f"m{number}.py").write_text(source)
        digests.add(code._module(package, f"m{number}")[0])
    assert len(digests) == 1
    assert reached("m0", package=package) == {"m0", "b"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from . import b\n", "relative import"),
        ("import importlib\ndef f(x):\n    return importlib.import_module(x)\n", "dynamic import"),
        ("import importlib\nimportlib.import_module('p.b')\n", "dynamic import"),
        ("def f(x):\n    return __import__(x)\n", "dynamic import"),
    ],
)
def test_imports_that_cannot_be_followed_are_refused(tmp_path: Path, source: str, said: str) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (package / "m.py").write_text(source)
    with pytest.raises(ValueError, match=said):
        code_digest("m", package=package)


def test_what_is_known_of_a_module_is_known_by_its_content(folder: Path) -> None:
    """A torn or foreign file of what is known changes nothing but the time."""
    (folder / ".snakemake").mkdir()
    script = "from mllm_classify.plan import code; print(code.code_digest('score.score')); code.keep()"

    def digest() -> str:
        return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    first = digest()
    kept = folder / code.KEPT / code.VERSION
    assert kept.is_file()
    assert digest() == first
    kept.write_text(kept.read_text()[:100])
    assert digest() == first


def importers() -> Iterator[str]:
    """Modules that a dry run imports."""
    listing = "import sys; from mllm_classify.plan import plan; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    yield from done.stdout.split()


def test_planning_imports_no_library_of_figures() -> None:
    heavy = {"polars", "numpy", "torch", "matplotlib", "scipy"}
    assert not heavy & set(importers())


def test_the_command_line_imports_no_polars() -> None:
    listing = "import sys; import mllm_classify.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    assert "polars" not in done.stdout.split()


TREES = """
import ast, hashlib, sys
from pathlib import Path
from mllm_classify.plan import code
for path in sys.argv[1:]:
    pieces = []
    code._write(ast.parse(Path(path).read_bytes()), pieces)
    print(path, hashlib.sha256(repr(pieces).encode()).hexdigest())
"""


@pytest.mark.parametrize("python", other_pythons(), ids=lambda path: Path(path).parents[1].name)
def test_code_has_the_same_digest_on_every_python(tmp_path: Path, python: str) -> None:
    """Python 3.12.1 ends a format that holds a value with an empty text."""
    formats = tmp_path / "formats.py"
    formats.write_text('a = f"{{{b:0{c}}}}", f"{b!r:>{c}}{c}", f"{b:{c}.{d}f}", f"", f"{b}" "e" f"{c}"\n')
    paths = [str(formats), *(str(path) for path in sorted(PACKAGE.rglob("*.py")))]
    trees = [
        subprocess.run(
            [it, "-c", TREES, *paths],
            env={"PYTHONPATH": str(PACKAGE.parent)}, cwd=tmp_path, check=True, capture_output=True, text=True,
        ).stdout.splitlines()
        for it in (sys.executable, python)
    ]  # fmt: skip
    assert len(trees[0]) == len(paths)
    assert trees[0] == trees[1]
