"""Torchvision's data set classes, by their names."""

from typing import TYPE_CHECKING, Any

from mllm_classify.dataset.classes import ClassList, Lookup
from mllm_classify.dataset.sources.naming import in_list, named, whole_number
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io import torchvision_sets
from mllm_classify.io.files import InputError

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.pictured import TorchvisionDataset


def own_classes(dataset: "TorchvisionDataset") -> ClassList:
    """The names that the library has. Raises InputError where it has none."""
    names = _names(_opened(dataset))
    if names is None:
        msg = f"dataset.classes: missing; torchvision has no names for the classes of {dataset.set}"
        raise InputError(msg)
    return named(dataset, f"torchvision's {dataset.set}", names)


def registered(dataset: "TorchvisionDataset", classes: "pl.DataFrame") -> list[Registered]:
    """The items in their order; an image's id is its number."""
    data = _opened(dataset)
    where = f"torchvision's {dataset.set}"
    names = _names(data)
    numbers = list(range(classes.height))
    if names is not None and dataset.classes is not None:
        numbers = in_list(dataset, Lookup(classes), where, names)
    images = []
    for item in range(len(data)):
        file = torchvision_sets.file(data, item, dataset.folder)
        place = f"{where}: item {item}"
        label = numbers[whole_number(place, torchvision_sets.label(data, item), len(numbers))]
        written = file or f"{torchvision_sets.written(dataset.set, dataset.options)}#{item}"
        images.append(Registered(place, str(item), written, "", label))
    return images


def _opened(dataset: "TorchvisionDataset") -> Any:
    return torchvision_sets.opened(dataset.set, dataset.options, dataset.folder)


def _names(data: Any) -> list[str] | None:
    """The classes' names in the order of their numbers, if the library has them."""
    names = getattr(data, "classes", None)
    if not isinstance(names, list | tuple) or not names:
        return None
    # some have several words for a class
    return [name if isinstance(name, str) else str(name[0]) for name in names]
