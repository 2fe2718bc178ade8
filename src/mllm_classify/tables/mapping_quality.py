"""How well rules that map answers to classes do what people, or a model, say that the answers mean."""

from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from mllm_classify.dataset.answer_labels import answer_labels as read_labels
from mllm_classify.measures.bootstrap import resamples as draws
from mllm_classify.measures.intervals import Floats, percentiles, wilson
from mllm_classify.measures.mapping_rules import EMBEDDED, JUDGED, NAMES, by_labels, by_rule, codes, kappa, quality
from mllm_classify.measures.out_of_prompt import SIGNALS
from mllm_classify.tables.abstention import risk_coverage
from mllm_classify.tables.table import ASIDE, INTERVAL, Column, Study, Table, fixed

ALL, NO_NAMES = "all", "no class names"
"""Which answers: all that are labelled, or those of them that are not the name of a class."""
SHARES = {"precision": ("right", "mapped"), "recall": ("right", "meant"), "possible": ("possible", "mapped")}
ROW: dict[str, pl.DataType] = {
    **dict.fromkeys(["rule", "encoder", "templates", "answers", "labels", "signal"], pl.String()),
    **dict.fromkeys(["threshold", "coverage"], pl.Float64()),
    **{f"{name}{end}": pl.Float64() for name in ("precision", "recall", "kappa", "possible") for end in ("", "_low", "_high")},
    **dict.fromkeys(["mapped", "meant", "right", "n", "n_agreed", "n_labelled"], pl.Int64()),
    "annotators": pl.String(),
}  # fmt: skip


def mapping_quality(
    encoded: dict[tuple[str, str], pl.LazyFrame],
    worded_predictions: dict[str, pl.LazyFrame],
    classes: pl.DataFrame,
    study: Study,
    encodings: list[list[str]],
    answer_labels: list[list[Any]],
    judgements: dict[str, pl.LazyFrame],
    resamples: int,
) -> Table:
    """One row a rule, encoder or judge, set of answers and set of labels: precision and recall (%), kappa, and their intervals.

    People see the rules under labels on which all passes agree, and what one pass is to the other; the CSV has those under each
    pass, too, and the nearest class with thresholds on similarity and margin. `encoded` are mappings by encoder and model;
    `encodings` as in `encoders`; `answer_labels` as `read_answer_labels` returns them.
    """
    labels = read_labels(answer_labels, classes)
    mapped = by_rule(encoded, worded_predictions, classes, judgements)
    labels = labels.join(mapped, on="answer", how="semi", maintain_order="left")
    sets = by_labels(labels) if labels.height else {}
    main = next(iter(sets), "")
    named = mapped.filter((pl.col("rule") == "exact") & (pl.col("predicted").list.len() > 0))["answer"]
    templates = {name: said for name, said, _ in encodings}
    among = {ALL: pl.lit(value=True), NO_NAMES: ~pl.col("answer").is_in(named.implode())}
    rules: list[tuple[str, str | None]] = [(rule, None) for rule in NAMES]
    rules += [(rule, encoder) for rule in EMBEDDED for encoder in templates]
    rules += [(JUDGED, judge) for judge in judgements]
    rows: list[dict[str, Any]] = []
    further: list[dict[str, Any]] = []
    for of_labels, labelled in sets.items():
        for answers, chosen in among.items():
            for rule, encoder in rules:
                if answers == NO_NAMES and rule in ("exact", "exact, else nearest"):
                    continue  # it gives these no class, or is the same as `nearest`
                of_rule = (pl.col("rule") == rule) & pl.col("encoder").eq_missing(pl.lit(encoder, dtype=pl.String))
                read = labelled.join(mapped.filter(of_rule), on="answer", maintain_order="left").filter(chosen)
                about = {"rule": rule, "encoder": encoder, "templates": templates.get(encoder or ""),
                         "answers": answers, "labels": of_labels}  # fmt: skip
                target = rows if of_labels == main else further
                target += measured(read, about, resamples)
                if of_labels == main and rule == "nearest":
                    further += thresholds(read, about, resamples)
    passes = [name for name in sets if name != main] if len(sets) > 1 else []
    for other in passes[1:]:
        read = sets[passes[0]].join(sets[other].select("answer", predicted="meant"), on="answer", maintain_order="left")
        rows += measured(read, {"rule": other, "answers": ALL, "labels": passes[0]}, resamples)
    frame = pl.DataFrame([*rows, *further], schema=ROW).with_columns(
        pl.lit(sets[main].height if main else 0).alias("n_agreed"),
        pl.lit(labels["answer"].n_unique()).alias("n_labelled"),
        pl.lit(annotators(answer_labels)).alias("annotators"),
    )
    decimals = {name: 3 if name.startswith(("kappa", "threshold")) else 2
                for name, dtype in ROW.items() if dtype == pl.Float64()}  # fmt: skip
    shown = frame.with_columns(fixed(name, places) for name, places in decimals.items())
    agreed = f", {sets[main].height} agreed on" if passes else ""
    return Table(
        shown.with_columns(*study.columns()),
        "Rules that map answers to classes, measured on labelled answers",
        f"{study}; {labels['answer'].n_unique()} labelled answers{agreed}; labels: {annotators(answer_labels)}",
        _columns(),
        first=len(rows),
    )


def annotators(rows: list[list[Any]]) -> str:
    """Who labelled, and in how many passes; only people are called human."""
    passes: dict[str, set[int]] = {}
    kinds = {}
    for _, _, _, annotator, kind, number in rows:
        passes.setdefault(annotator, set()).add(number)
        kinds[annotator] = "human" if kind == "people" else "a model, not people"
    return ", ".join(
        f"{name} ({kinds[name]}, {len(numbers)} {'pass' if len(numbers) == 1 else 'passes'})"
        for name, numbers in sorted(passes.items())
    )


@lru_cache(maxsize=8)
def _resampled(answers: int, resamples: int) -> Floats:
    """How often each resample draws each answer: the same for all rules on these answers. Shape: resamples x answers."""
    return np.concatenate([*draws(answers, resamples)]).astype(np.float64)


def measured(read: pl.DataFrame, about: dict[str, Any], resamples: int) -> list[dict[str, Any]]:
    """The row of a rule, none without an answer. `read` has the columns predicted, meant and possible."""
    if read.is_empty():
        return []
    counted = quality(read)._asdict()
    row = about | {name: counted[name] for name in ("mapped", "meant", "right")} | {"n": read.height}
    for name, (part, whole) in SHARES.items():
        low, high = wilson(counted[part], counted[whole])
        share = counted[part] / counted[whole] if counted[whole] else None
        ends = (None, None) if share is None else (float(low), float(high))
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), (it and it * 100 for it in (share, *ends)), strict=True))
    one, other = codes(read)
    each = kappa(one, other, _resampled(read.height, resamples))
    figures: list[Floats] = [kappa(one, other, np.ones((1, read.height)))[0], *percentiles(each)]
    row |= {
        f"kappa{end}": None if np.isnan(it) else float(it)
        for end, it in zip(("", "_low", "_high"), figures, strict=True)
    }
    return [row]


def thresholds(read: pl.DataFrame, about: dict[str, Any], resamples: int) -> list[dict[str, Any]]:
    """The same where answers below a threshold have no class, at the coverages of `abstention`."""
    rows = []
    right = (pl.col("predicted").list.set_intersection("meant").list.len() > 0).alias("right")
    flags = read.select(right)["right"].to_numpy()
    for signal in SIGNALS:
        for threshold, coverage, *_ in risk_coverage(read[signal].to_numpy(), flags).iter_rows():
            kept = pl.when(pl.col(signal) >= threshold).then("predicted").otherwise(pl.lit([], dtype=pl.List(pl.Int32)))
            at = about | {"signal": signal, "threshold": threshold, "coverage": coverage}
            rows += measured(read.with_columns(kept.alias("predicted")), at, resamples)
    return rows


def _columns() -> dict[str, Column]:
    return {
        "rule": Column(
            "Rule",
            "Rule: exact: the answer is a class's name; included: names that stand in it; nearest: the class of the nearest "
            "embedding (OW); exact, else nearest: CW+; exact, else judged: of the nearest classes, the first that a judge accepts. "
            "Last, one pass of labels against the other.",
            words=True,
        ),
        "encoder": Column("Encoder or judge", words=True),
        "answers": Column("Answers", words=True),
        "precision": Column(
            "Precision (%)",
            "Precision: of answers that a rule gives a class, those that mean it. Recall: of answers that mean a class, those to "
            "which the rule gives it. CI: Wilson; of kappa, the bootstrap over answers.",
        ),
        "precision_interval": INTERVAL,
        "recall": Column("Recall (%)"),
        "recall_interval": ASIDE,
        "kappa": Column("Kappa", "Kappa: Cohen's, over all classes and none."),
        "kappa_interval": ASIDE,
        "possible": Column(
            "Possible (%)",
            "Possible: precision if an answer that leaves several classes open, or is a general word for a class, meant each of them.",
        ),
        "mapped": Column("Mapped"),
        "n": Column(
            "n", "Labels on which all passes agree, but for the last rows. No class names: answers that are none."
        ),
    }
