"""Reading a configuration, and saying what is wrong with it."""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mllm_classify.config import text
from mllm_classify.config.dataset import SOURCES
from mllm_classify.config.encoders import ENCODERS
from mllm_classify.config.judge import JUDGES
from mllm_classify.config.kinds import KINDS
from mllm_classify.config.study import Config
from mllm_classify.io.borders import border
from mllm_classify.io.files import InputError, regular
from mllm_classify.io.limits import CONFIGURATION_BYTES
from mllm_classify.io.text import short, shown

SHOWN = 20
"""How many of the things that are wrong are told."""


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration.

    Raises InputError naming the file, the key and the value of the first things that are wrong.
    """
    name = os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else os.fspath(path)
    with border(name):
        try:
            content = text.parsed(regular(Path(path), CONFIGURATION_BYTES).read_bytes(), name)
        except OSError as error:
            msg = f"{name}: cannot be read ({error.strerror})"
            raise InputError(msg) from None
        try:
            return Config.model_validate(content)
        except ValidationError as error:
            raise InputError("\n".join(f"{name}: {_explain(detail)}" for detail in error.errors()[:SHOWN])) from None


def _tag(key: str, detail: Any) -> str:
    """The path of the key that tells the sections of a union apart."""
    return f"{key}.{detail['ctx']['discriminator'].strip(chr(39))}"


def _explain(detail: Any) -> str:
    """One validation error as `key: value: what to do`."""
    # pydantic puts the chosen kind of model, or source of a data set, into the path; users know no such level
    section, *within = map(str, detail["loc"] or [""])
    further = section == "datasets" and within[1:2] == ["dataset"]
    chosen = (
        3 if further else {"models": 2, "encoders": 2, "judges": 2, "dataset": 1, "encoder": 1, "judge": 1}.get(section)
    )
    key = ""
    for number, part in enumerate(detail["loc"]):
        if isinstance(part, int):
            key += f"[{part}]"
        elif number != chosen:
            key += f".{short(part, 80)}" if key else short(part, 80)
    section = "dataset" if further else section
    noun = {"dataset": "source of a data set", "encoder": "kind of encoder", "encoders": "kind of encoder"}.get(
        section, "kind of model"
    )
    value = shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key (value {value}); remove it, or see docs/configuration.md for the keys"
        case "missing":
            return f"{key}: missing; see docs/configuration.md"
        case "union_tag_invalid":
            return f"{_tag(key, detail)}: {shown(detail['ctx']['tag'])} is no {noun}; one of {detail['ctx']['expected_tags']}"
        case "union_tag_not_found":
            known = {
                "dataset": SOURCES,
                "encoder": ENCODERS,
                "encoders": ENCODERS,
                "judge": JUDGES,
                "judges": JUDGES,
            }.get(section, KINDS)
            return f"{_tag(key, detail)}: missing; one of {', '.join(known)}"
        case "value_error":
            # a model does not know its place in the list, nor a section within whose it is
            said = re.sub(r"^(models|encoder)(?= \()", lambda _: key, str(detail["ctx"]["error"]))
            if further:
                said = re.sub(r"^dataset(?=\.)", f"datasets[{within[0]}].dataset", said)
            return said if said.startswith(re.split(r"[.\[]", key)[0]) else f"{key}: {said}"
        case _:
            return f"{key}: {value}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
