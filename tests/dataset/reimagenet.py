"""Files in the format in which ReImageNet is released, and what is read of them."""

import json

import polars as pl

from mllm_classify.config.dataset import ImagenetDataset
from mllm_classify.dataset.labels import labels
from tests.dataset.given import CLASSES, val

SIZE = (100, 80)
GROUPS = {"notebooks": [836, 837], "missiles": [657, 744], "chain": [744, 10], "three": [20, 21, 22], "alone": [30]}


def written(folder, records, groups=GROUPS, overlapping="all", earlier=(), **regt):
    """Labels of images 1, 2, ... from their original classes, labels and, if any, boxes; and the data set.

    Pictures are SIZE large.
    """
    lines = [
        {"image_name": f"{val(n)}.JPEG", "file_path": f"val/{val(n)}.JPEG", "original_class": [original]}
        | {"reannotated_labels": found, "bboxes": drawn[0] if drawn else []}
        for n, (original, found, *drawn) in enumerate(records, 1)
    ]
    (folder / "re.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "imgt.json").write_text(json.dumps({f"{val(n)}.JPEG": it for n, (it, *_) in enumerate(records, 1)}))
    config = {"eq_classes": groups, "hier_classes": {"dog": [1, 2]}, "image_overrides": {"x": "a", "y": "b"}}
    (folder / "class_update_config.json").write_text(json.dumps(config))
    dataset = ImagenetDataset(
        source="imagenet",
        name="i",
        label="I",
        imgt={"file": "imgt.json"},
        earlier=list(earlier),
        regt={"label": "R", "format": "reimagenet", "file": "re.jsonl"} | regt,
        equivalences={"label": "E", "file": "class_update_config.json", "overlapping": overlapping},
    )
    ids = [val(n) for n in range(1, len(records) + 1)]
    images = pl.DataFrame({"image_id": ids, "width": SIZE[0], "height": SIZE[1]})
    return labels(images, CLASSES, dataset), dataset


def box(labels, corners=(0, 0, 10, 10), *flags):
    """A box with flags by their names."""
    names = ["crowd_flag", "reflected_flag", "rendition_flag", "ocr_needed_flag", "dominant_object"]
    return {"coordinates": list(corners), "labels": labels, "group": None} | {name: name in flags for name in names}
