import polars as pl

from mllm_classify.dataset.labels import LABELS
from mllm_classify.tables.given import images, models, study
from mllm_classify.tables.table import Study

LABELLED = pl.DataFrame(
    [
        {"image_id": "b", "category": "S+"},
        {"image_id": "a", "category": None, "excluded": "uncertain"},
        {"image_id": "c", "category": "N"},
    ],
    schema=LABELS,
)


def test_a_study_says_what_it_is_of():
    about = {
        "dataset": "d",
        "imgt": "Old",
        "regt": None,
        "equivalences": None,
        "class_list": "names.txt",
        "n_images": "excluded",
        "rules": "images: all",
    }
    classes = pl.DataFrame({"class_id": range(7)})
    assert study(about, LABELLED, classes) == Study(
        "d", "Old", None, None, "names.txt (7)", "excluded", 1, "images: all"
    )


def test_images_are_those_that_are_evaluated():
    assert images(LABELLED).rows() == [("b", "S+"), ("c", "N")]


def test_models_stand_by_name():
    shown = models([["b", "B", "MLLM"], ["a", "Z", "VLM"]])
    assert (shown.columns, shown.rows()) == (["model", "label", "family"], [("a", "Z", "VLM"), ("b", "B", "MLLM")])
