"""Classes ranked by the likelihood of their names: what is asked of a server, and what the journal says of it.

Every node of the tree of names that a search asks is an answer, kept as it comes: another run goes on from there, and
rankings are made from the journal alone.
"""

import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import polars as pl

from mllm_classify.api import answers, journal
from mllm_classify.io.files import sha256
from mllm_classify.predict.chat import nodes
from mllm_classify.predict.chat.naming import NONE, Naming
from mllm_classify.predict.likelihood.search import Best, Bounds, LogProbs, Scale, best, complete
from mllm_classify.predict.likelihood.tree import Node, inner
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.tasks import TASK, Scoring

if TYPE_CHECKING:
    from mllm_classify.predict.chat.prompts import Way
    from mllm_classify.predict.chat.questions import Questionnaire
    from mllm_classify.tasks import TaskName

log = logging.getLogger(__name__)

FOLDER = "likelihood"
"""In a model's journal: what is known of names' tokens and likelihoods."""

Record = dict[str, Any]


class LackingError(LookupError):
    """The journal has not all that a ranking needs."""


class RankedWay:
    """One task that ranks classes: its prompt, the names' tokens once they are known, and the scales."""

    def __init__(self, questionnaire: "Questionnaire", way: "Way") -> None:
        self.way = way
        scales = questionnaire.model.likelihood.scales
        self.scorings: list[Scoring] = [it for it in TASK[cast("TaskName", way.task)].scorings if it.scale in scales]
        text = questionnaire.text(way)
        self.put = nodes.put(questionnaire.model, way, text, image=True)
        self.alone = nodes.put(questionnaire.model, way, text, image=False)
        self.names = questionnaire.names
        self.end = questionnaire.model.likelihood.end
        top = questionnaire.model.likelihood.top
        self.top = len(self.names) if top == "all" else top
        self.naming: Naming | None = None
        self.prior: dict[int, float] | None = None  # log-probabilities of names without an image
        of_names = [self.put.body, self.names, self.end, questionnaire.identity]
        self.key = sha256(json.dumps(of_names, sort_keys=True).encode())
        self._requests: dict[tuple[Any, bool], list[nodes.Request]] = {}

    @property
    def needs_prior(self) -> bool:
        """Whether a scoring takes off what names have without an image."""
        return any(scoring.scale == "PMI" for scoring in self.scorings)

    @property
    def named(self) -> Naming:
        if self.naming is None:
            raise LackingError
        return self.naming

    @cached_property
    def tree(self) -> Node:
        return self.named.tree

    @cached_property
    def inner(self) -> list[Node]:
        return inner(self.tree)

    def requests(self, node: Node, *, image: bool) -> list[nodes.Request]:
        """What says how a node goes on."""
        known = self._requests.get((node.path, image))
        if known is None:
            put = self.put if image else self.alone
            known = self._requests[node.path, image] = list(nodes.requests(node, self.named, put))
        return known

    @cached_property
    def scales(self) -> list[tuple[Scale, Bounds]]:
        """Of each scoring."""
        every = range(len(self.names))
        none, one = [0.0 for _ in every], [1.0 for _ in every]
        known = {
            "sum": Scale(none, one),
            "token": Scale(none, self.named.lengths),
            "byte": Scale(none, self.named.sizes),
        }
        if self.needs_prior:
            if self.prior is None:
                raise LackingError
            known["PMI"] = Scale([self.prior[class_id] for class_id in every], one)
        return [(known[scoring.scale], Bounds(self.tree, known[scoring.scale])) for scoring in self.scorings]

    def search(self) -> Generator[Node, LogProbs, list[Best]]:
        """The best classes under each scoring. Yields every node that one of them needs, once."""
        known: dict[Any, LogProbs] = {}
        found = []
        for scale, bounds in self.scales:
            searching = best(self.tree, scale, bounds, self.top)
            try:
                node = next(searching)
                while True:
                    if node.path not in known:
                        known[node.path] = yield node
                    node = searching.send(known[node.path])
            except StopIteration as stop:
                found.append(stop.value)
        return found

    def whole_tokens(self, shared: int) -> int:
        """Tokens of prompts with every name, if each was asked by itself; so many are shared by all."""
        ending = 0 if self.end == NONE else 1
        return sum(shared + len(path) - ending for path in set(self.named.paths))


def driven(search: Generator[Node, LogProbs, list[Best]], children: Callable[[Node], LogProbs]) -> list[Best]:
    """A search whose nodes are all known. Raises what `children` raises."""
    try:
        node = next(search)
        while True:
            node = search.send(children(node))
    except StopIteration as stop:
        found: list[Best] = stop.value
        return found


class Failure(NamedTuple):
    """Why an image has no ranking."""

    task: str
    image_id: str
    reason: str


class Rankings:
    """All rankings of a questionnaire, from its journal's folder of them."""

    def __init__(self, questionnaire: "Questionnaire", folder: Path) -> None:
        self.questionnaire = questionnaire
        self.folder = folder / FOLDER
        self.ways = [RankedWay(questionnaire, way) for way in questionnaire.ranked_ways]
        self.failures: dict[tuple[str, str], Failure] = {}  # by task and what is sent
        self.reread()

    def reread(self) -> None:
        """Read the journal, to which something was added."""
        self.known: journal.Answers = journal.read(self.folder, nodes.check_record)
        for way in self.ways:
            if way.naming is None and way.key in self.known:
                way.naming = Naming.of_json(self.known[way.key]["response"])
            if way.naming is not None and way.prior is None and way.needs_prior:
                try:
                    every = {node.path: self.children(way, node, None) for node in way.inner}
                except LackingError:
                    continue
                way.prior = complete(way.tree, every)

    def records(self, way: RankedWay, node: Node, place: int | None) -> list[Record]:
        """What the journal has of a node, about an image or about none. Raises LackingError."""
        keys = [self.questionnaire.key(it.template, place) for it in way.requests(node, image=place is not None)]
        if any(key not in self.known for key in keys):
            raise LackingError
        return [self.known[key] for key in keys]

    def children(self, way: RankedWay, node: Node, place: int | None) -> LogProbs:
        """The log-probabilities of a node's children, by the journal. Raises LackingError."""
        return joined(way.requests(node, image=place is not None), self.records(way, node, place))

    def found(self, way: RankedWay, place: int) -> tuple[list[Best], list[Record]]:
        """The rankings of an image, and the answers that they are made from. Raises LackingError."""
        ranked, used = self.so_far(way, place)
        if ranked is None:
            raise LackingError
        return ranked, used

    def so_far(self, way: RankedWay, place: int) -> tuple[list[Best] | None, list[Record]]:
        """The same; None in place of rankings where the journal lacks some of the answers that they need."""
        used: list[Record] = []

        def children(node: Node) -> LogProbs:
            records = self.records(way, node, place)
            used.extend(records)
            return joined(way.requests(node, image=True), records)

        try:
            return driven(way.search(), children), used
        except LackingError:
            return None, used

    def lacking(self) -> dict[str, list[int]]:
        """The images without a ranking, by task; one that the data set holds twice once."""
        found = {}
        for way in self.ways:
            seen: set[str] = set()
            places = []
            for place in self.questionnaire.asked_about(way.way):
                sent = self.questionnaire.sent(place)
                if sent not in seen and not self._has(way, place):
                    places.append(place)
                seen.add(sent)
            found[way.way.task] = places
        return {task: places for task, places in found.items() if places}

    def _has(self, way: RankedWay, place: int) -> bool:
        return self.so_far(way, place)[0] is not None

    def rows(self) -> pl.DataFrame:
        """Predictions: one row an image and scoring. What all of them used stands in the first scoring's row."""
        columns: dict[str, list[Any]] = {name: [] for name in PREDICTIONS}
        for way in self.ways:
            for row in self._rows(way):
                cells = row | {"variant": "", "repeat": 0, "prompt": way.put.prompt, "request": way.key}
                for name, column in columns.items():
                    column.append(cells.get(name))
        return pl.DataFrame(columns, schema=PREDICTIONS)

    def _rows(self, way: RankedWay) -> Iterator[Record]:
        questionnaire = self.questionnaire
        refused = questionnaire.asked_about(way.way, refused=True)
        for place in sorted([*questionnaire.asked_about(way.way), *refused]):
            image_id = questionnaire.images.ids[place]
            each = [{"image_id": image_id, "task": scoring.name} for scoring in way.scorings]
            failure = self.failures.get((way.way.task, questionnaire.sent(place)))
            reason = failure.reason[:600] if failure else questionnaire.unreadable.get(image_id)
            if reason is not None:
                yield from (row | {"status": "error", "error": reason} for row in each)
                continue
            ranked, records = self.found(way, place)
            used = self._used(way, records)
            for row, of in zip(each, ranked, strict=True):
                about = {"status": "ok", "class_ids": of.class_ids, "scores": of.scores, "nodes": of.nodes,
                         "tree_nodes": len(way.inner), "served_model": records[0]["response"]["model"],
                         "fingerprint": records[0]["response"]["system_fingerprint"]}  # fmt: skip
                yield row | about | used
                used = {}

    def _used(self, way: RankedWay, records: list[Record]) -> Record:
        counted = [answers.used(record["response"]) for record in records]
        shared = min((record["shared"] for record in records if record["shared"] is not None), default=None)
        return {
            "prompt_tokens": _sum(it.prompt for it in counted),
            "completion_tokens": _sum(it.completion for it in counted),
            "cached_tokens": _sum(it.cached for it in counted),
            "latency": _sum(record["latency"] for record in records),
            "whole_tokens": None if shared is None else way.whole_tokens(shared),
            "batched": False,
        }

    def environments(self) -> set[str]:
        """In which the answers came."""
        return {record["environment"] for record in self.known.values()}


def joined(requests: Iterable[nodes.Request], records: Iterable[Record]) -> LogProbs:
    """A node's children of all its requests."""
    return {
        tokens: value
        for request, record in zip(requests, records, strict=True)
        for tokens, value in zip(request.children, record["response"]["log_probabilities"], strict=True)
    }


def _sum(values: Iterable[Any]) -> Any:
    """A sum; None where one of them is not known."""
    every = list(values)
    return None if any(value is None for value in every) else sum(every)
