from typing import get_args

import pytest

from mllm_classify.config.chat import (
    Batch,
    EndpointModel,
    EngineModel,
    OpenAIModel,
    Picture,
    Prices,
    Request,
    VLLMModel,
)
from mllm_classify.config.dataset import AnyDataset, ImagenetLabels
from mllm_classify.config.encoders import Encoder, OpenAIEncoder, OpenClipEncoder
from mllm_classify.config.every_dataset import Equivalences, LabelSet, SecondLabelSet
from mllm_classify.config.identity import identity
from mllm_classify.config.kinds import AnyModel
from mllm_classify.config.marks import CONTENT, DISPLAY, RUNTIME
from mllm_classify.config.models import RecordedModel, Resources
from mllm_classify.config.pictured import OwnLabels
from mllm_classify.config.tasks import Sample, TaskPrompt, Variant
from mllm_classify.config.vision import (
    Classifier,
    ConseModel,
    DinoTxtModel,
    KnnModel,
    OpenClipModel,
    TimmModel,
    TrainingImages,
)
from mllm_classify.io.files import InputError, sha256
from tests.config.given import (
    COMPARING,
    CROPS,
    IMAGENET,
    ONLY_RECORDED,
    OPEN_CLIP_ENCODER,
    PICTURED,
    PRICES,
    SERVED_ENCODER,
    WHOLE,
    loaded,
    whole,
)


def every_section():
    classes = [*get_args(get_args(AnyDataset)[0]), LabelSet, ImagenetLabels, OwnLabels, SecondLabelSet]
    classes += [Equivalences, Encoder, TaskPrompt, Variant, Sample]
    classes += [Resources, Classifier, Request, Picture, Prices, Batch]
    classes += [TimmModel, ConseModel, EndpointModel, EngineModel, RecordedModel]
    classes += [OpenAIModel, VLLMModel]
    classes += [
        OpenClipModel,
        DinoTxtModel,
        KnnModel,
        TrainingImages,
        OpenClipEncoder,
        OpenAIEncoder,
    ]
    return classes


def marked(section, mark):
    return {key for key, field in type(section).model_fields.items() if mark in field.metadata}


@pytest.fixture
def sections(folder):
    """One of each section, whose files exist."""
    for name in ("c.txt", "l.csv", "r.csv", "e.csv", "m.json", "t.txt", "ow.txt", "cw.txt", "ids.txt", "p.csv",
                 "chat.jinja"):  # fmt: skip
        (folder / name).write_text(f"content of {name}")
    (folder / "i.csv").write_text("image_id,file,title\na,a.png,first\n")
    read = loaded(folder, WHOLE)
    table = read.dataset
    imagenet = loaded(
        folder, ONLY_RECORDED | {"dataset": IMAGENET | {"classes": "c.txt", "mustelidae": "m.json"}}
    ).dataset
    pictured = [loaded(folder, whole(dataset=it)).dataset for it in PICTURED]
    crops = loaded(folder, whole(dataset=CROPS)).dataset
    found = [
        table,
        imagenet,
        crops,
        *pictured,
        table.imgt,
        imagenet.imgt,
        pictured[0].imgt,
        table.regt,
        table.equivalences,
    ]
    found += [read.encoder, read.tasks["OW"], read.variants[0], read.variants[0].sample]
    found += [read.models[0].resources, read.models[1].classifier]
    found += [read.models[2].request, read.models[2].picture, Prices(input=1, output=2), Batch()]
    compared = loaded(
        folder, whole(encoder=OPEN_CLIP_ENCODER, encoders=[SERVED_ENCODER], models=COMPARING, tasks=None, variants=None)
    )
    found += [*read.models, *compared.models, compared.models[2].train, *compared.every_encoder]
    assert [type(section) for section in found] == every_section()
    assert {type(model) for model in [*read.models, *compared.models]} == set(get_args(get_args(AnyModel)[0]))
    return found


def test_runtime_keys_have_no_identity(sections):
    for section in sections:
        assert not marked(section, RUNTIME) & set(identity(section))


def test_display_keys_have_no_identity(sections):
    for section in sections:
        assert not marked(section, DISPLAY) & set(identity(section))


def test_all_other_keys_have_an_identity(sections):
    for section in sections:
        expected = set(type(section).model_fields) - marked(section, RUNTIME) - marked(section, DISPLAY)
        assert set(identity(section)) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("concurrency", 64), ("timeout", 1.5), ("retries", 0), ("api_key_env", "KEY"), ("url", "http://other/v1"),
        ("resources", {"gpus": 8, "mem_mb": 1, "runtime": 1}), ("label", "Other"), ("prices", {"input": 0, "output": 3}),
        ("budget", 5), ("requests_per_minute", 60), ("tokens_per_minute", 1e5), ("patience", 9), ("max_errors", 3),
        ("min_cached_share", 0), ("image_tokens", 700), ("shards", 4),
    ],
)  # fmt: skip
def test_how_a_model_is_run_or_called_changes_no_identity(folder, key, value):
    before, after = loaded(folder, WHOLE), loaded(folder, whole("models", 2, **{"prices": PRICES} | {key: value}))
    assert before.model("api") != after.model("api")
    assert identity(before.model("api")) == identity(after.model("api"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("request", {key: value}) for key, value in
          {"temperature": 0.5, "max_tokens": 65, "max_completion_tokens": 64, "top_p": 0.9, "seed": 0,
           "reasoning_effort": "low", "service_tier": "flex", "detail": "low"}.items()),
        ("revision", "2"), ("tasks", ["OW"]), ("layout", "system"), ("extra_body", {"top_k": 1}),
        ("picture", {"longest_side": 500}), ("variants", ["ids"]), ("model", "other"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_asked_changes_the_identity(folder, key, value):
    before, after = loaded(folder, WHOLE), loaded(folder, whole("models", 2, **{key: value}))
    assert identity(before.model("api")) != identity(after.model("api"))


def test_sections_within_a_section_follow_the_same_rules(folder):
    assert identity(loaded(folder, WHOLE).model("conse"))["classifier"] == {
        "architecture": "tf_efficientnet_lite0",
        "precision": "fp32",
        "revision": None,
        "size": "test",
        "weights": None,
    }


def test_of_a_file_the_content_counts_and_not_the_name(folder):
    for name, content in {"one.txt": "same", "two.txt": "same", "three.txt": "other"}.items():
        (folder / name).write_text(content)
    one, two, three = (identity(TaskPrompt(prompt=f"{name}.txt")) for name in ("one", "two", "three"))
    assert one == two == {"prompt": sha256(b"same"), "sample": None, "examples": None}
    assert one != three
    (folder / "one.txt").write_text("edited")
    assert identity(TaskPrompt(prompt="one.txt")) != one


@pytest.mark.parametrize(
    ("keys", "values", "same"),
    [
        ((), {"label": "Other"}, True),
        ((), {"folder": "other"}, True),
        ((), {"name": "other"}, False),
        ((), {"regt": None}, False),
        ((), {"equivalences": None}, False),
        (("imgt",), {"label": "Other"}, True),
        (("imgt",), {"file": "same.csv"}, True),
        (("imgt",), {"file": "r.csv"}, False),
        (("imgt",), {"missing": "exclude"}, False),
        (("regt",), {"label": "Other"}, True),
        (("regt",), {"uncertain": "error"}, False),
        (("equivalences",), {"label": "Other"}, True),
        (("equivalences",), {"one_way": True}, False),
    ],
)
def test_which_keys_of_the_data_set_change_its_identity(folder, sections, keys, values, same):
    (folder / "same.csv").write_text("content of l.csv")
    changed = loaded(folder, whole("dataset", *keys, **values)).dataset
    assert (identity(changed) == identity(sections[0])) is same


def test_an_absent_file_has_a_message_and_an_absent_option_has_none(sections):
    assert identity(sections[1])["regt"] is None
    with pytest.raises(InputError, match=r"^gone\.txt: cannot be read \(No such file or directory\); looked for /"):
        identity(TaskPrompt(prompt="gone.txt"))


@pytest.mark.parametrize(
    ("content", "same"),
    [
        ("image_id,file,title\na,a.png,edited\n", True),
        ("# a comment\nimage_id,file\na,a.png\n", True),
        ("title,file,image_id\nfirst,a.png,a\n", True),
        ("image_id,file,title\nb,a.png,first\n", False),
        ("image_id,file,title\na,b.png,first\n", False),
        ("image_id,file,sha256,title\na,a.png,00,first\n", False),
        ("image_id,file,title\na,a.png,first\nb,b.png,second\n", False),
    ],
)
def test_of_the_manifest_only_three_columns_count(folder, sections, content, same):
    before = identity(sections[0])
    (folder / "i.csv").write_text(content)
    assert (identity(sections[0]) == before) is same


def test_marks_are_those_of_the_documented_keys():
    assert {key for section in every_section() for key in section.model_fields
            if CONTENT in section.model_fields[key].metadata} == {
        "classes", "synsets", "names", "mustelidae", "file", "templates", "prompt", "chat_template", "images",
        "boxes", "outputs", "answer_labels", "translation",
    }  # fmt: skip
