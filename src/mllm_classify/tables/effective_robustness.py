"""What models lose from a data set to shifted ones, and how much less than models of their accuracy do."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from mllm_classify.measures.bootstrap import matrices, resampled
from mllm_classify.measures.counting import ALL, LABEL_SETS, RULES, Categories, counts
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.lines import FEWEST, expit, logit, others_line
from mllm_classify.measures.selection import main_scores, shown_rows
from mllm_classify.tables.table import ASIDE, FAMILY, INTERVAL, MODEL, TASK, Column, Study, Table, fixed

NUMBERS = [f"{name}{end}" for name in ("base_A", "A", "loss", "robustness") for end in ("", "_low", "_high")]
SCHEMA = {
    "base": pl.String, "dataset": pl.String, "measure": pl.String, "model": pl.String, "task": pl.String,
    "family": pl.String, "n_base": pl.Int64, "n": pl.Int64, **dict.fromkeys([*NUMBERS, "line_A"], pl.Float64),
    "line_models": pl.Int64, "base_classes": pl.String, "classes": pl.String,
}  # fmt: skip


class Drawn(NamedTuple):
    """Accuracies of every row (model, scoring) on a data set, by label set: as they are (one resample), and resampled.

    Shares; shapes: resamples x rows.
    """

    rows: list[tuple[str, str]]
    exact: dict[str, Floats]
    many: dict[str, Floats]
    images: dict[str, Floats]
    best: list[tuple[str, str]]


def effective_robustness(
    scores: Mapping[str, pl.DataFrame],
    images: Mapping[str, pl.DataFrame],
    models: Mapping[str, pl.DataFrame],
    study: Mapping[str, Study],
    dataset_labels: dict[str, str],
    shifted_pairs: list[list[str]],
    resamples: int,
) -> Table:
    """One row a base and shifted data set (`shifted_pairs`, their names), label set, and model, at its task of the base's Table 3.

    `loss`: accuracy on the base minus that on the shifted set, in points. `robustness`: accuracy on the shifted set minus
    `line_A`, which the line through all other models (`line_models`, at least FEWEST) says of a model of this accuracy on
    the base: least squares on logits of both (Taori et al., 2020, Sec. 2; Recht et al., 2019). Intervals (95 %): bootstrap
    over the images of both sets, the line drawn anew in each resample; the models are these. `scores`, `images`, `models`
    and `study` are those of each data set by its name.
    """
    drawn = {
        name: _drawn(scores[name], images[name], study[name].n_images, resamples)
        for name in sorted({name for pair in shifted_pairs for name in pair})
    }
    cells: list[dict[str, object]] = []
    for base, shifted in shifted_pairs:
        known = models[base].rows_by_key("model", named=True, unique=True)
        for measure in LABEL_SETS:
            cells += [
                {"base": base, "dataset": shifted, "measure": measure, "model": known[name]["label"], "task": task}
                | {
                    "family": known[name]["family"],
                    "base_classes": study[base].classes,
                    "classes": study[shifted].classes,
                }
                | figures
                for (name, task), figures in _compared(drawn[base], drawn[shifted], measure).items()
            ]
    rows = pl.DataFrame(cells, schema=SCHEMA).fill_nan(None)
    rows = rows.sort(
        "base", "dataset", "measure", pl.col("robustness").round(9), "model", descending=[False] * 3 + [True, False],
        nulls_last=True,
    ).with_columns(fixed(name, 2) for name in [*NUMBERS, "line_A"])  # fmt: skip
    said = "; ".join(f"{dataset_labels[shifted]} from {dataset_labels[base]}" for base, shifted in shifted_pairs)
    return Table(rows, "Accuracy (%) lost to shifted data sets, and effective robustness (points)", said, _columns())


def _columns() -> dict[str, Column]:
    return {
        "dataset": Column("Data set", words=True),
        "measure": Column("Labels", words=True),
        "model": MODEL,
        "family": FAMILY,
        "task": TASK._replace(note="Task: that of Table 3 on the base, on both sets."),
        "base_A": Column("Base"),
        "base_A_interval": ASIDE,
        "A": Column("Shifted"),
        "A_interval": ASIDE,
        "loss": Column("Loss", "Loss: accuracy on the base minus accuracy on the shifted set."),
        "loss_interval": INTERVAL,
        "line_A": Column(
            "Line",
            f"Line: what a line through all other models says, on logits of both accuracies; at least {FEWEST} of them.",
        ),
        "robustness": Column(
            "Robustness",
            "Robustness: accuracy on the shifted set above the line (effective robustness). CI: bootstrap over the images of "
            "both sets, for these models.",
        ),
        "robustness_interval": INTERVAL,
    }


def _drawn(scores: pl.DataFrame, images: pl.DataFrame, n_images: str, count: int) -> Drawn:
    main = main_scores(scores)
    answers = matrices(main, images)
    exact, many = resampled(answers, count)
    among: dict[str, Categories] = {"ImGT": ALL, "ReGT": RULES[n_images]}
    return Drawn(
        answers.rows.rows(),
        {measure: exact.accuracy(measure, kept) / 100 for measure, kept in among.items()},
        {measure: many.accuracy(measure, kept) / 100 for measure, kept in among.items()},
        {measure: exact.total("present", kept) for measure, kept in among.items()},
        shown_rows(counts(main), n_images).sort("model").rows(),
    )


def _compared(base: Drawn, shifted: Drawn, measure: str) -> dict[tuple[str, str], dict[str, float | int]]:
    """The figures of every model that was asked its task of the base about both sets, with labels there."""
    rows = [row for row in base.best if row in shifted.rows]
    one, other = ([of.rows.index(row) for row in rows] for of in (base, shifted))
    n_base, n = base.images[measure][0, one], shifted.images[measure][0, other]
    # resamples of sets of as many images draw the same places: another's number makes them independent
    x = np.concatenate([base.exact[measure][:, one], base.many[measure][:, one]])
    y = np.concatenate([shifted.exact[measure][:, other], np.roll(shifted.many[measure][:, other], 1, axis=0)])
    line = expit(others_line(logit(x, n_base), logit(y, n)))
    found = {}
    for place, row in enumerate(rows):
        if not n_base[place] or not n[place]:
            continue
        figures: dict[str, float | int] = {"n_base": int(n_base[place]), "n": int(n[place])}
        each = {"base_A": x, "A": y, "loss": x - y, "robustness": y - line}
        for name, values in each.items():
            low, high = percentiles(values[1:, place])
            figures |= {name: float(values[0, place]) * 100}
            figures |= {f"{name}_low": float(low) * 100, f"{name}_high": float(high) * 100}
        figures["line_A"] = line[0, place] * 100
        figures["line_models"] = int(np.sum((n_base > 0) & (n > 0))) - 1
        found[row] = figures
    return found
