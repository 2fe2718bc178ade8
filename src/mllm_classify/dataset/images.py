"""Which images are evaluated, and what the classes are called."""

import io
import json

import polars as pl
from PIL import Image, UnidentifiedImageError

from mllm_classify.files import InputError, locate, read_csv, read_text, sha256

IMAGES: dict[str, pl.DataType] = {"image_id": pl.String(), "file": pl.String(), "sha256": pl.String()}
CLASSES: dict[str, pl.DataType] = {"class_id": pl.Int32(), "name": pl.String(), "same_name": pl.List(pl.Int32)}


def classes(name: str) -> pl.DataFrame:
    """The class list: ids are 0-based positions in the file.

    `same_name` lists all classes that answers cannot tell from this one, because their names are equal after
    lower-casing and stripping (ImageNet's 657 and 744 are both "missile"); the class itself is among them.
    """
    if name.endswith(".json"):
        try:
            names = json.loads(read_text(name))
        except json.JSONDecodeError as error:
            msg = f"{name}: not JSON ({error})"
            raise InputError(msg) from None
        if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
            msg = f"{name}: must be a JSON list of class names"
            raise InputError(msg)
    else:
        names = read_text(name).splitlines()
    for number, item in enumerate(names):
        if not item.strip():
            msg = f"{name}: class {number} has no name"
            raise InputError(msg)
    if not names:
        msg = f"{name}: no classes"
        raise InputError(msg)
    frame = pl.DataFrame({"class_id": range(len(names)), "name": names}, schema_overrides={"class_id": pl.Int32})
    key = pl.col("name").str.to_lowercase().str.strip_chars()
    groups = frame.group_by(key.alias("key")).agg(pl.col("class_id").sort().alias("same_name"))
    return frame.with_columns(key.alias("key")).join(groups, on="key", how="left").sort("class_id").drop("key")


def images(manifest: str, folder: str | None) -> pl.DataFrame:
    """The images of a manifest, in its order, each opened and decoded once.

    Raises InputError naming the manifest's line and the file: an image twice, a file that is absent, cannot be decoded
    or is truncated, or has another SHA-256 than the manifest says.
    """
    rows: list[dict[str, str]] = []
    seen: dict[str, str] = {}
    for place, row in read_csv(manifest, "image_id", "file"):
        image_id = row["image_id"]
        if not image_id:
            msg = f"{place}: image_id is empty"
            raise InputError(msg)
        if image_id in seen:
            msg = f"{place}: image_id {image_id!r} stands at {seen[image_id]} already"
            raise InputError(msg)
        seen[image_id] = place
        digest = sha256(_decodable(place, row["file"], folder))
        if row.get("sha256") and row["sha256"] != digest:
            msg = (
                f"{place}: {row['file']} has the SHA-256 {digest}, not the manifest's {row['sha256']}; restore the "
                "picture, or look at the new one, correct its labels, and write its SHA-256 into the manifest"
            )
            raise InputError(msg)
        rows.append({"image_id": image_id, "file": row["file"], "sha256": digest})
    if not rows:
        msg = f"{manifest}: no images"
        raise InputError(msg)
    return pl.DataFrame(rows, schema=IMAGES)


def _decodable(place: str, file: str, folder: str | None) -> bytes:
    """An image file's bytes, after they were decoded in full."""
    try:
        path = locate(file, folder)
    except InputError as error:
        msg = f"{place}: file {error}"
        raise InputError(msg) from None
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except FileNotFoundError:
        msg = f"{place}: file {file!r} not found; looked for {path.absolute()} (dataset.folder says where images are)"
        raise InputError(msg) from None
    except UnidentifiedImageError:
        msg = f"{place}: file {file!r} is not an image that Pillow can read"
        raise InputError(msg) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        msg = f"{place}: file {file!r} cannot be decoded ({error}); is it truncated?"
        raise InputError(msg) from None
    return content
