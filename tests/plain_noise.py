"""Tables of out-of-prompt answers and of label noise once more, from the raw Parquet files, with loops and fractions only.

Like `plain`, whose reading of answers and labels it uses, it shares no code with the package.
"""

import operator
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from tests import plain
from tests.plain import Cells, Judged, percent, text, wilson

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
PROBABLE = ["timm", "knn"]
"""Kinds of models whose scores are probabilities."""
RANKINGS = {"rank": "disagreement of models", "quality_rank": "label quality (cleanlab)"}
CRITERIA = {
    "ReGT has other labels (S-, M-)": ("category", ["S-", "M-"]),
    "ReGT lacks the label (S-, M-, N)": ("category", ["S-", "M-", "N"]),
    "the experts lack the label": ("expert", ["differs"]),
}


class Files:
    """What a study's files say, read as `plain` reads them."""

    def __init__(
        self,
        results: Path,
        models: list[dict],
        equivalences: Path | None = plain.EQUIVALENCES,
        n_images: str = "correct",
        several: str = "wrong",
        variants: list[dict] | None = None,
        encoder: str = "*",
    ) -> None:
        self.results, self.n_images, self.encoder = results, n_images, encoder
        self.models = sorted(models, key=lambda entry: entry["name"])
        every = plain.records(plain.one(results.glob("dataset/*/labels.parquet")))
        self.labels = {row["image_id"]: row for row in every if row.get("excluded") is None}
        self.second = any(row["regt"] is not None for row in self.labels.values())
        self.names = plain.class_names(results)
        self.equal = plain.pairs(equivalences, one_way=False)
        by_id = {variant["name"] for variant in variants or [] if variant.get("answer") == "id"}
        self.reading = plain.Reading("name", several, by_id)
        self.said = {entry["name"]: list(self._answers(entry)) for entry in self.models}

    def _answers(self, entry: dict) -> Iterator[tuple[str, dict, list[int], Judged]]:
        """Scoring, row, the classes named, and the judgement, of main answers."""
        name = entry["name"]
        rows = [
            row
            for row in plain.records(plain.one(self.results.glob(f"predictions/*/{name}.parquet")))
            if not row["variant"] and row["task"] != "MC" and row["repeat"] == 0
        ]
        if plain.worded(entry):
            vectors = plain.vectors(self.results, name, self.encoder)
            found = plain.read_answers(rows, self.names, *vectors, {}, self.reading)
        else:
            found = [("CW", row, (row["class_ids"] or [])[:1], None) for row in rows]
        for scoring, row, predicted, oop in found:
            if row["image_id"] in self.labels and scoring in plain.SCORINGS:
                label = self.labels[row["image_id"]]
                yield scoring, row, predicted, plain.judge(row, predicted, oop, label, self.equal)

    def judged(self, name: str, scoring: str) -> list[Judged]:
        return [judged for kind, _, _, judged in self.said[name] if kind == scoring]

    def task(self, name: str) -> str:
        """The model's task in Table 3."""
        scorings = {scoring: self.judged(name, scoring) for scoring in plain.SCORINGS}
        return plain.choose({scoring: rows for scoring, rows in scorings.items() if rows}, self.n_images) or "CW"

    def same(self, class_id: int) -> int:
        """The first class of that name."""
        key = self.names[class_id].lower().strip()
        return next(place for place, name in enumerate(self.names) if name.lower().strip() == key)

    def label_sets(self) -> list[str]:
        return ["ImGT", "ReGT"] if self.second else ["ImGT"]


def tables(results: Path, models: list[dict], **options: object) -> dict[str, list[Cells]]:
    """Rows of every table in the file's order, keyed by column, without those of the study and what the bootstrap finds."""
    files = Files(results, models, **options)  # type: ignore[arg-type]
    ranked = suspects(files)
    return {
        "breakdown": breakdown(files),
        "oop_texts": oop_texts(files),
        "abstention": abstention(files),
        "gains": gains(files),
        "suspects": ranked,
        "precision": precision(ranked),
    }


def right(row: Judged, label_set: str) -> bool:
    return bool(row.imgt if label_set == "ImGT" else row.regt)


def listed(files: Files, name: str, label_set: str) -> list[Judged]:
    """Answers to CW that are in or out of prompt, on the images that the label set is over."""
    rows = [row for row in files.judged(name, "CW+") if row.oop is not None]
    return [row for row in rows if label_set == "ImGT" or plain.counted(row, files.n_images)]


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
    classes, answers = plain.vectors(files.results, name, files.encoder)
    found = {}
    for answer in {answer for answer, _ in oop_rows(files, name)} - {""}:
        cosines = [sum(map(operator.mul, answers[answer], vector)) for vector in classes]
        best = files.same(max(range(len(cosines)), key=lambda place: cosines[place]))
        others = [cosine for place, cosine in enumerate(cosines) if files.same(place) != best]
        found[answer] = best, max(cosines), max(cosines) - max(others)
    return found


def oop_texts(files: Files) -> list[Cells]:
    table = []
    for entry in filter(plain.worded, files.models):
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
    for entry in filter(plain.worded, files.models):
        nearest = near(files, entry["name"])
        for label_set in files.label_sets():
            rows = [
                (answer, right(row, label_set))
                for answer, row in oop_rows(files, entry["name"])
                if answer and (label_set == "ImGT" or row.category != "N")
            ]
            every = [
                row
                for row in files.judged(entry["name"], "CW")
                if label_set == "ImGT" or plain.counted(row, files.n_images)
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


def gains(files: Files) -> list[Cells]:
    if not files.second:
        return []
    by_family: dict[str, list[tuple[Fraction, Fraction]]] = {}
    members: dict[str, list[str]] = {}
    for entry in files.models:
        members.setdefault(plain.family(entry), []).append(entry["label"])
        rows = files.judged(entry["name"], files.task(entry["name"]))
        counts = plain.figures(rows, files.n_images)
        accuracies = tuple(100 * Fraction(*counts[column]) for column in ("ImGT_A", "ReGT_A"))
        for family in (plain.family(entry), "all models"):
            by_family.setdefault(family, []).append(accuracies)
    if len(by_family) == 2:
        del by_family["all models"]

    def gain(family: str) -> Fraction:
        return sum((after - before for before, after in by_family[family]), Fraction(0)) / len(by_family[family])

    table = []
    for family, accuracies in by_family.items():
        count = len(accuracies)
        compared = "supervised" in by_family and family not in ("supervised", "all models")
        table.append(
            {
                "paradigm": family,
                "models": str(count),
                "members": ", ".join(members.get(family, [])),
                "ImGT_A": text(float(sum(before for before, _ in accuracies) / count)),
                "ReGT_A": text(float(sum(after for _, after in accuracies) / count)),
                "gain": text(float(gain(family))),
                "gain_min": text(float(min(after - before for before, after in accuracies))),
                "gain_max": text(float(max(after - before for before, after in accuracies))),
                "vs_supervised": text(float(gain(family) - gain("supervised"))) if compared else "",
            }
        )
    return sorted(table, key=lambda row: (row["paradigm"] == "all models", gain(row["paradigm"]), row["paradigm"]))


def suspects(files: Files) -> list[Cells]:
    answers: dict[str, list[tuple[list[int], Judged]]] = {image: [] for image in files.labels}
    for entry in files.models:
        task = files.task(entry["name"])
        for scoring, row, predicted, judged in files.said[entry["name"]]:
            if scoring == task:
                answers[row["image_id"]].append((predicted, judged))
    qualities = label_qualities(files)
    found = []
    for image, given in answers.items():
        if not given:
            continue
        label = files.labels[image]
        counts = other_classes(files, label["imgt"], given)
        votes = max(counts.values(), default=0)
        agreeing = sum(judged.imgt for _, judged in given)
        others = [class_id for class_id, count in counts.items() if count == votes]
        judged_too = files.second and plain.counted(given[0][1], files.n_images)
        cells = {
            "image_id": image,
            "imgt_label": files.names[label["imgt"]],
            "other": files.names[min(others)] if others else "",
            "votes": str(votes),
            "right": str(agreeing),
            "models": str(len(given)),
            "regt_labels": " | ".join(files.names[class_id] for class_id in label["regt"] or []),
            "category": plain.category(label["imgt"], label["regt"]) or "",
            "gained": str(sum(bool(row.regt) and not row.imgt for _, row in given)) if judged_too else "",
            "lost": str(sum(row.imgt and not row.regt for _, row in given)) if judged_too else "",
            "quality": text(float(qualities[image]), 4) if image in qualities else "",
            "quality_rank": "",
            "expert": "",
        }
        if label.get("expert") is not None:
            cells["expert"] = "agrees" if label["imgt"] in label["expert"] else "differs"
        found.append((-Fraction(votes, len(given)), Fraction(agreeing, len(given)), image, cells))
    table = [cells for *_, cells in sorted(found, key=lambda row: row[:3])]
    for rank, cells in enumerate(table, 1):
        cells["rank"] = str(rank)
    known = sorted((row for row in table if row["image_id"] in qualities), key=lambda row: row["image_id"])
    for rank, cells in enumerate(sorted(known, key=lambda row: qualities[row["image_id"]]), 1):
        cells["quality_rank"] = str(rank)
    return table


def other_classes(files: Files, imgt: int, given: list[tuple[list[int], Judged]]) -> dict[int, int]:
    """How many models name each class that ImGT does not admit."""
    counts: dict[int, int] = {}
    for predicted in (predicted for predicted, judged in given if judged.status != "error"):
        for class_id in {files.same(each) for each in predicted}:
            if not plain.is_admissible([class_id], [imgt], files.equal):
                counts[class_id] = counts.get(class_id, 0) + 1
    return counts


def label_qualities(files: Files) -> dict[str, float]:
    """Half of one more than the label's probability less the likeliest other one's; the mean over classifiers."""
    found: dict[str, list[float]] = {}
    for entry in files.models:
        if entry["kind"] not in PROBABLE:
            continue
        for _, row, _, _ in files.said[entry["name"]]:
            if row["status"] != "ok" or not row["scores"]:
                continue
            label = files.labels[row["image_id"]]["imgt"]
            of_label, of_other = 0.0, 0.0
            for class_id, score in zip(row["class_ids"], row["scores"], strict=True):
                if plain.is_admissible([class_id], [label], files.equal):
                    of_label += score
                else:
                    of_other = max(of_other, score)
            found.setdefault(row["image_id"], []).append((1 + of_label - of_other) / 2)
    return {image: round(sum(each) / len(each), 6) for image, each in found.items()}


def precision(ranked: list[Cells]) -> list[Cells]:
    table = []
    for ranking, name in RANKINGS.items():
        for criterion, (column, wanted) in CRITERIA.items():
            rows = sorted((row for row in ranked if row[ranking] and row[column]), key=lambda row: int(row[ranking]))
            hits = [row[column] in wanted for row in rows]
            total = len(hits)
            at_hits = [Fraction(sum(hits[:place]), place) for place in range(1, total + 1) if hits[place - 1]]
            for first in [*(k for k in (10, 100, 1000, 10000) if k < total), *([total] if total else [])]:
                low, high = wilson(sum(hits[:first]), first)
                table.append(
                    {
                        "ranking": name,
                        "criterion": criterion,
                        "first": str(first),
                        "hits": str(sum(hits[:first])),
                        "precision": text(percent(sum(hits[:first]), first)),
                        "precision_low": text(low),
                        "precision_high": text(high),
                        "base": text(percent(sum(hits), total)),
                        "average_precision": text(float(100 * sum(at_hits) / len(at_hits))) if at_hits else "",
                        "n": str(total),
                    }
                )
    return table
