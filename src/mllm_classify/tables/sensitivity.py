"""Sensitivity: how much the accuracy of a chat model depends on how a task is put to it.

Prompts, layouts, ids for names, several images a request and their order, the order of the class list, temperatures:
each beside the main way, on the same images. That accuracy moves with them the paper says of batches, orders and output
formats (Sec. 3, and its supplement, which is not public).
"""

import polars as pl

from mllm_classify.measures.clusters import answered, interval, layouts, sign_flip_p, with_clusters
from mllm_classify.measures.counting import LABEL_SETS, STATUSES
from mllm_classify.measures.paired import holm
from mllm_classify.tables.table import INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import MAIN_SCORINGS

KEYS = ["model", "scoring", "variant"]
MAIN = "main"
"""What the table calls the task as it is asked for all other tables."""
CONSTRAINED = "answers held to the class list"
SMALLEST = 1e-12
"""Smaller p are not told apart."""
TESTED = ["vs_main", "vs_main_low", "vs_main_high", "p"]
SCHEMA: dict[str, pl.DataType] = {
    "n": pl.Int64(),
    "repeats": pl.Int64(),
    "clusters": pl.Int64(),
    **{f"{name}_A{end}": pl.Float64() for name in LABEL_SETS for end in ("", *(f"_{it}" for it in TESTED))},
    "test": pl.String(),
    "OOP": pl.Float64(),
    **{f"n_{name}": pl.Int64() for name in STATUSES},
}
WAYS = dict.fromkeys(["model", "variant", "differs"], pl.String)
PLACES = {name: place for place, name in enumerate(MAIN_SCORINGS)}


def sensitivity(
    scores: pl.DataFrame, ways: list[list[str]], models: pl.DataFrame, study: Study, resamples: int
) -> Table:
    """Accuracy (%) of every way in which a model was asked a task: mean over repeats, and the difference to the main way
    on the same images, in points, with a paired bootstrap interval and a sign-flip test.

    `ways` are model, variant, and in what that differs, in the order of the configuration. Holm's correction is over all
    differences of a model under one label set.
    """
    among = _compared(with_clusters(scores))
    cells = [
        dict(zip(KEYS, key, strict=True)) | _numbers(of, _baseline(among, *key), study.n_images, resamples)
        for key, of in among.group_by(KEYS, maintain_order=True)
    ]
    differing = (
        pl.DataFrame(ways, schema=WAYS, orient="row")
        .with_row_index("order", offset=1)
        .with_columns(pl.col("order").cast(pl.Int64))
    )
    rows = _corrected(
        pl.DataFrame(cells, schema={**dict.fromkeys(KEYS, pl.String()), **SCHEMA})
        .join(differing, on=["model", "variant"], how="left")
        .sort("model", pl.col("scoring").replace_strict(PLACES, return_dtype=pl.Int32), "order", nulls_last=False)
        .with_columns(
            variant=pl.when(pl.col("variant") == "").then(pl.lit(MAIN)).otherwise("variant"),
            differs=pl.when((pl.col("variant") == "") & (pl.col("scoring") == "CW-constrained"))
            .then(pl.lit(CONSTRAINED))
            .otherwise("differs"),
        )
    )
    columns = _columns()
    p = [pl.col(column).map_elements(_told, pl.String) for column in columns if column.endswith(("_p", "_p_holm"))]
    return Table(
        labelled(rows.with_columns(p), models, study, ["variant", "differs", *columns]),
        "Sensitivity: the same tasks asked in other ways",
        subtitle(study, rows),
        {
            "model": MODEL,
            "task": TASK,
            "variant": Column(
                "Variant",
                "main: as in the other tables. vs main: the difference in points on the images that both have; "
                "CW-constrained is compared with CW+, which it would replace.",
                words=True,
            ),
            "differs": Column("differs in", words=True, latex=False),
            "n": Column("n"),
            "repeats": Column("Repeats"),
            "clusters": Column(
                "Clusters",
                "CI: bootstrap of clusters: images of one request are drawn together. Where each repeat has other "
                "requests, each resample is of one repeat, and the interval is somewhat too wide.",
            ),
            "ImGT_A": Column(study.named("ImGT")),
            "ImGT_A_vs_main": Column("vs main"),
            "ImGT_A_vs_main_interval": INTERVAL,
            "ImGT_A_p_holm": Column(
                "p",
                "p: sign flips of the clusters' differences, all of them counted, with Holm's correction for all "
                "differences of a model under one label set. Exact where each image was asked about once; approximate over "
                "repeats (column test of the CSV).",
            ),
            "ReGT_A": Column(study.named("ReGT")),
            "ReGT_A_vs_main": Column("vs main"),
            "ReGT_A_vs_main_interval": INTERVAL,
            "ReGT_A_p_holm": Column("p"),
            "OOP": Column(
                "OOP",
                "OOP: out-of-prompt answers (%). Errors: answers that are missing or cannot be read; they count as wrong.",
            ),
            "n_errors": Column("Errors"),
        },
    )


def _columns() -> list[str]:
    """The table's numbers, in their order."""
    columns = list(SCHEMA)
    for name in LABEL_SETS:
        columns.insert(columns.index(f"{name}_A_p") + 1, f"{name}_A_p_holm")
    return [*columns, "tests"]


def _compared(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores of the tasks that a model is asked in several ways. CW-constrained is another way of CW, too."""
    scores = scores.filter(pl.col("scoring").is_in(MAIN_SCORINGS))
    varied = scores.filter((pl.col("variant") != "") | (pl.col("scoring") == "CW-constrained")).select("model", "task")
    constrained = varied.filter(pl.col("task") == "CW-constrained").with_columns(task=pl.lit("CW"))
    return scores.join(pl.concat([varied, constrained]).unique(), on=["model", "task"], how="semi")


def _baseline(scores: pl.DataFrame, model: str, scoring: str, variant: str) -> pl.DataFrame:
    """What a row is compared with: the main way of its task; for CW-constrained, CW+. The main way itself: nothing."""
    if variant == "" and scoring != "CW-constrained":
        return scores.clear()
    main = "CW+" if variant == "" else scoring
    return scores.filter((pl.col("model") == model) & (pl.col("scoring") == main) & (pl.col("variant") == ""))


def _numbers(of: pl.DataFrame, main: pl.DataFrame, n_images: str, count: int) -> dict[str, float | int | str | None]:
    """One row's numbers, without its keys."""
    repeats = of["repeat"].n_unique()
    row: dict[str, float | int | str | None] = {
        "n": of["image_id"].n_unique(),
        "repeats": repeats,
        "clusters": of.select("repeat", "cluster").n_unique() // repeats,
        "OOP": None if (mean := of["oop"].mean()) is None else float(mean) * 100,  # type: ignore[arg-type]
        **{f"n_{name}": int((of["status"] == kind).sum()) for name, kind in STATUSES.items()},
    }
    for name in LABEL_SETS:
        mine = answered(of, name, n_images)
        row[f"{name}_A"] = None if (mean := mine["value"].mean()) is None else float(mean) * 100  # type: ignore[arg-type]
        base = answered(main, name, n_images).select("image_id", base="value")
        both = mine.join(base, on="image_id").with_columns(value=pl.col("value") - pl.col("base"))
        if both.height:
            differences = layouts(both)
            low, high = interval(differences, count)
            row[f"{name}_A_vs_main"] = float(both["value"].mean()) * 100  # type: ignore[arg-type]
            row |= {f"{name}_A_vs_main_low": low * 100, f"{name}_A_vs_main_high": high * 100}
            row[f"{name}_A_p"] = sign_flip_p(differences)
            row["test"] = "exact" if repeats == 1 else "approximate"
    return row


def _corrected(rows: pl.DataFrame) -> pl.DataFrame:
    """The p of each label set corrected for all of a model's tests; `tests` says how many they are."""

    def corrected(p: pl.Series) -> pl.Series:
        tested = p.drop_nulls()
        by_p = dict(zip(tested, holm(tested.to_numpy()), strict=True))
        return pl.Series([by_p.get(value) for value in p], dtype=pl.Float64)

    return rows.with_columns(
        *(
            pl.col(f"{name}_A_p").map_batches(corrected, pl.Float64).over("model").alias(f"{name}_A_p_holm")
            for name in LABEL_SETS
        ),
        tests=pl.col("ImGT_A_p").count().over("model").cast(pl.Int64),
    )


def _told(p: float) -> str:
    """The first three digits of p."""
    # the last digits of a sum must not decide how 0.03125 is rounded
    return f"{float(f'{p:.12g}'):.3g}" if p >= SMALLEST else f"<{SMALLEST:g}"
