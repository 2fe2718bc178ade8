"""The list of outputs, its modules, and what reaches them."""

import argparse
import ast
import importlib
import inspect
import json
from typing import Any

import pytest

from mllm_classify import make
from mllm_classify.config.load import load
from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.outputs import ACROSS, DERIVED, OPTIONAL, OUTPUTS, Output, parts
from mllm_classify.plan import across, lineage, values
from mllm_classify.plan.code import PACKAGE, reached
from mllm_classify.plan.files import GROUPS, PATTERNS
from mllm_classify.plan.lineage import Lineages
from mllm_classify.plan.values import CONDITIONS, VALUES
from mllm_classify.tables import given

EVERY = [pytest.param(output, id=name) for name, output in OUTPUTS.items()]
ALL = [*EVERY, *(pytest.param(output, id=name) for name, output in ACROSS.items())]
"""Those about all data sets, too."""
SHIPPED = load(PROJECT / "config.yaml")
ELSEWHERE = ("config", "plan", "cli", "make", "outputs", "tables.inputs", "__main__")
"""Rooms that know the configuration: what a table's code reaches of them could tell it what its row does not say."""


@pytest.mark.parametrize("output", ALL)
def test_a_function_takes_what_its_row_says_and_nothing_else(output: Output) -> None:
    function = getattr(importlib.import_module(f"mllm_classify.{output.module}"), output.name)
    parameters = inspect.signature(function).parameters.values()
    assert tuple(it.name for it in parameters) == output.takes
    assert all(it.kind is it.POSITIONAL_OR_KEYWORD and it.default is it.empty for it in parameters)


@pytest.mark.parametrize("output", EVERY)
def test_an_outputs_code_reaches_no_configuration(output: Output) -> None:
    """Neither the configuration's model nor what has read it: a value that the row does not name has no way in."""
    modules = reached(*Lineages(SHIPPED).job(output.name).modules)
    assert not {module for module in modules if module.startswith(ELSEWHERE)}


@pytest.mark.parametrize("output", ALL)
def test_an_outputs_own_code_opens_no_file(output: Output) -> None:
    """What it knows of the study it was given; resources that it reads are in its row, as values."""
    tree = ast.parse((PACKAGE / f"{output.module.replace('.', '/')}.py").read_bytes())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    readers = {
        "open",
        "Path",
        "environ",
        "getenv",
        "read_text",
        "read_bytes",
        "read_csv",
        "read_parquet",
        "scan_parquet",
    }
    assert not readers & (names | attributes)


def test_every_part_of_a_row_is_something() -> None:
    for output in OUTPUTS.values():
        for part in parts(output):
            kinds = [part in VALUES, part in GROUPS, part in PATTERNS or part in OUTPUTS]
            assert sum(kinds) == 1, (output.name, part)
        assert set(output.exists) <= CONDITIONS.keys()
        for part in parts(output):
            if part in OUTPUTS and part not in PATTERNS:
                optional = part in OPTIONAL.get(output.name, ())
                assert optional or set(OUTPUTS[part].exists) <= set(output.exists), "an output that is read must exist"


@pytest.mark.parametrize("name", ACROSS)
def test_every_part_of_a_row_about_all_data_sets_is_something(name: str) -> None:
    """A value of the configuration, a table about all data sets that comes before, or what each of them has."""
    output, earlier = ACROSS[name], list(ACROSS)[: list(ACROSS).index(name)]
    for taken in output.takes:
        assert taken in across.WHOLE or taken in earlier or taken in (*DERIVED, *VALUES, *GROUPS, *PATTERNS, *OUTPUTS)
    for part in across.of_each(output):
        assert part in VALUES or part in GROUPS or part in PATTERNS or part in OUTPUTS
    for part in across.before(output):
        assert set(ACROSS[part].exists) <= set(output.exists), "a table that is read must exist"


def test_every_value_of_a_whole_configuration_is_taken_and_is_json() -> None:
    assert set(across.WHOLE) <= {part for output in ACROSS.values() for part in output.takes}
    for name, value in across.WHOLE.items():
        found: Any = value(SHIPPED)
        assert json.loads(json.dumps(found)) == plain(found), name


@pytest.mark.parametrize(("name", "words"), [("gains", "a second label set (dataset.regt)"),
                                             ("precision", "several models and a second label set (dataset.regt)")])  # fmt: skip
def test_an_output_that_a_configuration_has_not_is_refused_with_what_it_needs(name: str, words: str) -> None:
    dataset = SHIPPED.dataset.model_copy(update={"regt": None})
    config = SHIPPED.model_copy(update={"dataset": dataset, "models": SHIPPED.models[:1]})
    with pytest.raises(InputError) as caught:
        make.make(argparse.Namespace(outputs=["table2", name], config="c.yaml", dataset=None), config)
    assert str(caught.value) == f"c.yaml: has no {name}, which needs {words}: docs/configuration.md"


def test_no_value_condition_or_module_is_without_an_output() -> None:
    every = {part for output in OUTPUTS.values() for part in parts(output)}
    assert set(VALUES) <= every
    assert set(CONDITIONS) == {it for output in (*OUTPUTS.values(), *ACROSS.values()) for it in output.exists}
    assert all(inspect.isfunction(getattr(given, name)) for name in DERIVED)
    shared = {"__init__", "table", "render", "given", "inputs", "style", "accuracy_columns", "revealing"}
    for room in ("tables", "figures"):
        modules = {path.stem for path in (PACKAGE / room).glob("*.py")} - shared
        assert modules == {
            output.name for output in (*OUTPUTS.values(), *ACROSS.values()) if output.module.startswith(f"{room}.")
        }


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("value", VALUES)
def test_a_value_reruns_the_outputs_that_declare_it_and_reaches_no_other(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of the configuration changes, it reaches an output as the JSON of its declared values, or not at all."""
    before = Lineages(SHIPPED).job(name)
    monkeypatch.setitem(values.VALUES, value, lambda config: ["changed"])
    after = Lineages(SHIPPED).job(name)
    assert (before != after) == (value in parts(OUTPUTS[name]))
    assert before.modules == after.modules
    assert before.inputs == after.inputs
    assert set(before.spec) == {part for part in parts(OUTPUTS[name]) if part in VALUES}


def test_values_are_json() -> None:
    """So that what is digested is all that there is."""
    for name, value in VALUES.items():
        found: Any = value(SHIPPED)
        assert json.loads(json.dumps(found)) == plain(found), name


def plain(value: Any) -> Any:
    """Tuples as lists: JSON has no others."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    assert value is None or isinstance(value, str | int | float)
    return value


def test_what_is_shown_has_a_caption_and_only_that() -> None:
    captions = {path.stem for path in (PROJECT / lineage.CAPTIONS).glob("*.rst")}
    shown = {name for name, output in (OUTPUTS | ACROSS).items() if output.title}
    assert captions == shown | {"workflow", "start", "overview", "panels", "provenance", "explorer"}
