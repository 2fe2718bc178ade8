"""One page on which every image, and every model's answer to it, is found: opened from disk, without a server.

The page holds columns, not records: a byte of flags and the number of a set of classes per image and row. A row is what
a table would have a row for: a model, a task, a variant, a repeat and a scoring.
"""

import base64
import gzip
import hashlib
import html
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from PIL import Image

from mllm_classify import score
from mllm_classify.io.files import InputError, locate, read_text, written
from mllm_classify.measures.counting import SUBSETS, counts
from mllm_classify.measures.selection import shown_rows
from mllm_classify.predict.images import Images
from mllm_classify.tables.table import Study
from mllm_classify.tasks import MAIN_SCORINGS

FOLDER = Path(__file__).parent
LIBRARY = "package:itables/html/dt_bundle"
"""DataTables and its Scroller, as itables ships them: an ES module, and its style sheet."""
FLAGS = {"asked": 1, "imgt": 2, "regt": 4, "oop": 8, "error": 16, "empty": 32, "several": 64, "unasked": 128}
"""Bits of what is known of a row's answer to an image; zero where the model was not asked about it."""
ANSWER = ["model", "task", "variant", "repeat"]
ROW = [*ANSWER, "scoring"]
TASKS = ["OW", "CW", "CW-constrained", "MC"]
"""In the order in which they are shown."""
FIXED = 10_000
"""Similarities and margins are kept in so many parts of one."""
NOTHING = -(2**15)
"""Stands for a similarity or margin that is not there."""
DEPTH = 5
"""Classes of a ranking that are shown."""
MOST_TEXT = 64 * 2**20
"""Bytes of distinct answers in a page; more of them, and long ones are cut."""
MOST_PICTURES = 1000
"""Images of a data set whose thumbnails are in the page."""
MOST_PICTURE_BYTES = 16 * 2**20
FOLDERS = 2
"""Folders above a picture that tell files of one name apart."""
SIDE = 320
"""Pixels of a thumbnail's longer side."""

Array = np.ndarray[Any, np.dtype[Any]]


class Data(NamedTuple):
    """What the page shows: facts for its script, and columns by name, which are arrays or lists of texts."""

    facts: dict[str, Any]
    columns: dict[str, Array | list[str]]


def explored(
    study: Study,
    models: pl.DataFrame,
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    scores: pl.DataFrame,
    predictions: dict[str, pl.DataFrame],
    mappings: dict[str, pl.DataFrame],
) -> Data:
    """The columns of the evaluated images, in the order of `labels`.

    `models` has columns model and label, and is shown by label; `predictions` are by model, and `mappings` are those of
    models that answer in words. Raises InputError where `scores` are of other predictions.
    """
    images = labels.filter(pl.col("excluded").is_null()).with_row_index("image")
    places = images.select("image_id", "image")
    models = models.sort("label", "model")
    order = {name: place for place, name in enumerate(models["model"])}
    rows = judged(scores, predictions, mappings, classes).join(places, on="image_id")
    texts, said = answers(predictions, mappings)
    said = said.join(places, on="image_id")
    known = [rows["predicted"], images["regt"], texts["nearest"], images.select(pl.concat_list("imgt"))["imgt"]]
    sets = distinct_sets(known)

    def number(column: pl.Series) -> Array:
        found: Array = set_key(column).cast(pl.Enum(sets)).to_physical().to_numpy()
        return found.astype(np.uint16 if len(sets) < 2**16 else np.uint32)

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
    asked, answer_columns = described_answers(said, order, images.height)
    ranked, ranking_columns = described_rankings(predictions, places, order, classes.height)
    described, row_columns = described_rows(rows, order, images.height)
    numbers = [
        {tuple(answer[name] for name in ANSWER): number for number, answer in enumerate(answers)}
        for answers in (asked, ranked)
    ]
    for row in described:
        row["main"] = tuple(row[name] for name in ("model", "variant", "repeat", "scoring")) in main
        row["answer"], row["ranking"] = (known.get(tuple(row[name] for name in ANSWER)) for known in numbers)
    facts = {
        "study": study._asdict() | {"said": str(study)},
        "models": models.select("model", "label").to_dicts(),
        "subsets": {name: [str(part) for part in parts] for name, parts in SUBSETS.items()},
        "answers": asked,
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


def padded(lists: pl.Series, depth: int, nothing: float) -> Array:
    """Lists, each with `nothing` after it. Shape: lists x depth."""
    filled: Array = (
        lists.to_frame("list")
        .select(
            pl.col("list").list.get(place, null_on_oob=True).fill_null(nothing).alias(str(place))
            for place in range(depth)
        )
        .to_numpy()
    )
    return filled


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


def judged(
    scores: pl.DataFrame,
    predictions: dict[str, pl.DataFrame],
    mappings: dict[str, pl.DataFrame],
    classes: pl.DataFrame,
) -> pl.DataFrame:
    """Scores with what was scored: columns of ROW, image_id, predicted (a list of classes), flags (bits of FLAGS).

    Raises InputError where a score's prediction is not there.
    """
    keys = [*ROW, "image_id"]
    predicted = pl.concat(
        (
            score.predicted_by_text(mappings[name], classes) if name in mappings else score.predicted_by_ranking(frame)
        ).select(pl.lit(name).alias("model"), *keys[1:], "predicted", pl.lit(value=True).alias("found"))
        for name, frame in predictions.items()
    )
    joined = scores.join(predicted, on=keys, how="left", maintain_order="left")
    if missing := joined["found"].null_count():
        example = joined.filter(pl.col("found").is_null()).row(0, named=True)
        msg = (
            f"scores: {missing} rows are of no prediction, first {example['model']!r} on {example['image_id']!r}; "
            "--predictions and --mappings must be the files that were scored"
        )
        raise InputError(msg)
    facts = {
        "asked": pl.lit(value=True),
        **{name: pl.col(name).fill_null(value=False) for name in ("imgt", "regt", "oop")},
        **{
            name: (pl.col("status") == name).fill_null(value=False) for name in ("error", "empty", "several", "unasked")
        },
    }
    bits = [fact.cast(pl.UInt8) * FLAGS[name] for name, fact in facts.items()]
    return joined.select(*keys, "predicted", pl.sum_horizontal(bits).cast(pl.UInt8).alias("flags"))


def answers(
    predictions: dict[str, pl.DataFrame], mappings: dict[str, pl.DataFrame], most: int = MOST_TEXT
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Distinct answers in words, and who gave which.

    The first has columns text, full_length (in characters, of which the text may be the first), nearest (a list of one
    class or none), similarity and margin; the second those of ANSWER, image_id and answer, a row of the first counted
    from 1. What went wrong stands where an answer would.
    """
    schema = {
        "model": pl.String(), "image_id": pl.String(), "task": pl.String(), "variant": pl.String(), "repeat": pl.Int32(),
        "text": pl.String(), "nearest_class": pl.Int32(), "similarity": pl.Float32(), "margin": pl.Float32(),
    }  # fmt: skip
    keys = ["image_id", *ANSWER[1:]]
    given = pl.concat(
        [
            pl.DataFrame(schema=schema),
            *(
                predictions[name]
                .select(*keys, pl.coalesce("text", "error").fill_null("").alias("text"))
                .join(mapping.select(*keys, "nearest_class", "similarity", "margin"), on=keys, how="left")
                .select(pl.lit(name).alias("model"), pl.exclude("model"))
                .select(list(schema))
                for name, mapping in mappings.items()
            ),
            # models that rank classes have words only where they failed
            *(
                frame.filter(pl.col("error").is_not_null()).select(
                    pl.lit(None, dtype).alias(name) if name in ("nearest_class", "similarity", "margin")
                    else pl.lit(model).alias(name) if name == "model"
                    else pl.col("error").alias(name) if name == "text"
                    else pl.col(name)
                    for name, dtype in schema.items()
                )
                for model, frame in predictions.items()
                if model not in mappings
            ),
        ]
    )  # fmt: skip
    what = ["text", "nearest_class", "similarity", "margin"]
    distinct = given.select(what).unique().sort(what, nulls_last=True).with_row_index("answer", offset=1)
    said = given.join(distinct, on=what, nulls_equal=True).select(*ANSWER, "image_id", "answer")
    length = text_limit(distinct["text"], most)
    return distinct.select(
        pl.col("text").str.slice(0, length),
        pl.col("text").str.len_chars().alias("full_length"),
        nearest=pl.when(pl.col("nearest_class").is_null())
        .then(pl.lit([], dtype=pl.List(pl.Int32)))
        .otherwise(pl.concat_list("nearest_class")),
        similarity="similarity",
        margin="margin",
    ), said


def text_limit(texts: pl.Series, most: int) -> int:
    """The characters that each text may have, a power of two, so that all have together at most `most` bytes."""
    longest = texts.str.len_chars().max() or 0
    limit = 1
    while limit < longest and texts.str.slice(0, 2 * limit).str.len_bytes().sum() <= most:  # type: ignore[operator]
        limit *= 2
    return limit


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

    def rank(known: list[str], name: str) -> tuple[int, str]:
        return known.index(name) if name in known else len(known), name

    plain = variant == "" or task == "MC"
    return order[model], not plain, rank(TASKS, task), variant, repeat, rank(MAIN_SCORINGS, scoring)


def set_key(column: pl.Series) -> pl.Series:
    """Lists of class ids as text, in their order: `281|282`. None is the empty list."""
    return column.cast(pl.List(pl.String)).list.join("|").fill_null("")


def distinct_sets(columns: list[pl.Series]) -> list[str]:
    """All lists of classes that occur in columns, as `set_key` writes them, the empty one first."""
    found = pl.concat([set_key(column).alias("set").unique() for column in columns]).unique()
    return ["", *sorted(set(found.to_list()) - {""}, key=lambda key: [int(item) for item in key.split("|")])]


def category_codes(categories: pl.Series) -> Array:
    """Positions in SUBSETS["A"]; 255 where there is none."""
    names = [str(name) for name in SUBSETS["A"]]
    codes = categories.cast(pl.Enum(names)).to_physical().fill_null(255)
    return codes.to_numpy().astype(np.uint8)


def fixed_point(values: pl.Series) -> Array:
    """Numbers between -3 and 3 in parts of FIXED; NOTHING where there is none, or none that is finite."""
    rounded = (values * FIXED).round()
    whole = pl.select(pl.when(rounded.is_finite()).then(rounded.clip(-3 * FIXED, 3 * FIXED)).fill_null(NOTHING))
    return whole.to_series().to_numpy().astype(np.int16)


def partitions(frame: pl.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(keys, as_dict=True, include_key=False)


def spread(part: pl.DataFrame, column: str, images: int, dtype: type[np.generic]) -> Array:
    """Values at their images' places, 0 at the others. Shape: images."""
    result = np.zeros(images, dtype=dtype)
    result[part["image"].to_numpy()] = part[column].to_numpy()
    return result


def thumbnails(images: Images, most: int = MOST_PICTURES, most_bytes: int = MOST_PICTURE_BYTES) -> list[bytes]:
    """Small JPEGs of all images, in their order; none where there are too many, or they are too large together.

    An image that cannot be decoded has no bytes. Raises InputError where a file has changed since it was registered.
    """
    if len(images) > most:
        return []
    made = [thumbnail(images.read(index)) for index in range(len(images))]
    return made if sum(map(len, made)) <= most_bytes else []


def thumbnail(content: bytes) -> bytes:
    """A small JPEG without the file's metadata; empty where Pillow cannot decode it."""
    from mllm_classify.io.pictures import decoded

    try:
        picture = decoded(content)
    except InputError:
        return b""
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


def with_pictures(data: Data, images: pl.DataFrame, pictures: dict[str, bytes]) -> Data:
    """The data with pictures, by image id. Where there are none, with what readers' own files are known by.

    That is the end of a file's path, and the first four bytes of its SHA-256, 0 where that is not known. `images` has
    columns image_id, file and sha256.
    """
    ids = data.columns["ids"]
    kept = [pictures.get(str(image_id), b"") for image_id in ids]
    if any(kept):
        ends = np.cumsum([0, *map(len, kept)]).astype(np.uint32)
        joined = np.frombuffer(b"".join(kept), dtype=np.uint8)
        return Data(data.facts, data.columns | {"picture_ends": ends, "pictures": joined})
    known = pl.DataFrame({"image_id": ids}).join(images, on="image_id", how="left", maintain_order="left")
    files = pl.coalesce("file", "image_id").str.split("/").list.tail(FOLDERS + 1).list.join("/")
    digests = known["sha256"].str.head(8).str.to_integer(base=16, dtype=pl.UInt32).fill_null(0)
    return Data(
        data.facts, data.columns | {"files": known.select(files).to_series().to_list(), "digests": digests.to_numpy()}
    )


def packed(data: Data) -> bytes:
    """All of it in one sequence of bytes, compressed; the same data give the same bytes.

    Four bytes say how long the head is, a JSON object of the facts and of where each column lies; numbers are
    little-endian, and begin at multiples of 8. A list of texts is two columns: all of them, joined, in UTF-8, and
    (`NAME_ends`) where each ends, in UTF-16 units, as browsers count, after a 0.
    """
    plain: dict[str, Array] = {}
    texts = []
    for name, column in data.columns.items():
        if isinstance(column, list):
            texts.append(name)
            lengths = [len(text.encode("utf-16-le")) // 2 for text in column]
            plain[f"{name}_ends"] = np.cumsum([0, *lengths]).astype(np.uint32)
            plain[name] = np.frombuffer("".join(column).encode(), dtype=np.uint8)
        else:
            plain[name] = column
    places: dict[str, tuple[str, int, int]] = {}
    body = io.BytesIO()
    for name, column in plain.items():
        body.write(bytes(-body.tell() % 8))
        places[name] = (column.dtype.name, body.tell(), len(column))
        body.write(column.astype(column.dtype.newbyteorder("<")).tobytes())
    head = json.dumps({**data.facts, "columns": places, "texts": texts}, sort_keys=True, ensure_ascii=False).encode()
    head += b" " * (-(4 + len(head)) % 8)
    return gzip.compress(len(head).to_bytes(4, "little") + head + body.getvalue(), compresslevel=6, mtime=0)


def page(title: str, data: bytes) -> str:
    """The HTML page, complete in itself. Nothing but the scripts and styles that it is made with can run in it."""
    library = inlined(module_as_global(read_text(f"{LIBRARY}.js"), "DataTable"), "script")
    script = inlined((FOLDER / "explorer.js").read_text("utf-8"), "script")
    styles = [
        inlined(read_text(f"{LIBRARY}.css"), "style"),
        inlined((FOLDER / "explorer.css").read_text("utf-8"), "style"),
    ]
    policy = (
        f"default-src 'none'; script-src {source(library)} {source(script)}; "
        f"style-src-elem {' '.join(map(source, styles))}; style-src-attr 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "title": html.escape(title),
        "policy": html.escape(policy, quote=True),
        "library_style": styles[0],
        "style": styles[1],
        "library": library,
        "script": script,
        "data": base64.b64encode(data).decode(),
    }
    template = (FOLDER / "explorer.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def module_as_global(module: str, name: str) -> str:
    """An ES module whose default export is a global: a page without a server cannot import one from another."""
    changed, count = re.subn(
        r"export\s*\{[^}]*?(\w+) as default[^}]*\};?", lambda match: f"globalThis.{name}={match[1]};", module
    )
    if count != 1:
        msg = f"{LIBRARY}.js: no default export; itables is of a version that this project does not know"
        raise InputError(msg)
    return changed


def inlined(content: str, tag: str) -> str:
    """A script or style as it stands in a page: what browsers would change is changed before it is hashed."""
    # <!-- and a later <script would hide the end from the parser; \! is ! in strings and regular expressions
    content = content.replace("\r\n", "\n").replace("\r", "\n").replace("<!--", r"<\!--")
    if found := re.search(rf"</{tag}|\0", content, re.IGNORECASE):
        msg = f"{found[0]!r} would end or change a {tag} in a page"
        raise InputError(msg)
    return content


def source(content: str) -> str:
    """The name by which a content security policy allows a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def write(data: Data, path: str | Path) -> None:
    content = page(f"Explorer: {data.facts['study']['dataset']}", packed(data))
    with written(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def registered_pictures(images: pl.DataFrame, evaluated: pl.Series, folder: str | None) -> dict[str, bytes]:
    """Thumbnails of evaluated images by their ids, where there are files; none where a folder is not there.

    Raises InputError where a file has changed since it was registered.
    """
    files = images.filter(
        pl.col("file").is_not_null() & pl.col("problem").is_null() & pl.col("image_id").is_in(evaluated.implode())
    )
    found = Images(files, folder)
    if not len(found) or not locate(files["file"][0], folder).exists():
        return {}
    return dict(zip(found.ids, thumbnails(found), strict=False))
