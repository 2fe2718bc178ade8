"""Which text encoder to take, chosen before any image is seen: by what else the classes are called."""

import numpy as np
import polars as pl

from mllm_classify.dataset.hierarchy import synonyms
from mllm_classify.mapping.nearest import nearest_classes
from mllm_classify.measures.counting import percentages
from mllm_classify.measures.intervals import CONFIDENCE
from mllm_classify.measures.paired import mcnemar
from mllm_classify.tables.table import INTERVAL, Column, Study, Table, fixed

CHOSEN = "chosen"


def encoder_choice(
    encoded_classes: dict[str, pl.LazyFrame],
    encoded_synonyms: dict[str, pl.LazyFrame],
    hierarchy: pl.DataFrame,
    classes: pl.DataFrame,
    study: Study,
    encodings: list[list[str]],
) -> Table:
    """One row an encoder, the best first: the share (%) of other names whose nearest class is the class that bears them.

    The first is chosen; ties by the configuration's order. `encoded_classes` and `encoded_synonyms` are vectors by encoder,
    `encodings` as in `encoders`. `differs_from`: by McNemar's exact test over names, after Holm's correction.
    """
    names = synonyms(hierarchy, classes)
    group = classes.select(nearest_class="class_id", same_name="same_name")
    flags = {}
    for encoder, *_ in encodings:
        near = nearest_classes(encoded_synonyms[encoder].collect(), encoded_classes[encoder].collect(), classes)
        read = names.join(near, on="text", how="left", maintain_order="left").join(
            group, on="nearest_class", how="left", maintain_order="left"
        )
        flags[encoder] = read.select(pl.col("same_name").list.contains(pl.col("class_id")).fill_null(value=False))[
            "same_name"
        ]
    matrix = np.stack([of.to_numpy() for of in flags.values()], axis=1).astype(np.float32)
    pairs = mcnemar(matrix, np.ones_like(matrix))
    order = list(flags)
    differing: dict[str, list[str]] = {encoder: [] for encoder in order}
    for first, second, p in zip(pairs.first, pairs.second, pairs.p_holm, strict=True):
        if p < 1 - CONFIDENCE:
            differing[order[first]].append(order[second])
            differing[order[second]].append(order[first])
    counted = pl.DataFrame(
        [
            (encoder, templates, answers, int(flags[encoder].sum()), names.height, names["class_id"].n_unique(),
             ", ".join(sorted(differing[encoder])) or None)
            for encoder, templates, answers in encodings
        ],
        schema={"encoder": pl.String, "templates": pl.String, "answers": pl.String, "right": pl.Int64, "right_total": pl.Int64,
                "n_classes": pl.Int64, "differs_from": pl.String},
        orient="row",
    )  # fmt: skip
    rows = (
        percentages(counted, ["right"])
        .with_columns(place=pl.Series([-int(of.sum()) for of in flags.values()]), n=pl.lit(names.height))
        .sort("place", maintain_order=True)
        .with_columns(pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(CHOSEN)).alias(CHOSEN))
    )
    figures = ["right", "right_low", "right_high"]
    return Table(
        rows.with_columns(fixed(name, 2) for name in figures).select(
            "encoder", "templates", "answers", *figures, "differs_from", CHOSEN, "n", "n_classes", *study.columns()
        ),
        "Text encoders by other names of classes",
        f"{study}; {names.height} other names of {names['class_id'].n_unique()} classes",
        {
            "encoder": Column("Encoder", words=True),
            "templates": Column("Templates", words=True, latex=False),
            "right": Column(
                "Right (%)",
                "Right: other names of classes, as the hierarchy has them, whose nearest class is the class that bears them. "
                "Names that nodes of several classes bear, and those on the class list, are left out. CI: Wilson.",
            ),
            "right_interval": INTERVAL,
            "differs_from": Column(
                "Differs from",
                f"Differs from: McNemar's exact test over names, p < {1 - CONFIDENCE:.2g} after Holm's.",
                words=True,
            ),
            CHOSEN: Column("Chosen", "Chosen: the highest share; ties in the order of the configuration.", words=True),
            "n": Column("n"),
        },
    )
