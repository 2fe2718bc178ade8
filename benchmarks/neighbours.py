"""The search of k-NN beside a plain product of the same matrices, scikit-learn's and, where it is installed, faiss's.

    python benchmarks/neighbours.py [--queries 2000] [--rows 100000] [--dimensions 1024] [--runs 3]
    python benchmarks/neighbours.py --device cuda --queries 50000 --rows 1281167 --dimensions 4096 --peers ""

All are exact. Rows come in parts of 4,096 of fp16, as the cache of features has them; the product is of blocks as large as
the search's, in float32, and keeps nothing: 2 x queries x rows x dimensions operations at the speed that the device has.
Each takes turns; the best run counts.
"""

import argparse
import time
from collections.abc import Callable

import torch
from stated import origin
from tabulate import tabulate

from mllm_classify.predict.vision.features import ROWS
from mllm_classify.predict.vision.neighbours import QUERY_BLOCK, ROW_BLOCK, nearest

K = 11


def unit(generator: torch.Generator, count: int, dimensions: int, device: str) -> torch.Tensor:
    vectors = torch.randn(count, dimensions, generator=generator, device=device)
    return torch.nn.functional.normalize(vectors, dim=1)


def product(queries: torch.Tensor, rows: list[torch.Tensor]) -> None:
    """Every cosine, in blocks."""
    block = torch.cat(rows[: ROW_BLOCK // ROWS]).float()
    count = sum(map(len, rows))
    for part in torch.split(queries, QUERY_BLOCK):
        for start in range(0, count, len(block)):
            part @ block[: count - start].T


def of_scikit_learn(queries: torch.Tensor, rows: list[torch.Tensor]) -> None:
    from sklearn.neighbors import NearestNeighbors

    known = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(torch.cat(rows).float().numpy())
    known.kneighbors(queries.numpy())


def of_faiss(queries: torch.Tensor, rows: list[torch.Tensor]) -> None:
    import faiss

    index = faiss.IndexFlatIP(queries.shape[1])
    index.add(torch.cat(rows).float().numpy())
    index.search(queries.numpy(), K)


def seconds(run: Callable[[], object], device: str) -> float:
    started = time.perf_counter()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - started


PEERS = {"scikit-learn": of_scikit_learn, "faiss": of_faiss}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peers", default="scikit-learn", help="of scikit-learn,faiss")
    args = parser.parse_args()
    generator = torch.Generator(args.device).manual_seed(0)
    queries = unit(generator, args.queries, args.dimensions, args.device)
    sizes = [min(ROWS, args.rows - start) for start in range(0, args.rows, ROWS)]
    rows = [unit(generator, size, args.dimensions, args.device).half().cpu() for size in sizes]
    on_device = [part.to(args.device) for part in rows]
    measured: dict[str, Callable[[], object]] = {
        "plain product": lambda: product(queries, on_device), "k-NN": lambda: nearest(queries, rows, K),
    }  # fmt: skip
    measured |= {name: lambda name=name: PEERS[name](queries, rows) for name in filter(None, args.peers.split(","))}
    taken: dict[str, list[float]] = {what: [] for what in measured}
    for _ in range(args.runs):
        for what, run in measured.items():
            taken[what].append(seconds(run, args.device))
    operations = 2 * args.queries * args.rows * args.dimensions
    best = {what: min(found) for what, found in taken.items()}
    table = [
        [what, f"{best[what]:.2f}", f"{max(found):.2f}", f"{operations / best[what] / 1e12:.3f}",
         f"{best['plain product'] / best[what]:.2f}"] for what, found in taken.items()
    ]  # fmt: skip
    print(origin(), end="\n\n")
    print(tabulate(table, ["what", "seconds", "slowest run", "TFLOP/s", "of the product"], tablefmt="github"))


if __name__ == "__main__":
    main()
