"""What the tree of names and its bounds save: a table of what predictions say of their requests."""

import random

import polars as pl
import pytest

from mllm_classify.dataset.classes import CLASSES
from mllm_classify.io import parquet
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.tables.given import models
from mllm_classify.tables.likelihood import likelihood
from mllm_classify.tasks import RANKED
from tests import plain
from tests.tables.studies import STUDY, STUDY_COLUMNS, rows

NAMES = ["cat", "dog", "cat", "pen"]
CLASS_FRAME = pl.DataFrame(
    {"class_id": range(4), "name": NAMES, "synset": None, "same_name": [[0, 2], [1], [0, 2], [3]]}, schema=CLASSES
)


def ranked(task, image, nodes, **used):
    return {"image_id": image, "task": task, "status": "ok", "nodes": nodes, "tree_nodes": 8, **used}


def table(*cells):
    frame = pl.DataFrame(cells, schema=PREDICTIONS)
    return likelihood({"m": frame.lazy()}, CLASS_FRAME, models([["m", "Model", "MLLM"]]), STUDY)


def test_shares_are_of_means_over_ranked_images():
    """Of 8 nodes, 4 and 6 were asked; 10 requests an image had 1,000 tokens, of which 200 were new; each name alone 400."""
    used = {"completion_tokens": 10, "prompt_tokens": 1000, "cached_tokens": 800, "whole_tokens": 400}
    found = table(
        {"image_id": "a", "task": "CW", "status": "ok", "text": "cat"},
        ranked("CW-likelihood", "a", 4, **used),
        ranked("CW-likelihood PMI", "a", 8),
        ranked("CW-likelihood", "b", 6, **used),
        ranked("CW-likelihood PMI", "b", 8),
        {"image_id": "c", "task": "CW-likelihood", "status": "error"},
        {"image_id": "c", "task": "CW-likelihood PMI", "status": "error"},
    )
    kept = [{name: value for name, value in row.items() if name not in STUDY_COLUMNS} for row in rows(found)]
    both = {"model": "Model", "names": "3", "tree_nodes": "8", "n": "2", "n_errors": "1"}
    assert kept == [
        both | {"task": "CW-likelihood", "nodes": "5.0", "cut": "37.5", "requests": "10.0", "tokens": "1000",
                "new_tokens": "200", "whole_tokens": "400", "saved": "-150.0", "saved_new": "50.0"},
        both | {"task": "CW-likelihood PMI", "nodes": "8.0", "cut": "0.0", "requests": "", "tokens": "", "new_tokens": "",
                "whole_tokens": "", "saved": "", "saved_new": ""},
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_equals_an_independent_computation(tmp_path, seed):
    rng = random.Random(seed)
    parquet.write(CLASS_FRAME, CLASSES, tmp_path / "dataset/d/classes.parquet")
    entries = [{"name": name, "label": f"Model {name}", "kind": "vllm"} for name in ("b", "a")]
    frames = {}
    for entry in entries:
        cells = []
        for task in rng.sample(list(RANKED), 5):
            for number in range(rng.randint(1, 30)):
                used = {
                    "completion_tokens": rng.randint(1, 9),
                    "prompt_tokens": rng.randint(50, 99),
                    "whole_tokens": rng.randint(200, 300),
                }
                used |= {"cached_tokens": rng.randint(0, 50)} if seed % 2 else {}
                row = ranked(task, str(number), rng.randint(1, 8), **(used if rng.random() < 0.9 else {}))
                cells.append(row if rng.random() < 0.9 else {"image_id": str(number), "task": task, "status": "error"})
        frame = pl.DataFrame(cells, schema=PREDICTIONS)
        parquet.write(frame, PREDICTIONS, tmp_path / f"predictions/d/{entry['name']}.parquet")
        frames[entry["name"]] = frame.lazy()
    told = models(sorted([it["name"], it["label"], "MLLM"] for it in entries))
    found = rows(likelihood(frames, CLASS_FRAME, told, STUDY))
    expected = plain.likelihood(tmp_path, entries)
    assert [{name: row[name] for name in other} for row, other in zip(found, expected, strict=True)] == expected
    assert all(set(row) - set(other) == set(STUDY_COLUMNS) for row, other in zip(found, expected, strict=True))
