"""Where a study's figures come from: configuration, code, data, models, prompts and environments, as one table."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import BaseModel

from mllm_classify.config.encoders import AnyEncoder
from mllm_classify.config.identity import identity
from mllm_classify.config.judge import AnyJudge
from mllm_classify.config.kinds import AnyModel
from mllm_classify.config.marks import COLUMNS, CONTENT
from mllm_classify.config.study import Config
from mllm_classify.dataset.equivalences import unused
from mllm_classify.io.environment import Environment
from mllm_classify.io.files import digest, file_sha256, portable, sha256
from mllm_classify.io.text import cell, short
from mllm_classify.tables.table import Column, Study, Table

PACKAGES = (
    *("torch", "torchvision", "timm", "open_clip_torch", "sentence-transformers", "transformers", "vllm", "openai"),
    *("numpy", "polars", "pillow"),
)
"""Packages that figures may depend on; the bundle lists all."""
LONGEST = 600
"""Characters of a model's entry."""
BEGINNING = 16
"""Characters of a digest that people see; the CSV has all."""


class Row(NamedTuple):
    """One line of the table."""

    part: str
    item: str
    value: str
    sha256: str = ""


class Predicted(NamedTuple):
    """One model's predictions: what is in them, the file's SHA-256, and what they were made with."""

    predictions: pl.DataFrame | pl.LazyFrame
    sha256: str
    environments: list[Environment]


def provenance(
    config_file: str,
    config: Config,
    commit: str,
    images: pl.DataFrame,
    labels: pl.DataFrame,
    predicted: dict[str, Predicted],
    study: Study,
) -> Table:
    """Everything that the figures of a study come from; `predicted` is by model name. Paths are those of an archive.

    Raises InputError where a file that the configuration names cannot be read.
    """
    rows = [
        Row("Configuration", Path(config_file).name, "as it was written", file_sha256(config_file)),
        Row(
            "Code",
            "mllm-classify",
            f"{version('mllm-classify')}, {f'commit {commit}' if commit else 'no commit known'}",
        ),
        *_data(config, images, labels, study),
        *(Row("Files", key, name, sha256) for key, name, sha256 in named_files(config)),
        *(
            Row("Encoders", it.name, f"kind {it.kind}: {short(json.dumps(_told(it), ensure_ascii=False), LONGEST)}")
            for it in config.every_encoder
        ),
        *(
            Row("Judges", it.name, f"kind {it.kind}: {short(json.dumps(_told(it), ensure_ascii=False), LONGEST)}")
            for it in config.every_judge
        ),
        *(row for model in config.models for row in _model(model, predicted[model.name])),
        *_environments(predicted),
    ]
    frame = pl.DataFrame(
        [tuple(map(cell, row)) for row in rows], schema=dict.fromkeys(Row._fields, pl.String), orient="row"
    )
    return Table(
        frame.with_columns(pl.col("sha256").str.head(BEGINNING).alias("digest"), *study.columns()),
        "Provenance",
        str(study),
        {
            "part": Column("Part", "A commit that ends with -dirty had changes which are in no commit.", words=True),
            "item": Column("Item", words=True),
            "value": Column("Value", words=True),
            "digest": Column(
                "SHA-256",
                f"SHA-256: its first {BEGINNING} digits; the CSV has all. Of images: of their names and SHA-256s; of labels: "
                "of the labels as they were read.",
                words=True,
            ),
        },
    )


def _data(config: Config, images: pl.DataFrame, labels: pl.DataFrame, study: Study) -> list[Row]:
    pictures = images.filter(pl.col("sha256").is_not_null()).select("image_id", "sha256")
    evaluated = labels.filter(pl.col("excluded").is_null()).height
    told = {
        "name": (f"{config.dataset.name}: {config.dataset.label}", ""),
        "images": (f"{images.height}, {pictures.height} with picture files", digest(pictures.rows())),
        "labels": (f"of {evaluated} evaluated images", sha256(labels.write_json().encode())),
        "ImGT": (study.imgt, ""),
        "ReGT": (study.regt or "none", ""),
        "equivalences": (study.equivalences or "none", ""),
        **{
            f"equivalences: {key}": (f"{count} entries, which change nothing", "")
            for key, count in unused(config.dataset.equivalences).items()
        },
        "classes": (study.classes, ""),
        "images without a label (N)": (f"{study.n_images} under ReGT", ""),
        "bootstrap": (f"{config.tables.resamples} resamples", ""),
    }
    return [Row("Data set", item, *said) for item, said in told.items()]


def named_files(section: BaseModel, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Key, name and SHA-256 of every file whose content counts, in the configuration's order."""
    for name, field in type(section).model_fields.items():
        place = f"{key}.{name}" if key else name
        value = getattr(section, name)
        counts = any(mark is CONTENT or isinstance(mark, COLUMNS) for mark in field.metadata)
        if counts and isinstance(value, str):
            yield place, portable(value), file_sha256(value)
        else:
            yield from _inside(value, place)


def _inside(value: Any, place: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, BaseModel):
        yield from named_files(value, place)
    elif isinstance(value, list | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _inside(item, f"{place}.{getattr(item, 'name', key)}")


def _model(model: AnyModel, predicted: Predicted) -> list[Row]:
    frame = predicted.predictions.lazy().select("status", "served_model", "fingerprint", "prompt").collect()
    errors = int((frame["status"] == "error").sum())
    rows = [
        Row("Models", model.name, f"{model.label} (kind {model.kind}, {model.family})"),
        Row("Models", model.name, f"asked for: {short(json.dumps(_told(model), ensure_ascii=False), LONGEST)}"),
        Row("Models", model.name, f"{frame.height} predictions, {errors} errors", predicted.sha256),
    ]
    for column, what in {"served_model": "served as", "fingerprint": "system"}.items():
        names = frame[column].drop_nulls().unique().sort().to_list()
        rows += [Row("Models", model.name, f"{what} {name}") for name in names]
    prompts = frame["prompt"].drop_nulls().unique().sort().to_list()
    return rows + [Row("Models", model.name, "asked with a prompt", prompt) for prompt in prompts]


def _told(model: AnyModel | AnyEncoder | AnyJudge) -> Any:
    """What an entry says that can change predictions, without what it leaves at nothing."""

    def said(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: said(item) for key, item in value.items() if item not in (None, [], {})}
        return value

    return said({key: value for key, value in identity(model).items() if key not in ("name", "kind")})


def _environments(predicted: dict[str, Predicted]) -> list[Row]:
    """Each distinct environment once, with the models that were asked in it."""
    users: dict[str, dict[str, None]] = {}
    known: dict[str, Environment] = {}
    for name, one in predicted.items():
        for environment in one.environments:
            key = digest(environment)
            known[key] = environment
            users.setdefault(key, {})[name] = None
    rows = []
    for number, (key, names) in enumerate(users.items(), 1):
        it = known[key]
        packages = [f"{name} {it['packages'][name]}" for name in PACKAGES if name in it["packages"]]
        machine = "; ".join([f"Python {it['python']}", it["platform"], *(it["gpus"] or ["no GPU"])])
        rows += [
            Row("Environments", str(number), machine, key),
            Row("Environments", str(number), ", ".join(packages)),
            Row("Environments", str(number), f"made: {', '.join(names)}"),
        ]
    return rows
