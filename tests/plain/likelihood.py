"""What likelihoods took, once more: image by image."""

from pathlib import Path

from tests.plain.counting import Cells
from tests.plain.files import class_names, only, records

SCALES = ["", " per token", " per byte", " PMI"]


def likelihood(results: Path, models: list[dict]) -> list[Cells]:
    """The table's rows, but for the study's columns."""
    names = class_names(results)
    table = []
    for entry in sorted(models, key=lambda it: it["name"]):
        predictions = records(only(results.glob(f"predictions/*/{entry['name']}.parquet")))
        for scoring in (f"{task}-likelihood{scale}" for task in ("CW", "OW") for scale in SCALES):
            rows = [row for row in predictions if row["task"] == scoring]
            if rows:
                about = {"model": entry["label"], "task": scoring, "names": str(len(set(names)))}
                table.append(about | _of(rows))
    return table


def _of(rows: list[dict]) -> Cells:
    ranked = [row for row in rows if row["status"] == "ok"]
    trees = {row["tree_nodes"] for row in ranked}
    (tree,) = trees or {None}
    tokens = _mean([row["prompt_tokens"] for row in ranked])
    whole = _mean([row["whole_tokens"] for row in ranked])
    new = _mean(
        [
            None
            if row["prompt_tokens"] is None or row["cached_tokens"] is None
            else row["prompt_tokens"] - row["cached_tokens"]
            for row in ranked
        ]
    )
    nodes = _mean([row["nodes"] for row in ranked])
    return {
        "tree_nodes": "" if tree is None else str(tree),
        "nodes": _text(nodes, 1),
        "cut": _text(None if nodes is None else 100 - 100 * nodes / tree, 1),
        "requests": _text(_mean([row["completion_tokens"] for row in ranked]), 1),
        "tokens": _text(tokens, 0),
        "new_tokens": _text(new, 0),
        "whole_tokens": _text(whole, 0),
        "saved": _text(None if None in (tokens, whole) else 100 - 100 * tokens / whole, 1),
        "saved_new": _text(None if None in (new, whole) else 100 - 100 * new / whole, 1),
        "n": str(len(ranked)),
        "n_errors": str(len(rows) - len(ranked)),
    }


def _mean(values: list) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _text(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:z.{decimals}f}"
