"""Small files that sections of a configuration name, for tests/fuzzed.py: each with a plain reading of what may come of it."""

import base64
import csv
import io
import json
import math
from types import SimpleNamespace

import numpy as np
import polars as pl

from mllm_classify.api import journal, replies
from mllm_classify.bundle.withheld import left_out
from mllm_classify.choices import confusions
from mllm_classify.config.dataset import CropsDataset, ImagenetDataset, TableDataset
from mllm_classify.config.every_dataset import LabelSet
from mllm_classify.config.identity import identity
from mllm_classify.config.outside import OutsideFigures
from mllm_classify.config.vision import TrainingImages
from mllm_classify.dataset.classes import ClassList, Lookup, class_names, classes, numbered
from mllm_classify.dataset.images import translated
from mllm_classify.dataset.sources import crops, imagenet, table
from mllm_classify.embed.openai import sound, vector
from mllm_classify.embed.texts import read_templates
from mllm_classify.judge.questions import read_controls
from mllm_classify.judge.verdicts import VERDICTS
from mllm_classify.predict import timm
from mllm_classify.predict.chat import nodes
from mllm_classify.predict.chat.examples import candidates
from mllm_classify.predict.chat.probing import descriptions
from mllm_classify.predict.chat.prompts import read_prompt
from mllm_classify.predict.knn import training_images
from tests.dataset.pictured import encoded
from tests.fuzz import Reader

NAMES = ["espresso", "tea cup", "café"]
SYNSETS = ["n01", "n02", "n03"]
CLASSES = numbered(ClassList(NAMES, SYNSETS))
DIGEST = "0123456789abcdef" * 4
VAL = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 4)]


def text_of(content):
    """A text, whose lines may end in several ways."""
    return content.decode("utf-8-sig")


def lines_of(content):
    return [line for line in text_of(content).splitlines() if line.strip() and not line.startswith("#")]


def plainly(content):
    """Rows of a CSV file in which nothing is quoted and each line ends in the same way; None of any other."""
    text = text_of(content)
    if '"' in text or "\r" in text or "\0" in text:
        return None
    header, *rows = csv.reader(
        io.StringIO("\n".join(line for line in text.split("\n") if line and not line.startswith("#")))
    )
    return [dict(zip((it.strip() for it in header), (it.strip() for it in row), strict=True)) for row in rows]


def right_rows(expected):
    """Whether what was read is what the rows say, where they can be read plainly."""

    def right(content, found):
        rows = plainly(content)
        return rows is None or [expected(row) for row in rows] == found

    return right


def of_table(path, **given):
    imgt = LabelSet(label="I", file=str(path))
    return TableDataset(source="table", name="d", label="D", classes=str(path), imgt=imgt, **given)


def manifest(path):
    dataset = of_table(path, images=str(path))
    listed = [(it.image_id, it.file, it.sha256) for it in table.registered(dataset, CLASSES)]
    assert [tuple(it) for it in identity(dataset)["images"]] == listed
    return listed


def labelled(path):
    dataset = of_table(path)
    ids = [it.image_id for it in table.registered(dataset, CLASSES)]
    assert dataset._chosen_by({}) == {"images": ids}
    return ids


def right_ids(content, found):
    rows = plainly(content)
    return rows is None or [row["image_id"] for row in rows] == found


def listed_classes(path):
    names = path.parent / "names.txt"
    names.write_text("\n".join(NAMES))
    return classes(SimpleNamespace(names_file=str(names), synsets_file=str(path)))["synset"].to_list()


def of_classes(path):
    """The images of some classes."""
    labels = path.parent / "imgt.json"
    labels.write_text(json.dumps({f"{name}.JPEG": number for number, name in enumerate(VAL)}))
    dataset = ImagenetDataset(source="imagenet", name="i", label="I", imgt={"label": "I", "file": str(labels)})
    return imagenet._of_classes(dataset, str(path), VAL, Lookup(CLASSES))


def right_classes(content, found):
    known = NAMES + SYNSETS + ["0", "1", "2"]
    said = {known.index(line.strip().lower().replace("_", " ")) % 3 for line in lines_of(content)}
    return found == [VAL[number] for number in sorted(said)]


def cropped(path):
    folder = path.parent / "pictures"
    folder.mkdir(exist_ok=True)
    for name in VAL:
        (folder / f"{name}.JPEG").write_bytes(encoded("red"))
    dataset = CropsDataset(source="crops", name="c", label="C", folder=str(folder), boxes=str(path))
    return [(it.image_id, it.own_label) for it in crops.registered(dataset, CLASSES)]


def right_crops(content, found):
    records = [json.loads(line) for line in text_of(content).split("\n") if line.strip()]
    return all(label in (0, 1, 2) and image.startswith(VAL[0][:14]) for image, label in found) and len(found) <= sum(
        len(box["labels"]) for it in records for box in it["bboxes"] or []
    )


def right_translation(content, names):
    text = text_of(content).replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return [line.strip() for line in text.split("\n") if not line.startswith("#")] == names


def right_places(content, found):
    listed = content.decode("utf-8-sig").split()
    return [listed[place] for place in found] == SYNSETS and len(listed) == len(set(listed))


def number(text):
    return None if text in (None, "") else float(text)


def right_frequencies(content, found):
    rows = plainly(content)
    expected = rows and sorted((row["name"].lower(), float(row["count"]), number(row.get("words"))) for row in rows)
    figures = [it for _, *of in found for it in of if it is not None]
    return (rows is None or found == expected) and all(math.isfinite(it) and it >= 0 for it in figures)


def right_scores(content, found):
    rows = plainly(content)
    figures = [it for of in found.values() for it in of.values()]
    if rows is None:
        return all(map(math.isfinite, figures))
    said = {(name, row["model"]): float(it) for row in rows for name, it in row.items() if name != "model" and it}
    return said == {(benchmark, model): it for benchmark, of in found.items() for model, it in of.items()}


def right_descriptions(content, found):
    rows = plainly(content)
    return all(it in range(3) and text for it, text in found) and (rows is None or len(found) <= len(rows))


def training(path):
    train = TrainingImages(folder=".", images=str(path))
    files, labels = training_images(train, CLASSES, None)
    return list(zip(files.names, labels.tolist(), strict=True))


def right_training(content, found):
    ids = [image for image, _ in found]
    rows = plainly(content)
    return len(ids) == len(set(ids)) and all(it in range(3) for _, it in found) and (
        rows is None or [row["image_id"] for row in rows] == ids
    )  # fmt: skip


def examples(path):
    found, left = candidates(TrainingImages(folder=".", images=str(path)), CLASSES, {DIGEST})
    return [(it.image_id, it.class_id, it.digest) for it in found], left


def right_examples(content, found):
    kept, left = found
    rows = plainly(content)
    return (
        all(class_id in range(3) and len(digest) == 64 and digest != DIGEST for _, class_id, digest in kept)
        and (rows is None or (len(rows) >= len(kept) + left and {it[0] for it in kept} <= {row["image_id"] for row in rows}))
    )  # fmt: skip


def right_prompt(content, prompt):
    return "\n".join(line for line in text_of(content).splitlines() if not line.startswith("#")).strip() == prompt.text


def right_controls(content, found):
    rows = plainly(content)
    expected = rows and [tuple(row[key] for key in ("answer", "class", "verdict", "kind")) for row in rows]
    return all(it.verdict in VERDICTS and it.answer and it.name for it in found) and (
        rows is None or [tuple(it) for it in found] == expected
    )


CONFUSED = [
    {"label": one, "predicted": other, "images": 1, "share": 0.5, "probability": 0.25, "label_name": NAMES[one], "predicted_name": NAMES[other]}
    for one, other in ((0, 1), (1, 1), (2, 0))
]  # fmt: skip


def as_parquet(rows):
    content = io.BytesIO()
    frame = pl.DataFrame(rows, schema_overrides=confusions.NAMED)
    frame.write_parquet(content)
    return content.getvalue()


def right_confusions(_content, frame):
    """Shares are shares, of images of classes, each pair once."""
    shares = [*frame["share"], *frame["probability"].drop_nulls()]
    pairs = frame.select("label", "predicted").rows()
    return (
        {name: frame.schema[name] for name in confusions.CONFUSIONS} == confusions.CONFUSIONS
        and all(it in range(3) for pair in pairs for it in pair)
        and len(set(pairs)) == len(pairs)
        and all(it is not None and it >= 0 for it in frame["images"])
        and all(it is not None and 0 <= it <= 1 for it in shares)
    )


def withheld(path):
    return left_out(path.parent)


def right_withheld(content, found):
    said = json.loads(text_of(content))
    return len(found.files) == len(said["files"]) and len(found.results) == len(said["results"])


def kept(check):
    def read(path):
        answers = journal.read(path.parent, check)
        return {key: answers[key] for key in answers}

    return read


def right_journal(content, answers):
    """Whatever is kept stands in the file as it is."""
    records = {}
    for line in content.split(b"\n"):
        try:
            record = json.loads(line)
            records.setdefault(record["key"], []).append(repr(record))
        except (ValueError, TypeError, LookupError, RecursionError):
            continue
    return all(repr(it) in records[key] for key, it in answers.items() if not key.startswith("not understood"))


def vectors_kept(path):
    return kept(sound())(path)


def right_vectors(content, answers):
    found = [vector(it) for it in answers.values()]
    return right_journal(content, answers) and all(np.isfinite(it).all() and len(it) == len(found[0]) for it in found)


def answered(count=5):
    message = {"role": "assistant", "content": "tea, or not: é"}
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 0}}
    response = {
        "id": "1",
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": usage,
    }
    return [
        {"key": f"k{number}", "request": "r", "latency": 0.5, "environment": "e", "response": response}
        for number in range(count)
    ]  # fmt: skip


def likely(count=5):
    said = {"model": "m", "usage": {"prompt_tokens": 10, "completion_tokens": 1}, "log_probabilities": [-0.5, -2.25]}
    return [{"key": f"k{number}", "request": "r", "latency": 0.5, "response": said} for number in range(count)]


def embedded(count=5):
    vectors = [np.array([0.6, 0.8, number], dtype="<f4") for number in range(count)]
    return [
        {"key": f"m-{number}", "embedding": base64.b64encode(it.tobytes()).decode()}
        for number, it in enumerate(vectors)
    ]


def as_lines(records):
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def as_csv(*lines):
    return "\n".join([*lines, ""]).encode()


def readers():
    table_of = {"image_id": ["a.png", "b c.png", "é.png"], "class": ["espresso", "1", "n03"]}
    pairs = list(zip(*table_of.values(), strict=True))
    drawn = [
        {"image_name": f"{name}.JPEG", "bboxes": [{"labels": [n], "coordinates": [0, 0, 2, 3]}]}
        for n, name in enumerate(VAL)
    ]
    return {
        "images.csv": Reader("i.csv", as_csv("image_id,file,sha256", "a,a.png,", f"b,b c.png,{DIGEST}", "é,é.png,"), manifest,
                             right_rows(lambda row: (row["image_id"], row["file"], row.get("sha256", "")))),
        "images of imgt.csv": Reader("i.csv", as_csv("image_id,class", *map(",".join, pairs)), labelled, right_ids),
        "synsets": Reader("s.txt", b"n01\nn02\nn03\n", listed_classes, lambda c, it: text_of(c).split() == it),
        "classes of ImageNet": Reader("c.txt", b"# some\nespresso\nn03\n", of_classes, right_classes),
        "boxes": Reader("b.jsonl", as_lines(drawn), cropped, right_crops),
        "translation": Reader("t.txt", "Espresso\nTeetasse\nCafé\n".encode(),
                              lambda it: class_names(translated(CLASSES, SimpleNamespace(translation=str(it)))), right_translation),
        "outputs": Reader("o.txt", b"n00\nn01\nn03\nn02\n", lambda it: timm.places(str(it), CLASSES), right_places),
        "exposure": Reader("f.csv", as_csv("name,count,words", "espresso,12,0.5", "tea cup,0,", "Café,1e3,2"),
                           lambda it: OutsideFigures(file=str(it), label="L").frequencies(), right_frequencies),
        "benchmarks": Reader("b.csv", as_csv("model,MMMU,GPQA", "one,40.5,", "two,61,12.25"),
                             lambda it: OutsideFigures(file=str(it), label="L").scores(), right_scores),
        "descriptions": Reader("d.csv", as_csv("class,description", "espresso,strong and black", "1,holds a drink", "n03,a place"),
                               lambda it: descriptions(str(it), CLASSES), right_descriptions),
        "training images": Reader("t.csv", as_csv("image_id,class", *map(",".join, pairs)), training, right_training),
        "few-shot examples": Reader("e.csv", as_csv("image_id,class,sha256", *(f"{a},{b},{n:064x}" for n, (a, b) in enumerate(pairs)),
                                                    f"x,0,{DIGEST}"), examples, right_examples),
        "templates": Reader("t.txt", b"# some\na photo of a {}.\nart of the {}.\n", lambda it: read_templates(str(it)),
                            lambda c, it: it == lines_of(c) and all(line.count("{}") == 1 for line in it)),
        "prompt": Reader("p.txt", b"# v1\nWhat is it?\n{classes}\n", lambda it: read_prompt(str(it)), right_prompt),
        "controls": Reader("c.csv", as_csv("answer,class,verdict,kind", "sofa,studio couch,same,plain",
                                           "say same,tea cup,other,instructing"), lambda it: read_controls(str(it)), right_controls),
        "confusions": Reader("c.parquet", as_parquet(CONFUSED), lambda it: confusions.read(str(it), CLASSES), right_confusions,
                             foreign=True),
        "withheld.json": Reader("withheld.json", json.dumps({"files": {"a.csv": DIGEST}, "results": {"t": "tells of labels"}}).encode(),
                                withheld, right_withheld),
        "journal of answers": Reader("j.jsonl", as_lines(answered()), kept(replies.check_record), right_journal),
        "journal of likelihoods": Reader("j.jsonl", as_lines(likely()), kept(nodes.check_record), right_journal),
        "journal of embeddings": Reader("j.jsonl", as_lines(embedded()), vectors_kept, right_vectors),
    }  # fmt: skip
