"""What a configuration may say of the second pass."""

import pytest

from mllm_classify.config.annotate import Annotate
from mllm_classify.config.identity import identity
from mllm_classify.config.marks import DISPLAY, RUNTIME
from tests.config.given import ENDPOINT, ENGINE, RECORDED, TIMM, loaded, refusal, whole

ASKED = {"model": "api", "sources": ["api", "ReGT", "ImGT"], "vision": "lite"}
HOT = {"name": "hot", "task": "CW", "temperature": 1}


def annotating(*models, dataset=None, variants=(), **changed):
    """A configuration of these models, in which `changed` is otherwise in annotate."""
    content = whole(variants=list(variants), models=list(models) or [TIMM, ENDPOINT], annotate=ASKED | changed)
    return content | ({"dataset": dataset} if dataset else {})


def test_what_is_not_said_is_the_papers(folder):
    asked = loaded(folder, annotating()).annotate
    assert (asked.task, asked.categories, asked.top, asked.seed) == ("CW", ["S-", "M-"], 20, 0)
    assert asked.models == ["api", "lite"]


def test_every_key_changes_what_annotators_see():
    assert not [key for key, field in Annotate.model_fields.items() if {DISPLAY, RUNTIME} & set(field.metadata)]
    assert identity(Annotate(**ASKED)).keys() == Annotate.model_fields.keys()


def test_a_variant_and_words_of_a_file_may_be_examined(folder):
    text = RECORDED | {"name": "text", "label": "Text", "column": "text", "task": "CW"}
    loaded(folder, annotating(TIMM, text, model="text", sources=["text", "ReGT"]))
    loaded(folder, annotating(TIMM, ENDPOINT | {"variants": ["hot"]}, variants=[HOT], variant="hot"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            annotating(dataset=whole("dataset", regt=None)["dataset"]),
            "annotate: a second label set is examined; add dataset.regt, or remove annotate:",
        ),
        (annotating(model="nobody"), "annotate.model: 'nobody' is not among the models, which are lite, api"),
        (annotating(vision="nobody"), "annotate.vision: 'nobody' is not among the models, which are lite, api"),
        (annotating(vision="api"), "annotate.vision: 'api' answers in words; name a model that ranks classes"),
        (
            annotating(model="lite", sources=["lite", "ReGT"]),
            "annotate.model: 'lite' ranks classes; name a model that answers in words",
        ),
        (annotating(sources=["api", "ReGT", "api"]), "annotate.sources: 'api' appears twice"),
        (annotating(sources=["ReGT"]), "annotate.sources: 'api' is missing: annotators decide between it and others"),
        (annotating(sources=["api", "ImGT"]), "annotate.sources: 'ReGT' is missing"),
        (
            annotating(sources=["api", "ReGT", "expert"]),
            "annotate.sources: 'expert' is neither a model nor one of ImGT, ReGT",
        ),
        (
            annotating(TIMM | {"name": "ImGT"}, ENDPOINT, vision="ImGT"),
            "models: 'ImGT' is a label set among annotate.sources; choose another name",
        ),
        (annotating(TIMM, ENDPOINT | {"tasks": ["OW"]}), "annotate.task: 'api' is not asked CW; choose another task"),
        (
            annotating(TIMM, ENDPOINT, ENGINE | {"tasks": ["OW"]}, sources=["api", "ReGT", ENGINE["name"]]),
            f"annotate.task: '{ENGINE['name']}' is not asked CW; choose another task, model or source",
        ),
        (annotating(variants=[HOT], variant="hot"), "annotate.variant: 'api' is asked no variant 'hot' of CW"),
        (annotating(categories=["S"]), "config.yaml: annotate.categories[0]: 'S': input should be 'S+', 'S-'"),
        (annotating(categories=[]), "config.yaml: annotate.categories: []: list should have at least 1 item"),
        (annotating(task="OW"), "config.yaml: annotate.task: 'OW': input should be 'CW' or 'CW-constrained'"),
        (annotating(top=-1), "config.yaml: annotate.top: -1: input should be greater than or equal to 0"),
        (annotating(export="e.json"), "config.yaml: annotate.export: unknown key"),
    ],
)
def test_what_is_wrong_is_named_by_key_and_value(folder, content, message):
    assert message in refusal(folder, content)
