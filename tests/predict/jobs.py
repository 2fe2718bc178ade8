"""Jobs of the predict stage, as its command makes them of files."""

from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import SimpleNamespace

import polars as pl

from mllm_classify.dataset.images import IMAGES
from mllm_classify.io import places
from mllm_classify.io.reading import AS_PILLOW
from mllm_classify.predict.images import Images
from mllm_classify.predict.job import PredictJob


def job(model, images: Images, classes: pl.DataFrame | list[str] = (), **options) -> PredictJob:
    """A model's job about some images. By default it reports to nobody."""
    files = [places.told(file, images._folder) for file in images._files]
    columns = ("image_id", "file", "sha256")
    registered = [dict(zip(columns, it, strict=True)) for it in zip(images.ids, files, images.digests, strict=True)]
    if not isinstance(classes, pl.DataFrame):
        classes = pl.DataFrame({"class_id": range(len(classes)), "name": list(classes)})
        classes = classes.with_columns(synset=pl.lit(None, dtype=pl.String))
    known = {
        "images": pl.DataFrame(registered, schema=IMAGES),
        "output": Path(gettempdir()) / "nowhere" / "predictions.parquet",
        "journal": Path(gettempdir()) / "nowhere" / "journal",
        "lineage": "lineage",
        "progress": lambda _total, _what: lambda *_: None,
    }
    return PredictJob(model, SimpleNamespace(root=None, reading=AS_PILLOW), classes=classes, **known | options)


def predictions(kind, model, images: Images, classes: pl.DataFrame, **options) -> pl.DataFrame:
    """What the module of a kind predicts, in a folder that is empty and goes again."""
    with TemporaryDirectory() as folder:
        return kind.predict(job(model, images, classes, output=Path(folder) / "predictions.parquet", **options))[0]


def counted(reports: list):
    """Progress that notes how many are done."""
    return lambda _total, _what: lambda done, _more="": reports.append(done)
