"""Right or wrong, per image and scoring, under both label sets."""

import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.judge.verdicts import accepted, described
from mllm_classify.predict.rows import TRUNCATED
from mllm_classify.tasks import RANKED, TASKS, Reading

SCORES: dict[str, pl.DataType] = {
    "model": pl.String(),
    "image_id": pl.String(),
    "task": pl.String(),
    "variant": pl.String(),
    "repeat": pl.Int32(),
    "encoder": pl.String(),  # null where no text was mapped
    # OW, OW inclusion, OW judged, OW LLM inclusion, CW, CW+, CW inclusion, CW+ judged, CW-constrained, MC, those of RANKED
    "scoring": pl.String(),
    "status": pl.String(),  # as mapped: ok, error, empty, several, unasked
    "oop": pl.Boolean(),  # null where the prompt lists no classes, and for errors
    "imgt": pl.Boolean(),  # correct under ImGT
    "regt": pl.Boolean(),  # correct under ReGT; null without a second label set
    "category": pl.String(),
    "expert": pl.Boolean(),  # correct under the expert labels of the weasel family; null elsewhere
    "predicted": pl.List(pl.Int32),  # the classes that the answer stands for under this scoring; null without a ranking
    "group": pl.Int32(),  # as predicted: the same for images of one request; null where it was about one
    "truncated": pl.Boolean(),  # the server ended the answer at the most tokens allowed; null where it does not say
}
NEEDED: dict[Reading, str] = {"exact, else judged": "judged", "described": "described"}
"""The column of a mapping that a reading by a judge needs: `judged`, the classes that it accepts for an answer which names
none, or `described`, those that it says an answer describes."""
REPLY = ["group", "finish_reason"]
"""What predictions know of the reply that an answer came in."""


def predicted_by_ranking(predictions: pl.DataFrame) -> pl.DataFrame:
    """The first of every ranking, as the answer to CW, or to the scoring by likelihood that is its task.

    Where any ranking is empty, they stand for answers in words to a list of classes, and the empty ones are out of prompt.
    """
    none = pl.col("class_ids").list.len() == 0
    return predictions.with_columns(
        pl.lit(None, dtype=pl.String).alias("encoder"),
        pl.col("task").alias("scoring"),
        pl.when(none.any()).then(none).alias("oop"),
        pl.col("class_ids").list.head(1).alias("predicted"),
    )


def predicted_by_text(mapping: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """The classes that an answer stands for, under every scoring of its task: a column `predicted`, one row a scoring.

    An answer out of prompt has no exact class. A name that several classes share stands for all of them, whether it was
    matched or nearest. Scorings by a judge are there where the mapping has the columns that they need (NEEDED).
    """
    same_name = classes.select(pl.col("class_id").alias("nearest_class"), pl.col("same_name").alias("nearest"))
    mapped = mapping.join(same_name, on="nearest_class", how="left", maintain_order="left")
    exact = pl.col("exact_classes")
    nearest = pl.col("nearest").fill_null(pl.lit([], dtype=pl.List(pl.Int32)))
    readings: dict[Reading, pl.Expr] = {
        "nearest": nearest,
        "exact": exact,
        "exact, else nearest": pl.when(pl.col("in_prompt")).then(exact).otherwise(nearest),
        "included": pl.col("included_classes"),
        "exact, else judged": pl.when(exact.list.len() > 0).then(exact).otherwise(pl.col("judged")),
        "described": exact.list.set_union("described").list.sort(),
    }
    return pl.concat(
        mapped.filter(pl.col("task") == task.name).with_columns(
            pl.lit(scoring.name).alias("scoring"),
            (~pl.col("in_prompt")).alias("oop"),
            readings[scoring.reading].alias("predicted"),
        )
        for task in TASKS
        if not task.ranked
        for scoring in task.scorings
        if NEEDED.get(scoring.reading, "task") in mapping.columns
    )


def score(
    model: str, predicted: pl.DataFrame, labels: pl.DataFrame, replies: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Accuracy's summands alpha_i (eq. 2) of one model, on the images that no label set excludes.

    A prediction is correct when it is admissible, or, under ReGT and the expert labels, when the image has no label at
    all (N): then everything is correct, an empty answer too, and a question of MC that was not asked, because no option
    would be right. A row with an error is wrong everywhere.

    `replies` are the columns of QUESTION and REPLY of the model's predictions; without them, `predicted` has these itself.
    What was not asked has none.
    """

    def admissible(labels: str) -> pl.Expr:
        return (pl.col("predicted").list.set_intersection(f"{labels}_admissible").list.len() > 0).fill_null(value=False)

    def correct(labels: str) -> pl.Expr:
        return pl.when(pl.col(labels).is_not_null()).then(
            (pl.col("status") != "error") & ((pl.col(labels).list.len() == 0) | admissible(labels))
        )

    if replies is not None:
        predicted = predicted.join(replies.select(*QUESTION, *REPLY), on=QUESTION, how="left", maintain_order="left")
    return (
        predicted.select(*QUESTION, "encoder", "scoring", "oop", "predicted", "status", *REPLY)
        .join(labels.filter(pl.col("excluded").is_null()), on="image_id", how="inner", maintain_order="left")
        .select(
            pl.lit(model).alias("model"),
            *QUESTION,
            "encoder",
            "scoring",
            "status",
            "oop",
            ((pl.col("status") != "error") & admissible("imgt")).alias("imgt"),
            correct("regt").alias("regt"),
            "category",
            correct("expert").alias("expert"),
            "predicted",
            "group",
            TRUNCATED.alias("truncated"),
        )
    )


def scores(
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    scored: dict[str, pl.LazyFrame],
    answers: dict[str, pl.LazyFrame],
    judgements: pl.LazyFrame | None = None,
    *,
    inclusion: bool = False,
) -> pl.DataFrame:
    """The scores of all models, in the order of `scored`: mappings of models that answer in words, predictions of others.

    `answers` are the predictions of those that answer in words, which know how replies came, and what was ranked by
    likelihood; `judgements` are those of the judge by which answers are scored, too, and `inclusion` says whether it was
    asked about images' own classes.
    """
    frames = []
    by_answer = None if judgements is None else accepted(judgements, classes)
    if judgements is not None and by_answer is not None and inclusion:
        by_answer = by_answer.join(described(judgements, classes), on="answer", how="full", coalesce=True)
    for model, frame in scored.items():
        ranked = frame
        if model in answers:
            mapping = frame.collect() if by_answer is None else _judged(frame.collect(), answers[model], by_answer)
            predicted = predicted_by_text(mapping, classes)
            replies = answers[model].select(*QUESTION, *REPLY).collect()
            frames.append(score(model, predicted, labels, replies))
            ranked = answers[model].filter(pl.col("task").is_in(list(RANKED)))
        rankings = ranked.select(*QUESTION, "class_ids", "status", *REPLY).collect()
        if model not in answers or rankings.height:
            frames.append(score(model, predicted_by_ranking(rankings), labels))
    return pl.concat(frames)


def _judged(mapping: pl.DataFrame, answers: pl.LazyFrame, by_answer: pl.DataFrame) -> pl.DataFrame:
    """A mapping with the columns of `by_answer` behind answer: lists of classes, empty where the judge was not asked."""
    said = answers.select(*QUESTION, pl.col("text").str.strip_chars().alias("answer")).collect()
    return (
        mapping.join(said, on=QUESTION, how="left", maintain_order="left")
        .join(by_answer, on="answer", how="left", maintain_order="left")
        .with_columns(pl.col(by_answer.columns[1:]).fill_null(pl.lit([], dtype=pl.List(pl.Int32))))
    )
