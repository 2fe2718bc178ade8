"""The table of costs: what asking all chat models will take, before anything is sent, and what was used so far."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl
from tabulate import tabulate

from mllm_classify.api import journal, replies
from mllm_classify.choices import draws
from mllm_classify.choices.variants import ALL, lists_classes
from mllm_classify.predict.chat import likelihood_tally
from mllm_classify.predict.chat.probing import probes_of
from mllm_classify.predict.chat.questions import questionnaire_of
from mllm_classify.predict.chat.rankings import Rankings
from mllm_classify.predict.chat.tally import estimated

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.config.tasks import Choices
    from mllm_classify.predict.job import PredictJob

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


def estimate(jobs: "Iterable[PredictJob[ChatModel]]", others: "Iterable[dict[str, Any]]" = ()) -> pl.DataFrame:
    """What the jobs of chat models will cost, and have cost by their journals: ESTIMATE, the last row for all together.

    `others` are rows of what else is asked.
    """
    rows = []
    for job in jobs:
        known = journal.read(job.journal, replies.check_record)
        questionnaire = questionnaire_of(job, compute=False)
        rows += estimated(questionnaire, known)
        if questionnaire.ranked_ways:
            rows += likelihood_tally.estimated(Rankings(questionnaire, job.journal))
        rows += estimated(probes_of(job), known) if job.probe else []
    return frame([*rows, *others])


def assumed_choices(choices: "Choices", labels: pl.DataFrame) -> pl.DataFrame:
    """As many multiple-choice questions as there will be at most, with options of the right number.

    The options themselves need the reference's predictions; what the questions cost does not.
    """
    images = draws.sampled(labels, None if choices.per_class == "all" else choices.per_class, choices.seed)
    numbers = choices.numbers()
    kinds: list[tuple[str, int | None, int]]
    kinds = [(variant, None if variant == ALL else numbers["few"], choices.repeats) for variant in choices.variants]
    if choices.earlier is not None:
        earlier = choices.earlier
        kinds += [(it, numbers["classes" if lists_classes(it) else "n"], earlier.repeats) for it in earlier.variants]
    questions = pl.DataFrame(
        [
            {"variant": variant, "repeat": repeat, "options": None if count is None else list(range(count))}
            for variant, count, repeats in kinds
            for repeat in range(repeats)
        ],
        schema={"variant": pl.String(), "repeat": pl.Int32(), "options": pl.List(pl.Int32)},
    )
    return images.select("image_id").join(questions, how="cross")


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """All rows, and one for all models together."""
    table = pl.DataFrame(rows, schema=ESTIMATE)
    numbers = [name for name, dtype in ESTIMATE.items() if dtype.is_numeric()]
    total = table.select(
        pl.lit("all").alias("model"),
        *(pl.lit("").alias(name) for name in ("task", "variant", "tokens_from")),
        *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in numbers),
    ).select(list(ESTIMATE))
    return pl.concat([table, total]).with_columns(
        pl.col(name).round(4) for name, dtype in ESTIMATE.items() if dtype.is_float()
    )


def shown(table: pl.DataFrame) -> str:
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
        for row in table.iter_rows(named=True)
    ]
    align = ["right" if name in numbers + money else "left" for name in heads]
    return str(tabulate(rows, list(heads.values()), disable_numparse=True, colalign=align))
