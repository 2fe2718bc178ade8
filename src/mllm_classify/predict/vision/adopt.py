"""Predictions that were made before the code changed: checked, and given to the job as its own finished parts.

A changed digest of the code says that rows may have changed, not that they have. Some batches, computed again, tell.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.config.identity import identity
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError, digest, file_sha256, locate, sha256
from mllm_classify.predict.images import Images, looks
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.predict.vision import parts
from mllm_classify.predict.vision.finished import kept_parts, shown

if TYPE_CHECKING:
    from mllm_classify.config.vision import VisionModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.job import PredictJob

    Job = PredictJob[VisionModel]
    Predict = Callable[[Job], tuple[pl.DataFrame, list[Environment]]]

BATCHES = 4
"""How many are computed again: the first, the last, and others between, as far from each other as they can be."""
TOLERANCE = 1e-6
"""By how much their scores may differ; their classes may not."""


def sources(job: "Job") -> dict[str, Any]:
    """What a model's predictions are made from beside its code, as digests: written into their file.

    The same for all shards. Weights that no file of the configuration holds are known by their name and revision only.
    """
    embeddings = None if job.class_embeddings is None else job.class_embeddings.sort("class_id")["embedding"]
    seen = Images(job.images, job.dataset.root, job.dataset.reading).seen()
    return {
        "settings": identity(job.model),
        "weights": weights(job.model),
        "images": digest([*zip(job.images["image_id"], seen, job.images["problem"], strict=True)]),
        "classes": digest(job.classes.sort("class_id")["name"].to_list()),
        "class embeddings": None if embeddings is None else sha256(embeddings.to_numpy().tobytes()),
        "lineage": job.lineage,
    }


def weights(model: "VisionModel") -> dict[str, str]:
    """SHA-256 of the files of weights that an entry names, by its key; those of a folder by their names, too."""
    files: dict[str, Path] = {}
    for key in ("weights", "backbone_weights", "pretrained", "model"):
        name = getattr(model.inference, key, None)
        path = None if name is None else locate(name)
        if path is not None and path.is_file():
            files[key] = path
        elif path is not None and path.is_dir():
            files |= {f"{key}/{file.name}": file for file in sorted(path.glob("*.safetensors"))}
    return {key: file_sha256(str(path.absolute())) for key, path in files.items()}


def adopt(path: Path, jobs: "list[Job]", predict: "Predict") -> int:
    """Give the predictions of a file to the jobs, one a shard, that are to write them. Returns the number of rows.

    `predict` is that of the model's kind. Raises InputError where images, weights or settings are not those that the
    file was made from, as far as it says that, or the batches that are computed again are not as they stand there.
    """
    job, earlier = jobs[0], with_columns_of_today(parquet.read(path))
    check_sources(path, job)
    check_images(path, earlier, job)
    check_sample(path, earlier, job, predict)
    for of_shard in jobs:
        images = shown(of_shard)
        rows = pl.DataFrame({"image_id": images.ids}, schema={"image_id": pl.String}).join(
            earlier, on="image_id", how="left", maintain_order="left"
        )
        size, kept = of_shard.model.inference.images_in_part, kept_parts(of_shard, images)
        parts.keep(rows, PREDICTIONS, size=size, kept=kept, made_with=parquet.environments(path))
    return earlier.height


def with_columns_of_today(earlier: pl.DataFrame) -> pl.DataFrame:
    """Rows as PREDICTIONS has them; columns that came later are empty."""
    return pl.concat([pl.DataFrame(schema=PREDICTIONS), earlier], how="diagonal").select(list(PREDICTIONS))


def check_sources(path: Path, job: "Job") -> None:
    """Raise InputError where a file says that it was made from other things.

    Those of earlier versions say nothing; they saw every picture as Pillow converts it.
    """
    recorded, now = parquet.sources(path), sources(job)
    if recorded is None:
        others = [it.rendering(job.dataset.reading) for it in looks(job.images) if it]
        if count := sum(map(bool, others)):
            msg = f"{path}: {count} images are transparent, or shown as their metadata say, and were not then"
            raise InputError(msg)
        return
    # a key that came later had its default's meaning before
    before = {key: field.default for key, field in type(job.model).model_fields.items()} | recorded["settings"]
    settings = {key for key, value in now["settings"].items() if before.get(key) != value}
    settings |= recorded["settings"].keys() - now["settings"].keys()
    others = [key for key in ("weights", "images", "classes", "class embeddings") if recorded[key] != now[key]]
    if other := [*sorted(settings), *others]:
        msg = f"{path} was made from other settings or files: {', '.join(other)}"
        raise InputError(msg)


def check_images(path: Path, earlier: pl.DataFrame, job: "Job") -> None:
    """Raise InputError unless the rows are of the registered images, and their files are what was registered."""
    expected = job.images.select(
        "image_id", pl.when(pl.col("problem").is_null()).then(pl.lit("ok")).otherwise(pl.lit("error")).alias("status")
    )
    if not earlier.select("image_id", "status").equals(expected):
        msg = f"{path} was made from other images than those that are registered"
        raise InputError(msg)
    images = Images(job.images.filter(pl.col("problem").is_null()), job.dataset.root, job.dataset.reading)
    report = job.progress(len(images), f"images of {job.model.name} looked at again")
    for place in range(len(images)):
        report(place)
        images.read(place)
    report(len(images))


def check_sample(path: Path, earlier: pl.DataFrame, job: "Job", predict: "Predict") -> None:
    """Raise InputError unless some batches, computed again, are as they stand in the file."""
    decodable = job.images.filter(pl.col("problem").is_null())
    last = (decodable.height - 1) // job.model.together
    chosen = sorted({last * number // (BATCHES - 1) for number in range(BATCHES)})
    sample = decodable.filter((pl.int_range(pl.len()) // job.model.together).is_in(chosen))
    with TemporaryDirectory() as folder:
        output = Path(folder) / "sample.parquet"
        alone = job._replace(images=sample, output=output, shard=(1, 1), progress=lambda _total, _what: lambda *_: None)
        again, _ = predict(alone)
    before = sample.select("image_id").join(earlier, on="image_id", how="left", maintain_order="left")
    ranked = pl.DataFrame({"image_id": again["image_id"], "then": before["class_ids"], "now": again["class_ids"]})
    other = ranked.filter(pl.col("then").ne_missing(pl.col("now")))
    difference = (before["scores"].explode() - again["scores"].explode()).abs().max() if other.is_empty() else None
    if other.height or (isinstance(difference, float) and difference > TOLERANCE):
        what = f"the ranking of image {other['image_id'][0]!r}" if other.height else "scores"
        msg = (
            f"{path}: of {again.height} images that were computed again, {what} came out otherwise: weights, settings, "
            "images, device or code are not what they were"
        )
        raise InputError(msg)
