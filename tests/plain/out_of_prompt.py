"""Tables of out-of-prompt answers once more."""

import operator
from fractions import Fraction

from tests.plain.answers import vectors
from tests.plain.counting import Cells, counted, text
from tests.plain.files import worded
from tests.plain.judgements import Judged
from tests.plain.main_answers import Files, right
from tests.plain.statistics import percent, wilson

CATEGORIES = {
    "A": None,
    "SM": ["S+", "S-", "M+", "M-"],
    "S": ["S+", "S-"],
    "S+": ["S+"],
    "S-": ["S-"],
    "M": ["M+", "M-"],
    "M+": ["M+"],
    "M-": ["M-"],
    "N": ["N"],
}


def listed(files: Files, name: str, label_set: str) -> list[Judged]:
    """Answers to CW that are in or out of prompt, on the images that the label set is over."""
    rows = [row for row in files.judged(name, "CW+") if row.oop is not None]
    return [row for row in rows if label_set == "ImGT" or counted(row, files.n_images)]


def breakdown(files: Files) -> list[Cells]:
    table = []
    for entry in files.models:
        for label_set in files.label_sets():
            rows = listed(files, entry["name"], label_set)
            if not rows:
                continue
            rows_of = {statistic: Cells() for statistic in ("out of prompt", "right", "wrong", "no class", "right, %")}
            for column, categories in CATEGORIES.items():
                found = [row for row in rows if row.oop and (categories is None or row.category in categories)]
                hits = [row for row in found if right(row, label_set)]
                misses = [row for row in found if row not in hits]
                empty = [row for row in misses if row.status == "empty"]
                numbers = [len(found), len(hits), len(misses) - len(empty), len(empty)]
                known = files.second or categories is None
                for statistic, number in zip(rows_of, numbers, strict=False):
                    rows_of[statistic] |= {column: str(number) if known else ""}
                    rows_of[statistic] |= {f"{column}_low": "", f"{column}_high": ""}
                low, high = wilson(len(hits), len(found))
                rows_of["right, %"] |= {
                    column: text(percent(len(hits), len(found))),
                    f"{column}_low": text(low),
                    f"{column}_high": text(high),
                }
            for statistic, cells in rows_of.items():
                about = {"model": entry["label"], "label_set": label_set, "statistic": statistic, "n": str(len(rows))}
                table.append(about | cells)
    return table


def oop_rows(files: Files, name: str) -> list[tuple[str, Judged]]:
    """OOP answers with their judgement under CW+."""
    return [
        ((row["text"] or "").strip(), judged)
        for scoring, row, _, judged in files.said[name]
        if scoring == "CW+" and judged.oop
    ]


def near(files: Files, name: str) -> dict[str, tuple[int, float, float]]:
    """By OOP answer: the nearest class, its cosine, and how far it is ahead of classes of other names."""
    classes, answers = vectors(files.results, name, files.encoder)
    found = {}
    for answer in {answer for answer, _ in oop_rows(files, name)} - {""}:
        cosines = [sum(map(operator.mul, answers[answer], vector)) for vector in classes]
        best = files.same(max(range(len(cosines)), key=lambda place: cosines[place]))
        others = [cosine for place, cosine in enumerate(cosines) if files.same(place) != best]
        found[answer] = best, max(cosines), max(cosines) - max(others)
    return found


def oop_texts(files: Files) -> list[Cells]:
    table = []
    for entry in filter(worded, files.models):
        rows = oop_rows(files, entry["name"])
        nearest = near(files, entry["name"])
        texts = [answer for answer, _ in rows]
        for answer in sorted(set(texts), key=lambda answer: (-texts.count(answer), answer))[:50]:
            mine = [judged for other, judged in rows if other == answer]
            class_id, similarity, margin = nearest.get(answer, (None, None, None))
            labelled = [row for row in mine if row.category != "N"]
            table.append(
                {
                    "model": entry["label"],
                    "text": answer.replace("\n", "\\n") or "(empty)",
                    "answers": str(len(mine)),
                    "share": text(percent(len(mine), len(rows))),
                    "nearest": "" if class_id is None else files.names[class_id],
                    "similarity": text(similarity, 3),
                    "margin": text(margin, 3),
                    "ImGT_right": str(sum(row.imgt for row in mine)),
                    "ReGT_right": str(sum(bool(row.regt) for row in labelled)) if files.second else "",
                    "n_N": str(len(mine) - len(labelled)) if files.second else "",
                }
            )
    return table


def abstention(files: Files) -> list[Cells]:
    table = []
    for entry in filter(worded, files.models):
        nearest = near(files, entry["name"])
        for label_set in files.label_sets():
            rows = [
                (answer, right(row, label_set))
                for answer, row in oop_rows(files, entry["name"])
                if answer and (label_set == "ImGT" or row.category != "N")
            ]
            every = [
                row for row in files.judged(entry["name"], "CW") if label_set == "ImGT" or counted(row, files.n_images)
            ]
            before = sum(right(row, label_set) for row in every)
            for place, signal in enumerate(("similarity", "margin"), 1):
                found = [(nearest[answer][place], hit) for answer, hit in rows]
                about = {"model": entry["label"], "label_set": label_set, "signal": signal, "n": str(len(every))}
                about["aurc"] = text(area(found))
                for threshold, kept in points([value for value, _ in found]):
                    hits = sum(hit for value, hit in found if value >= threshold)
                    low, high = wilson(kept - hits, kept)
                    table.append(
                        about
                        | {
                            "coverage": text(percent(kept, len(found))),
                            "threshold": text(threshold, 3),
                            "kept": str(kept),
                            "right": str(hits),
                            "risk": text(percent(kept - hits, kept)),
                            "risk_low": text(low),
                            "risk_high": text(high),
                            "accuracy": text(percent(before + hits, len(every))),
                        }
                    )
    return table


def points(values: list[float]) -> list[tuple[float, int]]:
    """Thresholds that keep a tenth, two tenths, and so on, at least; and how many each keeps."""
    found = {}
    for tenths in range(1, 11):
        kept = 0
        for threshold in sorted(set(values), reverse=True):
            kept = sum(value >= threshold for value in values)
            if kept * 10 >= tenths * len(values):
                found[kept] = threshold
                break
    return [(threshold, kept) for kept, threshold in found.items()]


def area(found: list[tuple[float, bool]]) -> float | None:
    """The mean risk over all numbers of answers kept; of a tie, such a part of its wrong answers as of its answers."""
    risks = []
    before = wrong = Fraction(0)
    for value in sorted({value for value, _ in found}, reverse=True):
        tied = [hit for other, hit in found if other == value]
        missed = Fraction(tied.count(False), len(tied))
        risks += [(wrong + missed * more) / (before + more) for more in range(1, len(tied) + 1)]
        before += len(tied)
        wrong += missed * len(tied)
    return float(100 * sum(risks) / len(risks)) if risks else None
