"""Table 6, and the protocols of earlier work, once more."""

from pathlib import Path

from tests.plain.counting import REGT, Cells, correct_of, difference, oop_rate, sizes, text
from tests.plain.files import Equal, only, records, worded
from tests.plain.judgements import Judged, Judgements, is_admissible
from tests.plain.statistics import mean_and_half, percent, t_quantile

VARIANTS = [
    "ImGT + random",
    "ImGT + confEVA(ImGT)",
    "ReGT + confEVA(ReGT)",
    "ImGT + ReGT + random",
    "ImGT + ReGT + confEVA(ImGT, ReGT)",
    "ImGT + 999 (CW)",
]
ORIGINS = ["random", "confusion", "tie", "fallback"]
PROTOCOLS = {
    "OW inclusion": "OW, inclusion",
    "OW": "OW, embedding",
    "CW inclusion": "CW, inclusion",
    "CW": "CW",
    "CW+": "CW+",
    "CW-constrained": "CW, constrained",
    **{
        f"{it}-likelihood{by}": f"{it}, likelihood{by}"
        for it in ("CW", "OW")
        for by in ("", " per token", " per byte", " PMI")
    },
    "ImGT + random": "MC, {few} random",
    "ImGT + confEVA(ImGT)": "MC, {few} confused",
    "MC random": "MC, {n} random",
    "MC semantic": "MC, {n} semantic",
    "CW random": "CW, {classes} random",
    "CW first": "CW, first {classes}",
}


def multiple(every: Judgements, name: str, variant: str) -> list[Judged]:
    return [row for row in every[name].get("MC", []) if row.variant == variant]


def table6(
    results: Path,
    every: Judgements,
    entries: dict[str, dict],
    labels: dict[str, dict],
    equal: Equal,
    choices: dict,
    n_images: str,
    classes: int,
) -> list[Cells]:
    questions = [
        row for path in results.glob("choices/*.parquet") if "confusions" not in path.name for row in records(path)
    ]
    taken, totals = confusions(results, labels, choices["reference"])
    found = []
    for name in entries:
        means = []
        cells_of = []
        for variant in VARIANTS:
            rows = multiple(every, name, variant)
            if not rows:
                continue
            repeats = sorted({row.repeat for row in rows})
            quantile = t_quantile(len(repeats) - 1) if len(repeats) > 1 else None
            by_repeat = [correct_of([row for row in rows if row.repeat == repeat], n_images) for repeat in repeats]
            cells = {"model": entries[name]["label"], "distractors": variant, "repeats": str(len(repeats))}
            for column in ["ImGT_A", *REGT]:
                mean, half = mean_and_half([percent(*counts[column]) for counts in by_repeat], quantile)
                cells |= {column: text(mean), f"{column}_ci95": text(half)}
                if column == "ImGT_A":
                    means.append(mean or 0)
            cells |= sizes([row for row in rows if row.repeat == repeats[0]]) | {"OOP": oop_rate(rows)}
            cells |= effects(
                rows, multiple(every, name, variant.split(" + confEVA")[0] + " + random"), variant, n_images
            )
            asked = [row for row in questions if row["variant"] == variant and row["options"] != []]
            cells["options"] = str(classes if asked[0]["options"] is None else len(asked[0]["options"]))
            origins = [origin for row in asked for origin in row["origins"] or [] if origin in ORIGINS]
            for origin in ORIGINS:
                cells[f"share_{origin}"] = text(percent(origins.count(origin), len(origins)))
            cells["difficulty"] = text(difficulty(asked, labels, equal, taken, totals, classes))
            cells_of.append(cells)
        if cells_of:
            found.append((sum(means) / len(means), name, cells_of))
    return [cells for _, _, cells_of in sorted(found, key=lambda row: row[:2]) for cells in cells_of]


def confusions(
    results: Path, labels: dict[str, dict], reference: str
) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    """How many images of a label the reference takes for a class, and how many there are of the label."""
    taken: dict[tuple[int, int], int] = {}
    for row in records(only(results.glob(f"predictions/*/{reference}.parquet"))):
        if row["image_id"] in labels and row["status"] == "ok" and row["class_ids"]:
            pair = labels[row["image_id"]]["imgt"], row["class_ids"][0]
            taken[pair] = taken.get(pair, 0) + 1
    totals: dict[int, int] = {}
    for (label, _), count in taken.items():
        totals[label] = totals.get(label, 0) + count
    return taken, totals


def effects(rows: list[Judged], easy: list[Judged], variant: str, n_images: str) -> Cells:
    """Random minus confEVA, where both are asked about the same labels."""
    cells = {"random_minus_ImGT_A": "", "random_minus_ReGT_A": ""}
    if easy and "confEVA" in variant:
        one, other = correct_of(easy, n_images), correct_of(rows, n_images)
        for column in ("ImGT_A", "ReGT_A"):
            cells[f"random_minus_{column}"] = difference(percent(*one[column]), percent(*other[column]))
    return cells


def difficulty(
    asked: list[dict],
    labels: dict[str, dict],
    equal: Equal,
    taken: dict[tuple[int, int], int],
    totals: dict[int, int],
    classes: int,
) -> float:
    """How many percent of an offered label's images the reference takes for another option; the mean over questions."""
    shares = []
    known: dict[str, float] = {}
    for row in asked:
        label = labels[row["image_id"]]

        def right(option: int, label: dict = label) -> bool:
            return option == label["imgt"] or is_admissible([option], label["regt"] or [], equal)

        def share(named: list[int], others: list[int]) -> float:
            lost = sum(taken.get((one, other), 0) / totals[one] for one in named if one in totals for other in others)
            return lost / len(named)

        if row["options"] is not None:
            options = row["options"]
            shares.append(share([o for o in options if right(o)], [o for o in options if not right(o)]))
            continue
        if row["image_id"] not in known:
            admissible = [o for o in range(classes) if right(o) or is_admissible([o], [label["imgt"]], equal)]
            known[row["image_id"]] = share([label["imgt"]], [o for o in range(classes) if o not in admissible])
        shares.append(known[row["image_id"]])
    return 100 * sum(shares) / len(shares)


def tokens(answers: list[dict], key: str) -> Cells:
    """Tokens of prompts and answers to a row's questions on average, and of those that no cache had."""
    task, variant = (
        ("MC", key) if key.startswith(("MC", "ImGT", "ReGT")) or key in ("CW random", "CW first") else (key, "")
    )
    task = {"CW+": "CW", "CW inclusion": "CW", "OW inclusion": "OW"}.get(task, task.split(" ")[0])
    asked = [
        row for row in answers if row["task"] == task and row["variant"] == variant and row["prompt_tokens"] is not None
    ]
    if not asked:
        return {"tokens": "", "forward_tokens": ""}
    every = sum(row["prompt_tokens"] + row["completion_tokens"] for row in asked)
    cached = [row["cached_tokens"] for row in asked]
    new = "" if None in cached else text((every - sum(cached)) / len(asked))
    return {"tokens": text(every / len(asked)), "forward_tokens": new}


def against(rows: list[Judged], baseline: list[Judged], n_images: str) -> Cells:
    """Accuracies less those of CW+, on the images that both have."""
    common = {row.image_id for row in rows} & {row.image_id for row in baseline}
    one, other = (correct_of([row for row in it if row.image_id in common], n_images) for it in (rows, baseline))
    return {
        f"{name}_vs_CWplus": "" if rows is baseline else difference(percent(*one[name]), percent(*other[name]))
        for name in ("ImGT_A", "ReGT_A")
    }


def protocols(
    every: Judgements, entries: dict[str, dict], choices: dict, n_images: str, answers: dict[str, list[dict]]
) -> list[Cells]:
    numbers = {"few": choices.get("n", 4)} | {"n": 26, "classes": 100} | (choices.get("earlier") or {})
    found = []
    for name in sorted(every):
        for key, shown in PROTOCOLS.items():
            rows = (
                every[name].get(key, [])
                if key in ("OW", "CW", "CW+", "CW-constrained") or "inclusion" in key or "likelihood" in key
                else multiple(every, name, key)
            )
            if not rows or not worded(entries[name]):
                continue
            counts = correct_of(rows, n_images)
            found.append(
                {
                    "model": entries[name]["label"],
                    "protocol": shown.format(**numbers),
                    "ImGT_A": text(percent(*counts["ImGT_A"])),
                    "ReGT_A": text(percent(*counts["ReGT_A"])),
                    **against(rows, every[name].get("CW+", []), n_images),
                    **tokens(answers.get(name, []), key),
                    "OOP": oop_rate(rows),
                    "repeats": str(len({row.repeat for row in rows})),
                    "n": str(len({row.image_id for row in rows})),
                }
            )
    return found
