"""Hierarchies of classes and their levels, and labels of answers, for tests/fuzzed.py: whatever is read is sound."""

import json
from types import SimpleNamespace

import networkx as nx

from mllm_classify.config.answer_labels import read_answer_labels
from mllm_classify.config.hierarchy import Hierarchy
from mllm_classify.dataset.answer_labels import answer_labels
from mllm_classify.dataset.classes import ClassList, numbered
from mllm_classify.dataset.hierarchy import hierarchy
from tests.fuzz import Reader

CLASSES = numbered(ClassList(["poodle", "cat"]))
TABLE = "node,parents,names\nanimal,,beast\npet,,\ndog,animal|pet,dog|hound\npoodle,dog,\ncat,animal|pet,Cat\n"
ROWS = [dict(zip(("node", "parents", "names"), line.split(","), strict=True)) for line in TABLE.splitlines()[1:]]
NOUNS = (
    "  1 the licence\n"
    "00001740 03 n 01 entity 0 001 ~ 00002137 n 0000 | that which is\n"
    "00002137 03 n 02 poodle 0 beast 0 002 @ 00001740 n 0000 ~ 00003000 n 0000 | alive | or so\n"
    "00003000 18 n 01 cat 0 001 @i 00002137 n 0000 | a cat\n"
)
LABELS = (
    "# answers\nanswer,relation,classes,annotator,kind,pass\ndog,more general,poodle,Ann,people,1\n"
    "kitty,same,cat,Ann,people,1\nkitty,several,cat | poodle,Ann,people,2\nrock,none,,Ann,people,1\nsofa,,,Ann,people,2\n"
)
LEVELS = "level,group,node\nbasic,dogs,dog\nbasic,others,animal\nkind,pets,pet\n"


def of(**keys):
    return hierarchy(CLASSES, SimpleNamespace(hierarchy=Hierarchy(label="T", **keys), synsets_file=None))


def leveled(path):
    (path.parent / "tree.csv").write_text(TABLE)
    return of(file=str(path.parent / "tree.csv"), levels=str(path))


def noded(path):
    (path.parent / "tree.csv").write_text(TABLE)
    return of(file=str(path.parent / "tree.csv"), nodes=str(path))


def right_nodes(content, found):
    """The nodes of the two classes are those of the file, in its order."""
    at = {class_id: node for node, classes in found.select("node", "classes").iter_rows() for class_id in classes or []}
    lines = [
        line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip() and not line.startswith("#")
    ]
    return right(content, found) and [at[0], at[1]] == lines


def right(_content, found):
    """No circle, no parent without a row, no node twice, and each class at one node."""
    edges = [(node, up) for node, parents in found.select("node", "parents").iter_rows() for up in parents]
    nodes = found["node"].to_list()
    return (
        nx.is_directed_acyclic_graph(nx.DiGraph(edges))
        and {up for _, up in edges} <= set(nodes)
        and len(nodes) == len(set(nodes))
        and sorted(found["classes"].explode().drop_nulls()) == [0, 1]
    )


def labelled(path):
    return answer_labels(read_answer_labels(str(path)), CLASSES)


def right_labels(_content, found):
    """Each pass labels an answer once, with classes of the list, and means none that is not possible."""
    pairs = found.select("answer", "labels").rows()
    return (
        len(pairs) == len(set(pairs)) > 0
        and all(set(meant) <= set(possible) <= {0, 1} for meant, possible in found.select("meant", "possible").iter_rows())
        and all(bool(meant) <= (said in ("same", "more specific")) for said, meant in found.select("relation", "meant").iter_rows())
    )  # fmt: skip


def readers():
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    return {
        "hierarchy.csv": Reader("h.csv", TABLE.encode(), lambda it: of(file=str(it)), right),
        "hierarchy.jsonl": Reader("h.jsonl", lines, lambda it: of(file=str(it)), right),
        "hierarchy.noun": Reader("h.noun", NOUNS.encode(), lambda it: of(file=str(it), format="wordnet"), right),
        "answer labels": Reader("a.csv", LABELS.encode(), labelled, right_labels),
        "nodes of classes": Reader("n.txt", b"# of them\npoodle\ncat\n", noded, right_nodes),
        "levels.csv": Reader("l.csv", LEVELS.encode(), leveled, right),
    }
