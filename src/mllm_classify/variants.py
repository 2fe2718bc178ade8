"""Tasks asked in other ways: layouts, ids for names, several images a request, temperatures; each beside its main one.

How much of that moves accuracy the paper studies for batches, orders and output formats (Sec. 3, supplement).
"""

import numpy as np
import polars as pl

from mllm_classify import statistics
from mllm_classify.tables import RULES, Study, Table, labelled, subtitle

SCORINGS = ["OW", "CW+", "CW", "CW-constrained"]
KEYS = ["model", "scoring", "variant"]
MAIN = "main"
"""What the table calls the task as it is asked for all other tables."""
LABEL_SETS = {"ImGT": "imgt", "ReGT": "regt"}


def variants(scores: pl.DataFrame, models: pl.DataFrame, study: Study, asked: list[str], count: int) -> Table:
    """Accuracy (%) of models that were asked variants: mean over repeats, its standard deviation, and the difference to
    the main way on the same images, in points, with a paired bootstrap interval over the images.

    `asked` are the variants in the order of the configuration.
    """
    varied = scores.filter(pl.col("variant") != "").select("model", "task").unique()
    # CW-constrained is CW asked in another way, too
    among = scores.filter(pl.col("scoring").is_in(SCORINGS)).join(varied, on=["model", "task"], how="semi")
    constrained = scores.filter(pl.col("scoring") == "CW-constrained")["model"].unique().implode()
    among = (
        pl.concat(
            [among, scores.filter(pl.col("model").is_in(constrained) & pl.col("task").is_in(["CW", "CW-constrained"]))]
        )
        .filter(pl.col("scoring").is_in(SCORINGS))
        .unique(maintain_order=True)
    )
    rows = [
        row | compared(of, baseline(among, *key), study.n_images, count)
        for key, of in among.group_by(KEYS, maintain_order=True)
        if (row := dict(zip(KEYS, key, strict=True)))
    ]
    order = {variant: place for place, variant in enumerate(["", *asked])}
    figures = (
        pl.DataFrame(rows, schema={**dict.fromkeys(KEYS, pl.String()), **SCHEMA})
        .sort(
            "model",
            pl.col("scoring").replace_strict(
                {name: place for place, name in enumerate(SCORINGS)}, return_dtype=pl.Int32
            ),
            pl.col("variant").replace_strict(order, return_dtype=pl.Int32),
        )
        .with_columns(variant=pl.when(pl.col("variant") == "").then(pl.lit(MAIN)).otherwise("variant"))
    )
    return Table(
        labelled(figures, models, study, ["variant", *SCHEMA]),
        "Variants: the same tasks asked in other ways",
        subtitle(study, figures),
        {
            "model": "Model", "task": "Task", "variant": "Variant", "n": "n", "repeats": "Repeats",
            "ImGT_A": study.named("ImGT"), "ImGT_A_sd": "SD", "ImGT_A_vs_main": "vs main",
            "ImGT_A_vs_main_interval": "95 % CI", "ReGT_A": study.named("ReGT"), "ReGT_A_sd": "SD",
            "ReGT_A_vs_main": "vs main", "ReGT_A_vs_main_interval": "95 % CI", "OOP": "OOP", "n_errors": "Errors",
        },
        {
            "variant": "main: as in the other tables. vs main: the difference in points on the images that both have, with a "
            "paired bootstrap interval over images. CW-constrained is compared with CW+, which it would replace.",
            "ImGT_A_sd": "SD: standard deviation over repeats. OOP: out-of-prompt answers (%). Errors: answers that "
            "are missing or cannot be read; they count as wrong.",
        },
    )  # fmt: skip


SCHEMA: dict[str, pl.DataType] = {
    "n": pl.Int64(),
    "repeats": pl.Int64(),
    **{
        f"{name}_A{end}": pl.Float64()
        for name in LABEL_SETS
        for end in ("", "_sd", "_vs_main", "_vs_main_low", "_vs_main_high")
    },
    "OOP": pl.Float64(),
    "n_errors": pl.Int64(),
    "n_empty": pl.Int64(),
    "n_several": pl.Int64(),
}


def baseline(scores: pl.DataFrame, model: str, scoring: str, variant: str) -> pl.DataFrame:
    """What a row is compared with: the main way of its task; for CW-constrained, CW+. The main way itself: nothing."""
    if variant == "" and scoring != "CW-constrained":
        return scores.clear()
    main = "CW+" if variant == "" else scoring
    return scores.filter((pl.col("model") == model) & (pl.col("scoring") == main) & (pl.col("variant") == ""))


def compared(of: pl.DataFrame, main: pl.DataFrame, n_images: str, count: int) -> dict[str, float | int | None]:
    """One row's figures, without its keys."""
    status = of["status"]
    row: dict[str, float | int | None] = {
        "n": of["image_id"].n_unique(),
        "repeats": of["repeat"].n_unique(),
        "OOP": None if (mean := of["oop"].mean()) is None else float(mean) * 100,  # type: ignore[arg-type]
        **{f"n_{name}": int((status == kind).sum()) for name, kind in
           {"errors": "error", "empty": "empty", "several": "several"}.items()},
    }  # fmt: skip
    for name, column in LABEL_SETS.items():
        counts = pl.lit(value=True) if name == "ImGT" else pl.col("category").is_in(RULES[n_images])
        mine, other = (frame.filter(counts & pl.col(column).is_not_null()) for frame in (of, main))
        repeats = mine.group_by("repeat").agg(pl.col(column).mean() * 100)[column]
        row[f"{name}_A"] = repeats.mean()  # type: ignore[assignment]
        row[f"{name}_A_sd"] = repeats.std()  # type: ignore[assignment]
        means = [frame.group_by("image_id").agg(pl.col(column).mean()) for frame in (mine, other)]
        both = means[0].join(means[1], on="image_id", suffix="_main").sort("image_id")
        difference = ((both[column] - both[f"{column}_main"]) * 100).to_numpy()
        if difference.size:
            drawn = [block @ difference / difference.size for block in statistics.resamples(difference.size, count)]
            low, high = statistics.percentiles(np.concatenate(drawn)[:, None])
            row[f"{name}_A_vs_main"] = float(difference.mean())
            row |= {f"{name}_A_vs_main_low": float(low[0]), f"{name}_A_vs_main_high": float(high[0])}
    return row
