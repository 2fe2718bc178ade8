"""A plain computation of what the explorer shows, from the files that it was made from."""

import json
from collections import defaultdict
from urllib.parse import urlencode

import polars as pl

from mllm_classify.config.load import load
from tests.workflow.study import Study

Row = tuple[str, str, str, int]


class Plain:
    """What the demonstration's files say, image by image."""

    def __init__(self, made: Study) -> None:
        results = made.folder / "results"
        labels = pl.read_parquet(results / "dataset/photos/labels.parquet")
        self.labels = {row["image_id"]: row for row in labels.iter_rows(named=True) if row["excluded"] is None}
        classes = pl.read_parquet(results / "dataset/photos/classes.parquet").sort("class_id")
        self.names = classes["name"].to_list()
        self.same_name = classes["same_name"].to_list()
        self.scores: dict[Row, dict[str, dict]] = defaultdict(dict)
        for row in pl.read_parquet(results / "scores.parquet").iter_rows(named=True):
            self.scores[row["model"], row["scoring"], row["variant"], row["repeat"]][row["image_id"]] = row
        config = load(str(made.folder / "config.yaml"))
        self.labelled = {model.label: model.name for model in config.models}
        # by which task each model is compared: table 3 says it
        tasks = {self.labelled[row["model"]]: row["task"] for row in made.rows("table3")}
        self.compared = [
            (model.name, tasks[model.name], "", 0) for model in sorted(config.models, key=lambda it: it.label)
        ]
        self.said: dict[str, list[str]] = defaultdict(list)
        self.rankings: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        self.mapped: dict[tuple[str, str, str, str, int], dict] = {}
        for model in self.labelled.values():
            for row in pl.read_parquet(results / f"predictions/photos/{model}.parquet").iter_rows(named=True):
                if row["text"] is not None:
                    self.said[row["image_id"]].append(row["text"])
                if row["class_ids"]:
                    self.rankings[model, row["image_id"]] = row["class_ids"], row["scores"]
        for path in (results / "mapping/minilm/photos").glob("*.parquet"):
            for row in pl.read_parquet(path).iter_rows(named=True):
                self.mapped[path.stem, row["image_id"], row["task"], row["variant"], row["repeat"]] = row

    def images(self, test) -> list[str]:
        return [image for image in self.labels if test(image)]

    def has(self, image: str, row: Row, outcome: str, label_set: str) -> bool:
        found = self.scores[row].get(image)
        if outcome == "unasked":
            return found is None or found["status"] == "unasked"
        if found is None:
            return False
        return {
            "right": found[label_set],
            "wrong": not found[label_set],
            "oop": found["oop"] is True,
            "error": found["status"] == "error",
        }[outcome]

    def tells_apart(self, image: str, one: Row, other: Row) -> bool:
        """Whether one is right under ReGT, and the other is not."""
        return self.has(image, one, "right", "regt") and self.has(image, other, "wrong", "regt")

    def option(self, row: Row) -> str:
        """How a plain row stands in a list of all."""
        (label,) = [label for label, name in self.labelled.items() if name == row[0]]
        return f"{label}: {row[1]}"

    def predicted(self, image: str, row: Row) -> set[int]:
        """The classes that an answer was taken for, by the rules of the paper."""
        model, scoring, variant, repeat = row
        if (model, image) in self.rankings:
            return set(self.rankings[model, image][0][:1])
        mapped = self.mapped[model, image, scoring.removesuffix("+").removesuffix(" inclusion"), variant, repeat]
        near = set() if mapped["nearest_class"] is None else set(self.same_name[mapped["nearest_class"]])
        exact = set(mapped["exact_classes"])
        if scoring.endswith("inclusion"):
            return set(mapped["included_classes"])
        return {"OW": near, "CW+": exact or near}.get(scoring, exact)

    def taken(self, image: str, row: Row) -> int | None:
        """The one class by which a confusion is counted: the label, where it is among several."""
        predicted = self.predicted(image, row)
        label = self.labels[image]["imgt"]
        return label if label in predicted else min(predicted, default=None)

    def right(self, image: str, label_set: str) -> int:
        return sum(self.has(image, row, "right", label_set) for row in self.compared)

    def different(self, image: str) -> int:
        return len({frozenset(self.predicted(image, row)) for row in self.compared} - {frozenset()})


def view(**parts: object) -> str:
    return urlencode([(key.rstrip("_"), str(value)) for key, value in parts.items()])


def key(row: Row) -> str:
    """How links name a row."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)
