"""Studies of random contents, with all the files of a run, for comparison with an independent computation."""

import itertools
import math
import random

import polars as pl
import pytest

from mllm_classify.config.every_dataset import Equivalences
from mllm_classify.dataset.classes import CLASSES, Lookup
from mllm_classify.dataset.equivalences import admissible, admits
from mllm_classify.dataset.labels import LABELS, category
from mllm_classify.io import parquet
from mllm_classify.mapping.mapping import MAPPING, map_answers
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.score.score import predicted_by_ranking, predicted_by_text, score
from mllm_classify.tables.given import models
from tests import plain
from tests.tables.studies import STUDY_COLUMNS

NAMES = ["cat", "Missile", "dog", "missile ", "laptop", "notebook", "tabby", "clock", "book", "pen"]

WORDS = ["", " ", "Cat", "DOG\n", "missile", "rocket", "a laptop", "Tabby", "pen", "something else", "book|pen"]
WORDS += ["dog, cat", "tabby or Missile", "clock\npen, or book", "cat and a rocket", "dog, dog", "missile, missile "]
IDS = ["0", "3", " 7\n", "10", "cat", "dog, cat", "", "1, 2"]
LIKELIHOODS = [
    f"{task}-likelihood{scale}" for task in ("OW", "CW") for scale in ("", " per token", " per byte", " PMI")
]
"""As predictions call them."""
ENTRIES = [
    {"name": "v1", "label": "Vision 1", "kind": "timm"},
    {"name": "v2", "label": "Vision 2", "kind": "conse"},
    {"name": "both", "label": "Both tasks", "kind": "endpoint"},
    {"name": "again", "label": "Both tasks again", "kind": "engine"},
    {"name": "open", "label": "Open world only", "kind": "endpoint", "tasks": ["OW"]},
    {"name": "closed", "label": "Closed world only", "kind": "engine", "tasks": ["CW"]},
    {"name": "varied", "label": "Asked in many ways", "kind": "vllm", "tasks": ["OW", "CW"],
     "variants": ["hot", "ids", "warm", "groups", "mixed"]},
    {"name": "ruled", "label": "Constrained", "kind": "openai", "tasks": ["CW", "CW-constrained"], "variants": ["hot"]},
    {"name": "near", "label": "Neighbours", "kind": "knn", "share": 0.9, "cut": 3},
    {"name": "likely", "label": "Likelihoods", "kind": "vllm", "tasks": ["OW", "CW", *LIKELIHOODS]},
    {"name": "kept", "label": "Kept ranking", "kind": "recorded", "share": 0.8},
    {"name": "told", "label": "Kept answers", "kind": "recorded", "column": "text", "family": "told", "share": 0.7,
     "lists": 4},
]  # fmt: skip
"""As in a configuration; `share` is of the images, `cut` what is kept of rankings."""
MODELS_OF = models(sorted([e["name"], e["label"], plain.files.family(e)] for e in ENTRIES))
VARIANTS = [
    {"name": "warm", "task": "OW", "repeats": 2},
    {"name": "hot", "task": "CW", "repeats": 3},
    {"name": "ids", "task": "CW", "answer": "id", "share": 0.6},
    {"name": "groups", "task": "CW", "images": 7, "repeats": 2},
    {"name": "mixed", "task": "CW", "images": 7, "repeats": 2, "shuffled": 1},
]
PAIRS = """# Pairs.
classes,admits,source
1|3,,same name
4|5|8,,a group
5|9,,not chained to the group
0|2,6|7,one way
"""


def unit_vectors(rng, count):
    drawn = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(count)]
    return [[x / math.hypot(*vector) for x in vector] for vector in drawn]


def distribution(rng, count):
    """Probabilities, the highest first, in 64ths: they are exact in 32 bits, and many are equal."""
    cuts = sorted(rng.choices(range(65), k=count - 1))
    parts = [high - low for low, high in zip([0, *cuts], [*cuts, 64], strict=True)]
    return [part / 64 for part in sorted(parts, reverse=True)]


def ranking(rng, ids, cut):
    return {"class_ids": rng.sample(ids, 5)[:cut], "scores": distribution(rng, 5)[:cut]}


def answered(rng, words, lists):
    """An answer, which is mostly the first of a list where there are lists of up to so many."""
    answer = rng.choice(words)
    if lists and rng.random() < 0.9:
        return {"text": answer, "texts": [answer, *rng.choices(words, k=rng.randrange(lists))]}
    return {"text": answer}


def used(rng, task):
    """What a server counted of a request, or of all for a likelihood, which stand with the first scoring; or nothing."""
    if (task in LIKELIHOODS and " " in task) or rng.random() < 0.1:
        return {}
    return {
        "prompt_tokens": rng.randint(50, 90),
        "completion_tokens": rng.randint(1, 9),
        "cached_tokens": rng.randint(0, 50),
    }


def make_study(folder, seed, count, second_label_set, one_way, several):
    """All of a run's files with random contents, as the stages after `predict` write them.

    Returns scores, labels and classes.
    """
    rng = random.Random(seed)
    ids = list(range(len(NAMES)))
    same = [[other for other in ids if NAMES[other].lower().strip() == name.lower().strip()] for name in NAMES]
    classes = pl.DataFrame({"class_id": ids, "name": NAMES, "synset": None, "same_name": same}, schema=CLASSES)
    parquet.write(classes, CLASSES, folder / "dataset/d/classes.parquet")
    (folder / "pairs.csv").write_text(PAIRS)
    pairs = Equivalences(label="pairs", file=str(folder / "pairs.csv"), one_way=one_way)
    equal = admits(pairs, Lookup(classes))

    def labelled(image):
        imgt, regt = rng.choice(ids), rng.sample(ids, rng.choice([0, 1, 1, 1, 2, 3]))
        regt = sorted({imgt, *regt[1:]}) if regt and rng.random() < 0.6 else sorted(regt)
        expert = rng.choice([None, None, [], rng.sample(ids, 1)])
        known = second_label_set and rng.random() < 0.9
        return {
            "image_id": image,
            "imgt": imgt,
            "regt": regt if known else None,
            "imgt_admissible": sorted(admissible(frozenset({imgt}), equal)),
            "regt_admissible": sorted(admissible(frozenset(regt), equal)) if known else None,
            "category": category(imgt, frozenset(regt), {}) if known else None,
            "excluded": "uncertain" if second_label_set and not known else None,
            "expert": expert,
            "expert_admissible": None if expert is None else sorted(admissible(frozenset(expert), equal)),
            "n_labels": len(regt) if known else None,
            "overlapping": False,
        }

    images = [f"picture {number}" for number in range(count)]
    labels = pl.DataFrame([labelled(image) for image in images], schema=LABELS)
    parquet.write(labels, LABELS, folder / "dataset/d/labels.parquet")
    of_classes = unit_vectors(rng, len(ids))
    schema = {"class_id": pl.Int32(), "embedding": pl.Array(pl.Float32, 4)}
    embedded = pl.DataFrame({"class_id": ids, "embedding": [of_classes[group[0]] for group in same]}, schema=schema)
    parquet.write(embedded, schema, folder / "embeddings/e/d/classes.parquet")
    scores = []
    for entry in ENTRIES:
        ranks = not plain.files.worded(entry)
        cells = []
        tasks = ["CW"] if ranks else entry.get("tasks", ["OW", "CW"])
        ways = [{"name": "", "task": task, "share": entry.get("share", 1)} for task in tasks]
        for way in [*ways, *(it for it in VARIANTS if it["name"] in entry.get("variants", []))]:
            words = IDS if way.get("answer") == "id" else WORDS + NAMES
            asked = images[: math.ceil(count * way.get("share", 1))]
            for repeat, image in itertools.product(range(way.get("repeats", 1)), asked):
                ranked = ranks or way["task"] in LIKELIHOODS
                answer = (
                    ranking(rng, ids, entry.get("cut", 5)) if ranked else answered(rng, words, entry.get("lists", 0))
                )
                about = {"image_id": image, "task": way["task"], "variant": way["name"], "repeat": repeat}
                # the images of a request are others in each repeat, unless that is their order
                place = images.index(image)
                about["group"] = (place * 3 ** (repeat * way.get("shuffled", 0)) % 7) if "images" in way else None
                finish = ({} if ranked else {"finish_reason": rng.choice([None, "stop", "stop", "length"])}) | (
                    used(rng, way["task"]) if entry["kind"] == "vllm" else {}
                )
                cells.append(about | answer | finish | {"status": "error" if rng.random() < 0.05 else "ok"})
        predictions = pl.DataFrame(cells, schema=PREDICTIONS)
        parquet.write(predictions, PREDICTIONS, folder / f"predictions/d/{entry['name']}.parquet")
        if ranks:
            scores.append(score(entry["name"], predicted_by_ranking(predictions), labels))
            continue
        texts = sorted(
            {text.strip() for row in cells if "text" in row for text in [row["text"], *row.get("texts", [])]} - {""}
        )
        schema = {"text": pl.String(), "embedding": pl.Array(pl.Float32, 4)}
        answers = pl.DataFrame({"text": texts, "embedding": unit_vectors(rng, len(texts))}, schema=schema)
        parquet.write(answers, schema, folder / f"embeddings/e/d/{entry['name']}.parquet")
        by_id = frozenset(it["name"] for it in VARIANTS if it.get("answer") == "id")
        mapped = map_answers(predictions, classes, embedded, answers, "e", None, several, by_id)
        parquet.write(mapped, MAPPING, folder / f"mapping/e/d/{entry['name']}.parquet")
        scores.append(score(entry["name"], predicted_by_text(mapped, classes), labels, predictions))
        likely = predictions.filter(pl.col("class_ids").is_not_null())
        scores += [score(entry["name"], predicted_by_ranking(it), labels) for it in [likely] if it.height]
    return pl.concat(scores), labels, classes


def lazy(folder, kind, names):
    """Files of models by their names: predictions, or mapping."""
    return {name: pl.scan_parquet(next((folder / kind).rglob(f"{name}.parquet"))) for name in names}


def assert_the_same(found, expected):
    """Rows of a table and of its recomputation; of p only the third digit may be rounded the other way."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        for name, value in other.items():
            if name.endswith(("p", "p_holm")) and value:
                assert float(row[name]) == pytest.approx(float(value), rel=6e-3), name
            elif isinstance(value, float):
                assert row[name] == pytest.approx(value, abs=1e-9), name
            else:
                assert row[name] == value, name
        missing = set(row) - set(other) - set(STUDY_COLUMNS)
        own = ["ImGT_A_low", "ImGT_A_high", "ReGT_A_low", "ReGT_A_high", "used_by", "what"] if "protocol" in row else []
        ranges = ("bootstrap", "tau_", "change_", *own)
        drawn = [f"{name}_A{end}" for name in ("ImGT", "ReGT") for end in ("_low", "_high")] if "variant" in row else []
        drawn += [
            "differs",
            "shown",
            *(f"{name}_A_vs_CWplus{end}" for name in ("ImGT", "ReGT") for end in ("_low", "_high")),
        ]
        drawn += [f"{it}_{measure}{end}" for it in ("ImGT", "ReGT") for measure in ("main", "gain", "corrected")
                  for end in ("_low", "_high")]  # fmt: skip
        assert all(
            name in drawn or name.startswith(ranges) or "_place_" in name or "_vs_main_" in name for name in missing
        ), missing
