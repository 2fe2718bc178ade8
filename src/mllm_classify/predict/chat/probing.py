"""What a model knows of classes, without an image: which of some classes a description fits.

The same model is asked as about images, and its answers lie in the same journal. Distractors and the order of options depend
on the seed, the class, the description and the repeat.
"""

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mllm_classify.api import answers, journal, replies
from mllm_classify.choices import draws
from mllm_classify.dataset.classes import Lookup
from mllm_classify.io.files import InputError, read_text
from mllm_classify.io.records import read_records
from mllm_classify.io.text import one_line
from mllm_classify.predict.chat.answering import Means, ask
from mllm_classify.predict.chat.prompts import Prompt, Way, listed, read_prompt, template
from mllm_classify.predict.chat.question import Question, answer_identity, question_key

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.config.tasks import Probe
    from mllm_classify.predict.chat.asking import Failure
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger(__name__)

TASK = "probe"
GLOSSES = "package:timm/data/_info/imagenet_synset_to_definition.txt"
"""WordNet's definitions of ImageNet's synsets: a synset and its definition a line."""
DESCRIPTION, OPTIONS = "{description}", "{options}"
PROBES: dict[str, pl.DataType] = {
    "class_id": pl.Int32(),
    "description": pl.String(),
    "repeat": pl.Int32(),
    "options": pl.List(pl.Int32),  # classes, as they were listed
    "text": pl.String(),  # the answer
    "chosen": pl.Int32(),  # the option that it names; null where it names none
    "right": pl.Boolean(),
    "status": pl.String(),  # ok, or error
    "error": pl.String(),
    "prompt": pl.String(),  # SHA-256 of the prompt file
    "request": pl.String(),  # digest of what was sent; the journal holds it
    "prompt_tokens": pl.Int32(),
    "completion_tokens": pl.Int32(),
    "latency": pl.Float64(),  # seconds
}


def descriptions(file: str | None, classes: pl.DataFrame) -> list[tuple[int, str]]:
    """Classes with their descriptions, sorted: those of a file, or WordNet's glosses of the classes' synsets.

    A description that holds its class's name gives the answer away: it is left out, and counted in the log. Raises
    InputError where there is none at all.
    """
    if file is None:
        glosses = dict(line.split("\t", 1) for line in read_text(GLOSSES).splitlines() if "\t" in line)
        synsets = classes.select("class_id", "synset").drop_nulls().iter_rows()
        found = {(class_id, glosses[synset].strip()) for class_id, synset in synsets if synset in glosses}
        if not found:
            msg = "probe.descriptions: missing; only ImageNet's classes have WordNet's glosses"
            raise InputError(msg)
    else:
        lookup = Lookup(classes)
        found = {
            (lookup.one(place, record["class"]), one_line(str(record["description"])).strip())
            for place, record in read_records(file, "class", "description")
        }
    names = dict(classes.select("class_id", "name").iter_rows())
    kept = sorted((class_id, text) for class_id, text in found if text and not _names(text, names[class_id]))
    log.info("%d descriptions of %d classes", len(kept), len({class_id for class_id, _ in kept}))
    if len(kept) < len(found):
        log.warning(
            "%d descriptions are empty or hold their class's name: they are not asked about", len(found) - len(kept)
        )
    if not kept:
        msg = f"{file or GLOSSES}: no description that could be asked about"
        raise InputError(msg)
    return kept


def _names(description: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name.strip())}(?!\w)", description, re.IGNORECASE) is not None


def options(probe: "Probe", class_id: int, description: str, repeat: int, same_name: list[list[int]]) -> list[int]:
    """The classes that a question lists, in their order: the right one, and others, none of which has its name."""
    purpose = draws.key("probe"), np.uint64(probe.seed), np.uint64(class_id), draws.key(description), np.uint64(repeat)
    ids = np.arange(len(same_name), dtype=np.uint64)
    others = [int(it) for it in np.argsort(draws.draw(*purpose, ids), kind="stable") if it not in same_name[class_id]]
    chosen, names = [class_id], set(same_name[class_id])
    for other in others:  # two options of one name could not be told apart
        if len(chosen) < probe.n and other not in names:
            chosen.append(other)
            names |= set(same_name[other])
    order = draws.draw(draws.key("order"), *purpose, np.array(chosen, dtype=np.uint64))
    return [chosen[place] for place in np.argsort(order, kind="stable")]


class Probes:
    """All questions about descriptions, as `Questionnaire` has those about images. `images` are places among `asked`."""

    def __init__(self, model: "ChatModel", probe: "Probe", classes: pl.DataFrame) -> None:
        self.model = model
        classes = classes.sort("class_id")
        self.names = classes["name"].to_list()
        same_name = classes["same_name"].to_list()
        self._prompt: Prompt = read_prompt(probe.prompt)
        for placeholder in (DESCRIPTION, OPTIONS):
            if placeholder not in self._prompt.text:
                msg = f"probe.prompt: {probe.prompt}: has no {placeholder}"
                raise InputError(msg)
        self.ways = [Way(TASK, self._prompt, model.layout)]
        self.asked = [
            (class_id, text, repeat, options(probe, class_id, text, repeat, same_name))
            for repeat in range(probe.repeats)
            for class_id, text in descriptions(probe.descriptions, classes)
        ]
        self._identity = answer_identity(model)

    def __iter__(self) -> Iterator[Question]:
        (way,) = self.ways
        for place, (_, description, repeat, shown) in enumerate(self.asked):
            listing = listed(self.names[class_id] for class_id in shown)
            text = self._prompt.text.replace(OPTIONS, listing).replace(DESCRIPTION, description)
            put = template(self.model, way, text, images=0)
            yield Question(question_key(put, [], repeat, self._identity), TASK, (place,), put, "", repeat)

    def body(self, question: Question) -> dict[str, Any]:
        """A whole request."""
        return question.template.body


def probes_of(job: "PredictJob[ChatModel]") -> Probes:
    """What a job's model is asked of classes."""
    assert job.probe is not None
    return Probes(job.model, job.probe, job.classes)


def asked_probes(job: "PredictJob[ChatModel]", means: Means) -> "tuple[Probes, dict[str, Failure]]":
    """Ask what the journal of a job lacks about its descriptions. All questions, and why some have no answer."""
    probes = probes_of(job)
    _, failures = ask(probes, job.journal, job.progress, means, job.shard[1], check=None)
    return probes, failures


def probed(job: "PredictJob[ChatModel]", means: Means) -> pl.DataFrame:
    """The answers of a job's model to all questions: PROBES. Only what the journal lacks is asked.

    Raises InputError where more of them are missing than the entry tolerates.
    """
    probes, failures = asked_probes(job, means)
    known = journal.read(job.journal, replies.check_record)
    rows = []
    for question, (class_id, description, repeat, shown) in zip(probes, probes.asked, strict=True):
        failure = failures.get(question.key)
        row: dict[str, Any] = {
            "status": "error",
            "error": failure.reason[:600] if failure else "not answered",
            "right": False,
        }
        if question.key in known:
            row = _answered(known[question.key], class_id, shown, probes.names)
        about = {"class_id": class_id, "description": description, "repeat": repeat, "options": shown}
        rows.append(about | row | {"prompt": question.template.prompt, "request": question.template.digest})
    frame = pl.DataFrame(rows, schema=PROBES)
    errors = frame.filter(pl.col("status") == "error")
    if errors.height > job.model.max_errors:
        msg = (
            f"model {job.model.name!r}: {errors.height} of {len(frame)} descriptions have no answer, the first: "
            f"{one_line(errors['error'][0])}; the entry tolerates {job.model.max_errors} (max_errors). What was answered is in "
            f"{job.journal}, and another run asks for the rest only"
        )
        raise InputError(msg)
    return frame


def _answered(record: dict[str, Any], class_id: int, shown: list[int], names: list[str]) -> dict[str, Any]:
    """The columns of one answer. It is read as answers to CW are: in any case, without blanks around it."""
    response = answers.read(record["response"])
    said = response.text.strip().lower()
    chosen = next((it for it in shown if names[it].strip().lower() == said), None) if response.error is None else None
    return {
        "text": None if response.error else response.text,
        "chosen": chosen,
        "right": chosen == class_id,
        "status": "error" if response.error else "ok",
        "error": response.error,
        "prompt_tokens": response.used.prompt,
        "completion_tokens": response.used.completion,
        "latency": record["latency"],
    }
