"""Four classes, of which two share a name, and answers to map to them."""

import polars as pl

from mllm_classify.mapping.mapping import map_answers

NAMES = ["cat", "Missile", "dog", "missile "]
SAME = [[0], [1, 3], [2], [1, 3]]
VECTORS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
CLASSES = pl.DataFrame(
    {"class_id": range(4), "name": NAMES, "same_name": SAME},
    schema={"class_id": pl.Int32, "name": pl.String, "same_name": pl.List(pl.Int32)},
)
CLASS_VECTORS = pl.DataFrame(
    {"class_id": range(4), "embedding": VECTORS}, schema={"class_id": pl.Int32, "embedding": pl.Array(pl.Float32, 3)}
)


def embedded(**vectors):
    """Embeddings of answers."""
    schema = {"text": pl.String, "embedding": pl.Array(pl.Float32, 3)}
    return pl.DataFrame({"text": list(vectors), "embedding": list(vectors.values())}, schema=schema)


def predicted(*answers):
    """Predictions from (image, task, text) or (image, task, text, status)."""
    rows = [(image, task, "", 0, text, *(status or ["ok"])) for image, task, text, *status in answers]
    schema = {"image_id": pl.String, "task": pl.String, "variant": pl.String, "repeat": pl.Int32, "text": pl.String}
    frame = pl.DataFrame(rows, schema=schema | {"status": pl.String}, orient="row")
    return frame.with_columns(texts=pl.lit(None, pl.List(pl.String)))


def mapped(answers, vectors, classes=CLASSES, class_vectors=CLASS_VECTORS):
    return map_answers(predicted(*answers), classes, class_vectors, vectors, "e")


def variants_mapped(rows, vectors, several="wrong", ids=()):
    """Mapping of (image, task, variant, text)."""
    frame = pl.DataFrame(
        [(image, task, variant, 0, text, "ok", None) for image, task, variant, text in rows],
        schema=predicted().schema,
        orient="row",
    )
    return map_answers(frame, CLASSES, CLASS_VECTORS, vectors, "e", several=several, by_id=ids)
