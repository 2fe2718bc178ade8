"""Text encoders compared: accuracy by encoder and template set, and of the best one, chosen by a named rule (Tab. 17).

The paper shows each model with its best encoder (Sec. 2.4), and does not say on which images that was chosen.
"""

from typing import NamedTuple

import polars as pl

from mllm_classify import score
from mllm_classify.measures import statistics
from mllm_classify.tables import tables
from mllm_classify.tables.tables import Study, Table, fold, judged, labelled, subtitle

SCORINGS = ["OW", "CW+"]
"""What depends on a text encoder."""
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
SIGNIFICANT = 1 - statistics.CONFIDENCE


class Encoding(NamedTuple):
    """An encoder of the configuration, and how texts are put to it."""

    name: str
    templates: str
    answers: str  # templates, or bare


def scores(mapping: pl.DataFrame, model: str, classes: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """What one model's mapping by one encoder is worth under OW and CW+, asked as for all other tables."""
    main = mapping.filter(pl.col("variant") == "", pl.col("task").is_in(["OW", "CW"]))
    found = score.score(model, score.predicted_by_text(main, classes), labels)
    return found.filter(pl.col("scoring").is_in(SCORINGS))


def encoders(
    scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study, among: list[Encoding]
) -> Table:
    """Accuracy (%) under OW and CW+ by encoder, and with the encoder that is best for each model and task, by both rules.

    `scores` are those of all encoders, `images` as in `tables.matrices`; `among` is in the configuration's order, by
    which ties are decided.
    """
    order = [it.name for it in among]
    counted = counts(scores, study.n_images)
    rows = pl.concat(
        [
            counted.group_by(KEYS).agg(pl.col(COUNTS).sum(), pl.lit(None, pl.String).alias("chosen")),
            crossfitted(counted, order),
            chosen(counted, counted, order).with_columns(pl.lit(OPTIMISTIC).alias("encoder")),
        ],
        how="diagonal",
    ).with_columns(pl.when(pl.col("scoring") == "CW+").then("OOP_ImGT_total").alias("OOP_n"))
    about = pl.DataFrame(among, schema=dict.fromkeys(Encoding._fields, pl.String), orient="row")
    figures = (
        tables.percentages(rows, MEASURES)
        .join(about, left_on="encoder", right_on="name", how="left")
        .join(differing(pairs(scores, images, study)), on=KEYS, how="left")
        .with_columns(pl.col("encoder").replace_strict(SELECTIONS, default=None).alias("selection"))
        .sort("model", in_order("scoring", SCORINGS), in_order("encoder", [*order, CROSSFIT, OPTIMISTIC]))
    )
    bare = {} if all(it.answers == "templates" for it in among) else {"answers": "Answers"}
    regt = {"ReGT_A": study.named("ReGT"), "ReGT_A_interval": "95 % CI"} if study.regt else {}
    return Table(
        labelled(
            figures, models, study,
            ["encoder", "templates", "answers", "chosen", "selection", *SHOWN[:6], "differs_from", "OOP_n", *SHOWN[6:], "n"],
        ),
        "Text encoders: accuracy (%) under OW and CW+",
        subtitle(study, figures),
        {
            "model": "Model", "task": "Task", "encoder": "Encoder", "templates": "Templates", **bare,
            "chosen": "Chosen", "ImGT_A": study.named("ImGT"), "ImGT_A_interval": "95 % CI", **regt,
            "differs_from": "Differs from", "OOP_n": "OOP", "OOP_ImGT": "Mapped right", "OOP_ImGT_interval": "95 % CI",
        },
        {
            "encoder": f"{CROSSFIT}: each half of the images is scored with the encoder of the highest ImGT accuracy on the "
            f"other half. {OPTIMISTIC}: chosen and scored on the same images, so it can only gain. Ties by ReGT, then in the "
            "order of the configuration.",
            "answers": "Answers: whether they pass through the templates, as class names do, or bare.",
            "ImGT_A_interval": "CI: Wilson.",
            "differs_from": "Differs from: encoders whose ImGT accuracy is another by McNemar's exact test "
            f"(p < {SIGNIFICANT:.2g} after Holm's correction over all pairs of that model and task).",
            "OOP_n": "OOP: answers out of prompt; mapped right: those of them (%) whose nearest class is right under ImGT.",
        },
    )  # fmt: skip


def encoder_pairs(scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study) -> pl.DataFrame:
    """McNemar's exact test between any two encoders, for each model and task on the images that both have.

    All pairs of one model and task under one label set are one family for Holm's correction. Columns: model, task,
    measure, encoder_a, encoder_b, and those of `tables.compared`.
    """
    found = pairs(scores, images, study)
    return tables.as_text(tables.named(found, models).select("model", "task", *found.columns[2:])).with_columns(
        *study.columns()
    )


def pairs(scores: pl.DataFrame, images: pl.DataFrame, study: Study) -> pl.DataFrame:
    """Columns model, scoring, measure, encoder_a, encoder_b, and those of `tables.compared`; encoders by name."""
    frames = []
    for (model, scoring), part in scores.group_by("model", "scoring", maintain_order=True):
        found = tables.matrices(part.with_columns(pl.col("encoder").alias("model")), images)
        compared = tables.compared(found, study.n_images)
        names = found.rows["model"]
        frames.append(
            compared.select(
                pl.lit(model).alias("model"),
                pl.lit(scoring).alias("scoring"),
                "measure",
                *(names.gather(compared[side]).alias(f"encoder_{side}") for side in ("a", "b")),
                pl.exclude("measure", "a", "b"),
            )
        )
    return pl.concat(frames).sort("model", in_order("scoring", SCORINGS), maintain_order=True)


def differing(compared: pl.DataFrame) -> pl.DataFrame:
    """Columns of KEYS, and differs_from: the encoders from which one differs significantly under ImGT."""
    significant = compared.filter((pl.col("measure") == "ImGT") & (pl.col("p_holm") < SIGNIFICANT))
    both = [
        significant.select("model", "scoring", pl.col(f"encoder_{one}").alias("encoder"),
                           pl.col(f"encoder_{other}").alias("differs_from"))
        for one, other in (("a", "b"), ("b", "a"))
    ]  # fmt: skip
    return pl.concat(both).group_by(KEYS).agg(pl.col("differs_from").sort().str.join(", "))


def counts(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Numbers of answers, and of correct ones, per model, scoring, encoder and fold. OOP: of those out of prompt, by CW+."""
    ids = scores["image_id"].unique()
    folds = pl.DataFrame({"image_id": ids, "fold": [fold(image_id) for image_id in ids]})
    under_regt = judged(n_images) & pl.col("regt").is_not_null()
    oop = pl.col("oop") & (pl.col("scoring") == "CW+")
    parts = [("imgt", pl.lit(value=True)), ("regt", under_regt), ("imgt", oop), ("regt", oop & under_regt)]
    return (
        scores.join(folds, on="image_id", how="left")
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


def best(counted: pl.DataFrame, order: list[str]) -> pl.DataFrame:
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


def chosen(scored: pl.DataFrame, selecting: pl.DataFrame, order: list[str]) -> pl.DataFrame:
    """Counts of some images with the encoder that is best on other ones, or on these. Columns of KEYS, COUNTS, chosen."""
    return (
        scored.join(best(selecting, order), on=KEYS, how="semi")
        .group_by("model", "scoring")
        .agg(pl.col(COUNTS).sum(), pl.col("encoder").first().alias("chosen"))
    )


def crossfitted(counted: pl.DataFrame, order: list[str]) -> pl.DataFrame:
    """Both halves of the images, each with the encoder that is best on the other; `chosen` names these in that order."""
    halves = [
        chosen(counted.filter(pl.col("fold") == half), counted.filter(pl.col("fold") != half), order) for half in (0, 1)
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
