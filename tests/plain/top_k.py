"""Accuracy of the first k, once more."""

from tests.plain.answers import read_answers, vectors
from tests.plain.counting import Cells, correct_of, text
from tests.plain.files import only, records, worded
from tests.plain.judgements import Judged, judge
from tests.plain.main_answers import Files
from tests.plain.statistics import percent, wilson

Lists = dict[str, list[tuple[dict, list[list[int]]]]]
"""By scoring: the row, and the classes by place."""


def top_k(files: Files, k: list[int]) -> list[Cells]:
    """Rows of the table, without errors at best and worst, subsets' intervals, changes and the study's columns."""
    table = []
    for entry in files.models:
        for scoring, answers in lists_of(files, entry).items():
            longest = max(len(places) for _, places in answers)
            for number in k:
                if number > 1 and longest < number:
                    continue
                judged = [judged_first(files, row, places[:number]) for row, places in answers]
                counts = correct_of(judged, files.n_images)
                cells = {name: text(percent(*counts[name])) for name in counts}
                for name in ("ImGT_A", "ReGT_A"):
                    low, high = wilson(*counts[name])
                    cells |= {f"{name}_low": text(low), f"{name}_high": text(high)}
                short = sum(row["status"] != "error" and len(places) < number for row, places in answers)
                about = {"model": entry["label"], "task": scoring, "k": str(number), "n": str(len(judged))}
                about |= {"n_errors": str(sum(row.status == "error" for row in judged)), "n_shorter": str(short)}
                table.append(about | cells)
    return table


def lists_of(files: Files, entry: dict) -> Lists:
    """What counts of a model: rankings, or answers of which any is one of a list, to images that are evaluated."""
    name = entry["name"]
    rows = [
        row
        for row in records(only(files.results.glob(f"predictions/*/{name}.parquet")))
        if not row["variant"] and row["repeat"] == 0 and row["task"] != "MC" and row["image_id"] in files.labels
    ]
    found: Lists = {}
    if not worded(entry):
        found["CW"] = [(row, [[it] for it in row["class_ids"] or []]) for row in rows]
        return found
    of_classes, of_answers = vectors(files.results, name, files.encoder)
    for row in rows:
        if "likelihood" in row["task"]:
            if " " not in row["task"]:  # per token, per byte and PMI are protocols
                found.setdefault(row["task"], []).append((row, [[it] for it in row["class_ids"] or []]))
            continue
        if not any(other["texts"] for other in rows if other["task"] == row["task"]):
            continue
        for answer in row["texts"] or [row["text"]]:
            alone = read_answers([row | {"text": answer}], files.names, of_classes, of_answers, {}, files.reading)
            for scoring, _, predicted, _ in alone:
                if "inclusion" in scoring:
                    continue
                of_scoring = found.setdefault(scoring, [])
                if not of_scoring or of_scoring[-1][0]["image_id"] != row["image_id"]:
                    of_scoring.append((row, []))
                of_scoring[-1][1].append(predicted)
    return found


def judged_first(files: Files, row: dict, places: list[list[int]]) -> Judged:
    named = [class_id for place in places for class_id in place]
    return judge(row, named, None, files.labels[row["image_id"]], files.equal)
