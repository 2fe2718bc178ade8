"""What a key of the configuration means for reruns, and the types that keys share.

Every key is *identity* (a changed value reruns what uses it) unless its annotation says otherwise: `DISPLAY` keys are
seen by the tables only, `RUNTIME` keys never cause a rerun, and of `CONTENT` keys the file's content counts, not its
name (of `COLUMNS` keys, only those columns).
"""

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from mllm_classify.io.files import InputError


class Mark(Enum):
    DISPLAY = "display"
    RUNTIME = "runtime"
    CONTENT = "content"


DISPLAY, RUNTIME, CONTENT = Mark


class COLUMNS(tuple[str, ...]):
    """Marks a file of records of which only some columns count: another stage may read the rest."""

    __slots__ = ()


class Choice(NamedTuple):
    """Marks an option on which studies differ: where its default comes from (docs/faithfulness.md)."""

    origin: Literal["paper", "code", "inferred", "ours"]
    says: str


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=100)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
MCVariant = Literal[
    "ImGT + random",
    "ImGT + confEVA(ImGT)",
    "ReGT + confEVA(ReGT)",
    "ImGT + ReGT + random",
    "ImGT + ReGT + confEVA(ImGT, ReGT)",
    "ImGT + 999 (CW)",
]
EarlierVariant = Literal["MC random", "MC semantic", "CW random", "CW first"]
MOST = 2**53
"""No number of a configuration is larger: up to it every integer is one in JSON and in floating point, too."""
WEEK = 7 * 24 * 3600.0
"""The longest wait, in seconds."""
CLASSES = "classes"
"""Stands beside the models' names in results/embeddings/, so no model can have it."""


def numeric(annotation: Any) -> bool:
    """Whether a type takes numbers."""
    return annotation in (int, float) or any(map(numeric, get_args(annotation)))


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, given: Any) -> Any:
        """Elsewhere, pydantic takes true for 1."""
        for key, value in given.items() if isinstance(given, dict) else ():
            if isinstance(value, bool) and key in cls.model_fields and numeric(cls.model_fields[key].annotation):
                msg = f"{key}: {str(value).lower()}: must be a number"
                raise ValueError(msg)
        return given


Entry = TypeVar("Entry", bound="NamedEntry")


class NamedEntry(Protocol):
    """A section that has a name."""

    @property
    def name(self) -> str: ...


def entry_named(option: str, name: str, entries: Sequence[Entry]) -> Entry:
    """The entry of that name, which an option of a command gives. Raises InputError where there is none."""
    for entry in entries:
        if entry.name == name:
            return entry
    msg = f"--{option}: {name!r} is not in the configuration; it has {', '.join(it.name for it in entries) or 'none'}"
    raise InputError(msg)


def tags(union: Any, key: str) -> list[str]:
    """The values of the key by which pydantic tells the sections of an annotated union apart, sorted."""
    sections = get_args(get_args(union)[0])
    return sorted(tag for section in sections for tag in get_args(section.model_fields[key].annotation))
