"""The prefix tree of class names, by the tokens of their likelihood: what names share is computed once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

Path = tuple[int, ...]
"""Tokens behind what the prompts of all names share."""


@dataclass(slots=True)
class Node:
    """A beginning of names, and by which tokens it goes on."""

    path: Path
    classes: list[int] = field(default_factory=list)  # whose scored tokens are just this path, in order
    children: dict[Path, "Node"] = field(default_factory=dict)  # by the tokens that lead there
    sendable: bool = True  # whether it can be asked as it is: its text is tokenised as its path

    @property
    def ends(self) -> bool:
        """Whether there is nothing to ask behind it."""
        return not self.children


def name_tree(paths: Sequence[Path], unsendable: Collection[Path] = ()) -> Node:
    """The tree of all classes' paths, by class id. Classes of the same path share its node.

    A node that cannot be asked as it is has no children of one token each: it leads straight to the nearest nodes that can
    be asked, or end. There, a prompt asked whole says how likely all tokens on the way are.
    """
    root = Node(())
    for class_id, path in enumerate(paths):
        node = root
        for depth, token in enumerate(path, 1):
            node = node.children.setdefault((token,), Node(path[:depth]))
        node.classes.append(class_id)
    for node in list(nodes(root)):
        node.sendable = node.path not in unsendable
    for node in nodes(root):
        if not node.sendable:
            node.children = {below.path[len(node.path) :]: below for below in _nearest(node)}
    return root


def _nearest(node: Node) -> Iterator[Node]:
    """The first nodes below one that can be asked, end, or are whole names."""
    for child in node.children.values():
        if child.sendable or child.ends or child.classes:
            yield child
        else:
            yield from _nearest(child)


def nodes(root: Node) -> Iterator[Node]:
    """All nodes, each before those below it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.children.values())


def inner(root: Node) -> list[Node]:
    """The nodes that can be asked how they go on."""
    return [node for node in nodes(root) if not node.ends]


def gathered(
    root: Node, of: Callable[[Node], list[float]], combine: Callable[[list[float]], float]
) -> dict[Path, float]:
    """For each inner node, a number combined from those of all nodes below it, itself left out, by its path."""
    found: dict[Path, float] = {}
    for node in reversed(list(nodes(root))):
        if node.children:
            below = [value for child in node.children.values() for value in of(child)]
            below += [found[child.path] for child in node.children.values() if child.children]
            found[node.path] = combine(below)
    return found
