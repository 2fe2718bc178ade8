import random
from collections import defaultdict

import polars as pl

from mllm_classify.predict.rows import ranking_rows
from mllm_classify.score.score import predicted_by_ranking, score
from mllm_classify.tables.attributes import attributes
from tests.dataset.reimagenet import GROUPS, SIZE, box, written
from tests.plain import reimagenet as plain
from tests.plain.statistics import wilson
from tests.tables.studies import MODELS, STUDY, rows

AMONG = [5, 6, 7, 8, 9, 20, 21, 836, 837, -1]
FLAGS = [*plain.ATTRIBUTES, "dominant_object"]


def record(rng):
    """An image's original class, labels, and boxes, of which some reach out of the picture or are not sure."""
    labels = rng.choices(AMONG, k=rng.randint(0, 8))
    drawn = [box([label, *rng.sample(AMONG, rng.choice([0, 0, 1]))], corners(rng), *rng.sample(FLAGS, rng.choice([0, 0, 0, 1, 2])))
             for label in labels for _ in range(rng.randint(0, 2))]  # fmt: skip
    return rng.choice(AMONG[:-1]), labels, drawn


def corners(rng):
    left, top = rng.randint(-10, 110), rng.randint(-10, 90)
    return left, top, left + rng.randint(0, 90), top + rng.randint(0, 90)


def table(folder, records, answers):
    found, _ = written(folder, records)
    scores = []
    for model, ranked in answers.items():
        predictions = ranking_rows(found["image_id"].to_list(), [[answer] for answer in ranked])
        scores.append(score(model, predicted_by_ranking(predictions), found))
    return rows(attributes(pl.concat(scores), found, MODELS, STUDY))


def test_four_images(folder):
    """A crowd in S; two labels, the larger box's not the dominant one's; equivalents; none."""
    records = [
        (5, [5], [box([5], (0, 0, 9, 9), "crowd_flag")]),
        (5, [6, 7], [box([6], (0, 0, 50, 50)), box([7], (0, 0, 9, 9), "dominant_object")]),
        (836, [836, 837], [box([837]), box([836], (0, 0, 5, 5))]),
        (5, [-1], [box([-1])]),
    ]
    found = {
        (row["of"], row["images"]): (row["ReGT"], row["n"]) for row in table(folder, records, {"v": [5, 7, 836, 0]})
    }
    several = "several labels, as they are"
    assert found == {
        ("S", "all"): ("100.00", "2"),
        ("S, by attribute", "Crowd"): ("100.00", "1"),
        ("S, by attribute", "none"): ("100.00", "1"),
        ("by number of labels", "1"): ("100.00", "2"),
        ("by number of labels", "2"): ("100.00", "1"),
        ("unambiguous", "one label"): ("100.00", "2"),
        ("unambiguous", "several, one of them dominant"): ("100.00", "1"),
        (several, "all count"): ("100.00", "2"),
        (several, "those of dominant boxes count"): ("100.00", "1"),
        (several, "box 1 by size counts"): ("50.00", "2"),
        (several, "box 2 by size counts"): ("100.00", "2"),
        **{(several, f"the {count} largest boxes count"): ("100.00", "2") for count in range(2, 6)},
    }


def test_every_figure_equals_an_independent_computation(folder):
    rng = random.Random(3)
    records = [record(rng) for _ in range(1500)]
    answers = {model: rng.choices(AMONG[:-1], k=len(records)) for model in "vw"}
    expected = defaultdict(lambda: [0, 0])
    for place, (original, labels, boxes) in enumerate(records):
        for (of, name), count in plain.groups_of(original, labels, boxes, SIZE, list(GROUPS.values())).items():
            for model, ranked in answers.items():
                right = any(plain.same(it, ranked[place], list(GROUPS.values()), "all") for it in count)
                cell = expected[{"v": "Vision", "w": "Vision 2"}[model], of, name]
                cell[0], cell[1] = cell[0] + right, cell[1] + 1
    found = table(folder, records, answers)
    assert {(row["model"], row["of"], row["images"]) for row in found} == expected.keys()
    for row in found:
        right, n = expected[row["model"], row["of"], row["images"]]
        assert (row["ReGT"], row["n"]) == (f"{100 * right / n:.2f}", str(n)), row
        assert [row["ReGT_low"], row["ReGT_high"]] == [f"{it:z.2f}" for it in wilson(right, n)]
    assert len(found) == 2 * 26


def test_an_error_is_wrong_where_boxes_count_too(folder):
    found, _ = written(folder, [(5, [6, 7], [box([6], (0, 0, 9, 9), "dominant_object")])])
    predictions = ranking_rows(found["image_id"].to_list(), [[6]]).with_columns(status=pl.lit("error"))
    scores = score("v", predicted_by_ranking(predictions), found)
    assert {row["ReGT"] for row in rows(attributes(scores, found, MODELS, STUDY))} == {"0.00"}
