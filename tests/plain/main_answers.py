"""The main answers of a study's models: no variants, no multiple choice, the first repeat."""

from collections.abc import Iterator
from pathlib import Path

from tests.plain.answers import Reading, likelihoods, read_answers, vectors, worded_rows
from tests.plain.counting import SCORINGS
from tests.plain.files import EQUIVALENCES, admitted_pairs, class_names, only, records, worded
from tests.plain.judgements import Judged, judge
from tests.plain.selection import choose


class Files:
    """What a study's files say, read as the judgements are."""

    def __init__(
        self,
        results: Path,
        models: list[dict],
        equivalences: Path | None = EQUIVALENCES,
        n_images: str = "correct",
        several: str = "wrong",
        variants: list[dict] | None = None,
        encoder: str = "*",
    ) -> None:
        self.results, self.n_images, self.encoder = results, n_images, encoder
        self.models = sorted(models, key=lambda entry: entry["name"])
        every = records(only(results.glob("dataset/*/labels.parquet")))
        self.labels = {row["image_id"]: row for row in every if row.get("excluded") is None}
        self.second = any(row["regt"] is not None for row in self.labels.values())
        self.names = class_names(results)
        self.equal = admitted_pairs(equivalences, one_way=False)
        by_id = {variant["name"] for variant in variants or [] if variant.get("answer") == "id"}
        self.reading = Reading("name", several, by_id)
        self.said = {entry["name"]: list(self._answers(entry)) for entry in self.models}

    def _answers(self, entry: dict) -> Iterator[tuple[str, dict, list[int], Judged]]:
        """Scoring, row, the classes named, and the judgement, of main answers."""
        name = entry["name"]
        rows = [
            row
            for row in records(only(self.results.glob(f"predictions/*/{name}.parquet")))
            if not row["variant"] and row["task"] != "MC" and row["repeat"] == 0
        ]
        if worded(entry):
            of_answers = vectors(self.results, name, self.encoder)
            found = read_answers(worded_rows(rows), self.names, *of_answers, {}, self.reading) + likelihoods(rows)
        else:
            found = [("CW", row, (row["class_ids"] or [])[:1], None) for row in rows]
        for scoring, row, predicted, oop in found:
            if row["image_id"] in self.labels and scoring in SCORINGS:
                label = self.labels[row["image_id"]]
                yield scoring, row, predicted, judge(row, predicted, oop, label, self.equal)

    def judged(self, name: str, scoring: str) -> list[Judged]:
        return [judged for kind, _, _, judged in self.said[name] if kind == scoring]

    def task(self, name: str) -> str:
        """The model's task in Table 3."""
        scorings = {scoring: self.judged(name, scoring) for scoring in SCORINGS}
        return choose({scoring: rows for scoring, rows in scorings.items() if rows}, self.n_images) or "CW"

    def same(self, class_id: int) -> int:
        """The first class of that name."""
        key = self.names[class_id].lower().strip()
        return next(place for place, name in enumerate(self.names) if name.lower().strip() == key)

    def label_sets(self) -> list[str]:
        return ["ImGT", "ReGT"] if self.second else ["ImGT"]


def right(row: Judged, label_set: str) -> bool:
    return bool(row.imgt if label_set == "ImGT" else row.regt)
