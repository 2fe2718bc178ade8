"""Exact nearest neighbours among unit vectors, in blocks, and the classes that they vote for."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch

from mllm_classify.io.arrays import FloatArray

QUERY_BLOCK, ROW_BLOCK = 4096, 16384
"""Cosines that are computed at once: 268 MB of float32."""
Neighbours = tuple[torch.Tensor, torch.Tensor]
"""Cosines (float32) and rows (int64) of the neighbours, nearest first: queries x k each."""


def nearest(
    queries: torch.Tensor,
    rows: Iterable[torch.Tensor],
    k: int,
    *,
    query_block: int = QUERY_BLOCK,
    row_block: int = ROW_BLOCK,
) -> Neighbours:
    """The k rows of highest cosine, for every query. Of equal ones the lowest row comes first.

    Shapes: queries n x d; `rows` come in parts of m x d, and are counted through all of them. Everything is computed
    in float32 on the queries' device, where no more than a part, the queries, and query_block x row_block cosines lie
    at once. Rows that are equal may yet have cosines that differ in the last bit, where blocks of other sizes sum in
    another order. There are as many columns as rows if those are fewer than k.
    """
    queries = queries.float()
    empty = torch.empty((len(queries), 0), device=queries.device)
    neighbours = empty, empty.long()
    first = 0
    for part in rows:
        for block in torch.split(part.to(queries.device).float(), row_block):
            merged = [
                _merged((cosines, places), one @ block.T, first, k)
                for one, cosines, places in zip(
                    *(torch.split(it, query_block) for it in (queries, *neighbours)), strict=True
                )
            ]
            neighbours = torch.cat([cosines for cosines, _ in merged]), torch.cat([places for _, places in merged])
            first += len(block)
    return neighbours


def _merged(before: Neighbours, cosines: torch.Tensor, first: int, k: int) -> Neighbours:
    """The best of what was found before, and of a block of rows that begins at `first`."""
    best = _best(cosines, min(k, cosines.shape[1]))
    values = torch.cat([before[0], cosines.gather(1, best)], dim=1)
    places = torch.cat([before[1], best + first], dim=1)
    # stable: of equal cosines, those found before are of lower rows
    order = values.argsort(dim=1, descending=True, stable=True)[:, :k]
    return values.gather(1, order), places.gather(1, order)


def _best(cosines: torch.Tensor, k: int) -> torch.Tensor:
    """The columns of the k highest values of each row, in their order; of equal ones the lowest columns."""
    if k == cosines.shape[1]:
        return torch.arange(k, device=cosines.device).expand(len(cosines), k)
    values, columns = cosines.topk(k + 1, dim=1)
    best = columns[:, :k]
    # topk takes any of those that equal the k-th; a sort that does not is much slower, and hardly ever needed
    tied = values[:, k - 1] == values[:, k]
    if tied.any():
        best[tied] = cosines[tied].argsort(dim=1, descending=True, stable=True)[:, :k]
    return best.sort(dim=1).values


def shares(cosines: FloatArray, classes: npt.NDArray[np.int64], count: int, temperature: float | None) -> FloatArray:
    """What part of the votes each class has (n x count): neighbours vote with exp(cosine / temperature), or equally.

    Shapes: cosines and classes of the neighbours, n x k each.
    """
    if temperature is None:
        weights = np.ones(cosines.shape)
    else:
        weights = np.exp((cosines.astype(np.float64) - cosines.max(axis=1, keepdims=True)) / temperature)
    votes = np.zeros((len(cosines), count))
    np.add.at(votes, (np.arange(len(cosines))[:, None], classes), weights)
    return np.asarray(votes / weights.sum(axis=1, keepdims=True), dtype=np.float32)
