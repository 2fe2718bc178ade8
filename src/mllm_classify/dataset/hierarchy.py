"""The hierarchy of a data set's classes: its nodes, what they are kinds of, and what they are called."""

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from mllm_classify.dataset.classes import class_names
from mllm_classify.io.files import InputError, read_csv, read_text
from mllm_classify.io.records import read_records
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.hierarchy import Hierarchy

HIERARCHY: dict[str, pl.DataType] = {
    "node": pl.String(),
    "parents": pl.List(pl.String),  # what it is a kind of; empty of a root
    "names": pl.List(pl.String),  # as the file writes them, and the names of its classes
    "classes": pl.List(pl.Int32),  # the classes that it is; of most nodes none
    "levels": pl.List(pl.Struct({"level": pl.String(), "group": pl.String()})),  # set by hand: what it belongs to
}
SEPARATOR = "|"
"""Between several parents or names in one field. No node has it in its name."""
HYPERNYMS = ("@", "@i")
"""WordNet's pointers to what a noun is a kind of, and, of a thing of its own, an instance of."""


class Node(NamedTuple):
    """A node, after the place where it is written."""

    place: str
    node: str
    parents: list[str]
    names: list[str]


def hierarchy(classes: pl.DataFrame, dataset: "AnyDataset") -> pl.DataFrame:
    """The hierarchy of a data set, in the order of its file, with the columns of HIERARCHY.

    Raises InputError where a file cannot be read, parents are missing or go round in a circle, or a class has no node.
    """
    config = dataset.hierarchy
    assert config is not None
    nodes = READERS[config.format](config.file)
    by_node = _checked(nodes, config.file)
    classes_of: dict[str, list[int]] = defaultdict(list)
    for class_id, node in enumerate(_class_nodes(nodes, by_node, classes, config, dataset.synsets_file)):
        classes_of[node].append(class_id)
    levels = read_levels(config.levels, by_node) if config.levels else {}
    called = class_names(classes)
    return pl.DataFrame(
        [
            (it.node, it.parents, list(dict.fromkeys([*it.names, *(called[own] for own in classes_of[it.node])])),
             classes_of[it.node], levels.get(it.node, []))
            for it in nodes
        ],
        schema=HIERARCHY,
        orient="row",
    )  # fmt: skip


def synonyms(hierarchy: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """What else classes are called: names of their nodes that are no class's name, and that no node of another class bears.

    Columns text, class_id (the lowest of those that the node is); sorted by text.
    """
    key = pl.col("text").str.to_lowercase().str.strip_chars()
    known = classes.select(pl.col("name").str.to_lowercase().str.strip_chars())["name"]
    return (
        hierarchy.filter(pl.col("classes").list.len() > 0)
        .select("node", class_id=pl.col("classes").list.min(), text="names")
        .explode("text")
        .with_columns(key.alias("key"))
        .filter(~pl.col("key").is_in(known.implode()), pl.col("node").n_unique().over("key") == 1)
        .unique("key", keep="first", maintain_order=True)
        .select("text", "class_id")
        .sort("text")
    )


def read_table(file: str) -> list[Node]:
    """Nodes of a table; one without names is called as it is."""
    nodes = []
    for place, row in read_records(file, "node", "parents"):
        given = {key: row.get(key) or "" for key in ("node", "parents", "names")}
        if wrong := [key for key, value in given.items() if not isinstance(value, str)]:
            msg = f"{place}: {wrong[0]}: {shown(given[wrong[0]])}: must be text, with {SEPARATOR} between several"
            raise InputError(msg)
        node, parents, names = (_several(value) for value in given.values())
        if len(node) != 1:
            msg = f"{place}: node: {shown(given['node'])}: must be one name without {SEPARATOR}"
            raise InputError(msg)
        nodes.append(Node(place, node[0], parents, names or node))
    return nodes


def _several(value: str) -> list[str]:
    return [part.strip() for part in value.split(SEPARATOR) if part.strip()]


def read_wordnet(file: str) -> list[Node]:
    """Nodes of WordNet's file of nouns (wndb(5WN)): n and the synset's offset, as ImageNet writes them."""
    nodes = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line.startswith(" "):  # the licence
            continue
        place = f"{file}:{number}"
        kind, words = "", list[str]()
        try:
            offset, _, kind, count, *rest = line.partition(" | ")[0].split()
            words = rest[: 2 * int(count, 16) : 2]
            pointers = rest[2 * int(count, 16) :]
            pairs = [(pointers[at], pointers[at + 1]) for at in range(1, 1 + 4 * int(pointers[0]), 4)]
        except (ValueError, IndexError):
            words = []
        if kind != "n" or not words:
            msg = f"{place}: {shown(line, 60)}: not a line of WordNet's data.noun"
            raise InputError(msg)
        parents = [f"n{target}" for symbol, target in pairs if symbol in HYPERNYMS]
        nodes.append(Node(place, f"n{offset}", parents, [word.replace("_", " ") for word in words]))
    return nodes


READERS = {"table": read_table, "wordnet": read_wordnet}


def _checked(nodes: list[Node], file: str) -> dict[str, Node]:
    """Nodes by name. Raises InputError where one is there twice, a parent is missing, or one is above itself."""
    by_node: dict[str, Node] = {}
    for it in nodes:
        if it.node in by_node:
            msg = f"{it.place}: the node {shown(it.node)} is at {by_node[it.node].place}, too; write all its parents in one row"
            raise InputError(msg)
        by_node[it.node] = it
    for it in nodes:
        if unknown := [parent for parent in it.parents if parent not in by_node]:
            msg = f"{it.place}: the parent {shown(unknown[0])} of {shown(it.node)} has no row of its own; add one"
            raise InputError(msg)
    try:
        TopologicalSorter({it.node: it.parents for it in nodes}).prepare()
    except CycleError as error:
        circle = error.args[1]
        msg = f"{by_node[circle[0]].place}: {' < '.join(map(shown, circle[:6]))}: no node can be above itself"
        raise InputError(msg) from None
    if not nodes:
        msg = f"{file}: no nodes"
        raise InputError(msg)
    return by_node


def _class_nodes(
    nodes: list[Node], by_node: dict[str, Node], classes: pl.DataFrame, config: "Hierarchy", synsets: str | None
) -> list[str]:
    """The node of each class, in their order."""
    listed = config.nodes or (synsets if config.format == "wordnet" else None)
    if listed is None:
        return _named_nodes(nodes, classes, config.file)
    given = [line.strip() for line in read_text(listed).splitlines() if line.strip() and not line.startswith("#")]
    if len(given) != classes.height:
        msg = f"{listed}: {len(given)} nodes for {classes.height} classes; write one a line, in the order of the class list"
        raise InputError(msg)
    for class_id, node in enumerate(given):
        if node not in by_node:
            msg = f"{listed}: {shown(node)}, the node of class {class_id}, is not in {config.file}"
            raise InputError(msg)
    return given


def _named_nodes(nodes: list[Node], classes: pl.DataFrame, file: str) -> list[str]:
    """The one node that bears each class's name."""
    bearing: dict[str, list[str]] = defaultdict(list)
    for it in nodes:
        for name in {name.lower().strip() for name in it.names}:
            bearing[name].append(it.node)
    found = []
    for class_id, name in enumerate(class_names(classes)):
        named = bearing.get(name.lower().strip(), [])
        if len(named) != 1:
            what = f"several nodes ({', '.join(map(shown, named[:4]))})" if named else "no node"
            msg = f"{file}: {what} with the name of class {class_id}, {shown(name)}; say in hierarchy.nodes which it is"
            raise InputError(msg)
        found.append(named[0])
    return found


def read_levels(file: str, by_node: dict[str, Node]) -> dict[str, list[dict[str, str]]]:
    """The levels that nodes belong to, and to which group of each. Raises InputError where a node is none, or has two groups."""
    levels: dict[str, dict[str, str]] = defaultdict(dict)
    for place, row in read_csv(file, "level", "group", "node"):
        level, group, node = (row[key] for key in ("level", "group", "node"))
        if node not in by_node:
            msg = f"{place}: {shown(node)} is no node of the hierarchy"
            raise InputError(msg)
        if not level or not group:
            msg = f"{place}: {'group' if level else 'level'}: empty; say what {shown(node)} belongs to"
            raise InputError(msg)
        if levels[node].setdefault(level, group) != group:
            msg = f"{place}: {shown(node)} is of the group {shown(levels[node][level])}, too; one node has one group of a level"
            raise InputError(msg)
    return {node: [{"level": level, "group": group} for level, group in of.items()] for node, of in levels.items()}
