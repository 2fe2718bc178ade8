"""The commands of the second annotation pass: tasks, their pictures, and what was decided."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from mllm_classify.cli import command, files, parts
from mllm_classify.config.annotate import Annotate
from mllm_classify.config.answer_labels import KINDS
from mllm_classify.config.further import RESULTS
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.io.borders import border
from mllm_classify.io.files import InputError, written
from mllm_classify.io.records import read_json
from mllm_classify.plan.files import file
from mllm_classify.plan.values import about
from mllm_classify.tables.inputs import Given

log = logging.getLogger("mllm_classify")


def add(stages: Any) -> None:
    """The commands and their arguments."""
    several = parts(stages, "annotate", "the second annotation pass")
    tasks = command(several, "tasks", write_tasks, "annotate", "Choose what annotators see again, for Label Studio.")
    files(
        tasks, "tasks", "labelling", "key", tasks="the tasks to write", labelling="the labelling configuration to write",
        key="who proposed what, to write; not for annotators",
    )  # fmt: skip
    pictures = command(
        several, "pictures", write_pictures, "annotate", "Copy the tasks' pictures to where they are served."
    )
    files(pictures, "key", key="key.parquet of the tasks")
    pictures.add_argument("--folder", required=True, metavar="FOLDER", help="the folder to copy them to")
    read = command(
        several, "read", read_export, "annotate", "Read an export back: a label file, and what became of the tasks."
    )
    files(
        read, "export", "labels", "output", export="Label Studio's export, format JSON",
        labels="the label file to write (.csv), for regt: of another configuration",
        output="the .csv; beside it .md, .html, .tex, Figure 7 (.svg, .pdf) and, with pictures, Figure 5 (_examples.svg, .pdf)",
    )  # fmt: skip
    answers = command(
        several,
        "answers",
        write_sheet,
        "annotate",
        "Draw answers, and write a sheet on which an annotator labels them.",
    )
    files(answers, "sheet", sheet="the sheet to write (.csv)")
    answers.add_argument("--annotator", required=True, metavar="NAME", help="who labels it")
    answers.add_argument("--kind", choices=KINDS, default=KINDS[0], help="what the annotator is (default: people)")
    answers.add_argument(
        "--pass", type=int, default=1, dest="number", metavar="NUMBER", help="of the pass (default: 1)"
    )
    answers.add_argument("--count", type=int, default=500, help="how many distinct answers (default: 500)")
    answers.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    answers.add_argument("--nearest", type=int, default=5, help="candidates by each encoder (default: 5)")
    answers.add_argument("--no-names", action="store_true", help="only answers that are no class name")
    sheets = command(
        several, "read-answers", read_sheets, "annotate", "Read labelled sheets: a file for dataset.answer_labels."
    )
    sheets.add_argument("--sheets", nargs="+", required=True, metavar="FILE", help="the sheets")
    files(sheets, "labels", labels="the file to write (.csv)")
    read.add_argument("--results", default="results", metavar="FOLDER", help="of the study (default: results)")
    read.add_argument("--key", metavar="FILE", help="default: annotate/key.parquet in that folder")


def section(config: Config) -> Annotate:
    if config.annotate is None:
        msg = "annotate: missing; docs/annotate.md says what it needs"
        raise InputError(msg)
    return config.annotate


def write_tasks(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import tasks
    from mllm_classify.dataset.classes import class_names

    asked_for, given = section(config), Given(config)
    predicted = {name: parquet.read(it.path) for name, it in given.files("annotated").items()}
    key = tasks.tasks(asked_for, given["labels"], given.registered, predicted)
    names = class_names(given["classes"])
    for path, content in {
        args.tasks: json.dumps(tasks.as_tasks(key, names), ensure_ascii=False, indent=1) + "\n",
        args.labelling: tasks.labelling(names),
    }.items():
        with written(path) as temporary:
            temporary.write_text(content)
    parquet.write(key, tasks.KEY, args.key)
    log.info("%d images to annotate again", len(key))


def write_pictures(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import pictures

    key = parquet.read(args.key)
    pictures.write(key, config.dataset, Path(args.folder))
    log.info("%d pictures in %s", len(key), args.folder)


def write_sheet(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import answers
    from mllm_classify.dataset.classes import class_names

    for option, least in (("number", 1), ("count", 1), ("nearest", 1), ("seed", 0)):
        if getattr(args, option) < least:
            msg = f"--{'pass' if option == 'number' else option}: {getattr(args, option)}: must be {least} or more"
            raise InputError(msg)
    if Path(args.sheet).exists():
        msg = f"--sheet: {args.sheet} is there already, and may be labelled; name another file"
        raise InputError(msg)
    given = Given(config)
    classes, of = given["classes"], given.outline
    predicted = {name: parquet.read(it.path) for name, it in given.files("worded_predictions").items()}
    texts = answers.drawn(predicted.values(), classes, args.count, args.seed, no_names=args.no_names)
    names, candidates = class_names(classes), {text: set[str]() for text in texts}
    for encoder in of.encoders:
        vectors = parquet.read(file(of, "class_embeddings", encoder=encoder).path)
        for model in predicted:
            embedded = parquet.read(file(of, "answer_embeddings", model, encoder).path)
            answers.add_nearest(candidates, embedded, vectors, names, args.nearest)
    sheet = answers.sheet(candidates, args.annotator, args.kind, args.number, args.seed)
    with written(args.sheet) as temporary:
        # a value that begins with # is quoted, or its line would be a comment
        sheet.write_csv(temporary, quote_style="non_numeric")
    log.info("%s: %d answers to label", args.sheet, len(sheet))


def read_sheets(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import answers
    from mllm_classify.config.answer_labels import read_answer_labels
    from mllm_classify.dataset.answer_labels import answer_labels

    rows = read_answer_labels(*args.sheets)
    labels = answer_labels(rows, Given(config)["classes"])
    with written(args.labels) as temporary:
        answers.as_file(rows).write_csv(temporary, quote_style="non_numeric")
    for line in answers.summary(labels):
        log.info("%s: %s", args.labels, line)


def read_export(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import drawing, pictures, second_pass
    from mllm_classify.dataset.classes import Lookup, class_names
    from mllm_classify.dataset.equivalences import admits
    from mllm_classify.figures.style import save
    from mllm_classify.tables import given
    from mllm_classify.tables.render import as_markdown, write

    results = Path(args.results)
    dataset = results / "dataset" / config.dataset.name
    labels, classes = parquet.read(dataset / "labels.parquet"), parquet.read(dataset / "classes.parquet")
    own = results / Path(config.results).relative_to(RESULTS)
    key = parquet.read(args.key or own / "annotate/key.parquet")
    lookup = Lookup(classes)
    second_pass.check(key, labels)
    with border(args.export):
        export = second_pass.read(read_json(args.export), args.export, class_names(classes))
    decided = second_pass.decisions(key, export, admits(config.dataset.equivalences, lookup))
    model = config.model(section(config).model).label
    study = given.study(about(config), labels, classes)
    table = second_pass.second_pass(key, export, decided, model, study)
    assert config.dataset.regt is not None  # annotate: needs one
    relabelled = second_pass.relabelled(labels, decided, class_names(classes), lookup, none=config.dataset.regt.none)
    with written(args.labels) as temporary:
        # a value that begins with # is quoted, or its line would be a comment
        relabelled.write_csv(temporary, quote_style="non_numeric")
    output = Path(args.output)
    write(table, output)
    save(drawing.parts(table.rows), output.with_suffix(".svg"))
    if config.dataset.has_files:
        images = pictures.shown(key, decided, config.dataset)
        names = class_names(classes)
        save(drawing.examples(key, decided, names, model, images), output.with_name(f"{output.stem}_examples.svg"))
    print(as_markdown(table))
    log.info("%s: %d images, %d with new labels", args.labels, len(relabelled), decided["labels"].count())
