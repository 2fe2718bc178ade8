"""Two studies that are compared, each a folder with its results, or an archive."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import BaseModel

from mllm_classify.bundle.unpacking import unpacked
from mllm_classify.config.load import load
from mllm_classify.config.marks import COLUMNS, CONTENT, RUNTIME
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError, portable, portable_values, read_bytes, sha256
from mllm_classify.plan.files import file
from mllm_classify.plan.outline import outline

SHOWN_DIGITS = 12
"""Of a SHA-256, to tell files apart."""
Settings = dict[str, str]
"""Values by their place in the configuration, in words."""


class Side(NamedTuple):
    """One of the two studies."""

    said: str
    """What the user called it."""
    root: Path
    """The folder that its files are relative to."""
    config: Config

    def frame(self, name: str, model: str = "") -> pl.DataFrame | None:
        """A file of a stage; None where it is not there. Raises InputError where it is torn."""
        path = self.path(name, model)
        return parquet.read(path) if path.is_file() else None

    def path(self, name: str, model: str = "") -> Path:
        return self.root / file(outline(self.config), name, model).path


def opened(path: Path, config_file: str | None, dataset: str | None, scratch: Path) -> Side:
    """A study in a folder, or in an archive, which is unpacked to `scratch`.

    Raises InputError where it is none, or has no such data set.
    """
    root = path
    if path.is_file():
        problems, _ = unpacked(path, scratch)
        if problems:
            raise InputError("\n".join(f"{path}: {it}" for it in problems[:10]))
        root = scratch
    elif path.name == "results" and not (path / "results").is_dir():
        root = path.parent
    if not (root / "results").is_dir():
        msg = f"{path}: is neither the folder of a study, with results/ in it, nor an archive of one (bundle.zip)"
        raise InputError(msg)
    configuration = Path(config_file) if config_file else root / "config.yaml"
    if not configuration.is_file():
        msg = f"{configuration}: no such file; name the configuration of these results with --config-a or --config-b"
        raise InputError(msg)
    config = load(configuration)
    return Side(str(path), root, config.study(dataset or config.dataset.name))


def common_models(a: Config, b: Config, pairs: list[str]) -> dict[str, str]:
    """Models of both studies, from A's name to B's: those of `pairs` ("A=B"), and those of one name.

    Raises InputError where a pair names a model that is not there.
    """
    names = [[model.name for model in config.models] for config in (a, b)]
    found = {}
    for pair in pairs:
        one, _, other = pair.partition("=")
        for name, known in ((one, names[0]), (other, names[1])):
            if name not in known:
                msg = f"--models: {pair!r}: {name!r} is not among the models, which are {', '.join(known)}; write A=B"
                raise InputError(msg)
        found[one] = other
    taken = set(found.values())
    return {
        name: found.get(name, name) for name in names[0] if name in found or (name in names[1] and name not in taken)
    }


def settings(side: Side, names: dict[str, str]) -> Settings:
    """What of a configuration can change a figure, and what answers were made with.

    Files count by their content; `names` are what models are called here instead of their own names.
    """
    with contextlib.chdir(side.root):
        found = dict(_settings(side.config, "", names))
    for model in side.config.models:
        path = side.path("predictions", model.name)
        made = parquet.environments(path) if path.is_file() else []
        for what in sorted({what for it in made for what in _versions(it)}):
            versions = sorted({_versions(it).get(what, "none") for it in made})
            found[f"answers[{names.get(model.name, model.name)}] made with {what}"] = ", ".join(versions)
    return found


def _versions(environment: dict[str, Any]) -> dict[str, str]:
    single = {key: str(value) for key, value in environment.items() if isinstance(value, str)}
    gpus = ", ".join(map(str, environment.get("gpus") or [])) or "none"
    return single | {"gpus": gpus} | {key: str(value) for key, value in (environment.get("packages") or {}).items()}


def _settings(section: BaseModel, at: str, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key, field in type(section).model_fields.items():
        if RUNTIME in field.metadata:
            continue
        value, place = getattr(section, key), f"{at}.{key}" if at else key
        if isinstance(value, str) and any(mark is CONTENT or isinstance(mark, COLUMNS) for mark in field.metadata):
            yield place, _content(value)
        else:
            yield from _values(value, place, names)


def _values(value: Any, place: str, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    match value:
        case BaseModel():
            yield from _settings(value, place, names)
        case dict() if any(isinstance(it, BaseModel) for it in value.values()):
            for key, it in value.items():
                yield from _values(it, f"{place}.{key}", names)
        case list() if any(isinstance(it, BaseModel) for it in value):
            for number, it in enumerate(value):
                own = str(getattr(it, "name", getattr(it, "label", number)))
                yield from _values(it, f"{place}[{names.get(own, own) if place == 'models' else own}]", names)
        case _:
            yield place, str(portable_values(value))


def _content(name: str) -> str:
    """A file by its content; one that cannot be read, as of an archive that leaves it out, by its name."""
    try:
        return f"SHA-256 {sha256(read_bytes(name))[:SHOWN_DIGITS]}"
    except InputError:
        return f"{portable(name)}, not there"


def differing(a: Settings, b: Settings) -> pl.DataFrame:
    """The settings in which two studies differ. Columns setting, A, B; of a key that one side lacks, null."""
    keys = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]
    rows = [(key, a.get(key), b.get(key)) for key in keys]
    return pl.DataFrame(rows, schema=dict.fromkeys(["setting", "A", "B"], pl.String()), orient="row")
