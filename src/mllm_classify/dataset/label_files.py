"""Label files, by the names of their formats (docs/labels.md).

To add a format, add its module to `dataset/formats/`, its row to `READERS`, and its name to the configuration.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.formats import label_errors, mustelidae, proposed, real, reimagenet, table
from mllm_classify.dataset.readings import Reading, Readings
from mllm_classify.io.borders import border

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import SecondLabelSet

READERS: "Final[dict[str, Callable[[AnyDataset, SecondLabelSet, Lookup, Iterable[str]], Readings]]]" = {
    "table": table.read,
    "real": real.read,
    "reimagenet": reimagenet.read,
    "mustelidae": mustelidae.read,
    "proposed": proposed.read,
    "label_errors": label_errors.read,
}
"""The reader of each format: of a data set, a label set, the classes, and the images that are asked for, which may be ignored."""


def original_labels(dataset: "AnyDataset", lookup: Lookup, own: Mapping[str, int | None] | None = None) -> Readings:
    """ImGT, one class an image: in the project's own format, or, where no file is named, as the images bring it along.

    `own`: those labels by image id. Raises InputError where an image is labelled twice, or with something that is no class.
    """
    if dataset.imgt.file is None:
        known = {image_id: class_id for image_id, class_id in (own or {}).items() if class_id is not None}
        return {image_id: Reading(image_id, frozenset({class_id})) for image_id, class_id in known.items()}
    with border(dataset.imgt.file):
        return table.read_single(dataset, dataset.imgt.file, lookup)


def second_labels(
    dataset: "AnyDataset", labels: "SecondLabelSet", lookup: Lookup, image_ids: Iterable[str]
) -> Readings:
    """The second label set, in its format. Raises InputError as `original_labels` does."""
    with border(labels.file):
        return READERS[labels.format](dataset, labels, lookup, image_ids)


def expert_labels(dataset: "AnyDataset", lookup: Lookup) -> Readings:
    """The expert labels of a data set, if it has such. Raises InputError as `original_labels` does."""
    if dataset.expert_file is None:
        return {}
    with border(dataset.expert_file):
        return mustelidae.read_file(dataset, dataset.expert_file, lookup)
