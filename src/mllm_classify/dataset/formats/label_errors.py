"""Label errors that Northcutt et al. (2021) found, as their five reviewers of each image decided (cleanlab/label-errors, mturk/)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mllm_classify.dataset.readings import Reading, Readings, Records, add, labelled
from mllm_classify.io.files import InputError
from mllm_classify.io.records import image_id, read_records
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import SecondLabelSet
    from mllm_classify.dataset.classes import Lookup

VOTES = ("given", "guessed", "both", "neither")
"""What a reviewer could say of the original label and of the one that was guessed."""


def read(dataset: "AnyDataset", labels: "SecondLabelSet", lookup: "Lookup", _image_ids: Iterable[str]) -> Readings:
    """Records of `url`, which ends in the image's file, `given_original_label`, `our_guessed_label` and `mturk`: votes.

    What more than half say counts: the original label, the guessed one, or both. Where they say neither, which class is
    right is not known; there, and without a majority, the image is uncertain.
    """
    records: Records = {}
    fields = ("url", "given_original_label", "our_guessed_label", "mturk")
    for place, record in read_records(labels.file, *fields):
        given, guessed = (lookup.one(place, record[key]) for key in fields[1:3])
        votes = _votes(place, record["mturk"])
        winner = next((vote for vote, number in votes.items() if 2 * number > sum(votes.values())), "neither")
        classes = {"given": {given}, "guessed": {guessed}, "both": {given, guessed}}.get(winner)
        reading = Reading(place, None if classes is None else frozenset(classes), frozenset({given}))
        add(records, dataset.image_id(image_id(place, record, "url")), reading)
    return labelled(records)


def _votes(place: str, value: Any) -> dict[str, int]:
    """How many reviewers said each. Raises InputError where it is not that."""
    votes: dict[str, int] = {vote: value.get(vote, -1) for vote in VOTES} if isinstance(value, dict) else {}
    if not votes or not all(type(number) is int and number >= 0 for number in votes.values()):
        msg = f"{place}: mturk {shown(value, 60)}: must have the numbers of votes for {', '.join(VOTES)}"
        raise InputError(msg)
    return votes
