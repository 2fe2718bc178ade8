"""How many other names of classes each text encoder maps to their class, from the raw files."""

from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from tests.plain.counting import Cells, text
from tests.plain.files import class_names, only, records
from tests.plain.statistics import exact_p, holm, percent, wilson


def encoder_choice(results: Path, config: dict) -> list[Cells]:
    """The table's rows, keyed by column."""
    names = [name.lower().strip() for name in class_names(results)]
    bearing: dict[str, set[str]] = defaultdict(set)
    class_of: dict[str, int] = {}
    spelt: dict[str, str] = {}
    for row in records(only(results.glob("dataset/*/hierarchy.parquet"))):
        for name in row["names"] if row["classes"] else []:
            key = name.lower().strip()
            bearing[key].add(row["node"])
            class_of.setdefault(key, min(row["classes"]))
            spelt.setdefault(key, name)
    wanted = {spelt[key]: class_of[key] for key in bearing if len(bearing[key]) == 1 and key not in names}
    entries = [config["encoder"], *config["encoders"]]
    right = {}
    for entry in entries:
        folder = f"{entry['name']}"
        of_classes = sorted(
            records(only(results.glob(f"embeddings/{folder}/*/classes.parquet"))), key=lambda row: row["class_id"]
        )
        vectors = {row["text"]: row["embedding"] for row in records(only(results.glob(f"synonyms/{folder}/*.parquet")))}
        assert vectors.keys() == wanted.keys()
        # a million cosines: the one thing here that loops would take minutes for
        cosines = np.array(list(vectors.values())) @ np.array([row["embedding"] for row in of_classes]).T
        right[entry["name"]] = {
            said
            for said, best in zip(vectors, cosines.argmax(axis=1), strict=True)
            if names[best] == names[wanted[said]]
        }
    pairs = list(combinations(right, 2))
    p = [exact_p(len(right[one] - right[other]), len(right[other] - right[one])) for one, other in pairs]
    differing: dict[str, list[str]] = defaultdict(list)
    for (one, other), corrected in zip(pairs, holm(p), strict=True):
        if corrected < 0.05:
            differing[one].append(other)
            differing[other].append(one)
    found = []
    for place, entry in enumerate(sorted(entries, key=lambda it: -len(right[it["name"]]))):
        name = entry["name"]
        low, high = wilson(len(right[name]), len(wanted))
        found.append({
            "encoder": name, "templates": entry["templates"], "answers": entry.get("answers", "templates"),
            "right": text(percent(len(right[name]), len(wanted))), "right_low": text(low), "right_high": text(high),
            "differs_from": ", ".join(sorted(differing[name])), "chosen": "" if place else "chosen",
            "n": str(len(wanted)), "n_classes": str(len(set(wanted.values()))),
        })  # fmt: skip
    return found
