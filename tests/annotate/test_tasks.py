import json
import string
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.annotate import pictures
from mllm_classify.annotate.tasks import (  # fmt: skip
    KEY,
    NONE,
    as_tasks,
    labelling,
    picture,
    proposed,
    tasks,
    texts,
)
from mllm_classify.config.annotate import Annotate
from mllm_classify.dataset.images import IMAGES
from mllm_classify.dataset.labels import LABELS
from mllm_classify.io.files import InputError, locate, sha256
from mllm_classify.io.reading import AS_PILLOW
from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.measures.examined import examined_answers
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.tables.disputed import disputed
from mllm_classify.tables.table import Study

COFFEE = locate("package:skimage/data/coffee.png").read_bytes()
STUDY = Study("data", "Old", "New", None, "names.txt (9)")
NAMES = [f"class {number}" for number in range(9)]
ASKED = Annotate(
    model="chat", sources=["chat", "lite", "ImGT", "ReGT"], vision="eyes", categories=["S-", "M-", "N"], top=4
)
EXAMINATION = {"label": "Chat", "task": "CW", "variant": None}


def labels(*rows):
    """From (image, ImGT, ReGT, category)."""
    cells = [
        {"image_id": image, "imgt": imgt, "regt": regt, "regt_admissible": regt, "category": category,
         "excluded": None if category else "uncertain"}
        for image, imgt, regt, category in rows
    ]  # fmt: skip
    return pl.DataFrame(cells, schema=LABELS)


def mapped(*rows, task="CW", variant="", repeat=0):
    """From (image, classes): none where out of prompt, null where it is an error."""
    cells = [
        {"image_id": image, "task": task, "variant": variant, "repeat": repeat, "exact_classes": classes or [],
         "status": "error" if classes is None else "ok", "in_prompt": None if classes is None else bool(classes)}
        for image, classes in rows
    ]  # fmt: skip
    return pl.DataFrame(cells, schema=MAPPING)


def rankings(*rows):
    """From (image, ranking)."""
    cells = [
        {"image_id": image, "task": "CW", "variant": "", "repeat": 0, "class_ids": ids, "status": "ok"}
        for image, ids in rows
    ]
    return pl.DataFrame(cells, schema=PREDICTIONS)


LABELLED = labels(
    ("a", 0, [1], "S-"), ("b", 0, [1, 2], "M-"), ("c", 0, [], "N"), ("d", 0, [0], "S+"), ("e", 0, [1], "S-"),
    ("f", 0, [1], "S-"), ("g", 0, [1], "S-"), ("h", 0, None, None),
)  # fmt: skip
SAID = mapped(("a", [3]), ("b", [2]), ("c", [4]), ("d", [3]), ("e", []), ("f", None), ("h", [5]))
REGISTERED = pl.DataFrame(
    [{"image_id": image, "file": f"n0144/{image}.JPEG", "sha256": image * 64} for image in "abcdefgh"], schema=IMAGES
)
PREDICTED = {
    "chat": SAID,
    "lite": rankings(("a", [3, 8]), ("b", [7]), ("c", [6])),
    "eyes": rankings(("a", [1, 5, 6, 7, 8]), ("c", [2])),
}


def test_answers_agree_are_disputed_or_are_none():
    found = examined_answers(SAID, LABELLED, "CW", None)
    assert dict(found.select("image_id", "answer").iter_rows()) == {
        "a": "disputed", "b": "agrees", "c": "disputed", "d": "disputed", "e": "out of prompt", "f": "error", "g": "unasked",
    }  # fmt: skip


def test_only_the_first_repeat_of_the_asked_way_is_examined_answers():
    answers = pl.concat(
        [SAID, mapped(("a", [1]), task="OW"), mapped(("a", [1]), variant="x"), mapped(("a", [1]), repeat=1)]
    )
    assert examined_answers(answers, LABELLED, "CW", None).equals(examined_answers(SAID, LABELLED, "CW", None))
    assert examined_answers(answers, LABELLED, "CW", "x").filter(pl.col("answer") != "unasked").rows() == [
        ("a", "S-", 0, [1], [1], "agrees")
    ]


def test_an_equivalent_of_a_label_is_not_disputed():
    equal = LABELLED.with_columns(regt_admissible=pl.lit([1, 3], dtype=pl.List(pl.Int32)))
    assert examined_answers(SAID, equal, "CW", None)["answer"][0] == "agrees"


def test_shares_are_of_the_images_that_were_asked_about():
    rows = disputed(SAID.lazy(), LABELLED, STUDY, EXAMINATION | {"categories": ["S-", "M-", "N"]}).rows
    columns = ["category", "images", "agrees", "disputed", "out_of_prompt", "n_errors", "unasked", "share"]
    assert rows.select(columns).rows() == [
        ("S-", 4, 0, 1, 1, 1, 1, "33.33"),
        ("M-", 1, 1, 0, 0, 0, 0, "0.00"),
        ("N", 1, 0, 1, 0, 0, 0, "100.00"),
        ("all", 6, 1, 2, 1, 1, 1, "40.00"),
    ]


def test_a_category_without_images_has_no_share():
    rows = disputed(SAID.lazy(), LABELLED, STUDY, EXAMINATION | {"categories": ["M+"]}).rows
    assert rows.select("images", "share", "share_low").rows() == [(0, None, None)] * 2


def test_tasks_are_the_disputed_images_of_the_categories():
    key = tasks(ASKED, LABELLED, REGISTERED, PREDICTED)
    assert dict(key.schema) == KEY
    first, second = key.iter_rows(named=True)
    assert (first["image_id"], first["category"], first["regt"], first["predicted"]) == ("a", "S-", [1], [3])
    who = dict(zip(first["candidates"], first["sources"], strict=True))
    assert who == {0: ["ImGT"], 1: ["ReGT"], 3: ["chat", "lite"]}
    # what is proposed already does not stand among the first of the vision model again
    assert first["top"] == [5, 6, 7]
    assert (second["image_id"], second["category"], second["regt"], second["top"]) == ("c", "N", [], [2])
    assert dict(zip(second["candidates"], second["sources"], strict=True)) == {0: ["ImGT"], 4: ["chat"], 6: ["lite"]}


def test_the_order_is_of_the_seed_the_image_and_the_class_only():
    shown = tasks(ASKED, LABELLED, REGISTERED, PREDICTED)
    more = tasks(
        ASKED.model_copy(update={"sources": ["ReGT", "ImGT", "lite", "chat"], "categories": ["S-", "S+", "N"]}),
        LABELLED.reverse(), REGISTERED.reverse(), PREDICTED,
    )  # fmt: skip
    same = more.filter(pl.col("image_id").is_in(["a", "c"])).sort("image_id")
    assert same.select("task", "candidates").equals(shown.select("task", "candidates"))
    orders = {
        tuple(tasks(ASKED.model_copy(update={"seed": seed}), LABELLED, REGISTERED, PREDICTED)["candidates"][0])
        for seed in range(20)
    }
    assert len(orders) > 2
    # the model stands first about as often as others
    firsts = [order[0] for order in orders]
    assert len(set(firsts)) == 3


def test_what_annotators_see_says_nothing_of_who_proposes_it():
    key = tasks(ASKED, LABELLED, REGISTERED, PREDICTED)
    written = json.dumps(as_tasks(key, NAMES)) + labelling(NAMES)
    for word in ("chat", "lite", "eyes", "ImGT", "ReGT", "S-", "n0144", "JPEG", '"a"'):
        assert word not in written
    (first, _) = as_tasks(key, NAMES)
    assert {it["value"] for it in first["data"]["proposed"]} == {"class 0", "class 1", "class 3"}
    assert first["data"]["likely"] == [{"value": f"class {number}"} for number in (5, 6, 7)]
    assert first["data"]["image"] == f"/data/local-files/?d=pictures/{'a' * 64}.jpeg"


def test_a_task_has_another_name_when_something_else_is_shown():
    one = tasks(ASKED, LABELLED, REGISTERED, PREDICTED)["task"][0]
    fewer = ASKED.model_copy(update={"top": 2})
    assert tasks(fewer, LABELLED, REGISTERED, PREDICTED)["task"][0] != one
    assert tasks(fewer, LABELLED.with_columns(category=pl.lit("N")), REGISTERED, PREDICTED)["task"][0] != one


def test_what_cannot_be_annotated_is_refused():
    with pytest.raises(InputError, match="annotate: no valid answer of chat to CW disagrees with ReGT in M-; choose"):
        tasks(ASKED.model_copy(update={"categories": ["M-"]}), LABELLED, REGISTERED, PREDICTED)
    with pytest.raises(InputError, match=r"annotate: image 'a' has no picture; dataset\.folder says where"):
        tasks(ASKED, LABELLED, REGISTERED.with_columns(file=pl.lit(None, dtype=pl.String)), PREDICTED)


def test_models_propose_listed_answers_or_their_first_class():
    assert proposed(SAID, "CW", None) == {"a": [3], "b": [2], "c": [4], "d": [3], "h": [5]}
    assert proposed(PREDICTED["eyes"], "CW", "any") == {"a": [1], "c": [2]}


HOSTILE = [
    "<script>alert(1)</script>",
    "a & b",
    'say "x"',
    "$image",
    "[3] maze",
    NONE,
    "maze",
    "maze",
    "\x1b[31mred",
    "",
]


def test_class_names_are_text():
    shown = texts(HOSTILE)
    assert shown == [
        "<script>alert(1)</script>", "a & b", 'say "x"', "[3] $image", "[4] [3] maze", f"[5] {NONE}", "[6] maze",
        "[7] maze", "\\x1b[31mred", "",
    ]  # fmt: skip
    view = ET.fromstring(labelling(HOSTILE))
    (every,) = view.iter("Taxonomy")
    assert [choice.get("value") for choice in every] == shown
    assert not list(view.iter("script"))


@given(st.lists(st.text(string.printable + "[]$é\u202e", max_size=6), max_size=12))
def test_every_class_has_a_text_of_its_own(names):
    shown = texts(names)
    assert len(set(shown)) == len(names)
    view = ET.fromstring(labelling(names))
    assert [choice.get("value") for choice in next(view.iter("Taxonomy"))] == shown


def test_pictures_are_copied_under_their_content_s_name(folder):
    (folder / "n01").mkdir()
    (folder / "n01/coffee.PNG").write_bytes(COFFEE)
    (folder / "n01/coffee.tiff").write_bytes(COFFEE)
    key = pl.DataFrame({"image_id": ["x", "y"], "file": ["coffee.PNG", "coffee.tiff"], "sha256": [sha256(COFFEE)] * 2})
    dataset = SimpleNamespace(root=str(folder / "n01"), reading=AS_PILLOW)
    pictures.write(key, dataset, folder / "shown")
    assert [path.name for path in (folder / "shown").iterdir()] == [picture("a.png", sha256(COFFEE))]
    assert (folder / "shown" / picture("x.PNG", sha256(COFFEE))).read_bytes() == COFFEE
    (folder / "n01/coffee.PNG").write_bytes(b"another")
    pictures.write(key[:1], dataset, folder / "shown")  # it is there already
    with pytest.raises(InputError, match=r"image 'x': .*coffee\.PNG has changed since it was registered"):
        pictures.write(key[:1], dataset, folder / "elsewhere")
    assert not list((folder / "elsewhere").glob("*"))
