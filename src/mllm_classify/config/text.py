"""The YAML of a configuration: JSON's values, in a size that whatever reads them can stand."""

import math
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import yaml

from mllm_classify.config.marks import MOST
from mllm_classify.io.files import InputError
from mllm_classify.io.limits import CONFIGURATION_DEPTH, CONFIGURATION_VALUES
from mllm_classify.io.text import shown

PREFIX = "tag:yaml.org,2002:"
TOO_DEEP = f"nested in more than {CONFIGURATION_DEPTH} levels, or an alias of what holds it"
KNOWN = ("null", "bool", "int", "float", "str", "seq", "map")
"""What YAML knows that JSON has, too."""


class _Loader(yaml.SafeLoader):
    """YAML without what JSON has not, and without a key that appears twice: that would replace the first in silence.

    A date is text, as it is written.
    """

    yaml_constructors: ClassVar = {
        f"{PREFIX}{name}": yaml.SafeLoader.yaml_constructors[f"{PREFIX}{name}"] for name in KNOWN
    } | {None: yaml.SafeLoader.yaml_constructors[None]}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error("a key must be text; text that begins with { or [ needs quotes", key_node)
            if key_node.value in seen:
                problem = f"the key {shown(key_node.value)} appears twice"
                raise _error(problem, key_node)
            seen.add(key_node.value)
        mapping = super().construct_mapping(node, deep)
        kinds = {type(key) for key in mapping}
        if not (kinds <= {str} or kinds == {int}):
            raise _error("keys must be text, or all of them integers; put quotes around the others", node)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{PREFIX}timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _checked(name: str, problem: Callable[[Any], str | None]) -> None:
    """Let the loader refuse values of a kind: those that cannot be read, and those with a problem."""
    construct = yaml.SafeLoader.yaml_constructors[f"{PREFIX}{name}"]

    def constructor(loader: _Loader, node: yaml.ScalarNode) -> Any:
        try:
            value = construct(loader, node)
            said = problem(value)
        except (ValueError, OverflowError):
            value, said = None, f"cannot be read as {name}"
        if said:
            said = f"{shown(node.value)} {said}"
            raise _error(said, node)
        return value

    _Loader.add_constructor(f"{PREFIX}{name}", constructor)


def _number(value: float) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "is no finite number; leave the key out where there is no limit"
    return f"is beyond {MOST:,}" if abs(value) > MOST else None


def _text(value: str) -> str | None:
    whole = "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return None if whole else "holds NUL, or half of a pair of UTF-16: no file or request can have these"


_checked("int", _number)
_checked("float", _number)
_checked("str", _text)


def parsed(content: bytes, name: str) -> Any:
    """The values of a YAML text. Raises InputError, with the line, for what is no YAML, not JSON's, too deep or too much."""
    try:
        loader = _Loader(content)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, 0)
        return loader.construct_document(node)
    except RecursionError:
        msg = f"{name}: {TOO_DEEP}"
        raise InputError(msg) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        msg = f"{name}:{where} {getattr(error, 'problem', None) or 'not YAML'}"
        raise InputError(msg) from None


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """How many values a node stands for, and in how many levels, those of aliases each time."""
    if depth > CONFIGURATION_DEPTH:  # an alias of what holds it, too
        raise _error(TOO_DEEP, node)
    if id(node) not in known:
        inner = [it for pair in node.value for it in pair] if isinstance(node, yaml.MappingNode) else node.value
        measured = [_measure(it, known, depth + 1) for it in inner if isinstance(it, yaml.Node)]
        known[id(node)] = (
            1 + sum(count for count, _ in measured),
            1 + max((levels for _, levels in measured), default=0),
        )
    count, levels = known[id(node)]
    if depth + levels > CONFIGURATION_DEPTH:
        raise _error(TOO_DEEP, node)
    if count > CONFIGURATION_VALUES:
        problem = f"stands for {count:,} values, more than the {CONFIGURATION_VALUES:,} of a configuration"
        raise _error(problem, node)
    return count, levels


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
