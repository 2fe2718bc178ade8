"""Text encoders compared: accuracy by encoder and template set, and of the best one, chosen by a named rule (Tab. 17).

The paper shows each model with its best encoder (Sec. 2.4), and does not say on which images that was chosen.
"""

import polars as pl

from mllm_classify.measures.counting import folds, judged, percentages
from mllm_classify.measures.encoders import ENCODED, encoded_scores, encoder_comparisons
from mllm_classify.measures.intervals import CONFIDENCE
from mllm_classify.tables.given import images
from mllm_classify.tables.table import ASIDE, MODEL, TASK, Column, Study, Table, labelled, subtitle

KEYS = ["model", "scoring", "encoder"]
CROSSFIT = "best, cross-fitted"
OPTIMISTIC = "best on these images (optimistic)"
SELECTIONS = {
    CROSSFIT: "highest ImGT_A on the other half of the images",
    OPTIMISTIC: "highest ImGT_A on these same images",
}
"""Rules by which an encoder is chosen for a model and task, and on which images."""
MEASURES = ["ImGT_A", "ReGT_A", "OOP_ImGT", "OOP_ReGT"]
COUNTS = ["n", *MEASURES, *(f"{name}_total" for name in MEASURES)]
SHOWN = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
SIGNIFICANT = 1 - CONFIDENCE


def encoders(
    encoded: dict[tuple[str, str], pl.LazyFrame],
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    encodings: list[list[str]],
) -> Table:
    """Accuracy (%) under OW and CW+ by encoder, and with the encoder that is best for each model and task, by both rules.

    `encoded` are mappings by encoder and model. `encodings` are every encoder's name, its templates, and how answers are
    put to it (templates, or bare), in the configuration's order, by which ties are decided.
    """
    order = [name for name, *_ in encodings]
    scores = encoded_scores(encoded, labels, classes)
    counted = encoder_counts(scores, study.n_images)
    summed = pl.concat(
        [
            counted.group_by(KEYS).agg(pl.col(COUNTS).sum(), pl.lit(None, pl.String).alias("chosen")),
            crossfitted(counted, order),
            with_best(counted, counted, order).with_columns(pl.lit(OPTIMISTIC).alias("encoder")),
        ],
        how="diagonal",
    ).with_columns(pl.when(pl.col("scoring") == "CW+").then("OOP_ImGT_total").alias("OOP_n"))
    about = pl.DataFrame(encodings, schema=dict.fromkeys(["encoder", "templates", "answers"], pl.String), orient="row")
    rows = (
        percentages(summed, MEASURES)
        .join(about, on="encoder", how="left")
        .join(differing(encoder_comparisons(scores, images(labels), study.n_images)), on=KEYS, how="left")
        .with_columns(pl.col("encoder").replace_strict(SELECTIONS, default=None).alias("selection"))
        .sort("model", in_order("scoring", ENCODED), in_order("encoder", [*order, CROSSFIT, OPTIMISTIC]))
    )
    columns = [
        "encoder",
        "templates",
        "answers",
        "chosen",
        "selection",
        *SHOWN[:6],
        "differs_from",
        "OOP_n",
        *SHOWN[6:],
        "n",
    ]
    return Table(
        labelled(rows, models, study, columns),
        "Text encoders: accuracy (%) under OW and CW+",
        subtitle(study, rows),
        _columns(study, bare=any(answers != "templates" for *_, answers in encodings)),
    )


def _columns(study: Study, *, bare: bool) -> dict[str, Column]:
    answers = Column(
        "Answers",
        "Answers: whether they pass through the templates, as class names do, or bare.",
        words=True,
    )
    regt = {"ReGT_A": Column(study.named("ReGT")), "ReGT_A_interval": ASIDE}
    return {
        "model": MODEL,
        "task": TASK,
        "encoder": Column(
            "Encoder",
            f"{CROSSFIT}: each half of the images is scored with the encoder of the highest ImGT accuracy on the other half. "
            f"{OPTIMISTIC}: chosen and scored on the same images, so it can only gain. Ties by ReGT, then in the order of the "
            "configuration.",
            words=True,
        ),
        "templates": Column("Templates", words=True, latex=False),
        **({"answers": answers} if bare else {}),
        "chosen": Column("Chosen", words=True),
        "ImGT_A": Column(study.named("ImGT")),
        "ImGT_A_interval": Column("95 % CI", "CI: Wilson.", latex=False),
        **(regt if study.regt else {}),
        "differs_from": Column(
            "Differs from",
            "Differs from: encoders whose ImGT accuracy is another by McNemar's exact test "
            f"(p < {SIGNIFICANT:.2g} after Holm's correction over all pairs of that model and task).",
            words=True,
        ),
        "OOP_n": Column(
            "OOP",
            "OOP: answers out of prompt; mapped right: those of them (%) whose nearest class is right under ImGT.",
        ),
        "OOP_ImGT": Column("Mapped right"),
        "OOP_ImGT_interval": ASIDE,
    }


def differing(pairs: pl.DataFrame) -> pl.DataFrame:
    """Columns of KEYS, and differs_from: the encoders from which one differs significantly under ImGT.

    `pairs` are as `encoder_comparisons` returns them.
    """
    significant = pairs.filter((pl.col("measure") == "ImGT") & (pl.col("p_holm") < SIGNIFICANT))
    both = [
        significant.select("model", "scoring", pl.col(f"encoder_{one}").alias("encoder"),
                           pl.col(f"encoder_{other}").alias("differs_from"))
        for one, other in (("a", "b"), ("b", "a"))
    ]  # fmt: skip
    return pl.concat(both).group_by(KEYS).agg(pl.col("differs_from").sort().str.join(", "))


def encoder_counts(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Numbers of answers, and of correct ones, per model, scoring, encoder and fold. OOP: of those out of prompt, by CW+."""
    under_regt = judged(n_images) & pl.col("regt").is_not_null()
    oop = pl.col("oop") & (pl.col("scoring") == "CW+")
    parts = [("imgt", pl.lit(value=True)), ("regt", under_regt), ("imgt", oop), ("regt", oop & under_regt)]
    return (
        scores.join(folds(scores), on="image_id", how="left")
        .group_by(*KEYS, "fold")
        .agg(
            pl.len().alias("n"),
            *(pl.col(column).filter(of).sum().alias(name) for name, (column, of) in zip(MEASURES, parts, strict=True)),
            *(
                pl.col("image_id").filter(of).len().alias(f"{name}_total")
                for name, (_, of) in zip(MEASURES, parts, strict=True)
            ),
        )
        .with_columns(pl.col(COUNTS).cast(pl.Int64))
    )


def best_encoder(counted: pl.DataFrame, order: list[str]) -> pl.DataFrame:
    """The encoder of the highest ImGT accuracy for each model and scoring; ties by ReGT, then by `order`."""
    return (
        counted.group_by(KEYS)
        .agg(
            pl.col("ImGT_A").sum() / pl.col("n").sum(),
            (pl.col("ReGT_A").sum() / pl.col("ReGT_A_total").sum()).fill_nan(0),
        )
        .sort(
            "model",
            "scoring",
            "ImGT_A",
            "ReGT_A",
            in_order("encoder", order),
            descending=[False, False, True, True, False],
        )
        .group_by("model", "scoring", maintain_order=True)
        .agg(pl.col("encoder").first())
    )


def with_best(scored: pl.DataFrame, selecting: pl.DataFrame, order: list[str]) -> pl.DataFrame:
    """Counts of some images with the encoder that is best on other ones, or on these. Columns of KEYS, COUNTS, chosen."""
    return (
        scored.join(best_encoder(selecting, order), on=KEYS, how="semi")
        .group_by("model", "scoring")
        .agg(pl.col(COUNTS).sum(), pl.col("encoder").first().alias("chosen"))
    )


def crossfitted(counted: pl.DataFrame, order: list[str]) -> pl.DataFrame:
    """Both halves of the images, each with the encoder that is best on the other; `chosen` names these in that order."""
    halves = [
        with_best(counted.filter(pl.col("fold") == half), counted.filter(pl.col("fold") != half), order)
        for half in (0, 1)
    ]
    return (
        pl.concat(halves)
        .group_by("model", "scoring", maintain_order=True)
        .agg(
            pl.lit(CROSSFIT).alias("encoder"),
            pl.col(COUNTS).sum(),
            pl.col("chosen").unique(maintain_order=True).str.join(" / "),
        )
    )


def in_order(column: str, values: list[str]) -> pl.Expr:
    """The places of a column's values in a list, to sort by."""
    return pl.col(column).replace_strict({value: place for place, value in enumerate(values)}, return_dtype=pl.Int64)
