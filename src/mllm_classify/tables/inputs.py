"""What functions of tables, figures and the report are given: files of the study in this folder, and values."""

from typing import Any

from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.outputs import DERIVED, OUTPUTS
from mllm_classify.plan.files import GROUPS, PATTERNS, File, Files, inputs
from mllm_classify.plan.outline import Outline, outline
from mllm_classify.plan.values import VALUES
from mllm_classify.tables import given


class Given:
    """The parameters of functions, by name, each read or made when it is asked for. No frame is touched here.

    `scores`, `labels`, `classes`, `choices` and `confusions` are files of the stages; those of several models are lazy
    frames by the model's name; an output's name stands for its table, None where the study has none; the rest are values of the configuration, and
    what `tables.given` makes of all these.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.outline: Outline = outline(config)

    def __getitem__(self, name: str) -> Any:
        """One parameter. Raises InputError where a file is not there, or torn."""
        if name in DERIVED:
            return getattr(given, name)(**{part: self[part] for part in DERIVED[name]})
        if name in VALUES:
            return VALUES[name](self.config)
        if name in OUTPUTS and name not in PATTERNS:
            read = parquet.read if OUTPUTS[name].form == "parquet" else parquet.read_figures
            return read(self.file(name).path) if name in self.outline.outputs else None
        if name == "examined":
            return parquet.scan(self.file(name).path)
        if name in GROUPS:
            return {key: parquet.scan(it.path) for key, it in self.files(name).items()}
        return parquet.read(self.file(name).path)

    def files(self, name: str) -> Files:
        """The files behind a parameter, by model."""
        return inputs(self.outline, name)

    def file(self, name: str) -> File:
        """The one file behind a parameter."""
        (only,) = self.files(name).values()
        return only

    @property
    def registered(self) -> Any:
        """All registered images, those that are not evaluated among them."""
        return parquet.read(self.file("images").path)
