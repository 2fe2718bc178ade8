"""ReImageNet, new labels of ImageNet's validation images."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mllm_classify.dataset.boxes import NOT_SURE, boxes
from mllm_classify.dataset.readings import Reading, Readings, Records, add, labelled, listed
from mllm_classify.io.records import image_id, read_records

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import SecondLabelSet
    from mllm_classify.dataset.classes import Lookup


def read(dataset: "AnyDataset", labels: "SecondLabelSet", lookup: "Lookup", _image_ids: Iterable[str]) -> Readings:
    """JSON-lines of image_name, original_class and reannotated_labels, and optionally bboxes (`boxes`).

    -1 says that the annotators were not sure: alone it makes the image uncertain, beside classes it is dropped. An empty
    list says that no class applies; null is a missing label. Without an original_class the image is uncertain too, unless
    uncertain images count as N: its labels are known.
    """
    records: Records = {}
    for place, record in read_records(labels.file, "image_name", "original_class", "reannotated_labels"):
        name = dataset.image_id(image_id(place, record, "image_name"))
        given = record["reannotated_labels"]
        if given is None:
            add(records, name, place)
            continue
        parts = listed(place, given)
        sure = frozenset(lookup.one(place, part) for part in parts if part != NOT_SURE)
        repeated = record["original_class"]
        originals = [] if repeated is None else listed(place, repeated)
        original = frozenset(lookup.one(place, part) for part in originals) if originals else None
        uncertain = (NOT_SURE in parts and not sure) or (original is None and labels.uncertain != "N")
        drawn = record.get("bboxes")
        found = None if drawn is None else boxes(place, drawn, lookup)
        add(records, name, Reading(place, None if uncertain else sure, original, found))
    return labelled(records)
