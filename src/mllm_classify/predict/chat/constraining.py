"""Servers that let a model answer with listed names only: how each is asked to, and how its answers are read.

Each field is described in the documentation of the servers that know it (docs/providers.md).
"""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mllm_classify.api.replies import parsed

if TYPE_CHECKING:
    from mllm_classify.config.chat import Constraint

KEY = "class"
"""Under which JSON has the name, unless a request says otherwise."""
SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
"""Characters that mean something in regular expressions of any dialect. Escaping others is an error in some."""


def _regex(names: list[str]) -> str:
    return "(" + "|".join(SPECIAL.sub(r"\\\g<0>", name) for name in names) + ")"


def _grammar(names: list[str]) -> str:
    """In GBNF, whose strings are escaped as JSON's."""
    return "root ::= " + " | ".join(json.dumps(name, ensure_ascii=False) for name in names)


def _json_schema(names: list[str], key: str) -> dict[str, Any]:
    """OpenAI takes nothing but an object that has all keys and no others."""
    schema = {
        "type": "object",
        "properties": {key: {"type": "string", "enum": names}},
        "required": [key],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


FIELDS: "dict[Constraint, Callable[..., dict[str, Any]]]" = {
    "structured_outputs": lambda names, _=KEY: {"structured_outputs": {"choice": names}},
    "guided_choice": lambda names, _=KEY: {"guided_choice": names},
    "regex": lambda names, _=KEY: {"regex": _regex(names)},
    "grammar": lambda names, _=KEY: {"grammar": _grammar(names)},
    "response_format": lambda names, key=KEY: {"response_format": _json_schema(names, key)},
    "response_format regex": lambda names, _=KEY: {"response_format": {"type": "regex", "value": _regex(names)}},
}
"""What a request holds so that nothing but one of some names answers it, by the entry's `constrained_by`; in JSON
under a key."""
IN_JSON = {"response_format"}
"""By which the name comes in JSON."""


def name_in(text: str, key: str = KEY) -> str:
    """The name that an answer in JSON has; anything else as it is."""
    value = parsed(text.encode())
    name = value.get(key) if isinstance(value, dict) and len(value) == 1 else None
    return name if isinstance(name, str) else text
