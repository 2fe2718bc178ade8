"""Labels, predictions and mappings of a few images, for tables that read more than scores."""

from typing import NamedTuple

import polars as pl

from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.predict.rows import PREDICTIONS, ranking_rows
from mllm_classify.score.score import SCORES, predicted_by_ranking, score
from mllm_classify.tables.suspects import suspects
from tests.tables.studies import STUDY

CLASSES = pl.DataFrame(
    {"class_id": [0, 1, 2, 3], "name": ["cat", "dog", "missile", "missile"], "same_name": [[0], [1], [2, 3], [2, 3]]},
    schema_overrides={"class_id": pl.Int32, "same_name": pl.List(pl.Int32)},
)


def labelled(*images):
    """Labels from image, imgt, regt and category."""
    return pl.DataFrame(
        [(image, imgt, regt, [imgt], regt, category, None, None) for image, imgt, regt, category in images],
        schema={"image_id": pl.String, "imgt": pl.Int32, "regt": pl.List(pl.Int32), "imgt_admissible": pl.List(pl.Int32),
                "regt_admissible": pl.List(pl.Int32), "category": pl.String, "excluded": pl.String,
                "expert": pl.List(pl.Int32)},
        orient="row",
    )  # fmt: skip


def ranked(*answers, probabilities=None):
    """Rankings of one model from image and classes."""
    images, class_ids = zip(*answers, strict=True)
    return ranking_rows(list(images), [list(it) for it in class_ids], probabilities)


IMAGES = labelled(("=i", 0, [1], "S-"), ("j", 0, [0], "S+"), ("k", 1, [2, 3], "M-"))


def suspected():
    """The table of suspects of three models that rank classes, and of two that give probabilities."""
    models = {
        "a": ranked(("=i", [1]), ("j", [0]), ("k", [2])),
        "b": ranked(("=i", [1]), ("j", [1]), ("k", [3])),
        "c": ranked(("=i", [2]), ("j", [2]), ("k", [0])),
    }
    labels = IMAGES.with_columns(expert_admissible="expert")
    scores = pl.concat(score(name, predicted_by_ranking(frame), labels) for name, frame in models.items())
    probable = {
        "d": ranked(("=i", [1, 0]), ("j", [0, 1]), ("k", [2, 3]), probabilities=[[0.6, 0.2], [0.9, 0.1], [0.4, 0.3]]),
        "e": ranked(("=i", [0, 1]), ("k", [1, 3]), probabilities=[[0.5, 0.1], [0.6, 0.4]]),
    }
    return suspects(scores, labels, CLASSES, {name: frame.lazy() for name, frame in probable.items()}, STUDY)


class Answers(NamedTuple):
    """OOP answers of model a to CW+, as the stages write them; the last two are by the model's name."""

    scores: pl.DataFrame
    predictions: dict[str, pl.LazyFrame]
    mappings: dict[str, pl.LazyFrame]


def answered(*answers, category="S+"):
    """From text, nearest class, similarity, margin, imgt, regt; one answer an image."""
    about = {"task": "CW", "variant": "", "repeat": 0, "status": "ok"}
    cells = [
        about | {"image_id": f"i{n}", "text": text, "nearest_class": nearest, "similarity": similarity, "margin": margin,
                 "imgt": imgt, "regt": regt, "model": "a", "scoring": "CW+", "encoder": "e", "oop": True, "category": category}
        for n, (text, nearest, similarity, margin, imgt, regt) in enumerate(answers)
    ]  # fmt: skip
    scores, predictions, mapping = (
        pl.DataFrame([{name: cell[name] for name in schema if name in cell} for cell in cells], schema=schema)
        for schema in (SCORES, PREDICTIONS, MAPPING)
    )
    return Answers(scores, {"a": predictions.lazy()}, {"a": mapping.lazy()})
