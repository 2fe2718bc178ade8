"""Mapping rules on labelled answers once more, from the raw files; Cohen's kappa is scikit-learn's."""

import csv
import math
import operator
from pathlib import Path

from sklearn.metrics import cohen_kappa_score

from tests.plain.answers import vectors
from tests.plain.counting import Cells, text
from tests.plain.encoders import reranker_of, templates_of
from tests.plain.files import class_names, only, records, worded
from tests.plain.judges import accepted
from tests.plain.reranked import decider
from tests.plain.statistics import percent, wilson

Sets = dict[str, set[int]]
"""Classes by answer."""


def mapping_quality(results: Path, config: dict, file: Path) -> list[Cells]:
    """The rows without thresholds, of rules and of one pass against the other, keyed by column; those that people see first.

    Intervals of kappa, which the bootstrap finds, are left out.
    """
    entries = [config["encoder"], *config.get("encoders", [])]
    templates = {entry["name"]: templates_of(entry) for entry in entries}
    rerankers = {entry["name"]: reranker_of(results, entry) for entry in entries}
    judges = [it["name"] for it in (config.get("judge"), *config.get("judges", [])) if it]
    names = [name.lower().strip() for name in class_names(results)]
    named = {name: {it for it, other in enumerate(names) if other == name} for name in names}
    rules = mapped_by_rule(results, config["models"], rerankers, names, named, judges)
    exact = rules["exact", ""]
    meant, possible = read(file, named, set(exact))
    passes = sorted(meant)
    sets = [*(["agreed"] if len(passes) > 1 else []), *passes]
    meant, possible = with_agreed(meant, possible)
    found: list[Cells] = []
    for of in sets:
        for answers in ("all", "no class names"):
            for (rule, encoder), mapped in rules.items():
                chosen = sorted(it for it in meant[of] if answers == "all" or not exact[it])
                if chosen and (answers == "all" or rule not in ("exact", "exact, else nearest")):
                    about = {"rule": rule, "encoder": encoder, "templates": templates.get(encoder, ""),
                             "answers": answers, "labels": of}  # fmt: skip
                    found.append(about | cells(chosen, mapped, meant[of], possible[of]))
        for other in passes[1:] if of == "agreed" else []:
            chosen = sorted(set(meant[passes[0]]) & set(meant[other]))
            about = {"rule": other, "encoder": "", "templates": "", "answers": "all", "labels": passes[0]}
            if chosen:
                found.append(about | cells(chosen, meant[other], meant[passes[0]], possible[passes[0]]))
    return found


def mapped_by_rule(
    results: Path,
    models: list[dict],
    encoders: dict[str, tuple[Path, int] | None],
    names: list[str],
    named: Sets,
    judges: list[str],
) -> dict[tuple[str, str], Sets]:
    """The classes that each rule, with each encoder and its re-ranker, gives each distinct answer to OW and CW."""
    texts: dict[str, str] = {}  # each answer, with the first model that gives it
    for model in sorted(entry["name"] for entry in models if worded(entry)):
        for row in records(only(results.glob(f"predictions/*/{model}.parquet"))):
            said = (row["text"] or "").strip()
            if row["task"] in ("OW", "CW") and not row["variant"] and row["status"] == "ok" and said:
                texts.setdefault(said, model)
    exact = {said: named.get(said.lower(), set()) for said in texts}
    included = {said: {it for it, name in enumerate(names) if name in said.lower()} for said in texts}
    near = {encoder: nearest(results, encoder, texts, named, names, of) for encoder, of in encoders.items()}
    rules = {("exact", ""): exact, ("included", ""): included}
    rules |= {("nearest", encoder): of for encoder, of in near.items()}
    rules |= {
        ("exact, else nearest", encoder): {said: exact[said] or of[said] for said in texts}
        for encoder, of in near.items()
    }
    for judge in judges:
        taken = accepted(records(only(results.glob(f"judgements/{judge}/*.parquet"))))
        of = {said: set() if taken.get(said) is None else named[names[taken[said]]] for said in texts}
        rules["exact, else judged", judge] = {said: exact[said] or of[said] for said in texts}
    return rules


def with_agreed(meant: dict[str, Sets], possible: dict[str, Sets]) -> tuple[dict[str, Sets], dict[str, Sets]]:
    """Labels by pass, and those of answers of which all passes say that they mean the same classes."""
    first, *others = meant.values()
    common = [it for it in first if all(first[it] == other.get(it) for other in others)]
    agreed = {it: first[it] for it in common}
    shared = {it: set.intersection(*(of[it] for of in possible.values())) for it in common}
    return {**meant, "agreed": agreed}, {**possible, "agreed": shared}


def nearest(
    results: Path,
    encoder: str,
    texts: dict[str, str],
    named: Sets,
    names: list[str],
    reranker: tuple[Path, int] | None,
) -> Sets:
    found: Sets = {}
    of_model = {model: vectors(results, model, encoder) for model in set(texts.values())}
    if reranker is not None:
        own = class_names(results)
        decide = {model: decider(*reranker, own, *embedded) for model, embedded in of_model.items()}
        return {said: named[names[decide[model](said)]] for said, model in texts.items()}
    for said, model in texts.items():
        of_classes, of_answers = of_model[model]
        best, highest = -1, -math.inf
        for class_id, vector in enumerate(of_classes):
            cosine = sum(map(operator.mul, of_answers[said], vector))
            if cosine > highest:
                best, highest = class_id, cosine
        found[said] = named[names[best]]
    return found


def read(file: Path, named: Sets, texts: set[str]) -> tuple[dict[str, Sets], dict[str, Sets]]:
    """By pass and answer: the classes that the answer means, and those that it may mean."""
    meant: dict[str, Sets] = {}
    possible: dict[str, Sets] = {}
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines):
        answer = row["answer"].replace("\\n", "\n")  # label files have one line for each answer
        if not row["relation"] or answer not in texts:
            continue
        key = f"{row['annotator']}, pass {row['pass']}"
        classes = {it for name in row["classes"].split("|") if name.strip() for it in named[name.strip().lower()]}
        means = row["relation"] in ("same", "more specific")
        meant.setdefault(key, {})[answer] = classes if means else set()
        possible.setdefault(key, {})[answer] = classes
    return meant, possible


def cells(chosen: list[str], mapped: Sets, meant: Sets, possible: Sets) -> Cells:
    right = sum(bool(mapped[it] & meant[it]) for it in chosen)
    may = sum(bool(mapped[it] & possible[it]) for it in chosen)
    counted, wanted = sum(bool(mapped[it]) for it in chosen), sum(bool(meant[it]) for it in chosen)
    found = {"mapped": str(counted), "meant": str(wanted), "right": str(right), "n": str(len(chosen))}
    for name, (part, whole) in {
        "precision": (right, counted), "recall": (right, wanted), "possible": (may, counted)
    }.items():  # fmt: skip
        found[name] = text(percent(part, whole))
        found[f"{name}_low"], found[f"{name}_high"] = map(text, wilson(part, whole))
    one, other = [], []
    for it in chosen:
        both = mapped[it] & meant[it]
        one.append(min(both or mapped[it] or {-1}))
        other.append(min(both or meant[it] or {-1}))
    constant = len({*one, *other}) == 1
    return found | {"kappa": "" if constant else text(float(cohen_kappa_score(one, other)), 3)}
