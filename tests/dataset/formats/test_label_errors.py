"""Label errors as Northcutt et al. publish their reviewers' votes."""

import json

import pytest

from mllm_classify.config.every_dataset import SecondLabelSet
from mllm_classify.dataset.formats.label_errors import read
from tests.dataset.given import LOOKUP, refusal, val
from tests.dataset.reimagenet import written

OPTIONS = {"label": "Label Errors", "format": "label_errors", "file": "mturk.json"}
PLACE = "https://labelerrors.com//static/imagenet/val/n01440764/"


def record(number, original, other, **votes):
    every = {"given": 0, "guessed": 0, "neither": 0, "both": 0} | votes
    return {"id": number - 1, "url": f"{PLACE}{val(number)}.JPEG", "given_original_label": original,
            "given_original_label_name": "a", "our_guessed_label": other, "our_guessed_label_name": "b", "mturk": every}  # fmt: skip


def readings(folder, *records):
    (folder / "mturk.json").write_text(json.dumps(records))
    _, dataset = written(folder, [(5, [5])])
    return read(dataset, SecondLabelSet.model_validate(OPTIONS), LOOKUP, [])


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ({"given": 5}, {5}),
        ({"given": 3, "guessed": 2}, {5}),
        ({"guessed": 3, "both": 2}, {6}),
        ({"both": 3, "neither": 2}, {5, 6}),
        ({"neither": 4, "given": 1}, None),
        ({"given": 2, "guessed": 2, "both": 1}, None),
        ({}, None),
    ],
)
def test_what_most_reviewers_say_counts(folder, votes, expected):
    (reading,) = readings(folder, record(293, 5, 6, **votes)).items()
    assert reading[0] == val(293)
    assert reading[1].classes == (None if expected is None else frozenset(expected))


def test_as_an_earlier_correction(folder):
    """The second image has no majority, and the third no record: neither is of the set."""
    (folder / "mturk.json").write_text(
        json.dumps([record(1, 5, 6, guessed=4, given=1), record(2, 5, 6, given=2, guessed=2, neither=1)])
    )
    found, _ = written(folder, [(5, [6]), (5, [5]), (7, [7])], earlier=[OPTIONS])
    said = found["earlier"].to_list()
    assert said == [[{"set": "Label Errors", "classes": [6], "admissible": [6]}], [], []]


def test_a_file_whose_images_or_classes_are_numbered_otherwise_is_refused(folder):
    (folder / "mturk.json").write_text(json.dumps([record(1, 8, 6, guessed=5)]))
    assert refusal(written, folder, [(5, [6])], earlier=[OPTIONS]).startswith(
        "mturk.json: repeats another ImGT for 1 of 1"
    )


@pytest.mark.parametrize("votes", [None, [], {"given": 5}, {"given": "5", "guessed": 0, "neither": 0, "both": 0},
                                   {"given": -1, "guessed": 0, "neither": 0, "both": 0}])  # fmt: skip
def test_what_are_no_votes_is_named(folder, votes):
    broken = record(1, 5, 6) | {"mturk": votes}
    assert refusal(readings, folder, broken).startswith("mturk.json: record 1: mturk ")
