"""Labels, mappings and rankings of a few images, and how they are judged."""

import polars as pl

from mllm_classify.dataset.labels import LABELS
from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.score.score import predicted_by_text, score

SAME = [[0], [1, 3], [2], [1, 3], [4]]
CLASSES = pl.DataFrame(
    {"class_id": range(5), "same_name": SAME}, schema={"class_id": pl.Int32, "same_name": pl.List(pl.Int32)}
)


def labels(*rows):
    """Labels from (image, admissible under ImGT, admissible under ReGT, category), or with more columns by name."""
    cells = [
        {
            "image_id": image,
            "imgt": imgt[0],
            "regt": regt,
            "imgt_admissible": imgt,
            "regt_admissible": regt,
            "category": category,
            **(more[0] if more else {}),
        }
        for image, imgt, regt, category, *more in rows
    ]
    return pl.DataFrame(cells, schema=LABELS)


def mapping(*rows):
    """Mapping from (image, task, exact classes, nearest class) or with a status behind."""
    cells = [
        {
            "image_id": image,
            "task": task,
            "variant": "",
            "repeat": 0,
            "encoder": "e",
            "status": (status or ["ok"])[0],
            "in_prompt": None if task == "OW" or status == ["error"] else bool(exact),
            "exact_classes": exact,
            "included_classes": exact,
            "nearest_class": nearest,
        }
        for image, task, exact, nearest, *status in rows
    ]
    return pl.DataFrame(cells, schema=MAPPING)


def rankings(*rows):
    """Predictions of a model that ranks classes, from (image, ranking) or with a status behind."""
    cells = [(image, "CW", "", 0, ids, *(status or ["ok"]), None, None) for image, ids, *status in rows]
    schema = {"image_id": pl.String, "task": pl.String, "variant": pl.String, "repeat": pl.Int32}
    return pl.DataFrame(
        cells,
        schema=schema
        | {"class_ids": pl.List(pl.Int32), "status": pl.String, "group": pl.Int32, "finish_reason": pl.String},
        orient="row",
    )


def answered(answers, classes):
    """What answers stand for that were all given to questions about one image."""
    return predicted_by_text(answers, classes).with_columns(
        group=pl.lit(None, pl.Int32), finish_reason=pl.lit(None, pl.String)
    )


def judged(predicted, *labelled):
    """Per scoring and image: whether it is correct under ImGT and under ReGT."""
    found = score("m", predicted, labels(*labelled)).filter(~pl.col("scoring").str.contains("inclusion"))
    return {(row["scoring"], row["image_id"]): (row["imgt"], row["regt"]) for row in found.to_dicts()}


def expert(ids, admissible=None):
    return {"expert": ids, "expert_admissible": ids if admissible is None else admissible}
