"""What models said in words, and how their answers were judged."""

import polars as pl

from mllm_classify.report.explorer.data import ANSWER, FLAGS, ROW
from mllm_classify.tasks import RANKED

MOST_TEXT = 64 * 2**20
"""Bytes of distinct answers in a page; more of them, and long ones are cut."""


def judged(scores: pl.DataFrame) -> pl.DataFrame:
    """What was scored: columns of ROW, image_id, predicted (a list of classes), flags (bits of FLAGS)."""
    facts = {
        "asked": pl.lit(value=True),
        **{name: pl.col(name).fill_null(value=False) for name in ("imgt", "regt", "oop")},
        **{
            name: (pl.col("status") == name).fill_null(value=False) for name in ("error", "empty", "several", "unasked")
        },
    }
    bits = [fact.cast(pl.UInt8) * FLAGS[name] for name, fact in facts.items()]
    return scores.select(*ROW, "image_id", "predicted", pl.sum_horizontal(bits).cast(pl.UInt8).alias("flags"))


def answers(
    predictions: dict[str, pl.DataFrame], mappings: dict[str, pl.DataFrame], most: int = MOST_TEXT
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Distinct answers in words, and who gave which.

    The first has columns text, full_length (in characters, of which the text may be the first), nearest (a list of one
    class or none), similarity and margin; the second those of ANSWER, image_id and answer, a row of the first counted
    from 1. What went wrong stands where an answer would.
    """
    schema = {
        "model": pl.String(), "image_id": pl.String(), "task": pl.String(), "variant": pl.String(), "repeat": pl.Int32(),
        "text": pl.String(), "nearest_class": pl.Int32(), "similarity": pl.Float32(), "margin": pl.Float32(),
    }  # fmt: skip
    keys = ["image_id", *ANSWER[1:]]
    given = pl.concat(
        [
            pl.DataFrame(schema=schema),
            *(
                predictions[name]
                .filter(~pl.col("task").is_in(list(RANKED)) | pl.col("error").is_not_null())
                .select(*keys, pl.coalesce("text", "error").fill_null("").alias("text"))
                .join(mapping.select(*keys, "nearest_class", "similarity", "margin"), on=keys, how="left")
                .select(pl.lit(name).alias("model"), pl.exclude("model"))
                .select(list(schema))
                for name, mapping in mappings.items()
            ),
            # models that rank classes have words only where they failed
            *(
                frame.filter(pl.col("error").is_not_null()).select(
                    pl.lit(None, dtype).alias(name) if name in ("nearest_class", "similarity", "margin")
                    else pl.lit(model).alias(name) if name == "model"
                    else pl.col("error").alias(name) if name == "text"
                    else pl.col(name)
                    for name, dtype in schema.items()
                )
                for model, frame in predictions.items()
                if model not in mappings
            ),
        ]
    )  # fmt: skip
    what = ["text", "nearest_class", "similarity", "margin"]
    distinct = given.select(what).unique().sort(what, nulls_last=True).with_row_index("answer", offset=1)
    said = given.join(distinct, on=what, nulls_equal=True).select(*ANSWER, "image_id", "answer")
    length = text_limit(distinct["text"], most)
    return distinct.select(
        pl.col("text").str.slice(0, length),
        pl.col("text").str.len_chars().alias("full_length"),
        nearest=pl.when(pl.col("nearest_class").is_null())
        .then(pl.lit([], dtype=pl.List(pl.Int32)))
        .otherwise(pl.concat_list("nearest_class")),
        similarity="similarity",
        margin="margin",
    ), said


def text_limit(texts: pl.Series, most: int) -> int:
    """The characters that each text may have, a power of two, so that all have together at most `most` bytes."""
    longest = texts.str.len_chars().max() or 0
    limit = 1
    while limit < longest and texts.str.slice(0, 2 * limit).str.len_bytes().sum() <= most:  # type: ignore[operator]
        limit *= 2
    return limit
