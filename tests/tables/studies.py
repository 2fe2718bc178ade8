"""Scores of small studies, told by strings of 0 and 1, and tables of them as their CSV files say."""

import csv
import io
import random

import polars as pl
from hypothesis import strategies as st

from mllm_classify.dataset.classes import CLASSES
from mllm_classify.dataset.labels import LABELS
from mllm_classify.score.score import SCORES
from mllm_classify.tables.accuracy import accuracy
from mllm_classify.tables.mcnemar import mcnemar
from mllm_classify.tables.mustelidae import mustelidae
from mllm_classify.tables.ranking import ranking
from mllm_classify.tables.render import as_markdown
from mllm_classify.tables.table import Study
from mllm_classify.tables.table3 import table3
from mllm_classify.tables.table4 import table4
from mllm_classify.tables.table5 import table5

RESAMPLES = 100

TABLES = {
    "table3": table3,
    "table4": table4,
    "table5": table5,
    "ranking": lambda scores, models, study, images=None: ranking(
        scores, images_of(scores) if images is None else images, models, study, RESAMPLES
    ),
}
"""Those that people read too."""
EVERY = TABLES | {
    "mcnemar": lambda scores, models, study: mcnemar(scores, images_of(scores), models, study),
    "accuracy": lambda scores, models, study, images=None: accuracy(
        scores, images_of(scores) if images is None else images, models, study, RESAMPLES
    ),
}
STUDY = Study("data", "Old labels", "New labels", "pairs.v1", "names.txt (10)")
ONE_LABEL_SET = STUDY._replace(regt=None, equivalences=None)
STUDY_COLUMNS = ["dataset", "imgt", "regt", "equivalences", "classes", "n_images", "excluded", "rules"]
HEADERS = {
    "table2": "statistic,A,S,S+,S-,M,M+,M-,N",
    "table3": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-,ImGT_and_ReGT",
    "table4": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-",
    "table5": "model,A,S,S+,S-,M,M+,M-,N",
    "ranking": "model,task,ImGT_A,ImGT_A_rank,ImGT_A_place,ImGT_A_place_low,ImGT_A_place_high,ReGT_A,ReGT_A_rank",
}
ACCURACIES = HEADERS["table3"].split(",")[2:]
MODELS = pl.DataFrame(
    [
        {"model": "a", "label": "Model A", "family": "MLLM"},
        {"model": "b", "label": "Model B", "family": "MLLM"},
        {"model": "v", "label": "Vision", "family": "supervised"},
        {"model": "w", "label": "Vision 2", "family": "supervised"},
    ]
)


def images_of(scores):
    """The images that any model has."""
    return scores.select("image_id", "category").unique("image_id")


STATUS = {"-": "ok", "x": "error", "e": "empty", "s": "several"}


def scored(model, scoring, imgt, regt=None, categories=None, oop=None, images=None, expert=None, status=None):
    """Scores of one model from strings of 0 and 1, one sign per image, and from categories in words.

    Of statuses, there are the signs of STATUS.
    """
    count = len(imgt)
    flags = [
        [None] * count if signs is None else [{"0": False, "1": True}.get(sign) for sign in signs]
        for signs in (imgt, regt, oop, expert)
    ]
    return pl.DataFrame(
        {
            "model": model,
            "image_id": images or [f"i{number}" for number in range(count)],
            "task": scoring.removesuffix("+"),
            "variant": "",
            "repeat": 0,
            "encoder": None,
            "scoring": scoring,
            "status": [STATUS[sign] for sign in status or "-" * count],
            "oop": flags[2],
            "imgt": flags[0],
            "regt": flags[1],
            "category": categories.split() if categories else [None] * count,
            "expert": flags[3],
            "predicted": None,
            "group": None,
            "truncated": None,
        },
        schema=SCORES,
    )


def worded(model, **imgt_and_regt):
    """Scores of a model that answers in words: (imgt, regt) under OW, CW and CWplus; all images are S+."""
    frames = [
        scored(model, name.replace("plus", "+"), imgt, regt, " ".join(["S+"] * len(imgt)))
        for name, (imgt, regt) in imgt_and_regt.items()
    ]
    return pl.concat(frames)


def rows(table):
    """The CSV file's rows as text."""
    frame = table if isinstance(table, pl.DataFrame) else table.rows
    return list(csv.DictReader(io.StringIO(frame.write_csv())))


def rows_of(table, *frames, models=MODELS, study=STUDY):
    """The rows of one of EVERY."""
    return rows(EVERY[table](pl.concat(frames), models, study))


SMALL = [scored("a", "OW", "1100", "1111", "S+ S+ M- N"), scored("v", "CW", "0111", "0101", "S+ S+ M- N")]
"""Two rows on four images. Under ReGT, Vision is right on one S+, wrong on M-, right on N."""
IMAGE = st.tuples(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), st.booleans(), st.booleans())


def from_images(images):
    """A vision model's scores; on N it is right under ReGT."""
    signs = ["".join("01"[image[place]] for image in images) for place in (1, 2)]
    signs[1] = "".join("1" if image[0] == "N" else sign for image, sign in zip(images, signs[1], strict=True))
    return scored("v", "CW", *signs, " ".join(image[0] for image in images))


def long(*frames, study=STUDY, resamples=RESAMPLES):
    """Rows of the accuracies, by model, task, measure, rule and subset."""
    found = accuracy(pl.concat(frames), images_of(pl.concat(frames)), MODELS, study, resamples).to_dicts()
    key = ("model", "task", "measure", "n_images", "subset")
    by_key = {tuple(row[name] for name in key): row for row in found}
    assert len(by_key) == len(found)
    return by_key


def random_frames(seed, images=8, models="ab", rankers="v"):
    """Scores of models that answer in words and of others, on the same images."""
    rng = random.Random(seed)

    def signs():
        return "".join(rng.choice("01") for _ in range(images))

    names = " ".join(rng.choices(["S+", "S-", "M+", "M-", "N"], k=images))
    frames = [
        scored(model, name, signs(), signs(), names, oop=None if name == "OW" else signs())
        for model in models
        for name in ("OW", "CW", "CW+")
    ]
    return frames + [scored(model, "CW", signs(), signs(), names) for model in rankers]


def header(table):
    """The headings of its Markdown."""
    line = next(line for line in as_markdown(table).splitlines() if line.startswith("|"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def weasels(*frames, study=STUDY, none=(), left_open=()):
    """The table of the weasel family; images are of classes 1 and 2 in turn.

    To those in `none` the expert gave no class; those in `left_open` a label set excludes.
    """
    scores = pl.concat(frames)
    names = pl.DataFrame(
        {
            "class_id": range(4),
            "name": ["cat", "mink", "otter", "badger"],
            "synset": None,
            "same_name": [[i] for i in range(4)],
        },
        schema=CLASSES,
    )
    images = sorted(scores["image_id"].unique())
    cells = [
        {
            "image_id": image,
            "imgt": 1 + number % 2,
            "expert": [] if image in none else [number % 4],
            "excluded": "uncertain" if image in left_open else None,
        }
        for number, image in enumerate([*images, *left_open])
    ]
    labels = pl.DataFrame(cells, schema=LABELS)
    table = mustelidae(scores, labels, names, MODELS, study)
    return rows(table), table


PARADIGMS = pl.DataFrame(
    [{"model": name, "label": name.upper(), "family": family} for name, family in
     {"a": "MLLM", "b": "supervised", "c": "supervised", "d": "VLM"}.items()]
)  # fmt: skip
"""Others, of several paradigms."""


def as_read(table):
    """A table as its CSV is read: text, null where a cell is empty."""
    rows = table if isinstance(table, pl.DataFrame) else table.rows
    return pl.read_csv(io.StringIO(rows.write_csv()), infer_schema=False)
