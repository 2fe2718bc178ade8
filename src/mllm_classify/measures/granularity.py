"""How an answer lies to the labels in the hierarchy of the classes: right, too specific, too general, a sibling, or far."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Final, NamedTuple

import polars as pl

from mllm_classify.mapping.names import normalise
from mllm_classify.measures.selection import evaluated, main_scores
from mllm_classify.tasks import TASKS

RELATIONS: Final = ("right", "too_specific", "too_general", "sibling", "far")
"""From the best to the worst: of several senses of an answer, and several labels of an image, the best counts."""
UNPLACED: Final = "unplaced"
"""An answer of which the hierarchy has no name; an empty one, and an error, too."""
READINGS: Final = ("words", "classes")
"""What is placed: the words of an answer, by the names of nodes, or the classes that it stands for under a scoring."""
FREE: Final = [task.name for task in TASKS if not (task.options or task.constrained)]
"""Tasks that are answered in the model's own words."""
ROOT: Final = ""
"""Above all roots, where there are several."""


class Place(NamedTuple):
    """How a node, or the best of several, lies to a label, or to the best of several."""

    relation: str
    height: int
    """Of their lowest common ancestor, 0 where the node is the label: the longest way from there down to a class."""
    above: int
    """Number of the node, and what it is a kind of, without the root."""
    above_label: int
    common: int


class Hierarchy:
    """Nodes with what they are kinds of. A node may have several parents, so the lowest common ancestor is the one of least height.

    `frame` has the columns of `dataset.hierarchy.HIERARCHY`.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self.parents: dict[str, list[str]] = dict(frame.select("node", "parents").iter_rows())
        roots = [node for node, parents in self.parents.items() if not parents]
        self.root = roots[0] if len(roots) == 1 else ROOT
        if self.root == ROOT:
            self.parents |= {node: [ROOT] for node in roots} | {ROOT: []}
        self.node_of: dict[int, str] = {
            class_id: node for node, classes in frame.select("node", "classes").iter_rows() for class_id in classes
        }
        self.levels: dict[str, dict[str, str]] = defaultdict(dict)
        """The group of each node that has one, by level."""
        for node, of in frame.select("node", "levels").iter_rows():
            for it in of:
                self.levels[it["level"]][node] = it["group"]
        self._above: dict[str, frozenset[str]] = {}

    def above(self, node: str) -> frozenset[str]:
        """The node itself, and all that it is a kind of, with the root."""
        waiting = [node]
        while waiting:
            last = waiting[-1]
            if unknown := [parent for parent in self.parents[last] if parent not in self._above]:
                waiting += unknown
            else:
                self._above[last] = frozenset([last]).union(*(self._above[parent] for parent in self.parents[last]))
                waiting.pop()
        return self._above[node]

    @cached_property
    def heights(self) -> dict[str, int]:
        """The longest way down to a class, of each node that is a class or above one."""
        over = set[str]().union(*(self.above(node) for node in self.node_of.values()))
        heights: dict[str, int] = defaultdict(int)
        # whatever is below a node has more nodes above it
        for node in sorted(over, key=lambda node: (-len(self.above(node)), node)):
            heights[node] += 0
            for parent in self.parents[node]:
                heights[parent] = max(heights[parent], heights[node] + 1)
        return dict(heights)

    def place(self, node: str, label: str) -> Place:
        """How a node lies to a label, which is the node of a class."""
        above, above_label = self.above(node), self.above(label)
        common = above & above_label
        height = min(self.heights[shared] for shared in common)
        counts = (len(above - {self.root}), len(above_label - {self.root}), len(common - {self.root}))
        if node == label:
            return Place("right", 0, *counts)
        if label in above:
            return Place("too_specific", height, *counts)
        if node in above_label:
            return Place("too_general", height, *counts)
        # of a kind with the label, or a kind of what is
        beside = not above.isdisjoint(self.parents[label])
        return Place("sibling" if beside else "far", height, *counts)

    def best(self, nodes: Iterable[str], labels: Iterable[str]) -> Place | None:
        """The best place of several nodes to several labels: by RELATIONS, then the lowest ancestor, then the most in common."""
        places = [self.place(node, label) for node in nodes for label in labels]
        return min(places, key=_worth, default=None)

    def groups(self, level: str, node: str) -> frozenset[str]:
        """The groups of a level that a node belongs to: those of the lowest nodes at or above it that have one."""
        members = self.levels[level].keys() & self.above(node)
        over = {other for member in members for other in self.above(member) if other != member}
        return frozenset(self.levels[level][member] for member in members - over)

    def right_at(self, level: str, nodes: Iterable[str], labels: Iterable[str]) -> bool:
        """Whether some node and some label belong to the same group of a level.

        A label that belongs to none is a group of its own: the node must be it, or a kind of it.
        """
        return any(
            not groups.isdisjoint(self.groups(level, node)) if groups else label in self.above(node)
            for label in labels
            for groups in [self.groups(level, label)]
            for node in nodes
        )


def _worth(place: Place) -> tuple[int, ...]:
    apart = place.above + place.above_label - 2 * place.common
    return RELATIONS.index(place.relation), place.height, apart, place.above, place.above_label


def placed(
    scores: pl.DataFrame, labels: pl.DataFrame, answers: dict[str, pl.LazyFrame], hierarchy: pl.DataFrame
) -> pl.DataFrame:
    """How every answer lies to the labels of its image, under each label set, one row each.

    `answers` are the predictions of the models that answer in words. Images to which no class applies are left out.
    Columns model, scoring, reading, label_set (ImGT or ReGT), image_id, senses (how many nodes the answer may mean), those of
    Place, with the relation `unplaced` where it means none, and `levels`, at which it is right.
    """
    of = Hierarchy(hierarchy)
    read = pl.concat([_words(answers, labels, hierarchy), _classes(scores, of)])
    right = evaluated(labels).select("image_id", **{name: f"{name.lower()}_admissible" for name in ("ImGT", "ReGT")})
    long = (
        right.unpivot(["ImGT", "ReGT"], index="image_id", variable_name="label_set", value_name="right")
        .filter(pl.col("right").list.len() > 0)
        .with_columns(_nodes_of("right", of).alias("right"))
    )
    rows = read.join(long, on="image_id", how="inner", maintain_order="left")
    keys = {name: pl.col(name).list.join("|") for name in ("nodes", "right")}
    rows = rows.with_columns(**{f"{name}_key": key for name, key in keys.items()})
    pairs = rows.unique(["nodes_key", "right_key"], maintain_order=True)
    found = [
        (nodes_key, right_key, *(of.best(nodes, labels) or (UNPLACED, None, None, None, None)),
         [level for level in sorted(of.levels) if of.right_at(level, nodes, labels)])
        for nodes, labels, nodes_key, right_key in pairs.select("nodes", "right", "nodes_key", "right_key").iter_rows()
    ]  # fmt: skip
    schema: dict[str, pl.DataType] = dict.fromkeys(["nodes_key", "right_key", "relation"], pl.String())
    schema |= dict.fromkeys(Place._fields[1:], pl.Int64()) | {"levels": pl.List(pl.String())}
    return rows.join(
        pl.DataFrame(found, schema=schema, orient="row"),
        on=["nodes_key", "right_key"],
        how="left",
        maintain_order="left",
    ).select(
        *("model", "scoring", "reading", "label_set", "image_id"),
        pl.col("nodes").list.len().alias("senses"),
        *Place._fields,
        "levels",
    )


def _nodes_of(column: str, of: Hierarchy) -> pl.Expr:
    """The nodes of classes, each once, in the order of their names."""
    ids, nodes = list(of.node_of), list(of.node_of.values())
    return (
        pl.col(column)
        .list.eval(pl.element().replace_strict(ids, nodes, return_dtype=pl.String))
        .list.unique()
        .list.sort()
    )


def _words(answers: dict[str, pl.LazyFrame], labels: pl.DataFrame, hierarchy: pl.DataFrame) -> pl.DataFrame:
    """The nodes that bear an answer's own words as their name, compared as class names are."""
    names = (
        hierarchy.select("node", pl.col("names"))
        .explode("names")
        .select("node", normalise("names").alias("key"))
        .group_by("key")
        .agg(pl.col("node").unique().sort().alias("nodes"))
    )
    none = pl.lit([], dtype=pl.List(pl.String))
    frames = [
        frame.filter(pl.col("task").is_in(FREE), pl.col("variant") == "", pl.col("repeat") == 0)
        .select("image_id", "task", pl.when(pl.col("status") == "ok").then(normalise("text")).alias("key"))
        .collect()
        .join(evaluated(labels), on="image_id", how="semi", maintain_order="left")
        .join(names, on="key", how="left", maintain_order="left")
        .select(
            pl.lit(model).alias("model"),
            pl.col("task").alias("scoring"),
            pl.lit(READINGS[0]).alias("reading"),
            "image_id",
            pl.col("nodes").fill_null(none),
        )
        for model, frame in answers.items()
    ]
    schema: dict[str, pl.DataType] = dict.fromkeys(["model", "scoring", "reading", "image_id"], pl.String())
    schema |= {"nodes": pl.List(pl.String())}
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def _classes(scores: pl.DataFrame, of: Hierarchy) -> pl.DataFrame:
    """The nodes of the classes that an answer stands for; none where it is out of prompt, empty, or an error."""
    none = pl.lit([], dtype=pl.List(pl.Int32))
    stands = pl.when(pl.col("status") != "error").then("predicted").fill_null(none)
    return (
        main_scores(scores)
        .filter(pl.col("repeat") == 0)
        .select("model", "scoring", pl.lit(READINGS[1]).alias("reading"), "image_id", stands.alias("nodes"))
        .with_columns(_nodes_of("nodes", of))
    )
