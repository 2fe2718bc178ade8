"""Damaged files of every kind that others write (tests/fuzz.py): a few hundred of each, and always the same."""

import ast
import json
import logging
import sys
from collections import Counter
from pathlib import Path

import pytest

from mllm_classify.io import files, names, records
from tests.fuzz import FAULTS, outcome
from tests.fuzzed import readers
from tests.workflow.study import PROJECT

READERS = readers()
COUNT = 300
OPENING = {
    it.__name__: it.__code__
    for it in (files.read_csv, files.read_text, names.read_names, records.read_json,
               records.read_parquet, records.read_records)
}  # fmt: skip
"""What opens a file of the user's: whoever calls one of these makes something of it."""
OTHERWISE = {
    "mllm_classify.annotate.command.read_export": "what it reads goes to the reader of exports",
    "mllm_classify.dataset.sources.naming.imagenet": "what packages ship",
    "mllm_classify.plan.values.official_pairs": "whether a line of the file of equivalences begins so",
    "mllm_classify.plan.values.other_names": "whether two class lists are equal",
    "mllm_classify.plan.values.paper": "what the project ships",
    "mllm_classify.plan.values.reimagenet": "what the project ships",
    "mllm_classify.predict.chat.examples.nearest": "ids of records that `candidates` has read",
    "mllm_classify.predict.timm.ranker": "the number of outputs that `places` has read",
    "mllm_classify.report.explorer.document.page": "what packages ship",
}
"""Callers of which no reader is in the list: why."""


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_a_line(tmp_path, name, caplog):
    caplog.set_level(logging.ERROR)
    reader = READERS[name]
    (tmp_path / reader.file).write_bytes(reader.content)
    assert reader.right(reader.content, reader.read(tmp_path / reader.file)), "the file itself must be read rightly"
    counts = Counter()
    for number in range(COUNT):
        kind, shown = outcome(reader, tmp_path, number)
        assert kind not in FAULTS, f"number {number}: {kind}: {shown}"
        counts[kind] += 1
    assert counts["refused"] > COUNT // 20 or "journal" in name, "a damaged line of a journal is left out"


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda _: [], "wrong"),
        (lambda _: {}["x"], "traceback"),
        (lambda path: json.loads(path.read_bytes()), "traceback"),
    ],
)
def test_a_careless_reader_is_found_out(tmp_path, read, kind):
    careless = READERS["classes.json"]._replace(read=read)
    assert kind in {outcome(careless, tmp_path, number)[0] for number in range(50)}


def calling(folder: Path) -> set[str]:
    """The functions of the package that open files of the user's, by module and name."""
    found = set()
    for path in folder.rglob("*.py"):
        module = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        if not module.startswith("mllm_classify.io."):
            for function, call in calls(ast.parse(path.read_text()), module):
                if isinstance(call.func, ast.Name) and call.func.id in OPENING:
                    found.add(function)
    return found


def calls(node: ast.AST, function: str):
    """The calls in a module, each with the function or method that it stands in; what is inside of that counts as it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield function, child
        own = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not isinstance(node, ast.FunctionDef)
        yield from calls(child, f"{function}.{child.name}" if own or isinstance(child, ast.ClassDef) else function)


def callers(read) -> set[str]:
    """The functions by which files are opened, while something is read."""
    found = set()

    def look(frame, event, _argument) -> None:
        if event == "call" and frame.f_code in OPENING.values():
            while frame.f_globals["__name__"].startswith("mllm_classify.io."):
                frame = frame.f_back
            name = frame.f_code.co_qualname.partition(".<locals>")[0]
            found.add(f"{frame.f_globals['__name__']}.{name}")

    sys.setprofile(look)
    try:
        read()
    finally:
        sys.setprofile(None)
    return found


def test_whatever_opens_a_file_of_the_users_is_in_the_list(tmp_path):
    known = set()
    for reader in READERS.values():
        path = tmp_path / reader.file
        path.write_bytes(reader.content)
        known |= callers(lambda reader=reader, path=path: reader.read(path))
        path.unlink()
    opening = calling(PROJECT / "src/mllm_classify")
    assert len(opening) > 20
    assert opening - known == OTHERWISE.keys()
