"""Accuracy by the language in which models are asked, and their answers in another one of the study's languages."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.mapping.mapping import SEARCHED
from mllm_classify.mapping.names import by_name, normalise
from mllm_classify.mapping.nearest import nearest_classes
from mllm_classify.measures.bootstrap import matrices, resampled
from mllm_classify.measures.counting import ALL, RULES
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.tables.table import INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import JUDGED, MAIN_SCORINGS, TASK_OF

KEYS = ["model", "scoring"]
SHOWN = [*MAIN_SCORINGS, *JUDGED]
MEASURES = ("ImGT", "ReGT")
ACCURACIES = [f"{measure}_A" for measure in MEASURES]
CHANGES = [f"{measure}_change{end}" for measure in MEASURES for end in ("", "_low", "_high")]
OTHER = ["other_named", "other_right", "other_nearest"]

Frames = Mapping[str, pl.DataFrame]
OfModels = Mapping[str, Mapping[str, pl.LazyFrame]]


class Names(NamedTuple):
    """The class names of a language, and their embeddings."""

    classes: pl.DataFrame
    vectors: pl.DataFrame


class Answers(NamedTuple):
    """One model's answers in one language: its predictions, their mapping, and embeddings by the main encoder."""

    predictions: pl.LazyFrame
    mapping: pl.LazyFrame
    vectors: pl.LazyFrame


def languages(
    scores: Frames,
    images: Frames,
    models: Frames,
    study: Mapping[str, Study],
    labels: Frames,
    classes: Frames,
    class_embeddings: Frames,
    worded_predictions: OfModels,
    mappings: OfModels,
    answer_vectors: OfModels,
    language_labels: dict[str, str],
    resamples: int,
) -> Table:
    """A row for each model, scoring and language: accuracy, and its change from the first language.

    All but the last two are by the names of data sets, each of which is the same images and labels in one language;
    `language_labels` has them in the order of rows, the first language first. A change is on the images that both have,
    with a paired bootstrap interval. What `other_language` says of answers is in percent of all answers to the task.
    """
    first, *_ = language_labels
    names = {name: Names(classes[name], class_embeddings[name]) for name in language_labels}
    baseline = _shown(scores[first])
    parts = []
    for place, (name, language) in enumerate(language_labels.items()):
        shown = _shown(scores[name])
        others = [names[it] for it in language_labels if it != name]
        found = [
            other_language(Answers(worded_predictions[name][model], mapping, answer_vectors[name][model]), names[name], others, labels[name])
            .with_columns(pl.lit(model).alias("model"))
            for model, mapping in mappings[name].items()
        ]  # fmt: skip
        rows = _accuracies(shown, images[name], study[name].n_images)
        if name != first:
            changes = _changes(shown, baseline, images[name], study[name].n_images, resamples)
            rows = rows.join(changes, on=KEYS, how="left")
        rows = (
            rows.with_columns(
                *(pl.lit(None, pl.Float64).alias(it) for it in CHANGES if it not in rows.columns),
                pl.col("scoring").replace_strict(TASK_OF).alias("asked"),
                pl.lit(language).alias("language"),
            )
            .join(pl.concat(found), left_on=["model", "asked"], right_on=["model", "task"], how="left")
            .sort(KEYS)
        )
        shown_rows = labelled(rows, models[name], study[name], ["language", *ACCURACIES, *CHANGES, "OOP", *OTHER, "n"])
        parts.append(shown_rows.with_columns(rows["model"].alias("name"), pl.lit(place).alias("place")))
    table = pl.concat(parts).sort("name", pl.col("task").replace_strict(_places(SHOWN)), "place").drop("name", "place")
    return Table(
        table, "Accuracy (%) by language", subtitle(study[first], table), _columns(study[first], language_labels[first])
    )


def _columns(study: Study, first: str) -> dict[str, Column]:
    regt = {
        "ReGT_A": Column(study.named("ReGT")),
        "ReGT_change": Column("Change"),
        "ReGT_change_interval": INTERVAL._replace(latex=False),
    }
    return {
        "model": MODEL,
        "task": TASK,
        "language": Column("Language", words=True),
        "ImGT_A": Column(study.named("ImGT")),
        "ImGT_change": Column(
            "Change",
            f"Change: accuracy minus that in {first}, on the images that both have, in points, with a paired bootstrap interval.",
        ),
        "ImGT_change_interval": INTERVAL,
        **(regt if study.regt else {}),
        "OOP": Column("OOP", "OOP: answers (%) that are out of prompt."),
        "other_named": Column(
            "Named in another",
            "Named in another: answers (%) that are no class's name in the language asked, and one in another of these languages; "
            "of them, right: the class is right under ImGT.",
        ),
        "other_right": Column("right"),
        "other_nearest": Column(
            "Nearest in another",
            "Nearest in another: answers (%) that are no such name, and nearer to a name of another of these languages than to all "
            "of the language asked, by the main encoder's embeddings.",
        ),
    }


def _places(names: list[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _shown(scores: pl.DataFrame) -> pl.DataFrame:
    return scores.filter((pl.col("variant") == "") & pl.col("scoring").is_in(SHOWN))


def _accuracies(shown: pl.DataFrame, images: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Columns of KEYS, those of ACCURACIES, OOP, all in percent, and n; null of what has no image, or no list."""
    answers = matrices(shown, images)
    exact, _ = resampled(answers, 1)
    rates = shown.group_by(KEYS).agg(pl.col("oop").mean().alias("OOP") * 100)
    among = {"ImGT": ALL, "ReGT": RULES[n_images]}
    return answers.rows.with_columns(
        *(pl.Series(f"{it}_A", exact.accuracy(it, kept)[0]).fill_nan(None) for it, kept in among.items()),
        pl.Series("n", exact.total("present", ALL)[0]).cast(pl.Int64),
    ).join(rates, on=KEYS, how="left")


def _changes(
    shown: pl.DataFrame, baseline: pl.DataFrame, images: pl.DataFrame, n_images: str, count: int
) -> pl.DataFrame:
    """Columns of KEYS and CHANGES: accuracy minus that of the baseline, on the images that both have."""
    shared = [*KEYS, "image_id"]
    drawn = []
    for one, other in ((shown, baseline), (baseline, shown)):
        answers = matrices(one.join(other, on=shared, how="semi"), images)
        drawn.append((answers.rows, *resampled(answers, count)))
    (rows, exact, many), (_, exact_before, many_before) = drawn
    columns: dict[str, Floats] = {}
    for measure, kept in {"ImGT": ALL, "ReGT": RULES[n_images]}.items():
        columns[f"{measure}_change"] = (exact.accuracy(measure, kept) - exact_before.accuracy(measure, kept))[0]
        low, high = percentiles(many.accuracy(measure, kept) - many_before.accuracy(measure, kept))
        columns |= {f"{measure}_change_low": low, f"{measure}_change_high": high}
    return rows.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items())


def other_language(answers: Answers, own: Names, others: list[Names], labels: pl.DataFrame) -> pl.DataFrame:
    """Of the answers in words to each task, on the images that are evaluated, in percent, those in another language.

    `other_named`: they are no class's name in the language asked (`own`), and one in another. `other_right`: of these,
    that class is right under ImGT. `other_nearest`: they are no name in the language asked, and the cosine to a name of
    another language is higher than to all of that. A name that both languages have is of the language asked.

    Columns task and those of OTHER.
    """
    evaluated = labels.filter(pl.col("excluded").is_null()).select("image_id", "imgt_admissible")
    mapped = answers.mapping.select(*QUESTION, "status", "similarity").filter(
        pl.col("variant") == "", pl.col("task").is_in(SEARCHED)
    )
    said = (
        answers.predictions.select(*QUESTION, pl.col("text").str.strip_chars(), normalise("text").alias("key"))
        .join(mapped, on=QUESTION)
        .join(evaluated.lazy(), on="image_id")
        .collect()
    )
    known = by_name(own.classes)["key"]
    strange = ~pl.col("key").is_in(known.implode()) & (pl.col("status") == "ok")
    named = pl.concat(by_name(it.classes) for it in others).explode("exact_classes").unique()
    said = said.join(
        named.group_by("key").agg(pl.col("exact_classes").alias("named")), on="key", how="left", maintain_order="left"
    ).join(_nearest_of(answers.vectors.collect(), others, known), on="text", how="left", maintain_order="left")
    is_named = strange & pl.col("named").is_not_null()
    is_right = is_named & (pl.col("named").list.set_intersection("imgt_admissible").list.len() > 0)
    return said.group_by("task").agg(
        is_named.fill_null(value=False).mean().alias("other_named") * 100,
        is_right.fill_null(value=False).mean().alias("other_right") * 100,
        (strange & (pl.col("elsewhere") > pl.col("similarity"))).fill_null(value=False).mean().alias("other_nearest")
        * 100,
    )


def _nearest_of(vectors: pl.DataFrame, others: list[Names], known: pl.Series) -> pl.DataFrame:
    """Columns text and elsewhere: the highest cosine to a name of other languages that is not `known`."""
    found = []
    for it in others:
        strange = it.classes.filter(~normalise("name").is_in(known.implode()))
        if strange.height:
            kept = it.vectors.join(strange.select("class_id"), on="class_id", how="semi")
            found.append(
                nearest_classes(vectors, kept, strange).select("text", pl.col("similarity").alias("elsewhere"))
            )
    every = pl.concat(found) if found else pl.DataFrame(schema={"text": pl.String, "elsewhere": pl.Float32})
    return every.group_by("text").agg(pl.col("elsewhere").max())
