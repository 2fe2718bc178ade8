"""The same models under the protocols of earlier work, so that it is seen where papers disagree."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from mllm_classify.choices.variants import FIRST, SEMANTIC
from mllm_classify.io.keys import QUESTION
from mllm_classify.measures.bootstrap import Matrices, by_image, matrices, resampled
from mllm_classify.measures.bootstrap import resamples as draws
from mllm_classify.measures.counting import ALL, RULES
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.selection import evaluated
from mllm_classify.measures.similarity import MEASURES, similarities
from mllm_classify.tables.table import ASIDE, MODEL, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import RANKED, TASK_OF


class Protocol(NamedTuple):
    """What is asked, what counts as right, and whose it is."""

    name: str
    used_by: str
    what: str


STORED = {
    "OW inclusion": Protocol("OW, inclusion", "Zhang et al. 2024; Conti et al. 2025",
                             "no list; right if the answer contains the class name"),
    "OW": Protocol("OW, embedding", "Conti et al. 2025; Kisel et al. 2026", "no list; nearest class name by text embedding"),
    "OW judged": Protocol("OW, judged", "this project", "no list; the class of that name, else the nearest class name that a judge accepts"),
    "OW LLM inclusion": Protocol("OW, LLM inclusion", "Conti et al. 2025",
                                 "no list; right if a judge says that the answer names the class, or a kind of it; its prompt is ours"),
    "CW inclusion": Protocol("CW, inclusion", "Zhang et al. 2024", "all classes listed; right if the answer contains the class name"),
    "CW": Protocol("CW", "Wu et al. 2024; Kisel et al. 2026", "all classes listed; other answers (OOP) are wrong"),
    "CW+": Protocol("CW+", "Kisel et al. 2026", "all classes listed; other answers (OOP) go to the nearest class name"),
    "CW+ judged": Protocol("CW+, judged", "this project", "all classes listed; other answers (OOP) go to the nearest class name that a judge accepts"),
    "CW-constrained": Protocol("CW, constrained", "common in serving", "all classes listed; the server lets the model answer with these only"),
    **{
        f"{task}-likelihood{scale}": Protocol(f"{task}, likelihood{scale}", whose, f"{listed}; {likeliest}")
        for task, listed in {"CW": "all classes listed", "OW": "no list"}.items()
        for scale, (whose, likeliest) in {
            "": ("Zhang et al. 2024", "the class whose name is likeliest"),
            " per token": ("common in language models", "the likeliest name, by the mean of its tokens"),
            " per byte": ("common in language models", "the likeliest name, by the mean of its bytes"),
            " PMI": ("Holtzman et al. 2021 (our reading)", "the name of which the image raises the likelihood most"),
        }.items()
    },
}  # fmt: skip
"""Scorings of answers to all classes, or to none, that a study may have."""
BASELINE = "CW+"
"""What every protocol is compared with, on the images that both have."""
COMPARED = [f"{name}_A_vs_CWplus" for name in ("ImGT", "ReGT")]


def with_options(few: int, n: int, classes: int, encoder: str) -> dict[str, Protocol]:
    """Protocols with questions of their own, by variant.

    Options of a question: `few` or `n` of multiple choice, `classes` of a shortened list; `encoder` tells similar names.
    """
    return {
        "ImGT + random": Protocol(f"MC, {few} random", "common; Kisel et al. 2026", f"ImGT and {few - 1} random classes"),
        "ImGT + confEVA(ImGT)": Protocol(f"MC, {few} confused", "Kisel et al. 2026",
                                         f"ImGT and {few - 1} classes that a classifier confuses with it"),
        "MC random": Protocol(f"MC, {n} random", "Liu et al. 2024 (our reading)", f"ImGT and {n - 1} random classes"),
        SEMANTIC: Protocol(f"MC, {n} semantic", "Liu et al. 2024 (our reading)",
                           f"ImGT and the {n - 1} classes of the most similar names, by {encoder}"),
        "CW random": Protocol(f"CW, {classes} random", "Zhang et al. 2024 (their code's n_labels)",
                              f"ImGT and {classes - 1} random classes listed, shuffled for each image; OOP wrong, where theirs is inclusion"),
        FIRST: Protocol(f"CW, first {classes}", "shortened lists (our reading)",
                        f"the first {classes} classes listed, shuffled, for images of these classes; OOP wrong"),
    }  # fmt: skip


def with_similarity(encoder: str) -> dict[str, Protocol]:
    """Protocols that count no answer as right or wrong, but compare it with the label's name."""
    return {
        "semantic": Protocol("OW, semantic similarity", "Conti et al. 2025", f"no list; cosine of answer and label, by {encoder}"),
        "concept": Protocol("OW, concept similarity", "Conti et al. 2025",
                            f"no list; highest cosine of the answer or one of its noun chunks and the label, by {encoder}"),
    }  # fmt: skip


def protocols(
    scores: pl.DataFrame,
    images: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    resamples: int,
    options: dict[str, Any] | None,
    chat_predictions: dict[str, pl.LazyFrame],
    labels: pl.DataFrame,
    worded_predictions: dict[str, pl.LazyFrame],
    similar: dict[tuple[str, str], pl.LazyFrame],
    similarity: str | None,
) -> Table:
    """Every protocol for every model that answers in words, each from answers to its own questions.

    Accuracies are means over repeats, with 95 % bootstrap intervals over the images of the row; differences to CW+, in
    points, are paired: both are taken on the same resamples of the images that both have. `options` are the arguments of
    `with_options`; None where no question has options. Tokens are those that the server counted for a row's questions.
    `similar` are the embeddings of classes, and of answers and concepts by model, by `similarity`, an encoder; empty where
    there is none.
    """
    by_variant = with_options(**options) if options else {}
    worded = scores.filter(pl.col("encoder").is_not_null() | pl.col("scoring").is_in(list(RANKED)))
    stored = worded.filter((pl.col("variant") == "") & pl.col("scoring").is_in(list(STORED)))
    compared = stored.filter(pl.col("scoring") == BASELINE)
    parts = [_accuracies(stored, compared, images, study.n_images, resamples)]
    for variant in by_variant:
        put = worded.filter((pl.col("scoring") == "MC") & (pl.col("variant") == variant)).with_columns(
            scoring="variant"
        )
        if put.height:
            among = images.filter(pl.col("image_id").is_in(put["image_id"].unique().implode()))
            parts.append(_accuracies(put, compared, among, study.n_images, resamples))
    if similar:
        parts.append(_similarities(worded_predictions, labels, similar, resamples))
    every = STORED | (with_similarity(similarity) if similarity else {}) | by_variant
    rows = (
        pl.concat(parts, how="diagonal")
        .join(_tokens(chat_predictions, scores), on=["model", "scoring"], how="left")
        .sort(pl.col("model"), pl.col("scoring").replace_strict({key: place for place, key in enumerate(every)}))
    )
    said = {
        column: pl.col("scoring").replace_strict({key: getattr(protocol, field) for key, protocol in every.items()})
        for column, field in {"protocol": "name", "used_by": "used_by", "what": "what"}.items()
    }
    accuracies = [f"{name}{end}" for name in ("ImGT_A", "ReGT_A") for end in ("", "_low", "_high")]
    paired = [f"{name}{end}" for name in COMPARED for end in ("", "_low", "_high")]
    columns = ["protocol", "used_by", "what", *accuracies, *paired, "OOP", "tokens", "forward_tokens", "repeats", "n"]
    return Table(
        labelled(rows.with_columns(**said), models, study, columns).drop("task"),
        "The same models under the protocols of earlier work: accuracy, and similarity (%)",
        subtitle(study, rows),
        {
            "model": MODEL,
            "protocol": Column(
                "Protocol",
                "OW and CW rows score the same stored answers by different rules; every other row has questions of its "
                "own. Similarities are means of cosines, of images with a label. Rows of different n are of different images.",
                words=True,
            ),
            "used_by": Column("Used by", words=True),
            "what": Column("What is asked and what is right", words=True, latex=False),
            "n": Column("n"),
            "ImGT_A": Column(study.named("ImGT")),
            "ImGT_A_interval": Column("95 % CI", "CI: bootstrap over the images.", latex=False),
            "ReGT_A": Column(study.named("ReGT")),
            "ReGT_A_interval": ASIDE,
            COMPARED[0]: Column(
                "ImGT vs CW+",
                "vs CW+: the difference in points on the images that both have, with its paired bootstrap interval in the CSV.",
                latex=False,
            ),
            COMPARED[1]: Column("ReGT vs CW+", latex=False),
            "tokens": Column(
                "Tokens an image",
                "Tokens: prompts and answers of all requests about an image, as the server counted them; new ones are those "
                "that no cache had. All scorings by likelihood of one task share their requests.",
                latex=False,
            ),
            "forward_tokens": Column("new", latex=False),
            "OOP": Column("OOP", "OOP: answers that are none of the options, or of the listed classes."),
        },
    )


def _accuracies(
    scores: pl.DataFrame, baseline: pl.DataFrame, images: pl.DataFrame, n_images: str, count: int
) -> pl.DataFrame:
    """Accuracies of these rows with their intervals, their differences to the baseline's, OOP answers, repeats, and n."""
    answers = matrices(by_image(scores), images)
    exact, drawn = resampled(answers, count)
    both = _paired(answers, matrices(by_image(baseline.join(images, on="image_id", how="semi")), images))
    exact_pairs, drawn_pairs = resampled(both, count)
    columns = {}
    for name, among in {"ImGT": ALL, "ReGT": RULES[n_images]}.items():
        columns[f"{name}_A"] = exact.accuracy(name, among)[0]
        columns[f"{name}_A_low"], columns[f"{name}_A_high"] = percentiles(drawn.accuracy(name, among))
        difference, differences = (
            np.subtract(*np.split(of.accuracy(name, among), 2, axis=1)) for of in (exact_pairs, drawn_pairs)
        )
        low, high = percentiles(differences)
        own = (answers.rows["scoring"] == BASELINE).to_numpy()
        for end, values in {"": difference[0], "_low": low, "_high": high}.items():
            columns[f"{name}_A_vs_CWplus{end}"] = np.where(own, np.nan, values)
    about = scores.group_by("model", "scoring").agg(
        pl.col("oop").mean().alias("OOP") * 100,
        pl.col("repeat").n_unique().alias("repeats"),
        pl.col("image_id").n_unique().alias("n"),
    )
    return answers.rows.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items()).join(
        about, on=["model", "scoring"]
    )


def _paired(rows: Matrices, baselines: Matrices) -> Matrices:
    """Every row, and then the baseline of its model, on the images that both have. A model without one has no images."""
    places = {model: place for place, model in enumerate(baselines.rows["model"])}
    chosen = [places.get(model, -1) for model in rows.rows["model"]]

    def of(flags: np.ndarray) -> np.ndarray:
        return np.concatenate([flags, np.zeros((len(flags), 1), flags.dtype)], axis=1)[:, chosen]

    shared = (rows.present > 0) & (of(baselines.present) > 0)
    columns = (
        np.concatenate([getattr(rows, name) * shared, of(getattr(baselines, name)) * shared], axis=1)
        for name in ("present", "imgt", "regt", "both")
    )
    return Matrices(pl.concat([rows.rows, rows.rows]), rows.categories, *columns)


def _tokens(predictions: dict[str, pl.LazyFrame], scores: pl.DataFrame) -> pl.DataFrame:
    """Tokens of all requests about an image, on average, and those of them that no cache had.

    Columns model, scoring (of multiple choice, the variant), tokens, forward_tokens. Of requests about several images, the
    first has all.
    """
    cost = ["prompt_tokens", "cached_tokens", "completion_tokens"]
    schema = dict.fromkeys(["model", "scoring"], pl.String()) | dict.fromkeys(
        ["tokens", "forward_tokens"], pl.Float64()
    )
    if not predictions:
        return pl.DataFrame(schema=schema)
    used = pl.concat(
        frame.filter((pl.col("variant") == "") | (pl.col("task") == "MC")).select(
            pl.lit(name).alias("model"), *QUESTION, *(pl.col(it).cast(pl.Int64) for it in cost)
        )
        for name, frame in predictions.items()
    ).collect()
    known = pl.col("prompt_tokens").is_not_null() & pl.col("completion_tokens").is_not_null()
    prompt, cached, answer = (pl.col(it) for it in cost)
    by_task = (
        used.with_columns(task=pl.col("task").replace({name: TASK_OF[name] for name in RANKED}))
        .filter(known)
        .group_by("model", "task", "variant")
        .agg(
            tokens=(prompt + answer).mean(),
            # where nothing says what came from a cache, nothing says what did not
            forward_tokens=pl.when(cached.null_count() == 0).then((prompt - cached + answer).mean()),
        )
    )
    rows = scores.select("model", "scoring", "task", "variant").unique()
    rows = rows.with_columns(task=pl.col("task").replace({name: TASK_OF[name] for name in RANKED}))
    named = pl.when(pl.col("task") == "MC").then("variant").otherwise("scoring").alias("scoring")
    kept = rows.filter((pl.col("variant") == "") | (pl.col("task") == "MC"))
    found = kept.join(by_task, on=["model", "task", "variant"]).select("model", named, "tokens", "forward_tokens")
    return found.unique()


def _similarities(
    answers: dict[str, pl.LazyFrame], labels: pl.DataFrame, similar: dict[tuple[str, str], pl.LazyFrame], count: int
) -> pl.DataFrame:
    """Mean similarities (in percent) of every model's answers to OW, with their intervals, and n, that of ImGT."""
    classes = similar["classes", ""].collect()
    place = {image: number for number, image in enumerate(evaluated(labels)["image_id"].sort())}
    columns = [f"{label_set}_A" for label_set in ("ImGT", "ReGT")]
    rows = []
    for model, predictions in answers.items():
        embedded = (similar[kind, model].collect() for kind in ("answers", "concepts"))
        found = similarities(predictions.collect(), labels, classes, *embedded)
        # sums of both measures, and of images, under each label set
        values = np.zeros((len(place), 2, 3))
        for image, label_set, *both in found.select("image_id", "label_set", *MEASURES).iter_rows():
            values[place[image], columns.index(f"{label_set}_A")] = [*both, 1]
        n = int(values[:, 0, 2].sum())
        if not n:
            continue
        flat = values.reshape(len(place), -1)
        drawn = np.concatenate([block @ flat for block in draws(len(place), count)]).reshape(-1, 2, 3)
        exact, low, high = _means(values.sum(axis=0)), *percentiles(_means(drawn))
        for number, measure in enumerate(MEASURES):
            means = {
                f"{column}{end}": float(each[at, number])
                for at, column in enumerate(columns)
                for end, each in {"": exact, "_low": low, "_high": high}.items()
            }
            rows.append({"model": model, "scoring": measure, **means, "OOP": None, "repeats": 1, "n": n})
    schema = {
        **dict.fromkeys(["model", "scoring"], pl.String()),
        **dict.fromkeys([f"{name}_A{end}" for name in ("ImGT", "ReGT") for end in ("", "_low", "_high")], pl.Float64()),
        "OOP": pl.Float64(),
        "repeats": pl.UInt32(),
        "n": pl.UInt32(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row").fill_nan(None)


def _means(sums: Floats) -> Floats:
    """Means in percent from sums of MEASURES and of images along the last axis; NaN where there is no image."""
    with np.errstate(invalid="ignore"):
        return sums[..., :-1] / sums[..., -1:] * 100
