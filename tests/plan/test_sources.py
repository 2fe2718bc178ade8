"""Where pictures lie changes no lineage; which pictures there are is seen before jobs are planned."""

import shutil
from pathlib import Path

import pytest
import yaml

from mllm_classify.config.load import load
from mllm_classify.dataset.images import class_list, files_of, images
from mllm_classify.io import stamps
from mllm_classify.plan.lineage import WHOLE, lineages
from mllm_classify.plan.replaced import noted, replaced
from tests.config.given import whole
from tests.dataset import pictured

PICTURES = pictured.cifar10(6)
EACH = {
    "folder": {"folder": "{}"},
    "hub": {"folder": "{}", "repository": "me/pictures", "split": "test"},
    "webdataset": {"folder": "{}", "shards": "*.tar", "classes": "classes.txt"},
    "torchvision": {"folder": "{}", "set": "MNIST", "options": {"train": False}},
}


def lay_out(source, top):
    (Path("classes.txt")).write_text("\n".join(pictured.CIFAR10))
    match source:
        case "folder":
            pictured.folders(top, PICTURES)
        case "hub":
            Path(top).mkdir()
            pictured.as_datasets(PICTURES).to_parquet(f"{top}/test.parquet")
        case "webdataset":
            pictured.shards(top, PICTURES)
        case "torchvision":
            pictured.mnist(top)


def configured(source, top, **more):
    given = {key: top if value == "{}" else value for key, value in EACH[source].items()}
    config = whole(dataset={"source": source, "name": "d", "label": "D", **given, **more})
    for model in config["models"]:
        model.pop("variants", None)
    Path("config.yaml").write_text(yaml.safe_dump(config | {"variants": []}))
    return load("config.yaml")


@pytest.fixture
def study(folder):
    for name in ("c.txt", "l.csv", "r.csv", "e.csv", "t.txt", "ow.txt", "cw.txt", "ids.txt", "p.csv", "chat.jinja"):
        (folder / name).write_text(f"content of {name}")
    return folder


@pytest.mark.parametrize("source", EACH)
def test_a_data_set_that_moved_changes_no_lineage_and_no_byte(study, source):
    lay_out(source, "here")
    before = configured(source, "here")
    known, found = lineages(before), images(before.dataset, class_list(before.dataset))
    (study / "elsewhere").mkdir()
    shutil.move("here", "elsewhere/away")
    for moved in ("elsewhere/away", str(study / "elsewhere/away")):
        after = configured(source, moved)
        assert {job: it for job, it in lineages(after).items() if job not in WHOLE} == {
            job: it for job, it in known.items() if job not in WHOLE
        }
        assert images(after.dataset, class_list(after.dataset)).equals(found)
    assert not any("elsewhere" in str(row) for row in found.iter_rows())


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("folder", {"names": "l.csv"}),
        ("folder", {"classes": "c.txt"}),
        ("hub", {"revision": "0123"}),
        ("hub", {"split": "train"}),
        ("webdataset", {"shards": "a.tar"}),
        ("webdataset", {"labels": "txt"}),
        ("torchvision", {"options": {"train": True}}),
    ],
)
def test_another_data_set_has_another_lineage(study, source, more):
    (study / "classes.txt").write_text("a\nb\n")
    known = lineages(configured(source, "here"))
    assert lineages(configured(source, "here", **more))["images"] != known["images"]


def register(config):
    found = images(config.dataset, class_list(config.dataset))
    kept = noted("d").with_name(stamps.STAMPS)
    kept.parent.mkdir(parents=True, exist_ok=True)
    stamps.keep(kept, files_of(found), config.dataset.root)


def test_pictures_that_come_and_go_in_a_folder_are_registered_anew(study):
    lay_out("folder", "here")
    config = configured("folder", "here")
    register(config)
    assert replaced(config) == ""
    new = study / "here/frog/new.png"
    parameters = [""]
    for change in (lambda: new.write_bytes(pictured.encoded("red")), new.unlink):
        change()
        parameters.append(replaced(config))
        assert replaced(config) == parameters[-1] != parameters[-2]  # until they are registered, as the job may fail
        register(config)
        assert replaced(config) == parameters[-1]
    shutil.rmtree("here")
    assert replaced(config) == parameters[-1]


@pytest.mark.parametrize("source", ["hub", "webdataset"])
def test_a_file_of_many_pictures_that_grew_is_registered_anew(study, source):
    lay_out(source, "here")
    config = configured(source, "here")
    register(config)
    assert replaced(config) == ""
    shutil.copytree("here", "copy")  # other times, the same bytes
    assert replaced(configured(source, "copy")) == ""
    shutil.rmtree("here")
    more = [*PICTURES, ("new", pictured.encoded("red"), 0)]
    if source == "hub":
        (study / "here").mkdir()
        pictured.as_datasets(more).to_parquet("here/test.parquet")
    else:
        pictured.shards("here", more)
    assert replaced(config) != ""
