"""Which jobs read files that may not be handed on (`restricted: true`), and which follow from them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mllm_classify.config.models import RecordedModel
from mllm_classify.config.study import Config

if TYPE_CHECKING:
    from mllm_classify.plan.lineage import Lineages


def influenced(config: Config, of: "Lineages") -> set[str]:
    """The jobs whose results follow from a restricted file, directly or by others."""
    reached = set(sources(config))
    names = of.names()
    while more := {name for name in names if name not in reached and reached & {*of.job(name).inputs}}:
        reached |= more
    return reached


def sources(config: Config) -> Iterator[str]:
    """The jobs that read restricted files."""
    dataset = config.dataset
    if dataset.restricted:
        yield "images"
    if any(
        it is not None and it.restricted
        for it in (dataset.imgt, dataset.regt, dataset.equivalences, *dataset.corrections)
    ):
        yield "labels"
    if dataset.hierarchy is not None and dataset.hierarchy.restricted:
        yield "hierarchy"
    if dataset.imgt.restricted and dataset.chosen_by_labels:
        yield "images"
    yield from (f"predict/{it.name}" for it in config.models if isinstance(it, RecordedModel) and it.restricted)
