import pytest

from mllm_classify.config.dataset import ImagenetDataset, TableDataset
from mllm_classify.config.identity import identity
from tests.config.given import IMAGENET, ONLY_RECORDED, WHOLE, loaded, whole


def test_the_source_says_what_a_data_set_is(folder):
    assert type(loaded(folder, WHOLE).dataset) is TableDataset
    assert type(loaded(folder, ONLY_RECORDED).dataset) is ImagenetDataset


@pytest.mark.parametrize("format_", ["table", "real", "reimagenet", "mustelidae"])
def test_imagenet_has_labels_of_every_format(folder, format_):
    regt = {"label": "R", "file": "r.json", "format": format_}
    read = loaded(folder, ONLY_RECORDED | {"dataset": IMAGENET | {"regt": regt}})
    assert read.dataset.regt.format == format_


def test_what_is_not_said_of_labels(folder):
    dataset = loaded(folder, WHOLE).dataset
    assert (dataset.imgt.missing, dataset.regt.missing, dataset.regt.uncertain) == ("error", "error", "exclude")
    assert (dataset.regt.format, dataset.equivalences.one_way) == ("table", False)
    bare = loaded(folder, ONLY_RECORDED).dataset
    assert (bare.regt, bare.equivalences, bare.classes, bare.mustelidae, bare.folder) == (None,) * 5
    assert bare.imgt.label == "ImageNet"


@pytest.mark.parametrize(
    ("written", "image_id"),
    [
        ("ILSVRC2012_val_00000293", "ILSVRC2012_val_00000293"),
        ("ILSVRC2012_val_00000293.JPEG", "ILSVRC2012_val_00000293"),
        ("n01440764/ILSVRC2012_val_00000293.JPEG", "ILSVRC2012_val_00000293"),
        ("/data/val/n01440764/ILSVRC2012_val_00000293", "ILSVRC2012_val_00000293"),
        ("a.jpg", "a.jpg"),
        ("a.b.JPEG", "a.b"),
    ],
)
def test_how_files_write_the_images_of_imagenet(folder, written, image_id):
    assert loaded(folder, ONLY_RECORDED).dataset.image_id(written) == image_id
    assert loaded(folder, WHOLE).dataset.image_id(written) == written


def write_files(folder):
    for name in ("c.txt", "l.csv", "r.csv", "e.csv", "m.json"):
        (folder / name).write_text("image_id,class\nb,0\na,1\n")
    (folder / "i.csv").write_text("image_id,file\na,a.png\n")


@pytest.mark.parametrize(
    ("content", "labelling"),
    [
        (WHOLE, {"imgt", "regt", "equivalences"}),
        (ONLY_RECORDED, {"imgt", "regt", "equivalences", "mustelidae", "earlier"}),
    ],
    ids=["table", "imagenet"],
)
def test_images_and_labels_share_no_key(folder, content, labelling):
    write_files(folder)
    dataset = loaded(folder, content).dataset
    images, labels = dataset.identities()
    assert set(labels) == labelling
    whole = {**identity(dataset), "files": dataset.has_files, "synsets": dataset.synsets_file}
    del whole["hierarchy"], whole["answer_labels"]  # other stages read these
    assert whole.pop("translation") is None  # in one language, all is as if there were none
    assert {**images, **labels} == whole


def test_where_a_label_file_says_which_images_there_are_their_ids_are_the_images(folder):
    write_files(folder)
    dataset = loaded(folder, whole("dataset", images=None, folder="pictures")).dataset
    before, labels = dataset.identities()
    assert before["images"] == ["b", "a"]
    (folder / "l.csv").write_text("image_id,class\nb,1\na,1\n")
    assert dataset.identities()[0] == before
    assert dataset.identities()[1] != labels
    (folder / "l.csv").write_text("image_id,class\na,1\nb,1\n")
    assert dataset.identities()[0] != before


def test_images_of_some_classes_are_chosen_by_their_labels(folder):
    write_files(folder)
    every, some = (
        loaded(folder, ONLY_RECORDED | {"dataset": IMAGENET | more}).dataset for more in ({}, {"classes": "c.txt"})
    )
    assert "imgt" not in every.identities()[0]
    assert some.identities()[0]["imgt"] == some.identities()[1]["imgt"]


def test_what_the_sources_know_of_their_files(folder):
    table, imagenet = (loaded(folder, content).dataset for content in (WHOLE, ONLY_RECORDED))
    assert (table.synsets_file, table.expert_file, table.only_registered) == (None, None, True)
    assert imagenet.synsets_file.endswith("imagenet_synsets.txt")
    assert (imagenet.expert_file, imagenet.only_registered) == (None, False)
    expert = loaded(folder, ONLY_RECORDED | {"dataset": IMAGENET | {"mustelidae": "m.json"}}).dataset
    assert expert.expert_file == "m.json"
