"""The text encoder that is chosen by what else classes are called."""

import random

import polars as pl
import pytest

from mllm_classify.dataset.hierarchy import HIERARCHY, synonyms
from mllm_classify.io import parquet
from mllm_classify.tables.encoder_choice import encoder_choice
from tests.plain.encoder_choice import encoder_choice as plainly
from tests.tables.random_studies import unit_vectors
from tests.tables.small import CLASSES
from tests.tables.studies import STUDY, rows

NODES = pl.DataFrame(
    [
        ("c", ["a"], ["cat", "true cat", "Felis"], [0], []),
        ("d", ["a"], ["dog", "hound", "Tool"], [1], []),
        ("m", [], ["missile", "projectile", "tool"], [2, 3], []),
        ("a", [], ["animal", "beast"], [], []),
    ],
    schema=HIERARCHY,
    orient="row",
)
AMONG = [["one", "t.txt", "templates"], ["other", "u.txt", "bare"]]
VECTOR = pl.Array(pl.Float32, 4)


def test_other_names_are_those_of_one_class_and_of_no_class_list():
    """Not animal, which is no class; nor tool, which two classes are called; of equal names any class may be meant."""
    assert synonyms(NODES, CLASSES).rows() == [("Felis", 0), ("hound", 1), ("projectile", 2), ("true cat", 0)]


def pointing(*at):
    """Vectors of the four other names, each at a class's own."""
    axes = [[float(place == it) for place in range(4)] for it in range(4)]
    classes = pl.DataFrame(
        {"class_id": range(4), "embedding": [axes[min(it, 2)] for it in range(4)]},
        schema={"class_id": pl.Int32, "embedding": VECTOR},
    )
    names = synonyms(NODES, CLASSES)["text"]
    return classes.lazy(), pl.DataFrame(
        {"text": names, "embedding": [axes[it] for it in at]}, schema={"text": pl.String, "embedding": VECTOR}
    ).lazy()


def chosen(**at):
    of = {name: pointing(*places) for name, places in at.items()}
    classes, names = ({name: each[side] for name, each in of.items()} for side in (0, 1))
    return rows(encoder_choice(classes, names, NODES, CLASSES, STUDY, AMONG))


def test_the_encoder_that_knows_more_names_is_chosen_and_of_equal_ones_the_first():
    found = chosen(one=(0, 1, 0, 0), other=(0, 1, 2, 0))
    assert [(row["encoder"], row["right"], row["chosen"]) for row in found] == [
        ("other", "100.00", "chosen"), ("one", "75.00", ""),
    ]  # fmt: skip
    assert {(row["n"], row["n_classes"], row["differs_from"]) for row in found} == {("4", "3", "")}
    assert [row["encoder"] for row in chosen(one=(0, 0, 0, 0), other=(0, 0, 0, 0))] == ["one", "other"]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_figure_equals_an_independent_computation(tmp_path, seed):
    """Sixty classes of three other names; the second encoder knows most of them."""
    rng = random.Random(seed)
    names = [f"class {number}" for number in range(60)]
    same = [[number] for number in range(60)]
    classes = CLASSES.clear().vstack(
        pl.DataFrame({"class_id": range(60), "name": names, "same_name": same}, schema=CLASSES.schema)
    )
    nodes = pl.DataFrame(
        [
            (f"n{it}", [], [f"{it} {word}" for word in "abc"] + [rng.choice(["x", "y", f"z{it}"]), names[it]], [it], [])
            for it in range(60)
        ],
        schema=HIERARCHY,
        orient="row",
    )
    parquet.write(classes, None, tmp_path / "dataset/d/classes.parquet")
    parquet.write(nodes, HIERARCHY, tmp_path / "dataset/d/hierarchy.parquet")
    of = synonyms(nodes, classes)
    given = {}
    for name in ("one", "other"):
        vectors = unit_vectors(rng, 60)
        drawn = unit_vectors(rng, of.height)
        if name == "other":
            drawn = [
                vectors[it] if rng.random() < 0.8 else vector for it, vector in zip(of["class_id"], drawn, strict=True)
            ]
        embedded = pl.DataFrame(
            {"class_id": range(60), "embedding": vectors}, schema={"class_id": pl.Int32, "embedding": VECTOR}
        )
        said = pl.DataFrame({"text": of["text"], "embedding": drawn}, schema={"text": pl.String, "embedding": VECTOR})
        parquet.write(embedded, None, tmp_path / f"embeddings/{name}/d/classes.parquet")
        parquet.write(said, None, tmp_path / f"synonyms/{name}/d.parquet")
        given[name] = (embedded.lazy(), said.lazy())
    config = {
        "encoder": {"name": "one", "templates": "t.txt"},
        "encoders": [{"name": "other", "templates": "u.txt", "answers": "bare"}],
    }
    of_classes, of_names = ({name: each[side] for name, each in given.items()} for side in (0, 1))
    found = rows(encoder_choice(of_classes, of_names, nodes, classes, STUDY, AMONG))
    expected = plainly(tmp_path, config)
    assert [{name: row[name] for name in expected[0]} for row in found] == expected
    assert found[0]["differs_from"] == "one"
