"""Granularity and levels on a few answers by hand, and on random ones beside a plain computation."""

import random

import polars as pl
import pytest

from mllm_classify.dataset.hierarchy import HIERARCHY
from mllm_classify.figures.severity import severity
from mllm_classify.predict.rows import PREDICTIONS, ranking_rows
from mllm_classify.score.score import SCORES, predicted_by_ranking, score
from mllm_classify.tables.granularity import granularity
from mllm_classify.tables.levels import levels
from mllm_classify.tables.render import as_markdown
from tests.figures.drawn import drawn_texts
from tests.plain import granularity as plain
from tests.tables.small import labelled
from tests.tables.studies import MODELS, STUDY, as_read, rows

# classes 0 to 3
CLASSES = ["poodle", "beagle", "tabby", "car"]
PARENTS = {
    "thing": [], "animal": ["thing"], "dog": ["animal"], "poodle": ["dog"], "toy poodle": ["poodle"], "beagle": ["dog"],
    "tabby": ["animal"], "car": ["thing"], "dog (sausage)": ["thing"],
}  # fmt: skip
NAMES = {"dog": ["Dog", "hound"], "dog (sausage)": ["dog", "hot dog"]}
LEVELS = {"dog": [{"level": "basic", "group": "dogs"}], "animal": [{"level": "kind", "group": "animals"}]}
TREE = pl.DataFrame(
    [(node, above, NAMES.get(node, [node]), [at for at, it in enumerate(CLASSES) if it == node], LEVELS.get(node, []))
     for node, above in PARENTS.items()],
    schema=HIERARCHY,
    orient="row",
)  # fmt: skip
IMAGES = labelled(
    ("i", 0, [0], "S+"), ("j", 0, [1, 2], "M-"), ("k", 3, [], "N"), ("l", 1, [1], "S+"), ("m", 2, [2], "S+")
).with_columns(expert_admissible="expert")


def said(*texts, task="OW"):
    """Predictions of one model from the answer to each image of IMAGES; None is an error."""
    cells = [
        {
            "image_id": image,
            "task": task,
            "variant": "",
            "repeat": 0,
            "text": text,
            "status": "error" if text is None else "ok",
        }
        for image, text in zip(IMAGES["image_id"], texts, strict=True)
    ]
    return pl.DataFrame([{name: cell.get(name) for name in PREDICTIONS} for cell in cells], schema=PREDICTIONS).lazy()


def ranked(*classes):
    predictions = ranking_rows(IMAGES["image_id"].to_list(), [[it] for it in classes])
    return score("v", predicted_by_ranking(predictions), IMAGES)


NONE = pl.DataFrame(schema=SCORES)


def of(answers, scores=NONE, images=IMAGES, table=granularity):
    taken = {"resamples": 100} if table is granularity else {}
    return table(scores, images, answers, TREE, MODELS, STUDY, hierarchy_label="Tree", **taken)


def test_answers_in_words_by_hand():
    """A poodle is called a dog, a toy poodle, nothing known, and (under ReGT a beagle) a beagle."""
    found = {row["label_set"]: row for row in rows(of({"a": said(" DOG ", "toy poodle", "car", "beagle", "fog")}))}
    shares = ["right", "too_specific", "too_general", "sibling", "far", "unplaced"]
    assert [found["ImGT"][name] for name in shares] == ["40.00", "20.00", "20.00", "0.00", "0.00", "20.00"]
    # k has no label; toy poodle is a kind of what is beside beagle, and beside what tabby is
    assert [found["ReGT"][name] for name in shares] == ["25.00", "0.00", "25.00", "25.00", "0.00", "25.00"]
    # ImGT: dog 1, toy poodle 0, two right; of what is above, without the root, 2 of 2, 3 of 4, 1 of 1, 3 of 3
    assert [found["ImGT"][name] for name in ("height", "height_of_mistakes", "hP", "hR")] == [
        "0.25",
        "0.50",
        "90.00",
        "90.00",
    ]
    assert (found["ImGT"]["n"], found["ImGT"]["n_placed"], found["ImGT"]["n_ambiguous"]) == ("5", "4", "1")
    assert (found["ReGT"]["n"], found["ReGT"]["hierarchy"]) == ("4", "Tree")


def test_errors_and_empty_answers_are_unplaced():
    (row,) = [it for it in rows(of({"a": said(None, "", "car", "poodle", "thing")})) if it["label_set"] == "ImGT"]
    assert [row[name] for name in ("right", "sibling", "too_general", "unplaced")] == [
        "20.00",
        "20.00",
        "20.00",
        "40.00",
    ]


def test_rankings_are_placed_by_their_classes():
    found = rows(of({}, ranked(1, 0, 3, 1, 3)))
    assert [(row["task"], row["reading"], row["label_set"]) for row in found] == [
        ("CW", "classes", "ImGT"),
        ("CW", "classes", "ReGT"),
    ]
    assert [row["right"] for row in found] == ["60.00", "25.00"]
    assert [(row["sibling"], row["far"]) for row in found] == [("20.00", "20.00"), ("50.00", "25.00")]


def test_levels_by_hand():
    found = {(row["label_set"], row["level"]): row["accuracy"]
             for row in rows(of({"a": said("dog", "tabby", "car", "beagle", "thing")}, table=levels))}  # fmt: skip
    assert found == {
        ("ImGT", "class"): "40.00", ("ImGT", "basic"): "60.00", ("ImGT", "kind"): "80.00",
        ("ReGT", "class"): "50.00", ("ReGT", "basic"): "75.00", ("ReGT", "kind"): "75.00",
    }  # fmt: skip


def test_without_a_second_label_set_there_is_one():
    images = IMAGES.with_columns(regt_admissible=pl.lit(None, pl.List(pl.Int32)))
    assert {row["label_set"] for row in rows(of({"a": said(*["dog"] * 5)}, images=images))} == {"ImGT"}


def test_excluded_images_and_variants_are_left_out():
    images = IMAGES.with_columns(excluded=pl.when(pl.col("image_id") == "i").then(pl.lit("open")))
    answers = said("poodle", "car", "car", "car", "car")
    varied = pl.concat(
        [answers, answers.with_columns(variant=pl.lit("v")), answers.with_columns(repeat=pl.lit(1, pl.Int32))]
    )
    (row,) = [it for it in rows(of({"a": varied}, images=images)) if it["label_set"] == "ImGT"]
    assert (row["n"], row["right"]) == ("4", "25.00")


@pytest.mark.parametrize("seed", range(4))
def test_random_answers_are_as_a_plain_computation_has_them(seed):
    rng = random.Random(seed)
    vocabulary = {name: [node for node in PARENTS if name in [it.lower() for it in NAMES.get(node, [node])]]
                  for name in [*PARENTS, "hound", "hot dog", "dog", "no such thing"]}  # fmt: skip
    texts = [rng.choice(sorted(vocabulary)) for _ in range(5)]
    classes = [rng.randrange(4) for _ in range(5)]
    found = {(row["reading"], row["label_set"]): row for row in rows(of({"a": said(*texts)}, ranked(*classes)))}
    for name, column in {"ImGT": "imgt_admissible", "ReGT": "regt_admissible"}.items():
        right = [[CLASSES[it] for it in labels] for labels in IMAGES[column].to_list()]
        for reading, nodes in {
            "words": [vocabulary[it] for it in texts],
            "classes": [[CLASSES[it]] for it in classes],
        }.items():
            answers = [(these, labels) for these, labels in zip(nodes, right, strict=True) if labels]
            expected = plain.row(answers, PARENTS, CLASSES, "thing")
            row = found[reading, name]
            for key, value in expected.items():
                assert row[key] == ("" if value is None else f"{value}" if key == "n" else f"{value:.2f}"), key
            shares = [float(row[it]) for it in plain.SHARES]
            assert sum(shares) == pytest.approx(100, abs=0.05)
            for bounded in ("height", "height_of_mistakes", "hP", "hR"):
                if row[f"{bounded}_low"]:
                    assert float(row[f"{bounded}_low"]) <= float(row[f"{bounded}_high"])


def test_the_order_of_rows_and_columns_changes_nothing():
    answers, scores = {"a": said("dog", "tabby", "car", "beagle", "thing")}, ranked(1, 0, 3, 1, 3)
    turned = of({"a": answers["a"].reverse()}, scores.reverse(), IMAGES.reverse())
    assert turned.rows.equals(of(answers, scores).rows)


def test_what_people_see():
    text = as_markdown(of({"a": said("dog", "tabby", "car", "beagle", "thing")}))
    assert "hierarchy: Tree" in text
    assert "Of several meanings of an answer, and of several labels, the best counts." in text


def test_the_figure_stacks_shares(tmp_path):
    table = as_read(of({"a": said("dog", "tabby", "car", "beagle", "thing")}, ranked(1, 0, 3, 1, 3)))
    figure = severity(table)
    assert [axes.get_title() for axes in figure.axes] == ["answers under ImGT (%)", "answers under ReGT (%)"]
    for axes in figure.axes:
        ends = {}
        for bar in axes.patches:
            line = round(bar.get_y() + bar.get_height() / 2)
            assert bar.get_x() == pytest.approx(ends.get(line, 0))
            ends[line] = bar.get_x() + bar.get_width()
        assert list(ends.values()) == [pytest.approx(100, abs=0.05)] * 2
    assert {"too general", "unplaced", "Model A, OW, words", "Vision, CW, classes"} <= set(
        drawn_texts(figure, tmp_path)
    )
    assert severity(table.clear()).axes == []
