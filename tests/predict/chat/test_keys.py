"""The keys under which answers are found again: what changes them, what does not, and that they are for ever."""

from tempfile import NamedTemporaryFile

import polars as pl
import pytest

from mllm_classify.config.chat import EngineModel, VLLMModel
from mllm_classify.config.models import Resources
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.predict.chat.questions import Questionnaire
from mllm_classify.predict.images import Images
from tests.predict.endpoint.pictures import model


def vllm(**options):
    return VLLMModel(**{"name": "m", "label": "M", "kind": "vllm", "model": "hub/id"} | options)


def engine(**options):
    return EngineModel(**{"name": "m", "label": "M", "kind": "engine", "command": ["serve"], "model": "q"} | options)


REGISTERED = pl.DataFrame({"image_id": ["a", "b"], "file": ["a.png", "b.png"], "sha256": ["11", "22"]})


def keys(entry, prompt="What is it?", frame=REGISTERED):
    """Keys of the questions of OW, by the image's id."""
    images = Images(frame, None)
    with NamedTemporaryFile("w+") as file:
        file.write(prompt)
        file.flush()
        tasks = dict.fromkeys(["OW", "CW"], TaskPrompt(prompt=file.name))
        asked = Questionnaire(entry, tasks, images, [])
        return {images.ids[question.images[0]]: question.key for question in asked if question.task == "OW"}


@pytest.mark.parametrize(
    "changed",
    [
        *(
            {"request": {key: value}}
            for key, value in {
                "max_tokens": 65,
                "temperature": 0.1,
                "seed": 0,
                "top_p": 0.5,
                "max_completion_tokens": 64,
                "reasoning_effort": "low",
                "service_tier": "flex",
                "detail": "low",
            }.items()
        ),
        {"model": "q2"},
        {"revision": "2"},
        {"layout": "system"},
        {"layout": "image_first"},
        {"extra_body": {"top_k": 1}},
        {"picture": {"longest_side": 9}},
        {"picture": {"quality": 94}},
    ],
    ids=str,
)
def test_a_key_changes_with_what_can_change_an_answer(changed):
    before, after = keys(model()), keys(model(**changed))
    assert set(before.values()).isdisjoint(after.values())


def test_a_key_changes_with_the_prompt():
    assert set(keys(model()).values()).isdisjoint(keys(model(), "What is it??").values())


def test_a_key_changes_with_the_engine_command():
    before, after = keys(engine()), keys(engine(command=["serve", "--quantized"]))
    assert set(before.values()).isdisjoint(after.values())


def test_a_key_changes_with_the_image_only_of_that_image():
    changed = REGISTERED.with_columns(sha256=pl.Series(["11", "23"]))
    before, after = keys(model()), keys(model(), frame=changed)
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://elsewhere/v1"},
        {"concurrency": 99},
        {"timeout": 1},
        {"retries": 9},
        {"label": "Another"},
        {"resources": Resources(gpus=8)},
        {"api_key_env": "KEY"},
        {"tasks": ["OW"]},
        {"prices": {"input": 1, "output": 2}},
        {"prices": {"input": 1, "output": 2}, "budget": 3},
        {"requests_per_minute": 5, "tokens_per_minute": 5},
        {"patience": 5, "max_errors": 5, "min_cached_share": 0, "image_tokens": 5},
        {"shards": 3},
        {"variants": ["hot"]},
        {"published": "Another"},
    ],
    ids=str,
)
def test_a_key_stays_when_nothing_changes_that_could_change_an_answer(changed):
    assert keys(model(**changed)) == keys(model())


@pytest.mark.parametrize("changed", [{"start_timeout": 5}, {"resources": Resources(gpus=8)}], ids=str)
def test_an_engine_key_stays_when_only_what_runs_it_changes(changed):
    command = ["serve", "--port={port}", "--tensor-parallel-size={gpus}"]
    assert keys(engine(command=command, **changed)) == keys(engine(command=command))


@pytest.mark.parametrize(
    "changed",
    [
        {"performance": {"gpu-memory-utilization": 0.95}},
        {"environment": "/elsewhere"},
        {"start_timeout": 5},
        {"resources": Resources(gpus=8)},
        {"label": "Another"},
    ],
    ids=str,
)
def test_a_key_of_vllm_stays_when_only_what_runs_it_changes(changed):
    assert keys(vllm(**changed)) == keys(vllm())


@pytest.mark.parametrize(
    "changed",
    [{"flags": {"dtype": "bfloat16"}}, {"flags": {"max-model-len": 9}}, {"revision": "abc"}, {"model": "hub/other"}],
    ids=str,
)
def test_a_key_of_vllm_changes_with_its_weights_and_the_flags_that_can_change_answers(changed):
    assert set(keys(vllm()).values()).isdisjoint(keys(vllm(**changed)).values())


def test_a_key_of_vllm_changes_with_the_chat_templates_content_and_not_with_its_name(tmp_path):
    for name, content in {"one": "{{ a }}", "two": "{{ a }}", "three": "{{ b }}"}.items():
        (tmp_path / name).write_text(content)
    without, one, two, three = (
        keys(vllm(chat_template=name and str(tmp_path / name))) for name in (None, "one", "two", "three")
    )
    assert one == two
    assert len({tuple(found.values()) for found in (without, one, three)}) == 3


def test_a_key_stays_when_comments_of_a_prompt_are_edited_and_the_row_says_which_file_it_was():
    assert keys(model(), "# version 1\nWhat is it?") == keys(model(), "# version 2\nWhat is it?\n")


def test_keys_stay_when_images_change_order_name_or_place_or_others_are_appended():
    appended = pl.concat([REGISTERED, pl.DataFrame({"image_id": ["c"], "file": ["c.png"], "sha256": ["33"]})])
    assert keys(model(), frame=REGISTERED.reverse()) == keys(model())
    assert {name: key for name, key in keys(model(), frame=appended).items() if name != "c"} == keys(model())
    moved = REGISTERED.with_columns(image_id=pl.lit("x") + pl.col("image_id"), file=pl.lit("y") + pl.col("file"))
    assert list(keys(model(), frame=moved).values()) == list(keys(model()).values())


def test_tasks_and_images_have_keys_of_their_own():
    tasks = {name: TaskPrompt(prompt=f"resources/prompts/{name.lower()}.v1.txt") for name in ("OW", "CW")}
    asked = Questionnaire(model(), tasks, Images(REGISTERED, None), [])
    assert len({question.key for question in asked}) == 4
