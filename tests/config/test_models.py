import pytest

from mllm_classify.config.chat import (
    EndpointModel,
    EngineModel,
    OpenAIModel,
    VLLMModel,
)
from mllm_classify.config.load import load
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.vision import (
    ConseModel,
    TimmModel,
)
from mllm_classify.io.files import PROJECT
from tests.config.given import (
    CONSE,
    ENDPOINT,
    ENGINE,
    IMAGENET,
    OPENAI,
    RECORDED,
    TIMM,
    VLLM,
    WHOLE,
    choosing,
    loaded,
    refusal,
    whole,
)


def test_shipped_configuration_has_every_kind_of_offline_model():
    shipped = load(PROJECT / "config.yaml")
    assert {model.kind for model in shipped.models} == {"timm", "conse", "engine"}


def test_each_kind_becomes_its_own_model_with_defaults(folder):
    read = loaded(folder, WHOLE)
    assert [type(model) for model in read.models] == [
        TimmModel, ConseModel, EndpointModel, EngineModel, RecordedModel,
        OpenAIModel, VLLMModel,
    ]  # fmt: skip
    assert [model.family for model in read.models] == [
        "supervised", "supervised + text", "MLLM", "MLLM", "recorded", "MLLM", "MLLM",
    ]  # fmt: skip
    assert [model.worded for model in read.models] == [False, False, True, True, False, True, True]
    assert read.model("api").tasks == ["OW", "CW"]


def test_a_file_of_predictions_is_not_shared_between_jobs(folder):
    assert refusal(folder, whole(models=[TIMM, RECORDED | {"shards": 3}])) == (
        "config.yaml: models[1].shards: 3: a file of predictions is read at once; remove the key"
    )
    loaded(folder, whole(models=[RECORDED | {"shards": 1}, TIMM | {"shards": 3}]))


@pytest.mark.parametrize("model", [TIMM, CONSE, ENDPOINT, ENGINE, OPENAI, VLLM])
@pytest.mark.parametrize("source", ["table", "imagenet"])
def test_without_pictures_there_are_recorded_models_only(folder, model, source):
    dataset = whole("dataset", images=None)["dataset"] if source == "table" else IMAGENET
    assert refusal(folder, whole(dataset=dataset, models=[RECORDED, model])) == (
        f"config.yaml: models[1] ({model['name']}): kind {model['kind']!r} needs pictures, and the data set has none; set dataset.folder"
    )
    loaded(folder, whole(dataset=dataset, models=[RECORDED]))
    read = loaded(folder, whole(dataset=dataset | {"folder": "pictures"}, models=[RECORDED, model]))
    assert read.dataset.has_files


def test_only_models_that_answer_in_words_need_an_encoder(folder):
    read = loaded(folder, whole(encoder=None, tasks=None, models=[TIMM, RECORDED]))
    assert read.encoder is None
    assert [model.worded for model in read.models] == [False, False]


def test_a_model_cannot_have_the_name_of_the_class_embeddings_file(folder):
    assert "models[2].name: 'classes'" in refusal(folder, whole("models", 2, name="classes"))


def test_what_each_model_needs_and_is_asked(folder):
    worded = RECORDED | {"name": "words", "label": "Words", "column": "text", "task": "OW"}
    read = loaded(folder, whole("models", 2, tasks=["OW"], variants=[]))
    read = read.model_copy(update={"models": [*read.models, loaded(folder, whole(models=[worded])).models[0]]})

    def having(attribute):
        return [model.name for model in read.models if getattr(model, attribute)]

    assert having("needs_pictures") == ["lite", "conse", "api", "engine", "gpt", "vllm"]
    assert having("keeps_parts") == ["lite", "conse"]
    assert having("needs_class_embeddings") == ["conse"]
    assert having("needs_encoder") == ["conse", "api", "engine", "gpt", "vllm", "words"]
    assert having("prompted_tasks") == [model.name for model in read.chat_models]
    assert having("prompted_tasks") == ["api", "engine", "gpt", "vllm"]
    assert [model.name for model in read.models if model.answers("OW")] == ["api", "engine", "gpt", "vllm", "words"]
    assert [model.name for model in read.models if model.answers("CW")] == ["engine", "gpt", "vllm"]


def test_who_is_asked_multiple_choice(folder):
    assert [model.name for model in loaded(folder, choosing()).models if model.asks_choices] == ["engine"]
