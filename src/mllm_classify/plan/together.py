"""Models and judges that run once for several data sets: an engine starts, or weights are loaded, once, and a budget holds.

Where two jobs or more of a model are to be made, its predictions about several data sets or its probes, a job before them does
the work: it asks all that the journal lacks, or computes all parts. It leaves a mark that they take as an input; they find
answers and parts there. Shards have such a job each; the first asks what is asked without images, too. A judge's judgements
of several data sets have one, which waits for the answers to all of them. Snakemake makes a job again whose inputs are others
than it recorded, or are made again. A mark therefore bears the digest of what was asked: no later run makes it again, and jobs
whose outputs stand keep the one that they had.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from mllm_classify.config.models import Resources
from mllm_classify.io.files import digest
from mllm_classify.plan.files import PATTERNS, file
from mllm_classify.plan.outline import Outline, PlannedModel

FOLDER = Path("results/asked")
JUDGES = "judges"
"""The folder in there of judges' marks, a folder for each."""
RECORDS = Path(".snakemake/metadata")
LONGEST = 254
"""Characters of a record's name; what is longer begins with folders of so many, behind an @."""
READING = Resources().model_dump()
"""What a job is given whose work is done before it."""

Lineages = dict[str, dict[str, str]]
"""By the data set's name, and the job's."""


class Asked(NamedTuple):
    """What a model, or a shard of it, or a judge is asked in one go."""

    mark: str
    model: str
    """Its name, or the judge's."""
    shard: str
    """`1-of-3`; empty where there is one."""
    datasets: list[str]
    """Those about whose images it is asked."""
    probed: list[str]
    """Those of whose classes it is asked what it knows."""
    answers: list[str]
    """Those about whose answers a judge is asked."""
    waits: bool
    """Whether it is to be made in this run."""

    @property
    def jobs(self) -> list[tuple[str, str]]:
        """The data set and the name of each job that finds its work done."""
        of = {
            unit(self.model, self.shard): self.datasets,
            probe_of(self.model): self.probed,
            judge_of(self.model): self.answers,
        }
        return [(name, job) for job, names in of.items() for name in names]


def shards(model: PlannedModel) -> list[str]:
    """The shards of a model, as their files are called; one without a name where its predictions are made at once."""
    return [f"{number}-of-{model.shards}" for number in range(1, model.shards + 1)] if model.shards > 1 else [""]


def unit(model: str, shard: str) -> str:
    """The predictions of a model, or of a shard of it, as the keys of marks have it."""
    return f"predict/{model}/{shard}" if shard else f"predict/{model}"


def probe_of(model: str) -> str:
    """The probe of a model, as the keys of marks have it, and those of lineages."""
    return f"probe/{model}"


def judge_of(judge: str) -> str:
    """The judgements of a judge, as the keys of marks have them, and those of lineages."""
    return f"judge/{judge}"


def together(outlines: dict[str, Outline], lineages: Lineages) -> dict[str, Asked]:
    """What this run has a model or a judge do in one go, by the name of its mark."""
    found = {}
    for model, shard in _starting(outlines):
        have = [(name, of) for name, of in sorted(outlines.items()) if model in of.models]
        lacking = [name for name, of in have if _lacks(of, model, shard, lineages)]
        probed = [
            name for name, of in have if shard == shards(of.models[model])[0] and _lacks_probe(of, model, lineages)
        ]
        if len(lacking) + len(probed) > 1:
            asking = asked_lineage(model, shard, lacking, probed, lineages)[:16]
            mark = _mark(FOLDER / model, asking, all(_kept(outlines[name], model, shard) for name in lacking))
            found[mark.stem] = Asked(mark.as_posix(), model, shard, lacking, probed, [], not mark.exists())
    for judge in sorted({name for of in outlines.values() for name in of.judges}):
        have = [(name, of) for name, of in sorted(outlines.items()) if judge in of.judges]
        lacking = [name for name, of in have if _lacks_judgement(of, judge, lineages)]
        if len(lacking) > 1:
            mark = _mark(FOLDER / JUDGES / judge, judged_lineage(judge, lacking, lineages)[:16], kept=True)
            found[mark.stem] = Asked(mark.as_posix(), judge, "", [], [], lacking, not mark.exists())
    return found


def asked_lineage(model: str, shard: str, datasets: list[str], probed: list[str], lineages: Lineages) -> str:
    """What a job that asks a model in one go depends on: whatever the jobs do that find its work done."""
    of = {name: lineages[name][f"predict/{model}"] for name in sorted(datasets)}
    return digest([model, shard, of, {name: lineages[name][probe_of(model)] for name in sorted(probed)}])


def judged_lineage(judge: str, datasets: list[str], lineages: Lineages) -> str:
    """The same of a job that asks a judge."""
    job = judge_of(judge)
    return digest([job, {name: lineages[name][job] for name in sorted(datasets)}])


def marks(outlines: dict[str, Outline], asked: dict[str, Asked]) -> dict[str, dict[str, str]]:
    """The mark that a job of a data set takes as an input, where it takes one: predictions of a model or a shard, a probe, or
    judgements.

    It is this run's, where the job is to run, and else the one that its output was made after.
    """
    if not asked and not FOLDER.is_dir():
        return {}
    found: dict[str, dict[str, str]] = {name: {} for name in outlines}
    for it in asked.values():
        for name, job in it.jobs:
            found[name][job] = it.mark
    for name, outline in outlines.items():
        for job, output in _outputs(outline):
            if job not in found[name] and (mark := _mark_before(output)):
                found[name][job] = mark
    return found


def _outputs(outline: Outline) -> Iterator[tuple[str, str]]:
    """The names of the jobs of a data set that may come after a mark, and the file that each writes."""
    for model, shard in _starting({outline.dataset: outline}):
        yield unit(model, shard), prediction_path(outline, model, shard)
        if outline.models[model].probed:
            yield probe_of(model), file(outline, "probe", model).path
    for judge in outline.judges:
        yield judge_of(judge), file(outline, "judgement", judge=judge).path


def _mark_before(output: str) -> str | None:
    """The mark that an output was made after, where it is still there."""
    before = _record(output).get("input") or []
    return next((path for path in before if path.startswith(f"{FOLDER}/") and Path(path).exists()), None)


def idle(outlines: dict[str, Outline], asked: dict[str, Asked]) -> dict[str, list[str]]:
    """By data set, the jobs whose work this run does before them: they start no engine, load nothing and need no accelerator.

    The search of k-NN is left to its own job.
    """
    found: dict[str, list[str]] = {name: [] for name in outlines}
    for it in asked.values():
        for name, job in it.jobs:
            if it.waits and (it.answers or _leaves_nothing(outlines[name].models[it.model])):
                found[name].append(job)
    return found


def _leaves_nothing(model: PlannedModel) -> bool:
    return model.chat or model.keeps_parts


def _starting(outlines: dict[str, Outline]) -> Iterator[tuple[str, str]]:
    """The models of a study that run once for several data sets, with each of their shards."""
    known = {name: outline.models[name] for outline in outlines.values() for name in outline.named("starts")}
    return ((name, shard) for name, model in sorted(known.items()) for shard in shards(model))


def _mark(folder: Path, asking: str, kept: bool) -> Path:
    """The file that says that a model was asked: the one that is there, where what it asked for is kept, too.

    Else, as where predictions were removed, all is done again, and the mark has a number behind its digest.
    """
    first = folder / f"{asking}.json"
    if kept or not first.exists():
        return first
    return next(path for number in count(2) if not (path := folder / f"{asking}-{number}.json").exists())


def _kept(outline: Outline, model: str, shard: str) -> bool:
    """Whether what was computed is still there: parts beside the predictions; the journal of a chat model always is."""
    path = Path(prediction_path(outline, model, shard))
    return not outline.models[model].keeps_parts or any(path.parent.glob(f".{path.name}.parts-*"))


def prediction_path(outline: Outline, model: str, shard: str) -> str:
    """Where the predictions of a model, or of a shard of it, lie."""
    if not shard:
        return file(outline, "predictions", model).path
    number, _, total = shard.partition("-of-")
    return PATTERNS["shard"].format(dataset=outline.dataset, model=model, shard=number, shards=total)


def _lacks(outline: Outline, model: str, shard: str, lineages: Lineages) -> bool:
    """Whether a model's predictions, and those of a shard, are not there, or are of another lineage."""
    lineage = lineages[outline.dataset][f"predict/{model}"]
    return all(_outdated(prediction_path(outline, model, it), lineage) for it in {"", shard})


def _lacks_probe(outline: Outline, model: str, lineages: Lineages) -> bool:
    """Whether what a model knows of a data set's classes is to be asked."""
    if not outline.models[model].probed:
        return False
    return _outdated(file(outline, "probe", model).path, lineages[outline.dataset][probe_of(model)])


def _lacks_judgement(outline: Outline, judge: str, lineages: Lineages) -> bool:
    """Whether a judge is to be asked about the answers to a data set."""
    return _outdated(file(outline, "judgement", judge=judge).path, lineages[outline.dataset][judge_of(judge)])


def _outdated(path: str, lineage: str) -> bool:
    recorded = _record(path).get("params") or []
    return not Path(path).exists() or not any(lineage in it for it in recorded)


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
