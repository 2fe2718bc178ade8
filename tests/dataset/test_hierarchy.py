from types import SimpleNamespace

import polars as pl
import pytest

from mllm_classify.config.hierarchy import Hierarchy
from mllm_classify.dataset.classes import ClassList, numbered
from mllm_classify.dataset.hierarchy import HIERARCHY, hierarchy
from mllm_classify.io.files import InputError

ANIMALS = """node,parents,names
animal,,Animal|beast
pet,,
dog,animal|pet,dog|hound
poodle,dog,
cat,animal|pet,
"""
WORDNET = (
    "  1 This is the licence\n"
    "00001740 03 n 01 entity 0 001 ~ 00002137 n 0000 | that which is\n"
    "00002137 03 n 02 living_thing 0 beast 0 002 @ 00001740 n 0000 ~ 00003000 n 0000 | alive | or so\n"
    "00003000 18 n 01 Rex 0 001 @i 00002137 n 0000 | a dog\n"
)
CLASSES = numbered(ClassList(["poodle", "Cat"]))


def read(folder, content=ANIMALS, classes=CLASSES, synsets=None, ending="csv", **keys):
    file = folder / f"tree.{ending}"
    file.write_text(content)
    config = Hierarchy(label="T", file=str(file), **keys)
    return hierarchy(classes, SimpleNamespace(hierarchy=config, synsets_file=synsets))


def written(folder, name, content):
    (folder / name).write_text(content)
    return str(folder / name)


def test_a_table_of_nodes(folder):
    levels = written(
        folder, "l.csv", "level,group,node\nbasic,dogs,dog\nbasic,others,animal\nkind,pets,pet\nkind,x,dog\n"
    )
    found = read(folder, levels=levels)
    assert found.schema == HIERARCHY
    assert found.select("node", "parents", "names", "classes").rows() == [
        ("animal", [], ["Animal", "beast"], []),
        ("pet", [], ["pet"], []),
        ("dog", ["animal", "pet"], ["dog", "hound"], []),
        ("poodle", ["dog"], ["poodle"], [0]),
        ("cat", ["animal", "pet"], ["cat", "Cat"], [1]),
    ]
    assert found["levels"].to_list()[2] == [{"level": "basic", "group": "dogs"}, {"level": "kind", "group": "x"}]


def test_nodes_of_classes_are_named_by_a_file(folder):
    nodes = written(folder, "n.txt", "# in the order of classes\ndog\ndog\n")
    assert read(folder, nodes=nodes).filter(pl.col("classes").list.len() > 0).select(
        "node", "names", "classes"
    ).rows() == [("dog", ["dog", "hound", "poodle", "Cat"], [0, 1])]


def test_wordnet_has_kinds_and_instances(folder):
    synsets = written(folder, "s.txt", "n00003000\nn00002137\n")
    found = read(folder, WORDNET, synsets=synsets, ending="noun", format="wordnet")
    assert found.select("node", "parents", "names", "classes").rows() == [
        ("n00001740", [], ["entity"], []),
        ("n00002137", ["n00001740"], ["living thing", "beast", "Cat"], [1]),
        ("n00003000", ["n00002137"], ["Rex", "poodle"], [0]),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("node,parents\na,b\n", "tree.csv:2: the parent 'b' of 'a' has no row of its own; add one"),
        ("node,parents\na,b\nb,a\n", "no node can be above itself"),
        ("node,parents\na,\na,\n", "tree.csv:3: the node 'a' is at "),
        ("node,parents\na|b,\n", "tree.csv:2: node: 'a|b': must be one name without |"),
        ("node,parents\n", "no nodes"),
        ("node,parents\npoodle,\n", "no node with the name of class 1, 'Cat'; say in hierarchy.nodes which it is"),
        ("node,parents,names\npoodle,,\na,,cat\nb,,CAT\n", "several nodes ('a', 'b') with the name of class 1, 'Cat'"),
        ("node\na\n", "no column 'parents'"),
    ],
)
def test_what_is_no_hierarchy(folder, content, said):
    with pytest.raises(InputError) as error:
        read(folder, content)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("00002137 03 v 01 run 0 000 | verb", "not a line of WordNet's data.noun"),
        ("00002137 03 n 01 a 0 002 @ 00001740 n 0000 | too short", "not a line of WordNet's data.noun"),
        ("00002137", "not a line of WordNet's data.noun"),
        ("00002137 03 n zz a 0 000 | x", "not a line of WordNet's data.noun"),
        ("00004000 03 n 01 a 0 001 @ 00001741 n 0000 | x", "has no row of its own"),
    ],
)
def test_what_is_not_wordnets(folder, line, said):
    with pytest.raises(InputError) as error:
        read(folder, WORDNET + line + "\n", ending="noun", format="wordnet")
    assert said in str(error.value)
    assert "tree.noun:5" in str(error.value)


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("nodes", "dog\n", "1 nodes for 2 classes"),
        ("nodes", "dog\nbird\n", "'bird', the node of class 1, is not in "),
        ("levels", "level,group,node\nbasic,b,bird\n", "k:2: 'bird' is no node of the hierarchy"),
        ("levels", "level,group,node\nbasic,,dog\n", "k:2: group: empty"),
        ("levels", "level,group,node\nbasic,a,dog\nbasic,b,dog\n", "k:3: 'dog' is of the group 'a', too"),
        ("levels", "level,node\nbasic,dog\n", "no column 'group'"),
    ],
)
def test_what_other_files_cannot_say(folder, key, content, said):
    with pytest.raises(InputError) as error:
        read(folder, **{key: written(folder, "k", content)})
    assert said in str(error.value)


def test_a_deep_hierarchy_is_read(folder):
    """Nothing recurses: a chain of 5,000 nodes."""
    chain = "node,parents\nn0,\n" + "".join(f"n{at + 1},n{at}\n" for at in range(5000))
    found = read(folder, chain, classes=numbered(ClassList(["n5000"])))
    assert found.height == 5001
