"""The commands of what people look at: key figures, examples, provenance, the explorer, and the report of all of it."""

import argparse
import logging
from collections.abc import Iterable
from os.path import relpath
from pathlib import Path
from typing import Any

from mllm_classify.cli import command, files
from mllm_classify.cli import parts as subcommands
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError, sha256, written
from mllm_classify.outputs import ACROSS, KEY_FIGURES, KEY_TABLES, OUTPUTS
from mllm_classify.plan.across import existing
from mllm_classify.plan.files import PAGES, START, Shown, in_order, linked, reported, reported_across, whole_report
from mllm_classify.plan.outline import outline
from mllm_classify.tables.inputs import Given

log = logging.getLogger("mllm_classify")


def add(stages: Any) -> None:
    """The commands and their arguments."""
    several = subcommands(stages, "report", "what people look at")
    examples = command(several, "panels", panels, "panels", "Images on which labels and models differ most.")
    examples.add_argument("--figure", nargs="?", metavar="FILE", help="the .svg with pictures to write; .pdf beside it")
    files(examples, "output", output="the .csv; .html beside it")
    sources = command(several, "provenance", provenance, "provenance", "Where the figures come from.")
    sources.add_argument("--commit", default="", help="the commit that the code is of, if that is known")
    files(sources, "output", output="the .csv; .md, .html, .tex beside it")
    first = command(several, "overview", overview, "overview", "The page of key figures on which the report opens.")
    files(first, "output", output="the .html")
    first.add_argument("--several", action="store_true", help="link to the page of all data sets")
    all_sets = command(several, "start", start, "start", "The page of all data sets.", across=True)
    files(all_sets, "output", output="the .html")
    whole = command(several, "assemble", assemble, "report", "Put the parts together, with captions.", across=True)
    files(whole, "output", output="the .zip")
    command(several, "summary", summary, "summary", "Table 3 for a terminal, and what it says.")
    page = command(several, "explorer", explorer, "explorer", "One page with every image and every answer.")
    files(page, "output", output="the .html")


def panels(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.dataset.classes import class_names
    from mllm_classify.figures.style import save
    from mllm_classify.report import panels
    from mllm_classify.tables.render import as_html

    given = Given(config)
    predictions, mappings = given["predictions"], given["mappings"]
    answers = {name: panels.Answers(frame, mappings.get(name)) for name, frame in predictions.items()}
    names, study = class_names(given["classes"]), given["study"]
    examples = panels.examples(given["scores"], given["labels"], names, answers, given["models"], study.n_images)
    with written(args.output) as temporary:
        temporary.write_text(panels.as_csv(examples))
    with written(Path(args.output).with_suffix(".html")) as temporary:
        temporary.write_text(as_html(panels.table(examples, study)))
    if args.figure:
        pictures = panels.pictures(examples, given.registered, config.dataset)
        save(panels.draw(examples, pictures), Path(args.figure))
        missing = sum(picture is None for picture in pictures.values())
        if missing:
            log.warning("%d of %d pictures are not here, or cannot be decoded", missing, len(pictures))


def provenance(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.report import provenance
    from mllm_classify.tables.render import write

    given = Given(config)
    predicted = {
        name: provenance.Predicted(
            parquet.scan(it.path), sha256(Path(it.path).read_bytes()), parquet.environments(it.path)
        )
        for name, it in given.files("predictions").items()
    }
    table = provenance.provenance(
        args.config, config, args.commit, given.registered, given["labels"], predicted, given["study"]
    )
    write(table, Path(args.output))


def overview(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.report import overview

    given = Given(config)
    study_has = set(given.outline.outputs)
    entries: dict[str, list[overview.Entry]] = {}
    for it in linked(given.outline):
        entries.setdefault(it.category, []).append(overview.Entry(Path(it.path).name, it.title))
    page = overview.overview(
        {name: given[name] for name in KEY_TABLES if name in study_has},
        {name: Path(config.results, OUTPUTS[name].files[0]).read_bytes() for name in KEY_FIGURES if name in study_has},
        entries,
        given["study"],
        relpath(START.path, config.results) if args.several else None,
    )
    with written(args.output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("%s", args.output)


def start(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.report import start
    from mllm_classify.report.overview import Entry

    folder = Path(START.path).parent
    outlines = {name: outline(study) for name, study in config.studies.items()}

    def entries(shown: Iterable[Shown]) -> list[Entry]:
        return [Entry(relpath(it.path, folder), it.title) for it in shown if it.path != START.path]

    datasets = {
        name: start.Dataset(
            config.study(name).dataset.label,
            entries(it for it in reported(of) if Path(it.path).name in PAGES and not it.path.endswith(".svg")),
        )
        for name, of in in_order(outlines).items()
    }
    across = existing(config)
    table = parquet.read_figures(f"{config.results}/{ACROSS['datasets'].files[0]}") if "datasets" in across else None
    with written(args.output) as temporary:
        temporary.write_text(start.start(datasets, entries(reported_across(outlines, across)), table), encoding="utf-8")
    log.info("%s", args.output)


def assemble(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.report.assemble import assemble
    from mllm_classify.report.published import left_out

    outlines = {name: outline(study) for name, study in config.studies.items()}
    every = [it.path for it in whole_report(outlines, existing(config))]
    restricted = left_out(config)
    if kept := [path for path in every if path not in restricted]:
        assemble(kept, args.config, Path(args.output))
    else:
        msg = f"{args.output}: every page and table tells of single labels that may not be handed on (restricted)"
        raise InputError(msg)
    if len(kept) < len(every):
        log.warning(
            "%s: leaves out %d of %d files, which tell of restricted labels",
            args.output,
            len(every) - len(kept),
            len(every),
        )
    log.info("%s: %.1f MB", args.output, Path(args.output).stat().st_size / 1e6)


def summary(_: argparse.Namespace, config: Config) -> None:
    from mllm_classify.report.summary import summary

    given = Given(config)
    print(summary(*(given[name] for name in ("table3", "table4", "table5"))), end="")


def explorer(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.report.explorer.columns import explored
    from mllm_classify.report.explorer.document import write
    from mllm_classify.report.explorer.pictures import registered_pictures, with_pictures

    given = Given(config)
    names = ("study", "models", "labels", "classes", "scores", "predictions", "mappings")
    data = explored(**{name: given[name] for name in names})
    pictures = registered_pictures(given.registered, given["labels"], config.dataset)
    write(with_pictures(data, given.registered, pictures), args.output)
    size = Path(args.output).stat().st_size
    log.info("%s: %d images, %d pictures, %.1f MB", args.output, len(data.columns["ids"]), len(pictures), size / 1e6)
