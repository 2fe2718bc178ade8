"""Reading a configuration, and saying what is wrong with it."""

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mllm_classify.config.dataset import SOURCES
from mllm_classify.config.encoders import ENCODERS
from mllm_classify.config.kinds import KINDS
from mllm_classify.config.study import Config
from mllm_classify.io.files import InputError


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent replacement."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            problem = None
            if not isinstance(key_node, yaml.ScalarNode):
                problem = "a key must be text; text that begins with { or [ needs quotes"
            elif key_node.value in seen:
                problem = f"the key {key_node.value!r} stands twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration.

    Raises InputError naming the file, the key and the value of the first things that are wrong.
    """
    name = os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else os.fspath(path)
    try:
        content = yaml.load(Path(path).read_bytes(), _Loader)  # noqa: S506 (derives from SafeLoader)
    except OSError as error:
        msg = f"{name}: cannot be read ({error.strerror})"
        raise InputError(msg) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        msg = f"{name}:{where} {getattr(error, 'problem', None) or 'not YAML'}"
        raise InputError(msg) from None
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(f"{name}: {_explain(detail)}" for detail in error.errors())) from None


def _tag(key: str, detail: Any) -> str:
    """The path of the key that tells the sections of a union apart."""
    return f"{key}.{detail['ctx']['discriminator'].strip(chr(39))}"


def _explain(detail: Any) -> str:
    """One validation error as `key: value: what to do`."""
    # pydantic puts the chosen kind of model, or source of a data set, into the path; users know no such level
    chosen = {"models": 2, "encoders": 2, "dataset": 1, "encoder": 1}.get(str(next(iter(detail["loc"]), "")))
    key = ""
    for number, part in enumerate(detail["loc"]):
        if isinstance(part, int):
            key += f"[{part}]"
        elif number != chosen:
            key += f".{part}" if key else part
    section = key.partition("[")[0]
    noun = {"dataset": "source of a data set", "encoder": "kind of encoder", "encoders": "kind of encoder"}.get(
        section, "kind of model"
    )
    value = repr(detail["input"])
    value = value if len(value) <= 80 else f"{value[:77]}..."
    match detail["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key (value {value}); remove it, or see docs/configuration.md for the keys"
        case "missing":
            return f"{key}: missing; see docs/configuration.md"
        case "union_tag_invalid":
            return (
                f"{_tag(key, detail)}: {detail['ctx']['tag']!r} is no {noun}; one of {detail['ctx']['expected_tags']}"
            )
        case "union_tag_not_found":
            known = {"dataset": SOURCES, "encoder": ENCODERS, "encoders": ENCODERS}.get(section, KINDS)
            return f"{_tag(key, detail)}: missing; one of {', '.join(known)}"
        case "value_error":
            # a model does not know its place in the list, nor a section within whose it is
            said = re.sub(r"^(models|encoder)(?= \()", lambda _: key, str(detail["ctx"]["error"]))
            return said if said.startswith(re.split(r"[.\[]", key)[0]) else f"{key}: {said}"
        case _:
            return f"{key}: {value}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
