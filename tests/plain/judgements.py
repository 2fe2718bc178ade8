"""Every prediction of a study, and whether it is right by either label set."""

from pathlib import Path
from typing import NamedTuple

from tests.plain.answers import Reading, likelihoods, read_answers, vectors, worded_rows
from tests.plain.files import Equal, only, records, worded
from tests.plain.reranked import decider


class Judged(NamedTuple):
    """One prediction under one scoring."""

    image_id: str
    category: str | None
    imgt: bool
    regt: bool | None
    oop: bool | None
    expert: bool | None
    expert_gave_none: bool  # no class applies
    imgt_class: int
    variant: str
    repeat: int
    status: str  # ok, error, empty, several, unasked
    group: int | None  # of images in one request
    text: str | None
    predicted: tuple[int, ...]
    finish_reason: str | None


Judgements = dict[str, dict[str, list[Judged]]]
"""By the model's name, then by scoring."""


def judgements(
    results: Path,
    models: list[dict],
    labels: dict[str, dict],
    equal: Equal,
    names: list[str],
    reading: Reading,
    encoder: str = "*",
    reranker: tuple[Path, int] | None = None,
) -> Judgements:
    """`reranker` is the folder of a cross-encoder, and how many of the nearest names it is shown."""
    judged: Judgements = {}
    options = {
        (row["image_id"], row["variant"], row["repeat"]): row["options"]
        for path in results.glob("choices/*.parquet")
        if "confusions" not in path.name
        for row in records(path)
    }
    for entry in models:
        name = entry["name"]
        answers = records(only(results.glob(f"predictions/*/{name}.parquet")))
        embedded = vectors(results, name, encoder) if worded(entry) else ([], {})
        decide = None if reranker is None else decider(*reranker, names, *embedded)
        found = (
            [
                *read_answers(worded_rows(answers), names, *embedded, options, reading, decide),
                *likelihoods(answers),
            ]
            if worded(entry)
            else [("CW", row, row["class_ids"][:1] if row["class_ids"] else [], None) for row in answers]
        )
        judged[name] = {}
        for scoring, row, predicted, oop in found:
            if row["image_id"] in labels:
                label = labels[row["image_id"]]
                judged[name].setdefault(scoring, []).append(judge(row, predicted, oop, label, equal))
    return judged


def judge(row: dict, predicted: list[int], oop: bool | None, label: dict, equal: Equal) -> Judged:
    answered = row["status"] != "error"

    def right(labels: list[int] | None) -> bool | None:
        if labels is None:
            return None
        return answered and (not labels or is_admissible(predicted, labels, equal))

    return Judged(
        row["image_id"],
        category(label["imgt"], label["regt"]),
        answered and is_admissible(predicted, [label["imgt"]], equal),
        right(label["regt"]),
        oop,
        right(label.get("expert")),
        label.get("expert") == [],
        label["imgt"],
        row["variant"],
        row["repeat"],
        row["status"],
        row.get("group"),
        row.get("text"),
        tuple(sorted(predicted)),
        row.get("finish_reason"),
    )


def is_admissible(predicted: list[int], labels: list[int], equal: Equal) -> bool:
    return any(guess == label or (label, guess) in equal for guess in predicted for label in labels)


def category(imgt: int, regt: list[int] | None) -> str | None:
    if regt is None:
        return None
    if not regt:
        return "N"
    return ("S" if len(regt) == 1 else "M") + ("+" if imgt in regt else "-")


def belongs(category: str | None, subset: str) -> bool:
    return category is not None and (subset in ("A", category) or category[0] == subset)
