"""What a judge costs before any model has answered: as many pairs as there may be."""

from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.judge.pairs import PAIRS
from mllm_classify.judge.questions import TASK, Pairs
from mllm_classify.predict.chat.asking import CHARACTERS_PER_TOKEN
from mllm_classify.tasks import JUDGED_TASKS

if TYPE_CHECKING:
    from mllm_classify.config.judge import Judge
    from mllm_classify.config.study import Config

TEXTS = 40
"""Characters of an answer and a class together, until they are known."""


def most_answers(config: "Config", images: int) -> int:
    """Answers that may be judged: all of each model to the tasks that are judged, repeats and variants included."""
    return images * sum(
        # a file of recorded answers may have those to each
        sum(model.answers(task) or not model.prompted_tasks for task in JUDGED_TASKS)
        + sum(variant.repeats for variant in config.asked_variants(model) if variant.task in JUDGED_TASKS)
        for model in config.models
        if model.worded
    )


def at_most(judge: "Judge", answers: int, classes: int) -> dict[str, Any]:
    """A row of the table of costs, by name, if every answer were another one, and none of them a class's name."""
    asked = Pairs(judge, pl.DataFrame(schema=PAIRS))
    near = min(judge.nearest, classes) + judge.inclusion
    pairs = (answers * near + len(asked.controls)) * judge.repeats
    prompt = asked.characters
    text = round(pairs * (prompt + TEXTS) / CHARACTERS_PER_TOKEN)
    cached = round(max(pairs - 1, 0) * prompt / CHARACTERS_PER_TOKEN)
    answer = pairs * judge.request.limit
    prices = judge.prices
    cost, cost_cached = (
        None if prices is None else prices.cost(text, used, answer, batch=judge.in_batches) for used in (0, cached)
    )
    return {
        "model": judge.name, "task": TASK, "variant": "", "images": pairs, "requests": pairs, "answered": 0,
        "text_tokens": text, "image_tokens": 0, "cached_tokens": cached, "answer_tokens": answer,
        "tokens_from": "characters; at most, if every answer were another", "used_prompt_tokens": 0,
        "used_cached_tokens": 0, "used_answer_tokens": 0, "cost": cost, "cost_cached": cost_cached,
        "spent": None if prices is None else 0.0,
    }  # fmt: skip
