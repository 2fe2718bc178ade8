"""Studies of many data sets: how long planning, scoring and all outputs take, and how much memory.

    python benchmarks/datasets.py [--datasets 10] [--models 60] [--images 50000] [--planned 10] [--all] [--folder NEW] [--smallest]

Predictions are simulated, by seed, and lie where the predict stage leaves them; what is timed is Snakemake on two cores from there:
a dry run of all outputs, then results/datasets.csv with every table3.csv, then, with --all, all outputs. The dry run may be of
more data sets than the rest (--planned); --folder keeps the study. Seconds of the processor are beside those of the clock, for a machine that has other
work; memory is that of all processes together.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import psutil
import yaml
from stated import origin
from tabulate import tabulate

PROJECT = Path(__file__).parents[1]
CLASSES = 1000
SCORES = [0.5, 0.2, 0.1, 0.1, 0.1]
"""Of the first classes of every ranking."""
EVERY = 0.2
"""Seconds between two looks at the memory."""


class Measured(NamedTuple):
    """What a run of Snakemake took."""

    jobs: int
    seconds: float
    processor: float
    megabytes: float


def name_of(number: int) -> str:
    return f"set{number:02}"


def write_study(folder: Path, datasets: int, models: int, images: int) -> None:
    """The configuration, class list and labels of data sets without pictures."""
    (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(CLASSES)))
    for number in range(datasets):
        write_labels(folder, number, images)
    entries = [
        {
            "source": "table",
            "name": name_of(number),
            "label": f"Data set {number}",
            "classes": "classes.txt",
            "imgt": {"label": "ImGT", "file": f"{name_of(number)}.imgt.csv"},
            "regt": {"label": "ReGT", "file": f"{name_of(number)}.regt.csv"},
        }
        for number in range(datasets)
    ]
    config = {
        "dataset": entries[0],
        "datasets": [{"dataset": entry} for entry in entries[1:]],
        "models": [
            {"name": f"model{number:02}", "label": f"Model {number}", "kind": "recorded", "file": "model.csv"}
            for number in range(models)
        ],
    }
    (folder / "model.csv").write_text("image_id,class_id\n")  # a file must be there, though its rows are made below
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def write_labels(folder: Path, number: int, images: int) -> None:
    """One label of every image, and a second set that differs on a tenth, has two classes on a fifth, and none on a twentieth."""
    rng = np.random.default_rng([number, 0])
    first, other, kind = rng.integers(CLASSES, size=images), rng.integers(CLASSES, size=images), rng.random(images)
    frame = pl.DataFrame({"image_id": [f"{place:06}" for place in range(images)], "class": first, "other": other})
    frame.select("image_id", "class").write_csv(folder / f"{name_of(number)}.imgt.csv")
    frame.select(
        "image_id",
        classes=pl.when(pl.lit(kind) < 0.05)
        .then(pl.lit("N"))
        .when(pl.lit(kind) < 0.15)
        .then(pl.col("other").cast(pl.String))
        .when((pl.lit(kind) < 0.35) & (pl.col("class") != pl.col("other")))
        .then(pl.format("{}|{}", "class", "other"))
        .otherwise(pl.col("class").cast(pl.String)),
    ).write_csv(folder / f"{name_of(number)}.regt.csv")


def write_predictions(folder: Path, datasets: int, models: int) -> None:
    """Rankings of every model on every data set, right at first on 50 to 85 % of the images."""
    from mllm_classify.io import parquet
    from mllm_classify.predict.rows import PREDICTIONS, ranking_rows

    for number in range(datasets):
        labels = pl.read_csv(folder / f"{name_of(number)}.imgt.csv", schema_overrides={"image_id": pl.String})
        truth = labels["class"].to_numpy()
        same = ranking_rows(labels["image_id"].to_list(), [[0]] * len(truth), [SCORES] * len(truth))
        for model in range(models):
            rng = np.random.default_rng([number, 1, model])
            right = rng.random(len(truth)) < 0.5 + 0.35 * model / models
            first = np.where(right, truth, rng.integers(CLASSES, size=len(truth)))
            ranking = (first[:, None] + np.arange(len(SCORES)) * 199) % CLASSES
            rows = same.with_columns(class_ids=pl.Series(ranking.astype(np.int32)).arr.to_list())
            path = folder / f"results/predictions/{name_of(number)}/model{model:02}.parquet"
            parquet.write(rows, PREDICTIONS, path)


def snakemake(folder: Path, *arguments: str) -> Measured:
    """A run on two cores."""
    command = [
        sys.executable, "-m", "snakemake", *arguments, "--cores", "2", "--snakefile", str(PROJECT / "Snakefile"),
        "--configfile", "config.yaml",
    ]  # fmt: skip
    started = time.perf_counter()
    with (folder / "said").open("wb") as said:
        running = psutil.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        watch = Watch(running)
        watch.start()
        code = running.wait()
    seconds = time.perf_counter() - started
    watch.join()
    output = (folder / "said").read_text()
    if code:
        raise SystemExit(output[-3000:])
    jobs = re.search(r"^total\s+(\d+)$", output, re.MULTILINE)
    return Measured(int(jobs[1]) if jobs else 0, seconds, watch.processor, watch.megabytes)


class Watch(threading.Thread):
    """Looks at a process and all that it started, until it ends: memory at the same time, and processor time of each."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.megabytes, self._spent = process, 0.0, dict[tuple[int, float], float]()

    def run(self) -> None:
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            total = 0
            for it in (self.process, *self._children()):
                try:
                    with it.oneshot():
                        times = it.cpu_times()
                        total += it.memory_info().rss
                        self._spent[it.pid, it.create_time()] = times.user + times.system
                except psutil.Error:  # it has ended
                    continue
            self.megabytes = max(self.megabytes, total / 1e6)
            time.sleep(EVERY)

    def _children(self) -> list[psutil.Process]:
        try:
            return self.process.children(recursive=True)
        except psutil.Error:
            return []

    @property
    def processor(self) -> float:
        """Seconds, but what a process used after the last look at it."""
        return sum(self._spent.values())


def labels(datasets: int) -> list[str]:
    return [f"results/dataset/{name_of(number)}/labels.parquet" for number in range(datasets)]


def tables3(datasets: int) -> list[str]:
    return ["results/table3.csv", *(f"results/{name_of(number)}/table3.csv" for number in range(1, datasets))]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--datasets", type=int, default=10)
    parser.add_argument("--planned", type=int, default=10, help="data sets of the dry run")
    parser.add_argument("--models", type=int, default=60)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--all", action="store_true", help="all outputs, too")
    parser.add_argument("--folder", help="a new one, which is kept")
    parser.add_argument(
        "--smallest", action="store_true", help="two data sets, two models, few images: whether it works"
    )
    args = parser.parse_args()
    if args.smallest:
        args.datasets, args.planned, args.models, args.images = 2, 2, 2, 100
    rows = []
    with contextlib.ExitStack() as stack:
        name = args.folder or stack.enter_context(tempfile.TemporaryDirectory())
        for folder, datasets, images in (
            (Path(name) / "planned", args.planned, 10),
            (Path(name) / "made", args.datasets, args.images),
        ):
            folder.mkdir(parents=True)
            write_study(folder, datasets, args.models, images)
        rows.append((f"snakemake -n, {args.planned} data sets", snakemake(Path(name) / "planned", "-n")))
        made = Path(name) / "made"
        rows.append(("images and labels", snakemake(made, *labels(args.datasets))))
        write_predictions(made, args.datasets, args.models)
        across = ["results/datasets.csv"] if args.datasets > 1 else []
        rows.append(("scores, every table3, datasets.csv", snakemake(made, *across, *tables3(args.datasets))))
        if args.all:
            rows.append(("all other outputs", snakemake(made)))
    print(origin(), end="\n\n")
    print(f"{args.datasets} data sets, {args.models} models, {args.images:,} images each\n")
    told = [
        (what, it.jobs, f"{it.seconds:.1f} s", f"{it.processor:.1f} s", f"{it.megabytes:,.0f} MB") for what, it in rows
    ]
    print(tabulate(told, ["", "jobs", "clock", "processor", "memory"], tablefmt="pipe"))


if __name__ == "__main__":
    main()
