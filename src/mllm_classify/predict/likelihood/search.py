"""The best classes of a tree of names: best-first search with bounds, exact up to a margin.

Log-probabilities are at most 0, so what a beginning has is the most that any name behind it can reach: as a sum as it is, as
a mean divided by the longest name's length, and, less what names have without the image, with the least of that.
"""

import heapq
from bisect import insort
from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from mllm_classify.predict.likelihood.tree import Node, Path, gathered

MARGIN = 1e-3
"""How far a bound must be below the last class that is kept for its branch to be cut: batching moves log-probabilities."""
LogProbs = Mapping[Path, float]
"""Of a node's children, by the tokens that lead there."""


class Scale(NamedTuple):
    """What a class scores: its log-probability, less an offset, divided by a length. One entry a class id."""

    offsets: Sequence[float]
    lengths: Sequence[float]  # all positive

    def score(self, class_id: int, log_probability: float) -> float:
        return (log_probability - self.offsets[class_id]) / self.lengths[class_id]


class Bounds:
    """The most that any class behind a node can score."""

    def __init__(self, root: Node, scale: Scale) -> None:
        self._offset = gathered(root, lambda node: [scale.offsets[it] for it in node.classes], min)
        lengths = {
            extreme: gathered(root, lambda node: [scale.lengths[it] for it in node.classes], extreme)
            for extreme in (min, max)
        }
        self._shortest, self._longest = lengths[min], lengths[max]

    def of(self, node: Node, log_probability: float) -> float:
        """The bound of a node that goes on, whose own tokens have this log-probability."""
        most = log_probability - self._offset[node.path]
        return most / (self._longest if most <= 0 else self._shortest)[node.path]


class Best(NamedTuple):
    """The best classes, best first, and their scores; and how many nodes were asked to find them."""

    class_ids: list[int]
    scores: list[float]
    nodes: int


def best(root: Node, scale: Scale, bounds: Bounds, top: int, margin: float = MARGIN) -> Generator[Node, LogProbs, Best]:
    """The `top` classes of highest score; of equal ones the first. No class outside of them scores higher by `margin` or more.

    Yields each node of which it must know how it goes on, and is sent the log-probabilities of its children. A branch
    whose bound is below the last class of the `top` best so far, by more than `margin`, is never asked.
    """
    found: list[tuple[float, int]] = []  # minus the score, class id: sorted
    waiting: list[tuple[float, Path, float, Node]] = []

    def reach(node: Node, log_probability: float) -> None:
        for class_id in node.classes:
            insort(found, (-scale.score(class_id, log_probability), class_id))
        if not node.ends:
            bound = bounds.of(node, log_probability)
            heapq.heappush(waiting, (-bound, node.path, log_probability, node))

    reach(root, 0.0)
    asked = 0
    while waiting:
        bound, _, log_probability, node = heapq.heappop(waiting)
        if len(found) >= top and -bound < -found[top - 1][0] - margin:
            break
        children = yield node
        asked += 1
        for tokens, child in node.children.items():
            reach(child, log_probability + children[tokens])
    kept = found[:top]
    return Best([class_id for _, class_id in kept], [-score for score, _ in kept], asked)


def complete(root: Node, children: Mapping[Path, LogProbs]) -> dict[int, float]:
    """The log-probability of every class, where all nodes are known by their paths."""
    found: dict[int, float] = {}
    waiting = [(root, 0.0)]
    while waiting:
        node, log_probability = waiting.pop()
        found |= dict.fromkeys(node.classes, log_probability)
        waiting += [(child, log_probability + children[node.path][tokens]) for tokens, child in node.children.items()]
    return found
