"""Options of 50,000 images x 5 variants x 31 repeats: seconds, memory, size, and the ratio to a loop over questions.

    python benchmarks/choices.py [--recorded FOLDER] [--images 500] [--smallest]

FOLDER holds pnasnet5large.parquet as docs/recorded.md makes it, whose confusions make distractors; without it, predictions
are simulated. The peer is what one would write first: for every question `random.sample` of the classes that are not right,
or the next confusions that are not, and `random.shuffle`. It does so for --images of the images, and is scaled to all.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from stated import origin
from studies import in_own_process, write_config, write_simulated
from tabulate import tabulate

REPEATS = 31
MODEL = "pnasnet5large"


def read(folder: Path) -> tuple:
    """The configuration, classes, labels and confusions."""
    from mllm_classify.choices import confusions
    from mllm_classify.config.load import load
    from mllm_classify.dataset.classes import classes
    from mllm_classify.dataset.images import images
    from mllm_classify.dataset.labels import labels
    from mllm_classify.predict.recorded import recorded

    config = load(folder / "config.yaml")
    names = classes(config.dataset)
    registered = images(config.dataset, names)
    labelled = labels(registered, names, config.dataset)
    model = next((it for it in config.models if Path(it.file).stem == MODEL), config.models[-1])
    predicted = recorded(model, config.dataset, registered["image_id"].to_list(), names.height)
    return config, names, labelled, confusions.confusions(predicted, labelled)


def ours(folder: Path) -> dict:
    from mllm_classify.choices.options import CHOICES, make
    from mllm_classify.choices.variants import VARIANTS
    from mllm_classify.config.tasks import Choices
    from mllm_classify.io import parquet

    config, names, labelled, found = read(folder)
    asked = Choices(reference=MODEL, repeats=REPEATS, per_class="all", variants=list(VARIANTS))
    started = time.perf_counter()
    made = make(asked, config.dataset, labelled, names, found, None)
    chosen = time.perf_counter()
    parquet.write(made, CHOICES, folder / "choices.parquet")
    return {
        "questions": made.height,
        "seconds": chosen - started,
        "writing": time.perf_counter() - chosen,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "file": (folder / "choices.parquet").stat().st_size / 1e6,
    }


def loop(folder: Path, count: int) -> dict:
    """One question after the other."""
    import numpy as np

    from mllm_classify.choices import confusions

    _, names, labelled, found = read(folder)
    matrix = confusions.counts(found, names.height)
    likely = np.argsort(-matrix, axis=1, kind="stable").tolist()
    every = range(names.height)
    rows = labelled.select("imgt", "regt", "imgt_admissible", "regt_admissible").head(count).rows()
    rng = random.Random(0)
    started = time.perf_counter()
    questions = 0
    for imgt, regt, right_imgt, right_regt in rows:
        right = {imgt, *right_imgt, *(right_regt or [])}
        wrong = [class_id for class_id in every if class_id not in right]
        confused = {c: [other for other in likely[c] if other not in right] for c in {imgt, *(regt or [])}}
        for _ in range(REPEATS):
            other = rng.choice([c for c in regt or [] if c != imgt] or [imgt])
            both = list(dict.fromkeys([imgt, other]))
            alternating = [
                c for pair in zip(confused[imgt], confused.get(other, confused[imgt]), strict=False) for c in pair
            ]
            for named, distractors in (
                ([imgt], rng.sample(wrong, 3)),
                ([imgt], confused[imgt][:3]),
                ([other], confused.get(other, confused[imgt])[:3]),
                (both, rng.sample(wrong, 4 - len(both))),
                (both, list(dict.fromkeys(alternating[:8]))[: 4 - len(both)]),
            ):
                options = named + distractors
                rng.shuffle(options)
                questions += 1
    return {"questions": questions, "seconds": time.perf_counter() - started}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--recorded", type=Path)
    parser.add_argument("--images", type=int, default=500, help="that the peer makes questions of")
    parser.add_argument("--smallest", action="store_true", help="few images, once: whether it works")
    parser.add_argument("--only", choices=["ours", "loop"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(ours(args.folder) if args.only == "ours" else loop(args.folder, args.images)))
        return
    classes, runs = (2, 1) if args.smallest else (1000, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.recorded is None:
            write_simulated(folder / "recorded", classes)
        write_config(folder / "config.yaml", args.recorded or folder / "recorded", 12, classes)
        found = [in_own_process(__file__, "--only", "ours", "--folder", name) for _ in range(runs)]
        peer = in_own_process(__file__, "--only", "loop", "--folder", name, "--images", str(args.images))
    best = min(found, key=lambda run: run["seconds"])
    scaled = peer["seconds"] * best["questions"] / peer["questions"]
    print(origin(), end="\n\n")
    print(f"{best['questions']:,} questions with 4 options; ours: the fastest of {runs}\n")
    rows = [
        ("options", f"{best['seconds']:.1f} s"),
        ("writing", f"{best['writing']:.1f} s"),
        ("file", f"{best['file']:.0f} MB"),
        ("peak memory", f"{best['megabytes']:.0f} MB"),
        (f"a loop over questions (scaled from {args.images} images)", f"{scaled:.1f} s"),
        ("ratio", f"{scaled / best['seconds']:.1f}"),
    ]
    print(tabulate(rows, ["", ""], tablefmt="pipe", colalign=("left", "right")))


if __name__ == "__main__":
    main()
