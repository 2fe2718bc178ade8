"""Examples: the images on which label sets and models differ most, and what each model said (the paper's Fig. 1 and 4)."""

from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from PIL import Image

from mllm_classify.figures.style import COLOURS, STYLE
from mllm_classify.io.files import InputError
from mllm_classify.io.pictures import decoded
from mllm_classify.io.text import cell, short
from mllm_classify.mapping.names import normalise
from mllm_classify.measures.counting import counts
from mllm_classify.measures.selection import main_scores, shown_rows
from mllm_classify.predict.images import Images
from mllm_classify.report.categories import CATEGORIES
from mllm_classify.tables.table import MODEL, TASK, Column, Study, Table
from mllm_classify.tasks import TASK_OF

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset

SHOWN = 4
"""Images of a category."""
TITLES = {name: f"{name}: {says}" for name, says in CATEGORIES.items()} | {None: "all images"}
"""By category; None where there is no second label set."""
RIGHT, WRONG = COLOURS[:2]
MARKS = {True: "✓", False: "✗", None: " "}
LONGEST = 300
"""Characters of an answer in tables; what is longer is prose."""
WIDTH, LINE, PICTURE = 3.4, 0.14, 2.4
"""Inches: a panel's width, the height of a line of text, and that of a picture."""
ANSWER = 2 * LINE + 0.05
"""Inches: the height of a model's name and its answer."""
LABEL_SETS = {"imgt": "ImGT", "regt": "ReGT"}


class Answers(NamedTuple):
    """One model's files: its predictions and, where it answers in words, their mapping."""

    predictions: pl.DataFrame | pl.LazyFrame
    mapping: pl.DataFrame | pl.LazyFrame | None


def chosen(shown: pl.DataFrame) -> pl.DataFrame:
    """The images to look at: SHOWN of each category. Columns category, image_id, changed, disagreeing.

    First those on which most models change between ImGT and ReGT, then those on which most models are in the minority
    that is right, or wrong, under ReGT (without it, ImGT); ties by the image's id. `shown` are scores, one row a model
    and image.
    """
    right = pl.coalesce("regt", "imgt")
    order = {category: place for place, category in enumerate(TITLES)}
    return (
        shown.group_by("category", "image_id")
        .agg(
            (pl.col("imgt") != pl.col("regt")).sum().cast(pl.Int64).alias("changed"),
            pl.min_horizontal(right.sum(), (~right).sum()).cast(pl.Int64).alias("disagreeing"),
        )
        .sort("changed", "disagreeing", "image_id", descending=[True, True, False])
        .group_by("category", maintain_order=True)
        .head(SHOWN)
        .sort(pl.col("category").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)
        .select("category", "image_id", "changed", "disagreeing")
    )


def said(answers: Answers, scoring: str, names: list[str]) -> pl.DataFrame:
    """What a model said of each image: columns image_id, prediction, taken_for, similarity, oop.

    taken_for is the nearest class, where the scoring takes that and the answer is not its name, and similarity that of both
    embeddings; the prediction of a model that ranks is its first class.
    """
    keys = ["image_id", "task", "variant", "repeat"]
    first = (pl.col("task") == TASK_OF[scoring]) & (pl.col("variant") == "") & (pl.col("repeat") == 0)
    rows = answers.predictions.lazy().filter(first)
    if answers.mapping is None:
        first = pl.col("class_ids").list.first()
        named = first.replace_strict(dict(enumerate(names)), default="(no class)", return_dtype=pl.String)
        columns = {
            "prediction": named,
            "taken_for": pl.lit(None, pl.String),
            "similarity": pl.lit(None, pl.Float32),
            "oop": pl.lit(None, pl.Boolean),
        }
    else:
        nearest = pl.col("nearest_class").replace_strict(dict(enumerate(names)), return_dtype=pl.String)
        known = answers.mapping.lazy().select(*keys, "in_prompt", "nearest_class", "similarity")
        rows = rows.join(known, on=keys, how="left", maintain_order="left")
        taken = {"OW": pl.lit(value=True), "CW+": ~pl.col("in_prompt"), "CW": pl.lit(value=False)}[scoring]
        other = normalise("text") != nearest.str.to_lowercase()
        columns = {
            "prediction": pl.col("text"),
            "taken_for": pl.when(taken & other).then(nearest),
            "similarity": pl.when(taken & other).then("similarity"),
            "oop": ~pl.col("in_prompt"),
        }
    columns["prediction"] = (
        pl.when(pl.col("status") == "error").then(pl.lit("(error)")).otherwise(columns["prediction"])
    )
    return rows.select("image_id", **columns).collect()


def examples(
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    names: list[str],
    answers: dict[str, Answers],
    models: pl.DataFrame,
    n_images: str,
) -> pl.DataFrame:
    """The chosen images and what every model, at its task of Table 3, said of them, the best model first.

    Columns category, image_id, changed, disagreeing, imgt_label, regt_labels (` | ` between), model (its label), task,
    prediction, taken_for, similarity, oop, imgt, regt (right or wrong). `scores` are all that there are.
    """
    scores = main_scores(scores)
    rows = shown_rows(counts(scores), n_images)
    shown = scores.join(rows, on=["model", "scoring"], how="semi").filter(pl.col("repeat") == 0)
    images = chosen(shown)
    heard = [
        said(answers[model], scoring, names).with_columns(pl.lit(model).alias("model"))
        for model, scoring in rows.sort("model").iter_rows()
    ]
    known = dict(enumerate(names))
    told = labels.select(
        "image_id",
        pl.col("imgt").replace_strict(known, return_dtype=pl.String).alias("imgt_label"),
        pl.col("regt")
        .list.eval(pl.element().replace_strict(known, return_dtype=pl.String))
        .list.join(" | ")
        .alias("regt_labels"),
    )
    right = pl.coalesce("regt", "imgt").mean().alias("right")
    order = (
        shown.group_by("model")
        .agg(right)
        .sort("right", "model", descending=[True, False])
        .with_row_index("place")
        .join(models.select("model", "label"), on="model", maintain_order="left")
    )
    return (
        images.with_row_index("image")
        .join(shown.select("model", "image_id", "scoring", "imgt", "regt"), on="image_id")
        .join(pl.concat(heard), on=["model", "image_id"], how="left")
        .join(told, on="image_id", how="left")
        .join(order, on="model")
        .sort("image", "place")
        .select(
            "category", "image_id", "changed", "disagreeing", "imgt_label", "regt_labels",
            pl.col("label").alias("model"), pl.col("scoring").alias("task"),
            "prediction", "taken_for", "similarity", "oop", "imgt", "regt",
        )
    )  # fmt: skip


def as_csv(examples: pl.DataFrame) -> str:
    """The examples for machines. Spreadsheets see no formula in an answer."""
    words = [name for name, dtype in examples.schema.items() if dtype == pl.String and name != "category"]
    return examples.with_columns(
        pl.col(name).map_elements(lambda text: cell(short(text, LONGEST)), return_dtype=pl.String) for name in words
    ).write_csv()


def table(examples: pl.DataFrame, study: Study) -> Table:
    """The examples for people; what rows share stands in the first of them."""
    again = pl.struct("category", "image_id").is_first_distinct()
    shared = ["category", "image_id", "changed", "imgt_label", "regt_labels"]
    judged = [name for name in ("imgt", "regt") if examples[name].is_not_null().any()]
    empty = {
        name for name in ("regt", "regt_labels", "taken_for", "similarity") if not examples[name].is_not_null().any()
    }
    rows = examples.with_columns(
        *(
            pl.col(name).map_elements(lambda text: short(text, LONGEST), return_dtype=pl.String)
            for name in ("image_id", "imgt_label", "regt_labels", "prediction", "taken_for")
        ),
        *(
            pl.col(name).replace_strict({True: MARKS[True], False: MARKS[False]}, return_dtype=pl.String)
            for name in judged
        ),
        pl.when("oop").then(pl.lit("OOP")).alias("oop"),
        pl.col("similarity").round(2).map_elements("{:.2f}".format, return_dtype=pl.String),
    ).with_columns(pl.when(again).then(pl.col(name).cast(pl.String)).alias(name) for name in shared)
    columns = {
        "category": Column("Category", words=True),
        "image_id": Column(
            "Image",
            f"Image: of each category the {SHOWN} on which most models change between ImGT and ReGT (their number: Change); "
            "then those on which models disagree most; ties by the image's name. They are extremes, not a sample.",
            words=True,
        ),
        "changed": Column("Change"),
        "imgt_label": Column(study.named("ImGT"), words=True),
        "regt_labels": Column(study.named("ReGT"), words=True),
        "model": MODEL,
        "task": TASK,
        "prediction": Column(
            "Prediction",
            "Prediction: at the model's task of Table 3. OOP: none of the listed classes.",
            words=True,
        ),
        "oop": Column(""),
        "taken_for": Column("Nearest class", words=True),
        "similarity": Column("Similarity", "Similarity: cosine of the embeddings of answer and nearest class."),
        "imgt": Column("ImGT"),
        "regt": Column("ReGT"),
    }
    return Table(
        rows,
        "Examples: where label sets and models differ most",
        str(study),
        {name: column for name, column in columns.items() if name not in empty},
    )


def pictures(examples: pl.DataFrame, registered: pl.DataFrame, dataset: "AnyDataset") -> dict[str, Image.Image | None]:
    """The examples' pictures by image; nothing where a file is not here, as in an archive, or cannot be decoded.

    Raises InputError where a file is another than was registered.
    """
    shown = registered.filter(pl.col("image_id").is_in(examples["image_id"].implode()))
    images = Images(shown, dataset.root, dataset.reading)
    return {image_id: _opened(images, index) for index, image_id in enumerate(images.ids)}


def _opened(images: Images, index: int) -> Image.Image | None:
    if not images.exists(index):
        return None
    content = images.read(index)
    try:
        return decoded(content, images.reading)
    except InputError:
        return None


def draw(examples: pl.DataFrame, pictures: dict[str, Image.Image | None]) -> Figure:
    """The examples as panels: picture, labels, and the path of every model's answer from words to class, with its marks.

    The path has the colour of the mark for ReGT (without it, ImGT). A picture that is not there is a grey field.
    """
    panels = examples.partition_by("category", "image_id", maintain_order=True)
    judged = [name for name in ("imgt", "regt") if examples[name].is_not_null().any()]
    deep = 0.34 + PICTURE + LINE * (len(judged) + 1) + ANSWER * examples["model"].n_unique() + 0.3
    wide, high = max(WIDTH * min(SHOWN, len(panels)) + 0.05, 8.5), 0.55 + deep * -(-len(panels) // SHOWN)
    with mpl.rc_context({**STYLE, "font.size": 7}):
        figure = Figure(figsize=(wide, high))

        def write(x: float, y: float, text: str, **style: Any) -> None:
            figure.text(x / wide, 1 - y / high, text, va="top", **style)

        write(0.15, 0.12, "✓ right", color=RIGHT, weight="bold")
        write(0.75, 0.12, "✗ wrong", color=WRONG, weight="bold")
        write(
            1.45,
            0.12,
            "“what a model said” → in prompt, or OOP: none of the listed classes → the nearest class, if that is scored, "
            f"and their similarity. The colour: under {LABEL_SETS[judged[-1]] if judged else LABEL_SETS['imgt']}",
        )
        for number, panel in enumerate(panels):
            left, y = 0.15 + number % SHOWN * WIDTH, 0.45 + number // SHOWN * deep
            write(left, y, TITLES[panel["category"][0]], weight="bold", fontsize=7.5)
            y += 0.2
            _picture(figure, pictures.get(panel["image_id"][0]), (left, y), (wide, high))
            y += PICTURE + 0.07
            for place, text in enumerate(_heading(panel)):
                write(left, y, text, weight="bold" if place else "normal")
                y += LINE
            y += 0.04
            for answer in panel.iter_rows(named=True):
                write(left, y, f"{short(answer['model'], 30)}, {answer['task']}", color="#4a5058")
                for place, name in enumerate(reversed(judged)):
                    x = left + WIDTH - 0.3 - 0.45 * place
                    write(x - 0.28, y, LABEL_SETS[name], color="#4a5058")
                    write(x, y, MARKS[answer[name]], color=RIGHT if answer[name] else WRONG)
                right = bool(judged) and answer[judged[-1]]
                write(left + 0.08, y + LINE, path(answer), color=RIGHT if right else WRONG)
                y += ANSWER
    return figure


def _heading(panel: pl.DataFrame) -> list[str]:
    image_id, imgt, regt = panel.select("image_id", "imgt_label", "regt_labels").row(0)
    lines = [short(image_id, 60), f"ImGT: {short(imgt, 60)}"]
    return lines if regt is None else [*lines, f"ReGT: {short(regt, 48) or '(none)'}"]


def path(answer: dict[str, Any]) -> str:
    """An answer's way from words to class: what was said, in the prompt or out of it, the nearest class.

    `answer` is a row of `examples`. What a model that ranks puts first is a class already.
    """
    said, taken, similarity = answer["prediction"], answer["taken_for"], answer["similarity"]
    worded = answer["oop"] is not None or answer["task"] != "CW"
    steps = [f"“{short(said, 24 if taken else 40)}”" if said and worded else short(said or "(empty)", 50)]
    if answer["oop"] is not None:
        steps.append("OOP" if answer["oop"] else "in prompt")
    if taken is not None:
        steps.append(short(taken, 22) + ("" if similarity is None else f" ({similarity:.2f})"))
    return " → ".join(steps)


def _picture(
    figure: Figure, picture: Image.Image | None, place: tuple[float, float], size: tuple[float, float]
) -> None:
    """A picture, its left upper corner at `place`, in inches of a figure of this size."""
    (left, top), (wide, high) = place, size
    box = (left / wide, 1 - (top + PICTURE) / high, (WIDTH - 0.25) / wide, PICTURE / high)
    axes = figure.add_axes(box, anchor="SW")
    axes.set_axis_off()
    if picture is None:
        axes.imshow(np.full((3, 4, 3), 224, dtype=np.uint8))
        axes.text(1.5, 1, "no picture here", ha="center", va="center")
    else:
        small = picture.copy()
        small.thumbnail((640, 640))
        axes.imshow(np.asarray(small))
