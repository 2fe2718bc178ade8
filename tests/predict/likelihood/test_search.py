"""The best classes of a tree of names beside the plain way: every name's log-probability, all sorted."""

import hashlib
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.predict.likelihood.search import MARGIN, Bounds, Scale, best, complete
from mllm_classify.predict.likelihood.tree import inner, name_tree, nodes

END = 0
VOCABULARY = 6


def toy(context, seed):
    """The log-probabilities of all tokens behind a context: a language model of a few lines."""
    weights = [
        int.from_bytes(hashlib.sha256(repr((seed, tuple(context), token)).encode()).digest()[:4], "big") / 2**30
        for token in range(VOCABULARY)
    ]
    total = math.log(sum(math.exp(weight) for weight in weights))
    return [weight - total for weight in weights]


def log_probability(path, seed):
    return sum(toy(path[:place], seed)[token] for place, token in enumerate(path))


def searched(root, scale, top, seed):
    """The result of a search, and the nodes that it asked."""
    asking = best(root, scale, Bounds(root, scale), top)
    asked, reply = [], None
    while True:
        try:
            node = asking.send(reply)
        except StopIteration as stop:
            return stop.value, asked
        asked.append(node)
        reply = {
            tokens: log_probability(node.path + tokens, seed) - log_probability(node.path, seed)
            for tokens in node.children
        }


NAMES = st.lists(st.lists(st.integers(1, VOCABULARY - 1), max_size=6).map(tuple), min_size=1, max_size=25)
"""Prefixes of one another, duplicates, empty ones and single tokens among them."""


def plain(paths, scale, seed):
    scores = [(log_probability(path, seed) - scale.offsets[it]) / scale.lengths[it] for it, path in enumerate(paths)]
    return sorted(range(len(paths)), key=lambda it: (-scores[it], it)), scores


@settings(max_examples=300, deadline=None)
@given(
    NAMES,
    st.booleans(),
    st.integers(1, 30),
    st.integers(0, 50),
    st.sampled_from(["sum", "mean", "less", "both"]),
    st.data(),
)
def test_the_best_are_those_of_the_full_list_whatever_the_names(names, ended, top, seed, kind, data):
    paths = [(*name, END) if ended else name for name in names]
    below = {path[:depth] for path in paths for depth in range(len(path))}
    unsendable = data.draw(st.sets(st.sampled_from(sorted(below))) if below else st.just(set()))
    lengths = [max(len(path), 1) if kind in ("mean", "both") else 1 for path in paths]
    offsets = [
        log_probability(path, seed + 1) if kind == "less" else len(path) - 3.0 if kind == "both" else 0.0
        for path in paths
    ]
    scale = Scale(offsets, lengths)
    root = name_tree(paths, unsendable)
    found, asked = searched(root, scale, top, seed)
    order, scores = plain(paths, scale, seed)
    assert len(found.class_ids) == min(top, len(paths))
    # an exact tie in tokens is one in numbers; sums in another order may differ in the last bits
    assert all(
        math.isclose(score, scores[it], abs_tol=1e-9) for it, score in zip(found.class_ids, found.scores, strict=True)
    )
    assert all(
        math.isclose(score, scores[it], abs_tol=1e-9) for it, score in zip(order[:top], found.scores, strict=True)
    )
    for path in set(paths):
        same = [it for it in found.class_ids if paths[it] == path and offsets[it] == offsets[paths.index(path)]]
        assert same == sorted(same)
    # nothing is asked twice, or though it cannot be
    assert found.nodes == len(asked) == len({node.path for node in asked}) <= len(inner(root))


@settings(max_examples=100, deadline=None)
@given(NAMES, st.integers(0, 50), st.data())
def test_all_nodes_give_every_class_its_log_probability_wherever_nodes_cannot_be_asked(names, seed, data):
    paths = [(*name, END) for name in names]
    below = sorted({path[:depth] for path in paths for depth in range(len(path))})
    root = name_tree(paths, data.draw(st.sets(st.sampled_from(below))))
    children = {
        node.path: {
            tokens: log_probability(node.path + tokens, seed) - log_probability(node.path, seed)
            for tokens in node.children
        }
        for node in inner(root)
    }
    found = complete(root, children)
    assert sorted(found) == list(range(len(paths)))
    assert all(math.isclose(found[it], log_probability(path, seed), abs_tol=1e-9) for it, path in enumerate(paths))
    assert all(len(tokens) == 1 for node in nodes(root) if node.sendable for tokens in node.children)


def test_a_branch_is_cut_by_its_bound_and_no_nearer_than_the_margin():
    paths = [(1, END), (2, 3, END), (2, 4, END), (3, 3, 3, END)]
    root = name_tree(paths)
    scale = Scale([0.0] * 4, [1] * 4)
    after = {
        (): {(1,): -0.1, (2,): -3.0, (3,): -1.0 - 0.9 * MARGIN},
        (1,): {(END,): -0.9},
        (3,): {(3,): -MARGIN},
    }  # fmt: skip
    asking, asked, reply = best(root, scale, Bounds(root, scale), 1), [], None
    try:
        while True:
            node = asking.send(reply)
            asked.append(node.path)
            reply = after[node.path]
    except StopIteration as stop:
        found = stop.value
    # (3,) is worse than the best by less than the margin, and is looked into; (3, 3) and (2,) are cut
    assert asked == [(), (1,), (3,)]
    assert (found.class_ids, found.scores, found.nodes) == ([0], [-1.0], 3)


def test_names_that_begin_others_and_names_that_classes_share():
    paths = [(1,), (1, 2), (1,), (1, 2, 3)]
    root = name_tree(paths)
    assert [(node.path, node.classes) for node in nodes(root)] == [
        ((), []),
        ((1,), [0, 2]),
        ((1, 2), [1]),
        ((1, 2, 3), [3]),
    ]
    assert [node.path for node in inner(root)] == [(), (1,), (1, 2)]
    whole = name_tree(paths, [(), (1, 2)])
    assert set(whole.children) == {(1,)}
    assert set(whole.children[(1,)].children[(2,)].children) == {(3,)}
    nothing_sendable = name_tree([(5, 6, 7), (5, 6, 8), (5, 9)], [(), (5,), (5, 6)])
    assert set(nothing_sendable.children) == {(5, 6, 7), (5, 6, 8), (5, 9)}
