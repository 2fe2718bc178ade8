"""Requests, tokens and dollars of classes ranked by likelihood: what is missing will take at most, and what was used so far.

How many nodes of the tree of names bounds leave out depends on the model's answers, so that nobody knows it beforehand:
until some images are ranked, every node counts. The tree itself is known once the server has told the names' tokens.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from mllm_classify.api import answers
from mllm_classify.predict.chat.asking import CHARACTERS_PER_TOKEN
from mllm_classify.predict.chat.naming import NONE
from mllm_classify.predict.chat.nodes import MOST_IDS
from mllm_classify.predict.chat.rankings import LackingError, RankedWay, Rankings, Record
from mllm_classify.predict.likelihood.tree import inner, name_tree

Tokens = tuple[float, float, float]
"""Of prompts, of these from a cache, and of answers."""


class _Ranked(NamedTuple):
    """What the journal has of one task."""

    complete: list[list[Record]]  # of each image that is ranked, all that its ranking needs
    partial: list[list[Record]]  # of each other image, what is there
    without_image: list[Record]
    lacking_without_image: int  # requests


def estimated(rankings: Rankings) -> list[dict[str, Any]]:
    """One row for each task that ranks classes: the columns of the table of costs (`estimate.ESTIMATE`), by name."""
    return [_row(rankings, way) for way in rankings.ways]


def requests_of_all_nodes(way: RankedWay) -> int:
    """What an image takes at most. Before a server has told the names' tokens: as if every few characters were one."""
    if way.naming is not None:
        return sum(len(way.requests(node, image=True)) for node in way.inner)
    ending = [] if way.end == NONE else [""]
    tokens: dict[str, int] = {}
    paths = [tuple(tokens.setdefault(piece, len(tokens)) for piece in [*_pieces(name), *ending]) for name in way.names]
    return sum(math.ceil(len(node.children) / MOST_IDS) for node in inner(name_tree(paths)))


def _pieces(name: str) -> Sequence[str]:
    length = round(CHARACTERS_PER_TOKEN)
    return [name[start : start + length] for start in range(0, len(name), length)]


def _known(rankings: Rankings, way: RankedWay) -> _Ranked:
    questionnaire = rankings.questionnaire
    distinct = {questionnaire.sent(place): place for place in questionnaire.asked_about(way.way)}
    complete: list[list[Record]] = []
    partial: list[list[Record]] = []
    for place in distinct.values():
        ranked, records = rankings.so_far(way, place)
        (partial if ranked is None else complete).append(records)
    without_image: list[Record] = []
    lacking = 0
    if way.needs_prior:
        if way.naming is None:
            lacking = requests_of_all_nodes(way)
        else:
            for node in way.inner:
                try:
                    without_image += rankings.records(way, node, None)
                except LackingError:
                    lacking += len(way.requests(node, image=False))
    return _Ranked(complete, partial, without_image, lacking)


def _row(rankings: Rankings, way: RankedWay) -> dict[str, Any]:
    model = rankings.questionnaire.model
    known = _known(rankings, way)
    every = requests_of_all_nodes(way)
    counted = [record for records in known.complete for record in records]
    each = len(counted) / len(known.complete) if known.complete else every
    lacking = sum(max(each - len(records), 0) for records in known.partial)
    words = len(rankings.questionnaire.text(way.way)) / CHARACTERS_PER_TOKEN
    picture = model.image_tokens or 0
    # of an image's requests, only the first has anything new to read but the name; the text is new to the first image
    again = max(lacking - len(known.partial), 0)
    seen = max(len(known.partial) - 1, 0) * words if way.way.layout != "image_first" else 0
    text, cached = lacking * words, again * (words + picture) + seen
    pictures = None if model.image_tokens is None else lacking * picture
    if any(answers.used(record["response"]).prompt is not None for record in counted):
        prompt, from_cache, _ = (number / len(counted) for number in _used(counted))
        text, pictures, cached = lacking * prompt, 0.0, lacking * from_cache
    text += known.lacking_without_image * words
    cached += max(known.lacking_without_image - 1, 0) * words
    missing = round(lacking) + known.lacking_without_image
    there = [*counted, *(record for records in known.partial for record in records), *known.without_image]
    used = _used(there)
    row: dict[str, Any] = {
        "model": model.name, "task": way.way.task, "variant": "",
        "images": len(rankings.questionnaire.asked_about(way.way)), "requests": len(there) + missing,
        "answered": len(there), "text_tokens": round(text),
        "image_tokens": None if pictures is None else round(pictures),
        "cached_tokens": round(cached), "answer_tokens": missing,
        "tokens_from": _basis(way, known, every, told=bool(picture)) if missing else "nothing is missing",
        "used_prompt_tokens": used[0], "used_cached_tokens": used[1], "used_answer_tokens": used[2],
        "cost": None, "cost_cached": None, "spent": None,
    }  # fmt: skip
    if (prices := model.prices) is not None:
        prompt_tokens = text + (pictures or 0)
        row["cost"] = prices.cost(prompt_tokens, 0, missing)
        row["cost_cached"] = prices.cost(prompt_tokens, cached, missing)
        row["spent"] = prices.cost(*used)
    return row


def _basis(way: RankedWay, known: _Ranked, every: int, *, told: bool) -> str:
    """Where the numbers of requests and tokens come from."""
    if known.complete:
        return f"counted on {len(known.complete)} rankings, text and images together"
    tree = "of the names' tokens" if way.naming is not None else "of names in pieces of 3 characters"
    bounds = "" if way.top >= len(way.names) else ", as if bounds left none out"
    unknown = "" if told else "; image_tokens is not set"
    return f"at most: {every} requests an image, all nodes {tree}{bounds}; characters{unknown}"


def _used(records: list[Record]) -> Tokens:
    counted = [answers.used(record["response"]) for record in records]
    return (
        sum(it.prompt or 0 for it in counted),
        sum(it.cached or 0 for it in counted),
        sum(it.completion or 0 for it in counted),
    )
