"""Requests, tokens and dollars of a chat model: what is missing will take, and what was used so far.

Before a server has counted tokens, they are estimated from characters and from the entry's `image_tokens`. Once a model
has answered some questions of a task, a pilot's for example, its own counts take their place.
"""

from typing import TYPE_CHECKING, Any

from mllm_classify.api import answers
from mllm_classify.predict.chat.asking import CHARACTERS_PER_TOKEN, characters

if TYPE_CHECKING:
    from mllm_classify.api.journal import Answers
    from mllm_classify.predict.chat.answering import Askable
    from mllm_classify.predict.chat.question import Question


class _Tally:
    """One task or variant of a model."""

    def __init__(self) -> None:
        self.images = self.requests = self.answered = 0
        self.text = self.put = self.shared = 0  # characters, those of templates, and of first requests, unanswered
        self.pictures = self.missing = 0  # pictures that are shown, and images that are asked about, unanswered
        self.repeated = 0  # of these pictures, examples that stand where they stood before
        self.prompt = self.cached = self.completion = 0  # tokens, as counted
        self.counted = self.counted_images = 0
        self.batched = [0, 0, 0]
        self.seen: set[str] = set()
        self.asked: set[str] = set()

    def add(self, question: "Question", record: dict[str, Any] | None) -> None:
        self.images += len(question.images)
        if question.key in self.asked:
            return  # one request answers it: about the same picture, or without any
        self.asked.add(question.key)
        self.requests += 1
        if record is None:
            self.text += characters(question)
            self.put += question.template.characters
            self.pictures += question.template.pictures
            self.missing += len(question.images)
            if question.template.digest not in self.seen:
                self.seen.add(question.template.digest)
                self.shared += question.template.characters
            if question.examples:
                examples = " ".join([question.template.digest, *(example.told for example in question.examples)])
                self.repeated += len(question.examples) if examples in self.seen else 0
                self.seen.add(examples)
            return
        self.answered += 1
        used = answers.used(record["response"])
        if used.prompt is not None:
            self.counted += 1
            self.counted_images += len(question.images)
            tokens = (used.prompt, used.cached or 0, used.completion or 0)
            self.prompt, self.cached, self.completion = (
                one + other for one, other in zip((self.prompt, self.cached, self.completion), tokens, strict=True)
            )
            if record.get("batch") is not None:
                self.batched = [one + other for one, other in zip(self.batched, tokens, strict=True)]


def estimated(questionnaire: "Askable", answered: "Answers") -> list[dict[str, Any]]:
    """One row for each task and variant of a model: the columns of the table of costs (`estimate.ESTIMATE`), by name."""
    tallies: dict[tuple[str, str], _Tally] = {}
    for question in questionnaire:
        tally = tallies.setdefault((question.task, question.variant), _Tally())
        tally.add(question, answered.get(question.key))
    return [_row(questionnaire, task, variant, tally) for (task, variant), tally in tallies.items()]


def _row(questionnaire: "Askable", task: str, variant: str, tally: _Tally) -> dict[str, Any]:
    model = questionnaire.model
    missing = tally.requests - tally.answered
    layout = next(
        (way.layout for way in questionnaire.ways if (way.task, way.variant) == (task, variant)), model.layout
    )
    text = round(tally.text / CHARACTERS_PER_TOKEN)
    cached = round((tally.put - tally.shared) / CHARACTERS_PER_TOKEN) if layout != "image_first" else 0
    picture = None if model.image_tokens is None else tally.pictures * model.image_tokens
    cached += tally.repeated * (model.image_tokens or 0)
    answer = tally.missing * model.request.limit
    basis = "characters" if picture is not None else "characters; image_tokens is not set"
    if tally.counted:
        # what one image costs so far, its part of the text included
        each = tally.missing / tally.counted_images
        text, picture = round(tally.prompt * each), 0
        cached, answer = round(tally.cached * each), round(tally.completion * each)
        basis = f"counted on {tally.counted} answers, text and images together"
    prices = model.prices
    row: dict[str, Any] = {
        "model": model.name, "task": task, "variant": variant, "images": tally.images, "requests": tally.requests,
        "answered": tally.answered, "text_tokens": text, "image_tokens": picture, "cached_tokens": cached,
        "answer_tokens": answer, "tokens_from": basis if missing else "nothing is missing",
        "used_prompt_tokens": tally.prompt, "used_cached_tokens": tally.cached, "used_answer_tokens": tally.completion,
        "cost": None, "cost_cached": None, "spent": None,
    }  # fmt: skip
    if prices is not None:
        prompt = text + (picture or 0)
        row["cost"] = prices.cost(prompt, 0, answer, batch=model.in_batches)
        row["cost_cached"] = prices.cost(prompt, cached, answer, batch=model.in_batches)
        alone = [
            one - other
            for one, other in zip((tally.prompt, tally.cached, tally.completion), tally.batched, strict=True)
        ]
        row["spent"] = prices.cost(*alone) + prices.cost(*tally.batched, batch=True)
    return row
