"""`compare`: two studies beside one another, as a page and as CSV files."""

import argparse
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.io.files import InputError, written

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.compare.studies import Side

log = logging.getLogger("mllm_classify")

PAGE = "compare.html"


def add(stages: Any) -> None:
    """The command and its arguments."""
    text = (
        "Compare two studies: settings, images, models and answers that they share, accuracies, answers that changed."
    )
    added = stages.add_parser("compare", help=text, description=text)
    for side in "AB":
        added.add_argument(
            side, type=Path, metavar=side, help="the folder of a study, or an archive of one (bundle.zip)"
        )
        added.add_argument(f"--config-{side.lower()}", metavar="FILE", help=f"the configuration of {side}'s results, where it is "
                           "not config.yaml in its folder")  # fmt: skip
    added.add_argument("--output", type=Path, default=Path("compare"), metavar="FOLDER", help="to write to (default: compare)")  # fmt: skip
    added.add_argument("--of", metavar="DATASET", help="the data set (default: the main one of each)")
    added.add_argument(
        "--models", nargs="*", default=[], metavar="A=B", help="models that are one and have two names, A's and B's"
    )
    added.set_defaults(run=run, job="compare", config=None, lineage=None)


def run(args: argparse.Namespace) -> None:
    from mllm_classify.compare.studies import opened

    with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
        a, b = (
            opened(path, config, args.of, Path(scratch) / name)
            for name, path, config in (("a", args.A, args.config_a), ("b", args.B, args.config_b))
        )
        frames, remarks = compared(a, b, args.models)
    from mllm_classify.compare.page import as_csv, page

    args.output.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        with written(args.output / f"{name}.csv") as temporary:
            temporary.write_text(as_csv(frame), encoding="utf-8")
    with written(args.output / PAGE) as temporary:
        temporary.write_text(page((a.said, b.said), frames, remarks), encoding="utf-8")
    for remark in remarks:
        log.warning("%s", remark)
    counts = ", ".join(f"{frame.height} in {name}.csv" for name, frame in frames.items())
    log.info("%s: %s", args.output / PAGE, counts)


def compared(a: "Side", b: "Side", pairs: list[str]) -> "tuple[dict[str, pl.DataFrame], list[str]]":
    """Settings, shared, differences and answers, as CSV files have them, and what cannot be compared, in words.

    Raises InputError where they share nothing.
    """
    import polars as pl

    from mllm_classify.compare import differences as of
    from mllm_classify.compare.studies import common_models, differing, settings
    from mllm_classify.dataset.classes import class_names

    models = common_models(a.config, b.config, pairs)
    own = {other: name for name, other in models.items()}
    registered, classes = ([_needed(side, name) for side in (a, b)] for name in ("images", "classes"))
    images = of.same_pictures((registered[0], registered[1]))
    if not images.height:
        msg = f"{b.said}: has none of the images of {a.said}: nothing can be compared"
        raise InputError(msg)
    names = class_names(classes[0]), class_names(classes[1])
    shared = of.shared_images((registered[0], registered[1]), (a.frame("labels"), b.frame("labels")))
    shared.append(
        {"what": "models", "A": len(a.config.models), "B": len(b.config.models), "both": len(models), "equal": None}
    )
    scores = [side.frame("scores") for side in (a, b)]
    remarks = [
        f"{side.said}: does not say which answers are right (no scores): answers are compared, accuracies are not"
        for side, frame in zip((a, b), scores, strict=True)
        if frame is None
    ]
    pairs_of_scores = None
    if scores[0] is not None and scores[1] is not None:
        renamed = scores[1].filter(pl.col("model").is_in(list(own))).with_columns(pl.col("model").replace(own))
        pairs_of_scores = of.paired((scores[0], renamed), images)
    answers = []
    for name, other in models.items():
        one, two = a.frame("predictions", name), b.frame("predictions", other)
        if one is None or two is None:
            remarks.append(f"{(a if one is None else b).said}: has no answers of {name if one is None else other}")
            continue
        shared.append(of.shared_answers(name, (one, two), images))
        if pairs_of_scores is None:
            answers.append(of.changed_predictions(name, (one, two), images, names))
        else:
            answers.append(of.changed_scores(pairs_of_scores.filter(model=name), (one, two), names))
    rules = a.config.tables.n_images, b.config.tables.n_images
    empty = pl.DataFrame(schema=of.DIFFERENCES)
    return {
        "settings": differing(settings(a, {}), settings(b, own)),
        "shared": pl.DataFrame(shared, schema=of.SHARED),
        "differences": empty
        if pairs_of_scores is None
        else of.differences(pairs_of_scores, rules, a.config.tables.resamples),
        "answers": pl.concat([pl.DataFrame(schema=of.CHANGED), *answers]),
    }, remarks


def _needed(side: "Side", name: str) -> "pl.DataFrame":
    frame = side.frame(name)
    if frame is None:
        msg = f"{side.path(name)}: no such file; make the study's tables first"
        raise InputError(msg)
    return frame
