"""Files of pictures that are not called as they are written, or are no files."""

import os
import unicodedata

import polars as pl
import pytest

from mllm_classify.dataset.labels import labels
from mllm_classify.predict.images import Images
from tests.dataset.given import refusal
from tests.dataset.test_classes import lookup
from tests.dataset.test_images import PNG, manifest, registered, table

SPELLINGS = [(a, b) for a in ("NFC", "NFD") for b in ("NFC", "NFD")]


@pytest.mark.parametrize(("there", "written"), SPELLINGS)
@pytest.mark.parametrize("name", ["café crème.png", "Ångström/北京 ó.png", "가.png"])
def test_a_file_is_found_in_any_normal_form(folder, there, written, name):
    path = folder / unicodedata.normalize(there, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(PNG)
    found = registered(manifest(folder, f"a,{unicodedata.normalize(written, name)},"))
    assert Images(found, None).read(0) == PNG


def test_of_two_files_that_look_alike_the_one_that_is_written_counts(folder):
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    (folder / names[0]).write_bytes(PNG)
    (folder / names[1]).write_bytes(PNG + b"\n")
    assert registered(manifest(folder, f"a,{names[0]},", f"b,{names[1]},"))["file"].to_list() == names


def test_labels_of_images_that_look_like_registered_ones_are_told(folder):
    (folder / "l.csv").write_text("image_id,class\n" + unicodedata.normalize("NFD", "é") + ",0\n")
    dataset = table(None)
    frame = pl.DataFrame({"image_id": ["é"]})
    classes = pl.DataFrame({"class_id": [0], "name": ["cat"], "synset": [None]}, schema_overrides={"synset": pl.String})
    said = refusal(labels, frame, classes, dataset)
    assert said.endswith(
        "; 'e\\u0301' and '\\xe9' look alike and are other characters (Unicode's NFC and NFD): write one of them"
    )


@pytest.mark.parametrize("name", ["pipe.png", "/dev/zero", "folder.png", "x" * 5000, "a\0b"])
def test_what_is_no_regular_file_is_refused_at_once(folder, name):
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    assert refusal(registered, manifest(folder, f"a,{name},")).startswith("i.csv:2: file ")


@pytest.mark.parametrize("file", ["l.csv", "i.csv"])
def test_a_pipe_in_place_of_a_list_is_refused_at_once(folder, file):
    os.mkfifo(folder / file)
    assert "not a regular file" in refusal(registered, table(None, manifest="i.csv" if file == "i.csv" else None))


def test_a_lookup_takes_no_number_that_python_refuses_to_read():
    assert "is not a class" in refusal(lookup("cat").one, "l.csv:2", "9" * 5000)
