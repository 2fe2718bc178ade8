"""What a job of the predict stage is given: all files are read, and nothing is computed yet."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.models import Model
    from mllm_classify.config.tasks import Probe, TaskPrompt, Variant
    from mllm_classify.config.vision import KnnModel
    from mllm_classify.tasks import TaskName

log = logging.getLogger(__name__)

Report = Callable[..., None]
"""Told how much is done, and, in words, what else there is to say."""
Progress = Callable[[int, str], Report]
"""Begins reporting on so many things, called by this plural."""
Once = Callable[[Callable[[], Any]], Any]
"""Gives what a function loads: for jobs that share it, the first of them calls the function."""
Entry_co = TypeVar("Entry_co", bound="Model", covariant=True)


def loaded(load: Callable[[], Any]) -> Any:
    """What a function loads, which is told."""
    log.info("loading the weights")
    return load()


class PredictJob(NamedTuple, Generic[Entry_co]):
    """One model, and everything that its predictions may be made from. Each kind takes what it needs."""

    model: Entry_co  # its entry in the configuration
    dataset: "AnyDataset"
    images: "pl.DataFrame"  # images.parquet: all that are registered, those that cannot be decoded among them
    classes: "pl.DataFrame"  # classes.parquet of the dataset stage
    output: Path  # the file that will hold the predictions
    journal: Path  # folder of the model's answers
    lineage: str
    progress: Progress
    shard: tuple[int, int] = (1, 1)  # which of how many, counted from 1
    class_embeddings: "pl.DataFrame | None" = None  # classes.parquet of the embed stage
    choices: "pl.DataFrame | None" = None  # options of multiple choice: image_id, variant, repeat, options
    answer: str = "name"  # whether such options are answered by name or by letter
    labels: "pl.DataFrame | None" = None
    tasks: "dict[TaskName, TaskPrompt]" = {}  # noqa: RUF012 (never changed)
    variants: "list[Variant]" = []  # noqa: RUF012 (of tasks; those that the model is asked)
    probe: "Probe | None" = None  # what it is asked of classes, if anything
    neighbours: "dict[str, KnnModel]" = {}  # noqa: RUF012 (by name, entries whose encoders choose examples)
    once: Once = loaded  # how it gets its weights
