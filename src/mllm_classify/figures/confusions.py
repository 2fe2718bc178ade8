"""The densest blocks of the reference's confusion matrix."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlencode

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree
from scipy.spatial.distance import squareform

from mllm_classify.choices.confusions import Matrix, counts
from mllm_classify.figures.style import STYLE
from mllm_classify.io.text import short

BLOCKS = 6
COLUMNS = 3
LARGEST = 8
"""Classes of a block."""


class Block(NamedTuple):
    """Classes that are taken for one another, and on how many images."""

    images: int
    classes: list[int]


def confusions(classes: pl.DataFrame, confusions: pl.DataFrame, reference: str, reference_model: str | None) -> Figure:
    """The densest blocks of a confusion matrix; a cell is the share of a row's images that were taken for the column.

    `classes` and `confusions` are files of the dataset and choices stages; `reference` says whose confusions they are.
    If it is a model of the study, `reference_model`, a cell is a link to its images in the explorer, which lies beside
    the figure.
    """
    names = classes.sort("class_id")["name"].to_list()
    matrix = counts(confusions, len(names))
    blocks = densest_blocks(matrix)
    images, wrong = int(matrix.sum()), int(matrix.sum() - np.trace(matrix))
    with mpl.rc_context(STYLE):
        rows = -(-len(blocks) // COLUMNS)
        figure = Figure(figsize=(11, max(1.2, 0.7 + 3.2 * rows)), layout="constrained")
        figure.suptitle(
            f"Confusions of {reference}\n{wrong} of {images} images taken for another class; the densest blocks",
            fontsize=9,
        )
        for place, block in enumerate(blocks):
            part = matrix[np.ix_(block.classes, block.classes)]
            share = 100 * part / np.maximum(matrix[block.classes].sum(axis=1), 1)[:, None]
            labels = [_label(names, class_id) for class_id in block.classes]
            links = {
                (row, column): f"explorer.html#{urlencode({'confused': f'{label}-{taken}', 'model': reference_model})}"
                for row, label in enumerate(block.classes)
                for column, taken in enumerate(block.classes)
                if reference_model is not None
            }
            _draw_block(figure.add_subplot(rows, COLUMNS, place + 1), share, labels, links)
        if blocks:
            figure.supylabel("label", fontsize=8)
            figure.supxlabel("taken for; % of the label's images", fontsize=8)
    return figure


def densest_blocks(matrix: Matrix) -> list[Block]:
    """The groups of up to LARGEST classes with the most confusions for the square root of their size, none sharing a class.

    Groups come from average linkage, where two classes are the nearer the more of their images are confused. `matrix`
    is of `choices.confusions.counts`: images by class (rows) and predicted class.
    """
    wrong = matrix - np.diag(np.diag(matrix))
    ids = np.flatnonzero(wrong.sum(axis=0) + wrong.sum(axis=1))
    if len(ids) < 2:
        return []
    wrong = wrong[np.ix_(ids, ids)]
    images = np.maximum(matrix[ids].sum(axis=1), 1)
    nearness = wrong / images[:, None]
    distance = 2 - (nearness + nearness.T)
    np.fill_diagonal(distance, 0)
    tree = to_tree(linkage(squareform(distance, checks=False), "average"))
    blocks = [Block(int(wrong[np.ix_(group, group)].sum()), group) for group in _groups(tree)]
    taken: set[int] = set()
    chosen = []
    for block in sorted(blocks, key=lambda block: (-block.images / len(block.classes) ** 0.5, block.classes)):
        if block.images and not taken & set(block.classes):
            taken |= set(block.classes)
            chosen.append(Block(block.images, [int(ids[place]) for place in block.classes]))
    return chosen[:BLOCKS]


def _groups(tree: ClusterNode) -> Iterator[list[int]]:
    """The leaves of all branches of 2 to LARGEST leaves."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not node.is_leaf():
            if node.get_count() <= LARGEST:
                yield node.pre_order()
            waiting += [node.get_left(), node.get_right()]


def _draw_block(axes: Axes, share: np.ndarray, labels: list[str], links: dict[tuple[int, int], str]) -> None:
    """A block's shares (classes x classes, percent) as a picture with numbers, which may be links."""
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(share):
        if value:
            colour = "white" if value > 55 else "black"
            link = links.get((row, column))
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour, url=link)


def _label(names: list[str], class_id: int, longest: int = 26) -> str:
    """A class's name, cut if it is long; with its number where others have the same."""
    name = names[class_id]
    shown = short(name, longest)
    return shown if names.count(name) == 1 else f"{shown} ({class_id})"
