"""Scores of tasks that are asked in several ways, told by strings of 0 and 1."""

import polars as pl

from mllm_classify.score.score import SCORES
from mllm_classify.tables.table import Study

STUDY = Study("data", "Old labels", "New labels", "pairs.v1", "names.txt (10)")


MODELS = pl.DataFrame([{"model": name, "label": name.upper(), "family": "MLLM"} for name in "abc"])
WAYS = ["cold", "hot", "ids"]
DIFFERING = [[name, way, f"put {way}"] for name in "abc" for way in WAYS]
STATUS = {"-": "ok", "x": "error", "e": "empty", "s": "several"}


def scored(
    scoring, imgt, regt, variant="", repeat=0, model="a", oop=None, status=None, categories=None, start=0, groups=None
):
    """Scores from strings of 0 and 1, one sign an image; of statuses there are the signs of STATUS.

    Images of one sign in `groups` were asked about in one request.
    """
    count = len(imgt)
    flags = [[None] * count if signs is None else [{"0": False, "1": True}.get(sign) for sign in signs]
             for signs in (imgt, regt, oop)]  # fmt: skip
    return pl.DataFrame(
        {
            "model": model,
            "image_id": [f"i{start + number}" for number in range(count)],
            "task": scoring.removesuffix("+"),
            "variant": variant,
            "repeat": repeat,
            "encoder": "e",
            "scoring": scoring,
            "status": [STATUS[sign] for sign in status or "-" * count],
            "oop": flags[2],
            "imgt": flags[0],
            "regt": flags[1],
            "category": (categories or "S+ " * count).split() if regt is not None else None,
            "expert": None,
            "predicted": None,
            "group": [None if groups is None else int(sign) for sign in groups or imgt],
            "truncated": None,
        },
        schema=SCORES,
    )
