"""The configuration's reference, written from its own model: a JSON schema for editors, and a page for people.

`python -m mllm_classify.reference` (`make reference`) writes both; a test fails when they are out of date.
"""

import json
from enum import Enum
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mllm_classify import config
from mllm_classify.files import PROJECT

SCHEMA = PROJECT / "workflow/schemas/config.schema.json"
PAGE = PROJECT / "docs/configuration.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "dataset": config.Dataset,
    "encoder": config.Encoder,
    "tasks, by OW or CW": config.TaskPrompt,
    "models, of every kind": config.Model,
    "models, of every kind: resources": config.Resources,
    "models of kind timm; classifier of kind conse": config.Classifier,
    "models of kind timm": config.TimmModel,
    "models of kind conse": config.ConseModel,
    "models of kind endpoint and engine": config.ChatModel,
    "models of kind endpoint": config.EndpointModel,
    "models of kind engine": config.EngineModel,
}
INTRODUCTION = """# The configuration

Written by `make reference` from `src/mllm_classify/config.py`. One YAML file configures a run: `config.yaml`, or the
one that `--configfile` names. A key that is not listed here is an error.

*Reruns* says what a changed value runs again: *yes*, all that uses it; *tables*, only those; *content*, what uses the
file, when its content changes; *columns*, the same for the columns that are named; *no*, nothing.

Files are relative to the folder in which Snakemake runs, or to the project. `package:NAME/FILE` is a file inside an
installed package.
"""


def schema() -> str:
    return json.dumps(config.Config.model_json_schema(), indent=2) + "\n"


def page() -> str:
    parts = [INTRODUCTION]
    for title, section in SECTIONS.items():
        rows = [
            f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {_reruns(field)} | {_text(field)} |"
            for name, field in section.model_fields.items()
            if name in section.__annotations__  # what it inherits stands in a section of its own
        ]
        about = (section.__doc__ or "").strip().splitlines()
        parts.append(
            "\n".join([f"## {title}", "", *([*about, ""] if about else []), "| key | type | default | reruns | |",
                       "|:--|:--|:--|:--|:--|", *rows, ""])
        )  # fmt: skip
    return "\n".join(parts)


def _type(annotation: Any) -> str:
    arguments = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Literal:
            return " or ".join(f"`{value}`" for value in arguments)
        case origin if origin is list:
            return f"list of {_type(arguments[0])}"
        case None:
            return (
                "section"
                if issubclass(annotation, BaseModel)
                else {"str": "text"}.get(annotation.__name__, annotation.__name__)
            )
        case origin if hasattr(annotation, "__metadata__"):
            return _type(origin)
        case _:
            return " or ".join(_type(argument) for argument in arguments if argument is not NoneType)


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "*needed*"
    if field.default is None:
        return "none"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{field.default.value if isinstance(field.default, Enum) else field.default}`"


def _reruns(field: FieldInfo) -> str:
    for mark in field.metadata:
        if isinstance(mark, config.COLUMNS):
            return f"columns {', '.join(mark)}"
    names = {config.DISPLAY: "tables", config.RUNTIME: "no", config.CONTENT: "content"}
    return next((names[mark] for mark in field.metadata if isinstance(mark, config.Mark)), "yes")


if __name__ == "__main__":
    SCHEMA.write_text(schema())
    PAGE.write_text(page())
