"""What asking chat models costs: requests, tokens and dollars, before anything is sent; and what was used so far.

Before a server has counted tokens, they are estimated from characters and from the entry's `image_tokens`. Once a model
has answered some questions of a task, a pilot's for example, its own counts take their place.
"""

from typing import TYPE_CHECKING, Any

import polars as pl
from tabulate import tabulate

from mllm_classify.api import answers
from mllm_classify.choices import draws
from mllm_classify.choices.variants import ALL, lists_classes
from mllm_classify.predict.chat.asking import CHARACTERS_PER_TOKEN

if TYPE_CHECKING:
    from mllm_classify.api.journal import Answers
    from mllm_classify.config.tasks import Choices
    from mllm_classify.predict.chat.questions import Question, Questionnaire

ESTIMATE: dict[str, pl.DataType] = {
    "model": pl.String(),
    "task": pl.String(),
    "variant": pl.String(),
    "images": pl.Int64(),  # answers that there will be
    "requests": pl.Int64(),
    "answered": pl.Int64(),
    "text_tokens": pl.Int64(),  # of the requests that are not answered
    "image_tokens": pl.Int64(),
    "cached_tokens": pl.Int64(),  # of these, what a prefix cache can serve
    "answer_tokens": pl.Int64(),  # at most, or as many as answers had so far
    "tokens_from": pl.String(),
    "cost": pl.Float64(),  # dollars, nothing cached
    "cost_cached": pl.Float64(),  # dollars, all cached that can be
    "used_prompt_tokens": pl.Int64(),
    "used_cached_tokens": pl.Int64(),
    "used_answer_tokens": pl.Int64(),
    "spent": pl.Float64(),  # dollars, by these
}


class _Tally:
    """One task or variant of a model."""

    def __init__(self) -> None:
        self.images = self.requests = self.answered = 0
        self.text = self.pictures = self.shared = 0  # characters, images, and characters of first requests, unanswered
        self.prompt = self.cached = self.completion = 0  # tokens, as counted
        self.counted = self.counted_images = 0
        self.batched = [0, 0, 0]
        self.seen: set[str] = set()

    def add(self, question: "Question", record: dict[str, Any] | None) -> None:
        self.images += len(question.images)
        self.requests += 1
        if record is None:
            self.text += question.template.characters
            self.pictures += len(question.images)
            if question.template.digest not in self.seen:
                self.seen.add(question.template.digest)
                self.shared += question.template.characters
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


def estimated(asked: "Questionnaire", answered: "Answers") -> list[dict[str, Any]]:
    """One row of ESTIMATE for each task and variant of a model."""
    tallies: dict[tuple[str, str], _Tally] = {}
    for question in asked:
        tally = tallies.setdefault((question.task, question.variant), _Tally())
        tally.add(question, answered.get(question.key))
    return [_row(asked, task, variant, tally) for (task, variant), tally in tallies.items()]


def _row(asked: "Questionnaire", task: str, variant: str, tally: _Tally) -> dict[str, Any]:
    model = asked.model
    missing = tally.requests - tally.answered
    layout = next((way.layout for way in asked.ways if (way.task, way.variant) == (task, variant)), model.layout)
    text = round(tally.text / CHARACTERS_PER_TOKEN)
    cached = round((tally.text - tally.shared) / CHARACTERS_PER_TOKEN) if layout != "image_first" else 0
    picture = None if model.image_tokens is None else tally.pictures * model.image_tokens
    answer = tally.pictures * model.request.limit
    basis = "characters" if picture is not None else "characters; image_tokens is not set"
    if tally.counted:
        # what one image costs so far, its part of the text included
        each = tally.pictures / tally.counted_images
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


def assumed_choices(choices: "Choices", labels: pl.DataFrame) -> pl.DataFrame:
    """As many multiple-choice questions as there will be at most, with options of the right number.

    The options themselves need the reference's predictions; what the questions cost does not.
    """
    images = draws.sampled(labels, None if choices.per_class == "all" else choices.per_class, choices.seed)
    numbers = choices.numbers()
    asked: list[tuple[str, int | None, int]]
    asked = [(variant, None if variant == ALL else numbers["few"], choices.repeats) for variant in choices.variants]
    if choices.earlier is not None:
        earlier = choices.earlier
        asked += [(it, numbers["classes" if lists_classes(it) else "n"], earlier.repeats) for it in earlier.variants]
    questions = pl.DataFrame(
        [
            {"variant": variant, "repeat": repeat, "options": None if count is None else list(range(count))}
            for variant, count, repeats in asked
            for repeat in range(repeats)
        ],
        schema={"variant": pl.String(), "repeat": pl.Int32(), "options": pl.List(pl.Int32)},
    )
    return images.select("image_id").join(questions, how="cross")


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """All rows, and one for all models together."""
    found = pl.DataFrame(rows, schema=ESTIMATE)
    numbers = [name for name, dtype in ESTIMATE.items() if dtype.is_numeric()]
    total = found.select(
        pl.lit("all").alias("model"),
        *(pl.lit("").alias(name) for name in ("task", "variant", "tokens_from")),
        *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in numbers),
    ).select(list(ESTIMATE))
    return pl.concat([found, total]).with_columns(
        pl.col(name).round(4) for name, dtype in ESTIMATE.items() if dtype.is_float()
    )


def shown(found: pl.DataFrame) -> str:
    """What people look at: what is missing, what it takes, what was spent."""
    heads = {
        "model": "Model", "task": "Task", "variant": "Variant", "requests": "Requests", "answered": "answered",
        "text_tokens": "Text tokens", "image_tokens": "Image tokens", "cached_tokens": "of them cacheable",
        "answer_tokens": "Answer tokens", "cost": "Cost, $", "cost_cached": "if cached, $", "spent": "Spent, $",
        "tokens_from": "Tokens from",
    }  # fmt: skip
    numbers = [name for name, dtype in ESTIMATE.items() if dtype.is_integer()]
    money = [name for name, dtype in ESTIMATE.items() if dtype.is_float()]
    rows = [
        [
            ""
            if row[name] is None
            else f"{row[name]:,}"
            if name in numbers
            else f"{row[name]:,.2f}"
            if name in money
            else row[name]
            for name in heads
        ]
        for row in found.iter_rows(named=True)
    ]
    align = ["right" if name in numbers + money else "left" for name in heads]
    return str(tabulate(rows, list(heads.values()), disable_numparse=True, colalign=align))
