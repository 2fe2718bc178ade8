"""Which images annotators see again, and what is proposed to them, in Label Studio's formats."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.io.files import InputError, digest, sha256
from mllm_classify.io.text import visible
from mllm_classify.measures.examined import examined_answers

if TYPE_CHECKING:
    from mllm_classify.config.annotate import Annotate

KEY: dict[str, pl.DataType] = {
    "task": pl.String(),  # digest of what the annotator sees; the only name that a task has in Label Studio
    "image_id": pl.String(),
    "file": pl.String(),
    "sha256": pl.String(),
    "category": pl.String(),
    "regt": pl.List(pl.Int32),
    "predicted": pl.List(pl.Int32),  # the examined model's answer
    "candidates": pl.List(pl.Int32),  # as they are shown
    "sources": pl.List(pl.List(pl.String)),  # who proposes each of them
    "top": pl.List(pl.Int32),  # further classes of the vision model
}
"""Who proposed what. Annotators do not see it."""
PICTURES = "pictures"
"""The folder of pictures, as Label Studio serves it."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
"""Endings of pictures that every browser shows."""
NONE, UNSURE = "None of the classes", "I cannot tell"
PROPOSED, LIKELY, OTHER, NEITHER = "proposed", "likely", "other", "none"
"""Names of the controls in the labelling configuration."""
BRACKETED = re.compile(r"\[\d+\] ")


def proposed(predicted: pl.DataFrame, task: str, variant: str | None) -> dict[str, list[int]]:
    """The classes that a model proposes, by image: of answers in words the listed ones, of rankings the first."""
    if "in_prompt" in predicted.columns:
        question = (pl.col("task") == task) & (pl.col("variant") == (variant or "")) & (pl.col("repeat") == 0)
        classes = predicted.filter(question & pl.col("in_prompt")).select("image_id", "exact_classes")
    else:
        classes = predicted.filter(pl.col("status") == "ok").select("image_id", pl.col("class_ids").list.head(1))
    return dict(classes.iter_rows())


def ranked(predicted: pl.DataFrame, top: int) -> dict[str, list[int]]:
    """The first classes of a model that ranks them, by image."""
    return dict(
        predicted.filter(pl.col("status") == "ok").select("image_id", pl.col("class_ids").list.head(top)).rows()
    )


def tasks(
    asked_for: "Annotate", labels: pl.DataFrame, images: pl.DataFrame, predicted: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """The tasks in the order of the images, with the columns of KEY.

    `predicted` is by model: the mapping of models that answer in words, the predictions of others. What is proposed for
    an image is in an order that depends on the seed, the image and the class only.

    Raises InputError where no image is disputed, or one has no picture.
    """
    task, variant = asked_for.task, asked_for.variant
    disputed = examined_answers(predicted[asked_for.model], labels, task, variant).filter(
        (pl.col("answer") == "disputed") & pl.col("category").is_in(asked_for.categories)
    )
    if disputed.is_empty():
        msg = (
            f"annotate: no valid answer of {asked_for.model} to {task} disagrees with ReGT in "
            f"{', '.join(asked_for.categories)}; choose other categories, or another model"
        )
        raise InputError(msg)
    proposals = {
        name: proposed(predicted[name], task, variant if name == asked_for.model else None)
        for name in asked_for.sources
        if name in predicted
    }
    proposals["ImGT"] = {image_id: [imgt] for image_id, imgt in disputed.select("image_id", "imgt").iter_rows()}
    proposals["ReGT"] = dict(disputed.select("image_id", "regt").iter_rows())
    likely = ranked(predicted[asked_for.vision], asked_for.top)
    rows = []
    for row in disputed.join(images, on="image_id", how="left", maintain_order="left").iter_rows(named=True):
        image_id = row["image_id"]
        if row["file"] is None:
            msg = f"annotate: image {image_id!r} has no picture; dataset.folder says where they are"
            raise InputError(msg)
        by_class: dict[int, list[str]] = {}
        for name in asked_for.sources:
            for class_id in proposals[name].get(image_id, []):
                by_class.setdefault(class_id, []).append(name)
        shown = sorted(by_class, key=lambda it: sha256(f"annotate:{asked_for.seed}:{image_id}:{it}".encode()))
        top = [class_id for class_id in likely.get(image_id, []) if class_id not in by_class]
        rows.append(
            row
            | {"task": digest([row["sha256"], image_id, shown, top])[:16], "candidates": shown, "top": top}
            | {"sources": [by_class[class_id] for class_id in shown]}
        )
    return pl.DataFrame(rows, schema=KEY)


def picture(file: str, content_sha256: str) -> str:
    """What a task calls its picture: by its content, as a file's name may say its class.

    A format that browsers may not show becomes PNG.
    """
    suffix = PurePath(file).suffix.lower()
    return f"{content_sha256}{suffix if suffix in SUFFIXES else '.png'}"


def texts(names: list[str]) -> list[str]:
    """Each class as annotators see it: its name; where another class has the same one, its id before it.

    All are distinct, and none begins with the sign by which Label Studio knows variables.

    >>> texts(["maze", "missile", "missile"])
    ['maze', '[1] missile', '[2] missile']
    """
    shown = [visible(name.strip()) for name in names]
    count = Counter(shown)
    plain = [
        count[text] == 1 and text not in (NONE, UNSURE) and not text.startswith("$") and not BRACKETED.match(text)
        for text in shown
    ]
    return [
        text if is_plain else f"[{number}] {text}"
        for number, (text, is_plain) in enumerate(zip(shown, plain, strict=True))
    ]


def as_tasks(key: pl.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """Tasks as Label Studio imports them: a picture, what is proposed, and nothing about who proposes it."""
    shown = texts(names)
    return [
        {
            "data": {
                "task": row["task"],
                "image": f"/data/local-files/?d={PICTURES}/{picture(row['file'], row['sha256'])}",
                PROPOSED: [{"value": shown[class_id]} for class_id in row["candidates"]],
                LIKELY: [{"value": shown[class_id]} for class_id in row["top"]],
            }
        }
        for row in key.iter_rows(named=True)
    ]


def labelling(names: list[str]) -> str:
    """The labelling configuration, as XML: the picture, what is proposed, what else is likely, all classes, and none."""
    view = ET.Element("View")
    ET.SubElement(view, "Header", value="Tick every class that you see in the picture.", size="4")
    columns = ET.SubElement(view, "View", style="display: flex; gap: 2em; align-items: flex-start")
    left = ET.SubElement(columns, "View", style="flex: 3")
    ET.SubElement(left, "Image", name="image", value="$image", zoom="true")
    right = ET.SubElement(columns, "View", style="flex: 2")
    for name, heading in {PROPOSED: "Proposed, in no order", LIKELY: "Others, the likeliest first"}.items():
        ET.SubElement(right, "Header", value=heading, size="5")
        ET.SubElement(right, "Choices", name=name, toName="image", choice="multiple", value=f"${name}", layout="inline")
    ET.SubElement(right, "Header", value="Any other class", size="5")
    # of Label Studio's controls the one that can be searched
    every = ET.SubElement(
        right, "Taxonomy", name=OTHER, toName="image", leafsOnly="true", minWidth="360px", placeholder="Search"
    )
    for text in texts(names):
        ET.SubElement(every, "Choice", value=text)
    ET.SubElement(right, "Header", value="Or", size="5")
    neither = ET.SubElement(right, "Choices", name=NEITHER, toName="image", choice="single", layout="inline")
    for text in (NONE, UNSURE):
        ET.SubElement(neither, "Choice", value=text)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"
