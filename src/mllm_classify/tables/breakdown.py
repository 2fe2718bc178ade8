"""Out-of-prompt (OOP) answers to the closed-world task: which become right by the nearest class, and how to tell which."""

import numpy as np
import numpy.typing as npt
import polars as pl

from mllm_classify.io.text import cell, short
from mllm_classify.measures import statistics
from mllm_classify.measures.statistics import Floats
from mllm_classify.tables.tables import SUBSETS, Study, Table, fixed, in_subset, judged, labelled, percentages, subtitle

LABEL_SETS = {"ImGT": "imgt", "ReGT": "regt"}
LABELLED = "SM"
"""Images to which some class applies: all but those in N."""
MEMBERS = {
    "A": pl.lit(value=True),
    LABELLED: in_subset("S") | in_subset("M"),
    **{subset: in_subset(subset) for subset in SUBSETS if subset != "A"},
}
STATISTICS = {
    "out of prompt": pl.lit(value=True),
    "right": pl.col("right"),
    "wrong": ~pl.col("right") & (pl.col("status") != "empty"),
    "no class": ~pl.col("right") & (pl.col("status") == "empty"),
}
"""Counts of OOP answers, whose last three add up to the first."""
SHARE = "right, %"
TEXTS = 50
"""Distinct OOP answers that are shown of each model."""
LONGEST = 120
"""Characters of an answer."""
SIGNALS = ["similarity", "margin"]
COVERAGES = range(10, 101, 10)
"""Percent of the OOP answers that are to be kept."""


def closed_world(scores: pl.DataFrame, scoring: str) -> pl.DataFrame:
    """Answers to CW as it is asked for the main tables, under one scoring; errors are neither in nor out of prompt."""
    return scores.filter((pl.col("scoring") == scoring) & (pl.col("variant") == ""))


def by_label_set(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Scores once for each label set that there is: columns label_set and right in place of imgt and regt.

    Under ReGT without the images that the rule for N leaves out.
    """
    return pl.concat(
        scores.filter(pl.col(column).is_not_null() & (judged(n_images) if name == "ReGT" else pl.lit(value=True)))
        .with_columns(pl.lit(name).alias("label_set"), pl.col(column).alias("right"))
        .drop(LABEL_SETS.values())
        for name, column in LABEL_SETS.items()
    )


def breakdown(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """OOP answers by label category: how many there are, and how many the nearest class makes right or leaves wrong.

    The paper's Tab. 14 is in its supplement, which is not public; its text has one figure of it, 38.75 % for Qwen3-VL
    (Fig. 4), which follows from its Tables 4 and 5 where images in N count as right.
    """
    listed = by_label_set(closed_world(scores, "CW+").filter(pl.col("oop").is_not_null()), study.n_images)
    keys = ["model", "label_set"]
    known = pl.col("category").is_not_null().any()

    def count(what: pl.Expr, suffix: str = "") -> list[pl.Expr]:
        """OOP answers of a kind, in every subset; without categories in all of them only."""
        found = {subset: (pl.col("oop") & what & among).sum().cast(pl.Int64) for subset, among in MEMBERS.items()}
        return [
            (number if subset == "A" else pl.when(known).then(number)).alias(f"{subset}{suffix}")
            for subset, number in found.items()
        ]

    grouped = listed.group_by(keys)
    counts = [
        grouped.agg(*count(what), pl.len().alias("n"))
        .with_columns(pl.col(*MEMBERS).cast(pl.String), pl.lit(statistic).alias("statistic"))
        for statistic, what in STATISTICS.items()
    ]  # fmt: skip
    totals = [pl.col(f"{subset}_total").fill_null(0) for subset in MEMBERS]
    right = grouped.agg(*count(pl.col("right")), *count(STATISTICS["out of prompt"], "_total"), pl.len().alias("n"))
    shares = percentages(right.with_columns(pl.col(*MEMBERS).fill_null(0), *totals), [*MEMBERS])
    bounds = [f"{subset}_{end}" for subset in MEMBERS for end in ("low", "high")]
    shares = shares.with_columns(
        *(fixed(name, 2) for name in [*MEMBERS, *bounds]), pl.lit(SHARE).alias("statistic")
    )  # fmt: skip
    order = {statistic: place for place, statistic in enumerate([*STATISTICS, SHARE])}
    figures = (
        pl.concat([*counts, shares], how="diagonal")
        .sort(*keys, pl.col("statistic").replace_strict(order, return_dtype=pl.Int32))
        .with_columns(pl.lit("CW+").alias("scoring"))
    )
    categories = {LABELLED: "S and M", **{subset: subset for subset in SUBSETS if subset != "A"}} if study.regt else {}
    return Table(
        labelled(figures, models, study, ["label_set", "statistic", *MEMBERS, *bounds, "n"]).drop("task"),
        "Breakdown: out-of-prompt answers, and what the nearest class makes of them (CW+)",
        subtitle(study, figures),
        {"model": "Model", "label_set": "Labels", "statistic": "Answers", "A": "A", "A_interval": "95 % CI", **categories},
        {"statistic": "Out of prompt: answers to CW that are none of the listed names. Right, wrong: the class whose embedding is "
         "nearest to the answer is, or is not, admissible. No class: empty answers. Right, %: of those out of prompt. CI: "
         "Wilson.",
         LABELLED: "S and M: without images in N, "
         + ("on which every answer is right under ReGT." if study.n_images == "correct" else "which are left out under ReGT.")},
    )  # fmt: skip


def out_of_prompt(mapping: pl.DataFrame, model: str, scores: pl.DataFrame) -> pl.DataFrame:
    """One model's OOP answers to CW on evaluated images: the rows of its mapping, and CW+'s imgt, regt and category."""
    keys = ["image_id", "task", "variant", "repeat"]
    mine = closed_world(scores, "CW+").filter(pl.col("oop") & (pl.col("model") == model))
    return mapping.drop("status").join(
        mine.select("model", *keys, "scoring", "status", "imgt", "regt", "category"), on=keys, maintain_order="left"
    )


def oop_texts(answers: pl.DataFrame, classes: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """The most frequent OOP answers of each model, the class nearest to each, and on how many images that is right.

    `answers` are of `out_of_prompt`, with their `text`.
    """
    names = classes.select(pl.col("class_id").alias("nearest_class"), pl.col("name").alias("nearest"))
    on_labelled = pl.col("regt").filter(MEMBERS[LABELLED]).sum()
    figures = (
        # as it was embedded
        answers.with_columns(pl.col("text").fill_null("").str.strip_chars())
        .group_by("model", "scoring", "text")
        .agg(
            pl.len().alias("answers"),
            pl.col("nearest_class", "similarity", "margin").first(),
            pl.col("imgt").sum().alias("ImGT_right"),
            pl.when(pl.col("regt").is_not_null().any()).then(on_labelled).alias("ReGT_right"),
            pl.when(pl.col("category").is_not_null().any()).then((pl.col("category") == "N").sum()).alias("n_N"),
        )
        .with_columns((pl.col("answers") / pl.col("answers").sum().over("model") * 100).alias("share"))
        .sort("model", "answers", "text", descending=[False, True, False])
        .group_by("model", maintain_order=True)
        .head(TEXTS)
        .join(names, on="nearest_class", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("text") == "").then(pl.lit("(empty)")).otherwise("text").alias("text"),
            *(fixed(signal, 3) for signal in SIGNALS),
        )
        .with_columns(
            pl.col(name).map_elements(lambda text: cell(short(text, LONGEST)), return_dtype=pl.String)
            for name in ("text", "nearest")
        )
    )
    columns = ["text", "answers", "share", "nearest", *SIGNALS, "ImGT_right", "ReGT_right", "n_N"]
    return Table(
        labelled(figures, models, study, columns).drop("task"),
        "The most frequent out-of-prompt answers, and where they go",
        str(study),
        {"model": "Model", "text": "Answer", "answers": "Images", "share": "% of OOP", "nearest": "Nearest class",
         "similarity": "Similarity", "margin": "Margin", "ImGT_right": study.named("ImGT"),
         **({"ReGT_right": study.named("ReGT"), "n_N": "N"} if study.regt else {})},
        {"answers": f"Up to {TEXTS} of each model. Similarity: cosine to the nearest class. Margin: how far it is ahead of the "
         "nearest class of another name.",
         "ImGT_right": "Under the names of the label sets: on how many of these images the nearest class is right.",
         "n_N": "N: images in N; under ReGT they are not counted as right here."},
    )  # fmt: skip


def aurc(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """The area under the risk-coverage curve (Geifman, Uziel & El-Yaniv, ICLR 2019): the mean, over all numbers of
    answers kept, the most confident first, of the share of them that is wrong. Shapes: n each; NaN of none.

    Of equally confident answers the mean over their orders is taken.
    """
    if not len(right):
        return float("nan")
    _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = (np.bincount(group, ~right) / sizes)[np.sort(group)]
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())


def risk_coverage(confidence: Floats, right: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """Points of the curve at COVERAGES, as far as they differ: threshold, coverage in percent, kept, right.

    A threshold keeps answers that are as confident as it, so equally confident ones are kept together.
    """
    ordered = -np.sort(-confidence)
    rows = []
    for percent in COVERAGES if len(ordered) else ():
        threshold = ordered[-(-len(ordered) * percent // 100) - 1]
        kept = confidence >= threshold
        rows.append((float(threshold), kept.mean() * 100, int(kept.sum()), int(right[kept].sum())))
    schema = {"threshold": pl.Float64(), "coverage": pl.Float64(), "kept": pl.Int64(), "right": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row").unique("kept", maintain_order=True)


def abstention(answers: pl.DataFrame, scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """What a threshold on similarity, or on margin, below which OOP answers stay wrong, would do: the risk among the
    answers that it keeps, and accuracy over all images, between CW's (none kept) and CW+'s (all of them).

    Under ReGT the curves are of images in S and M. `answers` are of `out_of_prompt`; empty ones have no nearest class.
    """
    near = by_label_set(answers.filter(pl.col("nearest_class").is_not_null()), "excluded")
    closed = by_label_set(closed_world(scores, "CW"), study.n_images)
    base = {
        (model, label_set): numbers
        for model, label_set, *numbers in closed.group_by("model", "label_set")
        .agg(pl.col("right").sum(), pl.len())
        .iter_rows()
    }
    parts = []
    for (model, label_set), of in near.group_by("model", "label_set", maintain_order=True):
        correct, total = base[model, label_set]
        right = of["right"].to_numpy()
        for signal in SIGNALS:
            confidence = of[signal].cast(pl.Float64).to_numpy()
            points = risk_coverage(confidence, right).with_columns(
                pl.lit(model).alias("model"),
                pl.lit(label_set).alias("label_set"),
                pl.lit(signal).alias("signal"),
                pl.lit(aurc(confidence, right) * 100).alias("aurc"),
                ((correct + pl.col("right")) / total * 100).alias("accuracy"),
                pl.lit(total).alias("n"),
            )
            parts.append(points)
    schema = {"threshold": pl.Float64(), "coverage": pl.Float64(), "kept": pl.Int64(), "right": pl.Int64(),
              "model": pl.String(), "label_set": pl.String(), "signal": pl.String(), "aurc": pl.Float64(),
              "accuracy": pl.Float64(), "n": pl.Int64()}  # fmt: skip
    figures = pl.concat([pl.DataFrame(schema=schema), *(part.cast(schema) for part in parts)])  # type: ignore[arg-type]
    low, high = statistics.wilson((figures["kept"] - figures["right"]).to_numpy(), figures["kept"].to_numpy())
    places = {signal: place for place, signal in enumerate(SIGNALS)}
    figures = figures.with_columns(
        ((1 - pl.col("right") / pl.col("kept")) * 100).alias("risk"),
        pl.Series("risk_low", low * 100),
        pl.Series("risk_high", high * 100),
        pl.lit("CW+").alias("scoring"),
        fixed("threshold", 3),
    ).sort("model", "label_set", pl.col("signal").replace_strict(places, return_dtype=pl.Int32), "kept")
    columns = [
        "label_set",
        "signal",
        "coverage",
        "threshold",
        "kept",
        "right",
        "risk",
        "risk_low",
        "risk_high",
        "accuracy",
    ]
    return Table(
        labelled(figures, models, study, [*columns, "aurc", "n"]).drop("task"),
        "Abstention: what a threshold for out-of-prompt answers would do",
        subtitle(study, figures),
        {"model": "Model", "label_set": "Labels", "signal": "By", "coverage": "Coverage (%)", "threshold": "Threshold",
         "kept": "Kept", "right": "Right", "risk": "Risk (%)", "risk_interval": "95 % CI", "accuracy": "Accuracy (%)",
         "aurc": "AURC"},
        {"signal": "By: similarity to the nearest class, or margin to the next one of another name. Answers from the "
         "threshold on are kept; equal ones together.",
         "risk": "Coverage: the share of out-of-prompt answers that is kept, empty ones aside. Risk: the share of these that is "
         "wrong; under ReGT without images in N, on which no answer is. CI: Wilson. AURC: mean risk over all "
         "coverages, less is better.",
         "accuracy": "Accuracy: over all images, if the answers that are not kept stay wrong, as all are under CW; all kept "
         "is CW+."},
    )  # fmt: skip
