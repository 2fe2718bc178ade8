"""Which classes an answer in words stands for, under every scoring."""

import math
import operator
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.plain.files import only, records
from tests.plain.reranked import Decide


class Reading(NamedTuple):
    """How answers are read."""

    choice: str  # options of MC: by name, or by letter
    several: str  # several names: wrong, first, or any
    by_id: set[str]  # variants that are answered by class id


OF_TASK = {
    "OW": ["OW", "OW inclusion"],
    "CW": ["CW", "CW+", "CW inclusion"],
    "CW-constrained": ["CW-constrained"],
    "MC": ["MC"],
}


def vectors(results: Path, name: str, encoder: str) -> tuple[list[list[float]], dict[str, list[float]]]:
    """Embeddings of the classes, by id, and of a model's answers."""
    of_classes = sorted(
        records(only(results.glob(f"embeddings/{encoder}/*/classes.parquet"))), key=lambda record: record["class_id"]
    )
    of_answers = records(only(results.glob(f"embeddings/{encoder}/*/{name}.parquet")))
    return [row["embedding"] for row in of_classes], {row["text"]: row["embedding"] for row in of_answers}


def read_answers(
    answers: list[dict],
    names: list[str],
    class_vectors: list[list[float]],
    answer_vectors: dict[str, list[float]],
    options: dict[tuple[str, str, int], list[int] | None],
    reading: Reading,
    decide: Decide | None = None,
) -> list[tuple[str, dict, list[int], bool | None]]:
    """Scoring, row, the classes that the answer stands for, and whether it is out of prompt.

    `decide` says which class is nearest in place of the vectors.
    """
    by_key: dict[str, list[int]] = {}
    for class_id, name in enumerate(names):
        by_key.setdefault(name.lower().strip(), []).append(class_id)
    known: dict[str, list[int]] = {}

    def nearest(answer: str) -> list[int]:
        if answer not in known and decide is not None:
            known[answer] = by_key[names[decide(answer)].lower().strip()]
        if answer not in known:
            best, highest = -1, -math.inf
            for class_id, vector in enumerate(class_vectors):
                similarity = sum(map(operator.mul, answer_vectors[answer], vector))
                if similarity > highest:
                    best, highest = class_id, similarity
            known[answer] = by_key[names[best].lower().strip()]
        return known[answer]

    found: list[tuple[str, dict, list[int], bool | None]] = []
    for row in answers:
        if row["status"] != "ok":
            found += [(scoring, row, [], None) for scoring in OF_TASK[row["task"]]]
            continue
        answer = (row["text"] or "").strip()
        exact, status = read_listed(row, answer, names, by_key, reading)
        row = row | {"status": status}  # noqa: PLW2901 (the file's stays as it is)
        if row["task"] == "MC":
            shown = options[row["image_id"], row["variant"], row["repeat"]]
            chosen = (
                exact if shown is None else choose_option(answer.lower(), shown, names, reading.choice, row["variant"])
            )
            every = {other for option in chosen for other in by_key[names[option].lower().strip()]}
            found.append(("MC", row, sorted(every), not chosen))
            continue
        oop = None if row["task"] == "OW" else not exact
        near = nearest(answer) if answer else []
        included = [class_id for key, ids in by_key.items() if key in answer.lower() for class_id in ids]
        read = {"OW": near, "CW": exact, "CW+": exact or near, "CW-constrained": exact}
        found += [(scoring, row, read.get(scoring, included), oop) for scoring in OF_TASK[row["task"]]]
    return [*found, *unasked(answers, options)]


def worded_rows(answers: list[dict]) -> list[dict]:
    """Predictions in words."""
    return [row for row in answers if row["task"] in OF_TASK]


def likelihoods(answers: list[dict]) -> list[tuple[str, dict, list[int], bool | None]]:
    """Rankings by likelihood, whose first class counts: they are called by their scoring, and never out of prompt."""
    ranked = [row for row in answers if row["task"] not in OF_TASK]
    return [(row["task"], row, (row["class_ids"] or [])[:1], None) for row in ranked]


def read_listed(
    row: dict, answer: str, names: list[str], by_key: dict[str, list[int]], reading: Reading
) -> tuple[list[int], str]:
    """The classes that an answer names exactly, and its status."""
    if not answer:
        return [], "empty"
    if row["variant"] in reading.by_id:
        by_number = {str(class_id): by_key[name.lower().strip()] for class_id, name in enumerate(names)}
        return by_number.get(answer, []), "ok"
    if answer.lower() in by_key or row["task"] not in ("CW", "CW-constrained"):
        return by_key.get(answer.lower(), []), "ok"
    listed = [by_key[name] for name in listed_names(answer.lower(), by_key)]
    if len({tuple(ids) for ids in listed}) < 2:
        return [], "ok"
    every = [class_id for ids in listed for class_id in ids]
    return {"wrong": [], "first": listed[0], "any": every}[reading.several], "several"


def listed_names(answer: str, known: Iterable[str]) -> list[str]:
    """The names that an answer is a list of; empty where anything else stands between the separators."""
    for name in sorted(known, key=len, reverse=True):
        if answer == name:
            return [name]
        if answer.startswith(name) and (rest := behind_separator(answer[len(name) :])):
            others = listed_names(rest, known)
            if others:
                return [name, *others]
    return []


def behind_separator(text: str) -> str | None:
    """What stands behind a sign, a line's end, `or` and `and`; None where the text does not begin with any."""
    rest = text.lstrip()
    blanks = text[: len(text) - len(rest)]
    sign = rest[:1] in [",", ";", "/", "|", "&"]
    if sign:
        rest = rest[1:].lstrip()
    for word in ("or", "and"):
        if rest.startswith((f"{word} ", f"{word}\n")) and (sign or blanks):
            return rest[len(word) :].lstrip()
    return rest if sign or "\n" in blanks else None


def unasked(answers: list[dict], options: dict[tuple[str, str, int], list[int] | None]) -> Iterator:
    """Questions of multiple choice that have no options, about the images that a model was asked about."""
    images = {row["image_id"] for row in answers}
    if any(row["task"] == "MC" for row in answers):
        for (image, variant, repeat), shown in options.items():
            if shown == [] and image in images:
                yield "MC", {"image_id": image, "variant": variant, "repeat": repeat, "status": "unasked"}, [], None


def choose_option(answer: str, shown: list[int], names: list[str], kind: str, variant: str) -> list[int]:
    """The options that an answer names: by name, or, where they have letters, by the letter, or by letter and name."""
    found = []
    for place, option in enumerate(shown):
        name, letter = names[option].lower().strip(), "abcdefghijklmnopqrstuvwxyz"[place % 26]
        signs = [letter, f"({letter})", f"{letter}.", f"{letter})", f"{letter}:"]
        lettered = kind == "letter" and not variant.startswith("CW")
        if answer == name or (lettered and answer in signs + [f"{sign} {name}" for sign in signs[1:]]):
            found.append(option)
    return found if len({names[option] for option in found}) == 1 else []
