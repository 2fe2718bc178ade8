import random
from collections import Counter

import pytest

from mllm_classify.predict.rows import ranking_rows
from mllm_classify.score.score import predicted_by_ranking, score
from mllm_classify.tables.corrected_accuracy import corrected_accuracy
from mllm_classify.tables.corrections import corrections
from tests.dataset.given import refusal, val, write_json
from tests.dataset.reimagenet import GROUPS, written
from tests.plain import reimagenet as plain
from tests.plain.statistics import wilson
from tests.tables.studies import MODELS, STUDY, rows

AMONG = [5, 6, 7, 20, 21, 836, 837]
ALL = list(GROUPS.values())


def proposed(file, by_image):
    """Corrections as ReImageNet's authors keep them: ids between commas, in quotes, with fractions."""
    lines = [f'{val(number)}.JPEG,"{",".join(f"{it}.0" for it in labels)}"' for number, labels in by_image.items()]
    file.write_text("\n".join(["id,proposed_labels", *lines]) + "\n")


def plain_category(original, labels):
    """Labels as they are; + where one is ImGT or equivalent to it."""
    if not labels:
        return "N"
    plus = any(plain.same(original, it, ALL, "all") for it in labels)
    return ("S" if len(labels) == 1 else "M") + ("+" if plus else "-")


def flowing(folder, records, by_image, **options):
    proposed(folder / "errors.csv", by_image)
    return written(
        folder, records, earlier=[{"label": "errors", "file": "errors.csv", "format": "proposed"} | options]
    )[0]


def test_four_images(folder):
    records = [(5, [6]), (836, [836, 837]), (5, [5]), (5, [5, 6]), (7, [-1])]
    found = flowing(folder, records, {1: [5], 2: [837], 3: [], 5: [6, 7]})
    table = rows(corrections(found, STUDY))
    assert [(row["set"], row["before"], row["after"], row["n"], row["share"]) for row in table] == [
        ("errors", "N", "S+", "1", "25.00"),
        ("errors", "S+", "S-", "1", "25.00"),
        ("errors", "S+", "M+", "1", "25.00"),
        ("errors", "M+", "N", "1", "25.00"),
    ]


def test_every_figure_equals_an_independent_computation(folder):
    rng = random.Random(5)
    records = [(rng.choice(AMONG), rng.sample(AMONG, rng.choice([0, 1, 1, 2, 3]))) for _ in range(400)]
    by_image = {number: rng.sample(AMONG, rng.choice([0, 1, 1, 2])) for number in rng.sample(range(1, 401), 300)}
    found = flowing(folder, records, by_image)
    answers = rng.choices(AMONG, k=len(records))
    moved = Counter()
    right = Counter()
    for number, labels in by_image.items():
        original, second = records[number - 1]
        before = plain_category(original, labels)
        moved[before, plain_category(original, second)] += 1
        answer = [answers[number - 1]]
        of = {
            "ImGT": plain.right(answer, [original], ALL, "all"),
            "earlier": plain.right(answer, labels, ALL, "all"),
            "ReGT": plain.right(answer, second, ALL, "all"),
        }
        for subset in {"A", before[0], before}:
            right["n", subset] += 1
            for name, it in of.items():
                right[name, subset] += it
    table = rows(corrections(found, STUDY))
    assert {(row["before"], row["after"]): int(row["n"]) for row in table} == moved
    scores = score(
        "v", predicted_by_ranking(ranking_rows(found["image_id"].to_list(), [[it] for it in answers])), found
    )
    accuracies = rows(corrected_accuracy(scores, found, MODELS, STUDY))
    assert len(accuracies) == 8
    for row in accuracies:
        n = right["n", row["subset"]]
        assert row["n"] == str(n)
        for name in ("ImGT", "earlier", "ReGT"):
            expected = right[name, row["subset"]]
            assert row[name] == f"{100 * expected / n:.2f}"
            assert [row[f"{name}_low"], row[f"{name}_high"]] == [f"{it:z.2f}" for it in wilson(expected, n)]


def test_real_is_an_earlier_correction_too(folder):
    file = write_json(folder, [[5], [], [6, 7]])
    found, _ = written(folder, [(5, [6])] * 3, earlier=[{"label": "ReaL", "file": file, "format": "real"}])
    assert [(row["before"], row["n"]) for row in rows(corrections(found, STUDY))] == [
        ("N", "1"),
        ("S+", "1"),
        ("M-", "1"),
    ]


def test_what_an_earlier_set_is_not_sure_of_is_none_of_its_images(folder):
    file = "earlier.jsonl"
    records = [(5, [5]), (5, [6])]
    written(folder, [(5, [-1]), (5, [6])])
    (folder / "re.jsonl").rename(folder / file)
    for uncertain, expected in (("exclude", ["S-"]), ("N", ["N", "S-"])):
        earlier = {"label": "first", "file": file, "format": "reimagenet", "uncertain": uncertain}
        found, _ = written(folder, records, earlier=[earlier])
        assert [row["before"] for row in rows(corrections(found, STUDY))] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id,proposed_labels\nx.JPEG,5\n", "errors.csv: labels none of the 1 images"),
        (f"id,proposed_labels\n{val(1)}.JPEG,1000\n", "errors.csv:2: '1000' is not a class"),
        (f"id,proposed_labels\n{val(1)}.JPEG,5\n{val(1)},6\n", f"errors.csv:3: image {val(1)!r} is labelled at"),
        ("id,labels\na,5\n", "errors.csv: no column 'proposed_labels'"),
    ],
)
def test_a_broken_file_of_corrections_is_named(folder, content, expected):
    (folder / "errors.csv").write_text(content)
    earlier = [{"label": "errors", "file": "errors.csv", "format": "proposed"}]
    assert refusal(written, folder, [(5, [5])], earlier=earlier).startswith(expected)
