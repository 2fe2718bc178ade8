"""The readers of files that others write, each with a small file, and a plain reading of what it may make of it."""

import hashlib
import io
import json
import shutil
import zipfile

import polars as pl
import yaml

from mllm_classify.annotate import second_pass
from mllm_classify.api import journal
from mllm_classify.bundle.unpacking import unpacked
from mllm_classify.config.dataset import ImagenetDataset, TableDataset
from mllm_classify.config.every_dataset import LabelSet, SecondLabelSet
from mllm_classify.config.load import load
from mllm_classify.config.models import RecordedModel
from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.equivalences import admits
from mllm_classify.dataset.label_files import original_labels, second_labels
from mllm_classify.io.files import PROJECT
from mllm_classify.io.names import read_names
from mllm_classify.io.records import read_json
from mllm_classify.predict.recorded import recorded
from tests import fuzzed_hierarchies, fuzzed_settings, fuzzed_sources
from tests.annotate.exports import annotation, task
from tests.config.given import whole
from tests.fuzz import Reader

NAMES = ["espresso", "tea cup", "tabby, cat", "N", "café"]
IDS = ["a.png", "b c.png", "é.png", "d"]
LOOKUP = Lookup(
    pl.DataFrame(
        {"class_id": range(5), "name": NAMES, "synset": None},
        schema={"class_id": pl.Int32, "name": pl.String, "synset": pl.String},
    )
)
IMAGENET = ImagenetDataset(source="imagenet", name="i", label="I")
VAL = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 5)]


def as_json(value):
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def as_lines(values):
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def as_parquet(rows):
    content = io.BytesIO()
    pl.DataFrame(rows).write_parquet(content)
    return content.getvalue()


def plain(content):
    """What JSON says, or nothing where it is none."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def plain_lines(content):
    try:
        return [json.loads(line) for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    except (ValueError, RecursionError):
        return None


def paired(text):
    """A text in which half of a pair of UTF-16 is U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# class lists


def right_list(content, names):
    return [paired(name).strip() for name in plain(content)] == names


def right_lines(content, names):
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return [line.strip() for line in text.split("\n") if not line.startswith("#")] == names


def right_column(content, names):
    """The ids before the names say where they stand."""
    lines = [line for line in content.decode("utf-8-sig").split("\n") if line.strip() and not line.startswith("#")]
    simple = b'"' not in content and b"\r" not in content and lines[0].split(",") == ["id", "name"]
    return not simple or [[str(n), name] for n, name in enumerate(names)] == [
        [cell.strip() for cell in line.split(",")] for line in lines[1:]
    ]


# label files


def single(path):
    dataset = TableDataset(source="table", name="d", label="D", classes="c", imgt=LabelSet(label="I", file=str(path)))
    return original_labels(dataset, LOOKUP)


def several(path):
    dataset = TableDataset(source="table", name="d", label="D", classes="c", imgt=LabelSet(label="I", file="i.csv"))
    return second_labels(dataset, SecondLabelSet(label="R", file=str(path), none="none"), LOOKUP, IDS)


def of_imagenet(format_):
    return lambda path: second_labels(IMAGENET, SecondLabelSet(label="R", file=str(path), format=format_), LOOKUP, VAL)


def classes_exist(_content, readings):
    return all(reading.classes is None or reading.classes <= set(range(5)) for reading in readings.values())


def class_of(value):
    """A class by its number or name; raises an error where it is none."""
    if type(value) is int and 0 <= value < 5:
        return value
    text = value.strip().lower()
    lowered = [name.lower() for name in NAMES]
    return lowered.index(text) if text in lowered else range(5)[int(text)]


def right_single(records):
    def right(content, readings):
        labelled = {}
        for image_id, label in records(content):
            assert str(image_id) not in labelled
            labelled[str(image_id)] = None if label in (None, "") else frozenset({class_of(label)})
        return {image: it for image, it in labelled.items() if it is not None} == {
            image: reading.classes for image, reading in readings.items()
        }

    return right


def keyed(content):
    pairs = plain(content)
    if isinstance(pairs, dict):
        return [(paired(key), value) for key, value in pairs.items()]
    return [(it["image_id"], it.get("class", it.get("value"))) for it in pairs]


def right_csv(content, readings):
    """Where nothing is quoted, a line is an image and its class."""
    text = content.decode("utf-8-sig")
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    if '"' in text or "\r" in text or lines[0].strip() != "image_id,class":
        return classes_exist(content, readings)
    pairs = [[cell.strip() for cell in line.split(",")] for line in lines[1:]]
    return right_single(lambda _: pairs)(content, readings)


# predictions


def predictions(column):
    def read(path):
        model = RecordedModel(name="m", label="M", kind="recorded", file=str(path), column=column, nulls="count")
        dataset = TableDataset.model_construct(source="table")
        return recorded(model, dataset, IDS, len(NAMES))

    return read


def right_predictions(said):
    def right(content, rows):
        if rows["image_id"].to_list() != IDS or set(rows["status"]) - {"ok", "error"}:
            return False
        ranked = rows["class_ids"].drop_nulls().explode()
        if not all(0 <= it < 5 for it in ranked):
            return False
        records = said(content) if said else None
        if records is None:
            return said is None
        by_id = {str(it["image_id"]): it for it in records}
        return len(by_id) == len(records) and all(
            _same(by_id[row["image_id"]], row) for row in rows.iter_rows(named=True)
        )

    return right


def _same(record, row):
    value = record.get("text", record.get("class_id"))
    if "text" in record:
        first = value[0] if isinstance(value, list) else value
        return row["text"] == (None if first is None else paired(first))
    return row["class_ids"] == (value if isinstance(value, list) else None if value is None else [value])


# exports, journals, bundles


def export(path):
    return second_pass.read(read_json(str(path)), str(path), NAMES)


def right_export(content, said):
    tasks = plain(content)
    return len(said.annotations) == sum(len(it["annotations"]) for it in tasks) and said.times.total() == len(tasks)


RECORDS = [{"key": f"k{number}", "request": "r", "response": {"n": number, "text": "é"}} for number in range(6)]


def check(record):
    if not isinstance(record["response"], dict):
        raise TypeError


def kept(path):
    answers = journal.read(path.parent, check)
    return {key: answers[key] for key in answers}


def right_journal(content, answers):
    """Each line that is whole is kept, the first of a key, and nothing else is."""
    plainly = {}
    for line in content.split(b"\n"):
        try:
            record = json.loads(line)
            if "sent" not in record and isinstance(record["response"], dict):
                plainly.setdefault(record["key"], record)
        except (ValueError, TypeError, LookupError, RecursionError, AttributeError):
            continue
    return repr(plainly) == repr(answers)


FILES = {"config.yaml": b"a: 1\n", "data/x.csv": b"image_id\na\n" * 20, "results/t.parquet": as_parquet([{"a": 1}])}


def bundle():
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in FILES.items()).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (FILES | {"SHA256SUMS": sums}).items():
            archive.writestr(name, content)
        archive.comment = hashlib.sha256(sums).hexdigest().encode()
    return file.getvalue()


def opened(path):
    folder = path.parent / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    problems, _ = unpacked(path, folder)
    return problems or {it.relative_to(folder).as_posix(): it.read_bytes() for it in folder.rglob("*") if it.is_file()}


def right_bundle(_content, found):
    return isinstance(found, list) or {name: it for name, it in found.items() if name != "SHA256SUMS"} == FILES


def readers():
    """All of them, by a name."""
    labels = dict(zip(IDS, ["espresso", 1, "N", None], strict=True))
    rows = [{"image_id": image_id, "class": label} for image_id, label in labels.items()]
    lists = [
        {"image_id": image_id, "classes": it} for image_id, it in zip(IDS, ["none", [0, 2], "tea cup", 4], strict=True)
    ]
    ranked = [
        {"image_id": image_id, "class_id": it} for image_id, it in zip(IDS, [[3, 1], [0], None, [2, 4]], strict=True)
    ]
    texts = [
        {"image_id": image_id, "text": it} for image_id, it in zip(IDS, ["café", "", None, "tea, or not"], strict=True)
    ]
    again = [{"image_name": f"{it}.JPEG", "original_class": 1, "reannotated_labels": [1, 2]} for it in VAL]
    weasels = {f"{it}.JPEG": {"old_label": 1, "new_label": [1], "label_type": "custom"} for it in VAL}
    said = [
        task("t1", annotation(1, proposed=["[1] espresso"])),
        task("t2", annotation(None, none=["I cannot tell"]), annotation(2)),
    ]
    csv = "image_id,class\n" + "".join(f"{it},{n}\n" for n, it in enumerate(IDS))
    equal = [("classes,admits,source", ""), ("espresso|tea cup", ",,x"), ("N", ",café,y")]
    return {
        "classes.txt": Reader("c.txt", "\n".join(["# names", *NAMES]).encode(), lambda it: read_names(str(it)), right_lines),
        "classes.json": Reader("c.json", as_json(NAMES), lambda it: read_names(str(it)), right_list),
        "classes.csv": Reader("c.csv", b"id,name\n0,cat\n1,dog\n2,cow\n3,a b\n", lambda it: read_names(str(it)), right_column),
        "imgt.csv": Reader("l.csv", csv.encode(), single, right_csv),
        "imgt.json": Reader("l.json", as_json(labels), single, right_single(keyed)),
        "imgt.jsonl": Reader("l.jsonl", as_lines(rows), single,
                             right_single(lambda it: [(paired(str(r["image_id"])), r.get("class", r.get("value"))) for r in plain_lines(it)])),
        "regt.jsonl": Reader("l.jsonl", as_lines(lists), several, lambda c, it: plain_lines(c) is not None and classes_exist(c, it)),
        "regt.parquet": Reader("l.parquet", as_parquet([it | {"classes": "espresso|N"} for it in lists]), several, classes_exist, foreign=True),
        "real": Reader("r.json", as_json([[1, 2], [], [0], 3]), of_imagenet("real"), lambda c, it: plain(c) is not None and classes_exist(c, it)),
        "reimagenet": Reader("r.jsonl", as_lines(again), of_imagenet("reimagenet"),
                             lambda c, it: plain_lines(c) is not None and classes_exist(c, it)),
        "proposed": Reader("p.csv", "\n".join(["id,proposed_labels", *(f'{it["image_name"]},"1, 2"' for it in again)]).encode(), of_imagenet("proposed"), classes_exist),
        "label errors": Reader("e.json", as_json([
            {"id": n, "url": f"x/{it['image_name']}", "given_original_label": n % 5, "our_guessed_label": (n + 1) % 5,
             "mturk": {"given": 3, "guessed": 1, "neither": 1, "both": 0}} for n, it in enumerate(again)
        ]), of_imagenet("label_errors"), lambda c, it: plain(c) is not None and classes_exist(c, it)),
        "mustelidae": Reader("m.json", as_json(weasels), of_imagenet("mustelidae"), lambda c, it: plain(c) is not None and classes_exist(c, it)),
        "equivalences.csv": Reader("e.csv", "\n".join("".join(it) for it in equal).encode(), _equal, lambda _, it: all(x in range(5) for x in it)),
        "equivalences.json": Reader("e.json", as_json({"eq_classes": {"a": [0, 1], "b": [2, 3, 4]}}), _equal,
                                    lambda c, it: plain(c) is not None and all(x in range(5) for x in it)),
        "recorded.csv": Reader("p.csv", ("image_id,class_id\n" + "".join(f"{it},{n}|4\n" for n, it in enumerate(IDS))).encode(),
                               predictions("class_id"), right_predictions(None)),
        "recorded.jsonl": Reader("p.jsonl", as_lines(ranked), predictions("class_id"), right_predictions(plain_lines)),
        "recorded texts": Reader("p.jsonl", as_lines(texts), predictions("text"), right_predictions(plain_lines)),
        "recorded.parquet": Reader("p.parquet", as_parquet(ranked), predictions("class_id"), right_predictions(None), foreign=True),
        "export": Reader("e.json", as_json(said), export, right_export),
        "journal": Reader("j.jsonl", as_lines([{"request": "r", "sent": {}}, *RECORDS]), kept, right_journal),
        "bundle": Reader("b.zip", bundle(), opened, right_bundle, foreign=True),
        **fuzzed_sources.readers(),
        **fuzzed_hierarchies.readers(),
        **fuzzed_settings.readers(),
        "preset": Reader("conti2025.yaml", (PROJECT / "presets/conti2025.yaml").read_bytes(), load, lambda _content, _config: True),
        "configuration": Reader("config.yaml", yaml.safe_dump(whole()).encode(), load, lambda _content, _config: True),
    }  # fmt: skip


def _equal(path):
    from mllm_classify.config.every_dataset import Equivalences

    return admits(Equivalences(label="E", file=str(path), one_way=True), LOOKUP)
