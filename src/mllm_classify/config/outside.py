"""Figures of others that accuracies are set beside: how often classes are named elsewhere, scores on other benchmarks."""

import math
from typing import Annotated

from pydantic import Field

from mllm_classify.config.marks import CONTENT, DISPLAY, Label, Section
from mllm_classify.io.files import InputError
from mllm_classify.io.records import read_records
from mllm_classify.io.text import shown


class OutsideFigures(Section):
    """A file of figures that were found elsewhere. Its form: docs/studies.md."""

    file: Annotated[str, CONTENT] = Field(description="CSV, JSON-lines or Parquet file")
    label: Annotated[Label, DISPLAY] = Field(description="whose figures they are, as tables say it")

    def frequencies(self) -> list[tuple[str, float, float | None]]:
        """Names of classes in lower case, how often each is named, and how frequent its words are; sorted.

        Raises InputError with the place where a figure is none, or a name appears twice.
        """
        found: dict[str, tuple[float, float | None]] = {}
        for place, record in read_records(self.file, "name", "count"):
            name = str(record["name"]).strip().lower()
            if name in found:
                msg = f"{place}: {shown(name)} appears twice; give each name one line"
                raise InputError(msg)
            count = _number(record["count"], f"{place}: count", least=0)
            if count is None:
                msg = f"{place}: count: missing; a name that is never mentioned has 0"
                raise InputError(msg)
            found[name] = (count, _number(record.get("words"), f"{place}: words", least=0))
        return sorted((name, *figures) for name, figures in found.items())

    def scores(self) -> dict[str, dict[str, float]]:
        """Scores by benchmark and model, as far as there are any. Raises InputError with the place where one is no number."""
        found: dict[str, dict[str, float]] = {}
        seen: set[str] = set()
        for place, record in read_records(self.file, "model"):
            model = str(record["model"]).strip()
            if model in seen:
                msg = f"{place}: {shown(model)} appears twice; give each model one line"
                raise InputError(msg)
            seen.add(model)
            for benchmark, value in record.items():
                if benchmark != "model" and (number := _number(value, f"{place}: {benchmark}")) is not None:
                    found.setdefault(benchmark, {})[model] = number
        return dict(sorted(found.items()))


def _number(value: object, place: str, least: float = -math.inf) -> float | None:
    """A figure of a record; None where there is none."""
    if value is None or value == "":
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < least or isinstance(value, bool):
        msg = f"{place}: {shown(value)} is no number{' from 0' if least == 0 else ''}"
        raise InputError(msg)
    return number
