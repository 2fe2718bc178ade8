"""The columns of a study: its images, what models answered, what they ranked, and how each row judges them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.measures.counting import SUBSETS, counts
from mllm_classify.measures.selection import shown_rows
from mllm_classify.report.explorer.answers import answers, judged
from mllm_classify.report.explorer.data import (
    ANSWER,
    FIXED,
    FLAGS,
    ROW,
    Array,
    Data,
    category_codes,
    distinct_sets,
    fixed_point,
    padded,
    partitions,
    set_key,
    spread,
)
from mllm_classify.tables.table import Study
from mllm_classify.tasks import MAIN_SCORINGS, MC, TASK_NAMES

DEPTH = 5
"""Classes of a ranking that are shown."""
PREDICTED = [*QUESTION, "text", "class_ids", "scores", "status", "error"]
MAPPED = [*QUESTION, "nearest_class", "similarity", "margin"]
"""Columns that are read of predictions and mappings."""

Frames = Mapping[str, pl.DataFrame | pl.LazyFrame]


def explored(
    study: Study,
    models: pl.DataFrame,
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    scores: pl.DataFrame,
    predictions: Frames,
    mappings: Frames,
) -> Data:
    """The columns of the evaluated images, in the order of `labels`.

    `models` has columns model and label, and is shown by label; `predictions` are by model, and `mappings` are those of
    models that answer in words.
    """
    predicted = {name: frame.lazy().select(PREDICTED).collect() for name, frame in predictions.items()}
    mapped = {name: frame.lazy().select(MAPPED).collect() for name, frame in mappings.items()}
    images = labels.filter(pl.col("excluded").is_null()).with_row_index("image")
    places = images.select("image_id", "image")
    models = models.sort("label", "model")
    order = {name: place for place, name in enumerate(models["model"])}
    rows = judged(scores).join(places, on="image_id")
    texts, said = answers(predicted, mapped)
    said = said.join(places, on="image_id")
    known = [rows["predicted"], images["regt"], texts["nearest"], images.select(pl.concat_list("imgt"))["imgt"]]
    sets = distinct_sets(known)

    def number(column: pl.Series) -> Array:
        codes: Array = set_key(column).cast(pl.Enum(sets)).to_physical().to_numpy()
        return codes.astype(np.uint16 if len(sets) < 2**16 else np.uint32)

    columns: dict[str, Array | list[str]] = {
        "ids": images["image_id"].to_list(),
        "names": classes.sort("class_id")["name"].to_list(),
        "sets": [*sets],
        "categories": category_codes(images["category"]),
        "imgt": number(known[3]),
        "regt": number(images["regt"]),
        "texts": texts["text"].to_list(),
        "full_lengths": texts["full_length"].to_numpy().astype(np.uint32),
        "nearest": number(texts["nearest"]),
        "similarity": fixed_point(texts["similarity"]),
        "margin": fixed_point(texts["margin"]),
    }
    rows = rows.with_columns(pl.Series("set", number(rows["predicted"])))
    main = {tuple(row) for row in main_rows(scores, study.n_images).iter_rows()}
    answered, answer_columns = described_answers(said, order, images.height)
    ranked, ranking_columns = described_rankings(predicted, places, order, classes.height)
    described, row_columns = described_rows(rows, order, images.height)
    numbers = [
        {tuple(answer[name] for name in ANSWER): number for number, answer in enumerate(answers)}
        for answers in (answered, ranked)
    ]
    for row in described:
        row["main"] = tuple(row[name] for name in ("model", "variant", "repeat", "scoring")) in main
        row["answer"], row["ranking"] = (known.get(tuple(row[name] for name in ANSWER)) for known in numbers)
    facts = {
        "study": study._asdict() | {"said": str(study)},
        "models": models.select("model", "label").to_dicts(),
        "subsets": {name: [str(part) for part in parts] for name, parts in SUBSETS.items()},
        "answers": answered,
        "rankings": ranked,
        "rows": described,
        "flags": FLAGS,
        "fixed": FIXED,
    }
    return Data(facts, {**columns, **answer_columns, **ranking_columns, **row_columns})


def described_answers(
    said: pl.DataFrame, order: dict[str, int], images: int
) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """What was asked of every model in words, and a column for each: the answers' numbers, 0 where there is none."""
    described, columns = [], {}
    parts = partitions(said, ANSWER)
    for number, key in enumerate(sorted(parts, key=lambda key: (order[key[0]], key[1:]))):
        columns[f"answer{number}"] = spread(parts[key], "answer", images, np.uint32)
        described.append(dict(zip(ANSWER, key, strict=True)) | {"column": f"answer{number}"})
    return described, columns


def described_rankings(
    predictions: dict[str, pl.DataFrame], places: pl.DataFrame, order: dict[str, int], classes: int
) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """What was ranked, where more than a first class is known, and columns for each, of images x depth.

    The first holds class ids counted from 1, and 0 where there is none; the second, if there are any, their scores
    (float16; NaN where there is none).
    """
    described: list[dict[str, Any]] = []
    columns: dict[str, Array] = {}
    for name in sorted(predictions, key=lambda name: order[name]):
        frame = predictions[name].select(
            pl.lit(name).alias("model"), *ANSWER[1:], "image_id", pl.col("class_ids", "scores").list.head(DEPTH)
        )
        frame = frame.filter(pl.col("class_ids").list.len() > 0).join(places, on="image_id")
        for key, part in sorted(partitions(frame, ANSWER).items()):
            depth = int(part["class_ids"].list.len().max())  # type: ignore[arg-type]
            if depth < 2:
                continue
            named = np.zeros((places.height, depth), np.uint16 if classes < 2**16 else np.uint32)
            at, number = part["image"].to_numpy(), len(described)
            named[at] = padded(part["class_ids"].list.eval(pl.element() + 1), depth, 0)
            columns[f"ranking{number}"] = named.ravel()
            if part["scores"].is_not_null().any():
                scored = np.full((places.height, depth), np.nan, np.float16)
                with np.errstate(over="ignore"):
                    scored[at] = padded(part["scores"], depth, np.nan)
                columns[f"scores{number}"] = scored.ravel()
            described.append(dict(zip(ANSWER, key, strict=True)) | {"depth": depth})
    return described, columns


def described_rows(
    rows: pl.DataFrame, order: dict[str, int], images: int
) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """All rows, and two columns for each: sets of classes, and flags."""
    described, columns = [], {}
    parts = partitions(rows, ROW)
    for number, key in enumerate(sorted(parts, key=lambda key: _row_order(order, key))):
        columns[f"set{number}"] = spread(parts[key], "set", images, rows["set"].to_numpy().dtype.type)
        columns[f"flags{number}"] = spread(parts[key], "flags", images, np.uint8)
        described.append(dict(zip(ROW, key, strict=True)))
    return described, columns


def main_rows(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """The rows by which models are compared with one another: those of Table 3, or the first of a model without one.

    Columns model, variant, repeat, scoring.
    """
    plain = scores.filter((pl.col("variant") == "") & (pl.col("repeat") == 0) & pl.col("scoring").is_in(MAIN_SCORINGS))
    shown = shown_rows(counts(plain), n_images)
    keys = ["model", "variant", "repeat", "scoring"]
    rows = scores.select(keys).unique(maintain_order=True)
    rank = (
        pl.struct("model", "scoring").is_in(shown.select(pl.struct("model", "scoring")).to_series().implode())
        & (pl.col("variant") == "")
        & (pl.col("repeat") == 0)
    )
    return rows.sort((~rank).cast(pl.Int8), maintain_order=True).unique("model", keep="first", maintain_order=True)


def _row_order(order: dict[str, int], key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rows by model, then by task, plain ones first; what one answer is scored as stays together."""
    model, task, variant, repeat, scoring = key

    def rank(known: Sequence[str], name: str) -> tuple[int, str]:
        return known.index(name) if name in known else len(known), name

    plain = variant == "" or task == MC.name
    return order[model], not plain, rank(TASK_NAMES, task), variant, repeat, rank(MAIN_SCORINGS, scoring)
