"""From recorded predictions to tables 2 to 5 with bootstrap intervals: seconds, memory, and the ratio to pandas.

    python benchmarks/scoring.py [--recorded FOLDER] [--models 67] [--pandas-models 67] [--smallest]

FOLDER holds Parquet files as docs/recorded.md makes them; without it, predictions are simulated. Both versions do the
same work: read the predictions, judge every one under ImGT and ReaL, and make the accuracies with their intervals of
1,000 resamples. The pandas version's time is proportional to the models; with fewer of them it is scaled, which the
table says.
"""

import argparse
import itertools
import json
import math
import resource
import tempfile
import time
from pathlib import Path

from stated import origin
from studies import in_own_process, write_config, write_simulated
from tabulate import tabulate

RESAMPLES = 1000


def ours(folder: Path) -> dict:
    """The stages' own functions, in one process, from files to files."""
    import polars as pl

    from mllm_classify.config.load import load
    from mllm_classify.dataset.classes import classes
    from mllm_classify.dataset.images import images
    from mllm_classify.dataset.labels import labels
    from mllm_classify.io import parquet
    from mllm_classify.predict.recorded import recorded
    from mllm_classify.score.score import SCORES, predicted_by_ranking, score
    from mllm_classify.tables import given
    from mllm_classify.tables.accuracy import accuracy
    from mllm_classify.tables.render import write
    from mllm_classify.tables.table import Study
    from mllm_classify.tables.table2 import table2
    from mllm_classify.tables.table3 import table3
    from mllm_classify.tables.table4 import table4
    from mllm_classify.tables.table5 import table5

    config = load(folder / "config.yaml")
    clock = [time.perf_counter()]
    names = classes(config.dataset)
    registered = images(config.dataset, names)
    labelled = labels(registered, names, config.dataset)
    clock.append(time.perf_counter())
    ids = registered["image_id"].to_list()
    predictions = {model.name: recorded(model, config.dataset, ids, names.height) for model in config.models}
    clock.append(time.perf_counter())
    scored = pl.concat(score(name, predicted_by_ranking(frame), labelled) for name, frame in predictions.items())
    parquet.write(scored, SCORES, folder / "scores.parquet")
    clock.append(time.perf_counter())
    scores = parquet.read(folder / "scores.parquet")
    models = given.models([[it.name, it.label, it.family] for it in config.models])
    evaluated = given.images(labelled)
    study = Study("ImageNet", "ImageNet", "ReaL", None, "1000")
    write(table2(evaluated, study), folder / "table2.csv")
    for table in (table3, table4, table5):
        write(table(scores, models, study), folder / f"{table.__name__}.csv")
    accuracy(scores, evaluated, models, study, RESAMPLES).write_parquet(folder / "accuracy.parquet")
    clock.append(time.perf_counter())
    steps = [later - earlier for earlier, later in itertools.pairwise(clock)]
    return dict(zip(("labels", "predictions", "scoring", "tables"), steps, strict=True))


def with_pandas(folder: Path, count: int) -> dict:
    """What one would write in a notebook: sets of labels, data frames, scikit-learn's resample."""
    import numpy as np
    import pandas as pd
    import polars as pl
    from sklearn.metrics import accuracy_score
    from sklearn.utils import resample
    from statsmodels.stats.proportion import proportion_confint

    from mllm_classify.config.load import load
    from mllm_classify.io.files import read_text

    config = load(folder / "config.yaml")
    started = time.perf_counter()
    imgt = pd.Series(json.loads(read_text(config.dataset.imgt.file)))
    imgt.index = imgt.index.str.removesuffix(".JPEG")
    imgt = imgt.sort_index()
    real = [set(found) for found in json.loads(read_text(config.dataset.regt.file))]
    category = np.array(
        ["N" if not found else ("S" if len(found) == 1 else "M") + ("+" if label in found else "-")
         for label, found in zip(imgt, real, strict=True)]
    )  # fmt: skip
    labelled = time.perf_counter()
    # those that are evaluated
    predicted = {name.removesuffix(".JPEG") for name in pl.read_parquet(config.models[0].file)["image_id"]}
    kept = imgt.index.isin(predicted)
    imgt, category, real = imgt[kept], category[kept], list(itertools.compress(real, kept))
    rows = []
    for model in config.models[:count]:
        # pandas alone cannot read Parquet
        predictions = pd.DataFrame(pl.read_parquet(model.file).to_dict(as_series=False))
        predictions["image_id"] = predictions["image_id"].str.removesuffix(".JPEG")
        first = predictions.set_index("image_id")["class_id"].str[0].loc[imgt.index]
        frame = pd.DataFrame({"category": category, "imgt": (first == imgt).to_numpy()})
        frame["regt"] = [not found or guess in found for guess, found in zip(first, real, strict=True)]
        frame["both"] = frame["imgt"] & frame["regt"]
        row = {"model": model.name, "ImGT": accuracy_score(imgt, first)}
        row |= frame[["regt", "both"]].mean().to_dict() | frame.groupby("category")["regt"].mean().to_dict()
        row["wilson"] = proportion_confint(frame["regt"].sum(), len(frame), method="wilson")
        drawn = []
        for number in range(RESAMPLES):
            sample = resample(frame, random_state=number)
            means = sample[["imgt", "regt", "both"]].mean().to_dict()
            drawn.append(means | sample.groupby("category")["regt"].mean().to_dict())
        row["bootstrap"] = pd.DataFrame(drawn).quantile([0.025, 0.975])
        rows.append(row)
    ended = time.perf_counter()
    return {
        "labels": labelled - started,
        "models": (ended - labelled) * len(config.models) / count,
        "accuracies": {row["model"]: [row["ImGT"], row["regt"]] for row in rows},
        "intervals": {row["model"]: row["bootstrap"]["regt"].tolist() for row in rows},
    }


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def agree(folder: Path, pandas: dict) -> None:
    """Both versions must have done the same work."""
    import polars as pl

    found = pl.read_parquet(folder / "accuracy.parquet").filter(pl.col("subset") == "A")
    for name, (imgt, regt) in pandas["accuracies"].items():
        rows = found.filter(pl.col("name") == name)
        ours_imgt = rows.filter(pl.col("measure") == "ImGT").row(0, named=True)
        ours_regt = rows.filter((pl.col("measure") == "ReGT") & (pl.col("n_images") == "correct")).row(0, named=True)
        assert abs(ours_imgt["accuracy"] - 100 * imgt) < 1e-9
        assert abs(ours_regt["accuracy"] - 100 * regt) < 1e-9
        low, high = pandas["intervals"][name]
        # other resamples: 0.1 with all of ImageNet
        near = 0.1 * math.sqrt(50_000 / ours_regt["n"])
        assert abs(ours_regt["bootstrap_low"] - 100 * low) < near
        assert abs(ours_regt["bootstrap_high"] - 100 * high) < near


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--recorded", type=Path)
    parser.add_argument("--models", type=int, default=67)
    parser.add_argument("--pandas-models", type=int, default=67)
    parser.add_argument("--smallest", action="store_true", help="two models of few images, once: whether it works")
    parser.add_argument("--only", choices=["ours", "pandas"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only == "ours":
        print(json.dumps(ours(args.folder) | {"megabytes": peak_megabytes()}))
        return
    if args.only == "pandas":
        print(json.dumps(with_pandas(args.folder, args.pandas_models) | {"megabytes": peak_megabytes()}))
        return
    models, compared, classes, runs = (2, 1, 4, 1) if args.smallest else (args.models, args.pandas_models, 1000, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.recorded is None:
            write_simulated(folder / "recorded", classes)
        write_config(folder / "config.yaml", args.recorded or folder / "recorded", models, classes)
        found = [in_own_process(__file__, "--only", "ours", "--folder", name) for _ in range(runs)]
        pandas = in_own_process(__file__, "--only", "pandas", "--folder", name, "--pandas-models", str(compared))
        agree(folder, pandas)
    steps = ("labels", "predictions", "scoring", "tables")
    fastest = min(found, key=lambda run: sum(run[step] for step in steps))
    total = sum(fastest[step] for step in steps)
    scaled = "" if compared == models else f" (scaled from {compared} models)"
    other = pandas["labels"] + pandas["models"]
    print(origin(), end="\n\n")
    print(f"{models} models, {50 * classes:,} images, {RESAMPLES} resamples; ours: the fastest of {runs}\n")
    rows = [
        *((f"ours: {step}", f"{fastest[step]:.2f} s", "") for step in steps),
        ("ours: scoring and tables", f"{fastest['scoring'] + fastest['tables']:.2f} s", ""),
        ("ours: all", f"{total:.2f} s", f"{fastest['megabytes']:.0f} MB"),
        (f"pandas and scikit-learn{scaled}", f"{other:.1f} s", f"{pandas['megabytes']:.0f} MB"),
        ("ratio", f"{other / total:.1f}", ""),
    ]
    print(tabulate(rows, ["", "time", "peak memory"], tablefmt="pipe", colalign=("left", "right", "right")))


if __name__ == "__main__":
    main()
