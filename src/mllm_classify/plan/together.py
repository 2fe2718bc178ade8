"""Models that are asked about several data sets at once, as their engine is started once.

Where the predictions of a model about two data sets or more are to be made, a job before theirs asks all that the journal
lacks, and leaves a mark that they take as an input; they find the answers in the journal. Snakemake makes a job again whose
inputs are others than it recorded, or are made again. A mark therefore bears the digest of what was asked: no later run
makes it again, and jobs whose predictions stand keep the one that they had.
"""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any, NamedTuple

from mllm_classify.io.files import digest
from mllm_classify.plan.files import inputs
from mllm_classify.plan.outline import Outline

FOLDER = Path("results/asked")
RECORDS = Path(".snakemake/metadata")
LONGEST = 254
"""Characters of a record's name; what is longer begins with folders of so many, behind an @."""

Lineages = dict[str, dict[str, str]]
"""By the data set's name, and the job's."""


class Asked(NamedTuple):
    """What a model is asked about in one go."""

    mark: str
    datasets: list[str]


def mark(model: str, asking: str) -> str:
    """The file that says that a model was asked."""
    return (FOLDER / model / f"{asking}.json").as_posix()


def together(outlines: dict[str, Outline], lineages: Lineages) -> dict[str, Asked]:
    """The models of which this run makes predictions about several data sets with one engine, and which these are."""
    if len(outlines) == 1:
        return {}
    found = {}
    for model in {name for outline in outlines.values() for name in outline.named("engine")}:
        lacking = sorted(
            name for name, of in outlines.items() if model in of.models and _lacks(of, model, lineages[name])
        )
        if len(lacking) > 1:
            asking = asked_lineage(model, lacking, lineages)
            found[model] = Asked(mark(model, asking[:16]), lacking)
    return dict(sorted(found.items()))


def asked_lineage(model: str, datasets: list[str], lineages: Lineages) -> str:
    """What a job that asks a model about several data sets depends on: whatever their predictions do."""
    return digest([model, {name: lineages[name][f"predict/{model}"] for name in sorted(datasets)}])


def marks(outlines: dict[str, Outline], asked: dict[str, Asked]) -> dict[str, dict[str, str]]:
    """The mark that the job of a data set and a model takes as an input, where it takes one: by data set and model.

    It is this run's, where the job is to run, and else the one that its predictions were made after.
    """
    if not asked and not FOLDER.is_dir():
        return {}
    found: dict[str, dict[str, str]] = {name: {} for name in outlines}
    for name, outline in outlines.items():
        for model in outline.named("engine"):
            if model in asked and name in asked[model].datasets:
                found[name][model] = asked[model].mark
            else:
                before = _record(inputs(outline, "predictions")[model].path).get("input") or []
                for path in before:
                    if path.startswith(f"{FOLDER}/") and Path(path).exists():
                        found[name][model] = path
    return found


def _lacks(outline: Outline, model: str, lineages: dict[str, str]) -> bool:
    """Whether a model's predictions are not there, or are of another lineage."""
    path = inputs(outline, "predictions")[model].path
    recorded = _record(path).get("params") or []
    return not Path(path).exists() or not any(lineages[f"predict/{model}"] in it for it in recorded)


def _record(path: str) -> dict[str, Any]:
    """Snakemake's record of a file; nothing where it has none."""
    name = urlsafe_b64encode(path.encode()).decode()
    pieces = [name[start : start + LONGEST] for start in range(0, len(name), LONGEST)]
    try:
        record: dict[str, Any] = json.loads(
            RECORDS.joinpath(*(f"@{it}" for it in pieces[:-1]), pieces[-1]).read_bytes()
        )
    except (OSError, ValueError):
        return {}
    return record
