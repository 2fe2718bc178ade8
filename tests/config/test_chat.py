from typing import get_args

import pytest

from mllm_classify.choices.variants import ALL, EARLIER, FIRST, VARIANTS
from mllm_classify.config.chat import (
    Request,
)
from mllm_classify.config.marks import EarlierVariant, MCVariant
from tests.config.given import ENDPOINT, ENGINE, OPENAI, TIMM, VLLM, WHOLE, asking, choosing, loaded, refusal, whole

CONSTRAINED = {"CW-constrained": {"prompt": "cw.txt"}}
LIKELY = {"CW-likelihood": {"prompt": "cw.txt"}, "OW-likelihood": {"prompt": "ow.txt"}}
GROUPS = {"name": "groups", "task": "CW", "images": 4, "prompt": "several.txt"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (asking(variants=["hot"]), "models[0].variants: 'hot' is not among variants:, which has none"),
        (asking(GROUPS, variants=["hot"]), "models[0].variants: 'hot' is not among variants:, which has groups"),
        (
            asking(GROUPS, variants=["groups"], tasks=["OW"]),
            "models[0].variants: 'groups' is compared with CW, which is not among the model's tasks",
        ),
        (
            whole("models", 2, tasks=["OW", "CW-constrained"]) | {"tasks": WHOLE["tasks"] | CONSTRAINED},
            "models[2].tasks: 'CW-constrained' is compared with CW+; add CW",
        ),
        (
            whole("models", 2, tasks=["CW", "OW-likelihood"]) | {"tasks": WHOLE["tasks"] | LIKELY},
            "models[2].tasks: 'OW-likelihood' is compared with OW; add OW",
        ),
        (
            whole("models", 2, tasks=["OW", "CW", "CW-likelihood"], prices={"input": 1, "output": 1}, budget=5)
            | {"tasks": WHOLE["tasks"] | LIKELY},
            "budget: 5: what CW-likelihood costs depends on its answers; give it an entry of its own, without a budget",
        ),
        (asking(GROUPS, GROUPS), "variants: the name 'groups' appears twice"),
        (asking(GROUPS | {"images": 1, "order": "class"}), "variants: 'groups': order 'class' concerns several images"),
        (asking({"name": "v", "task": "OW", "images": 2}), "variants: 'v': images 2: needs a prompt of its own"),
        (asking(GROUPS | {"task": "CW-constrained"}), "variants: 'groups': a constrained answer is one name"),
        (asking({"name": "v", "task": "CW", "answer": "id"}), "variants: 'v': answer 'id' is for CW, with a prompt of"),
        (
            asking({"name": "v", "task": "OW", "answer": "id", "prompt": "p.txt"}),
            "variants: 'v': answer 'id' is for CW, with a prompt of its own",
        ),
        (
            asking({"name": "v", "task": "OW", "classes": "shuffled"}),
            "variants: 'v': classes 'shuffled': OW lists none",
        ),
        (asking({"name": "v", "task": "CW", "classes": "sorted"}), "config.yaml: variants[0].classes: 'sorted': input"),
        (asking({"name": "v", "task": "MC"}), "config.yaml: variants[0].task: 'MC': input should be 'OW', 'CW' or"),
        (asking(GROUPS | {"repeats": 0}), "config.yaml: variants[0].repeats: 0: input should be greater than 0"),
        (asking(GROUPS | {"sample": {"per_class": 0}}), "config.yaml: variants[0].sample.per_class: 0: input should"),
        (
            choosing(tasks=WHOLE["tasks"] | {"MC": {"prompt": "mc.txt", "sample": {"per_class": 1}}}),
            "config.yaml: tasks.MC.sample: choices.per_class says which images multiple choice is about; remove the key",
        ),
        (whole("tasks", "CW", sample={}), "config.yaml: tasks.CW.sample.per_class: missing"),
        (whole(mapping={"several": "last"}), "config.yaml: mapping.several: 'last': input should be 'wrong', 'first'"),
        (asking(temperature=0), "config.yaml: models[0].temperature: unknown key (value 0)"),
        (asking(request={"temprature": 0}), "config.yaml: models[0].request.temprature: unknown key (value 0)"),
        (asking(request={"temperature": -1}), "config.yaml: models[0].request.temperature: -1: input should be gr"),
        (asking(request={"detail": "medium"}), "config.yaml: models[0].request.detail: 'medium': input should be"),
        (asking(layout="image_middle"), "config.yaml: models[0].layout: 'image_middle': input should be 'image_last'"),
        (asking(picture={"quality": 101}), "config.yaml: models[0].picture.quality: 101: input should be less than"),
        (asking(prices={"input": 1}), "config.yaml: models[0].prices.output: missing"),
        (asking(budget=5), "config.yaml: models[0] (api): budget: 5: needs prices:"),
        (
            asking(extra_body={"messages": []}),
            "config.yaml: models[0] (api): extra_body: 'messages' is not for this place; request: and constrained_by: set",
        ),
        (
            asking(
                extra_body={"response_format": {"type": "text"}}, tasks=["CW", "CW-constrained"], constrained_by="regex"
            )
            | {"tasks": WHOLE["tasks"] | CONSTRAINED},
            "config.yaml: models[0] (api): extra_body: 'response_format' is not for this place",
        ),
        (asking(constrained_by="choice"), "config.yaml: models[0].constrained_by: 'choice': input should be"),
        (
            whole(models=[TIMM, OPENAI | {"constrained_by": "grammar"}]),
            "config.yaml: models[1].constrained_by: 'grammar': input should be 'response_format'",
        ),
        (asking(api_key_header="api key:"), "config.yaml: models[0].api_key_header: 'api key:': string should match"),
        (whole(models=[ENDPOINT | {"batch": {}}]), "config.yaml: models[0].batch: unknown key"),
        (whole(models=[OPENAI | {"batch": {"requests": 50_001}}]), "config.yaml: models[0].batch.requests: 50001: "),
        *(
            (
                whole(models=[VLLM | {key: {flag: 1}}]),
                f"config.yaml: models[0] (vllm): {key}: '{flag}' is set by the job; remove it",
            )
            for key in ("flags", "performance")
            for flag in ("port", "--host", "served_model_name", "--api-key")
        ),
    ],
    ids=lambda value: value[13:70] if isinstance(value, str) else "",
)
def test_what_is_wrong_about_chat_models_is_named_by_key_and_value(folder, content, message):
    assert message in refusal(folder, content)


def test_a_limit_of_another_name_takes_the_place_of_the_usual_one():
    def limits(**given):
        request = Request(**given)
        return request.max_tokens, request.max_completion_tokens, request.limit

    assert limits() == (64, None, 64)
    assert limits(max_completion_tokens=900) == (None, 900, 900)
    assert limits(max_completion_tokens=900, max_tokens=9) == (9, 900, 900)
    assert limits(max_completion_tokens=None) == (64, None, 64)
    assert limits(max_tokens=None) == (None, None, 1024)


def test_models_are_asked_their_variants_in_the_order_of_the_file(folder):
    hot, cold = ({"name": name, "task": "OW"} for name in ("hot", "cold"))
    read = loaded(folder, asking(hot, GROUPS, cold, variants=["cold", "hot"]))
    assert [variant.name for variant in read.asked_variants(read.model("api"))] == ["hot", "cold"]


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ({}, "nothing: asked again"),
        ({"prompt": "cw.txt", "layout": "image_last", "temperature": 0, "sample": {"per_class": 1}, "repeats": 3},
         "nothing: asked again"),
        ({"prompt": "prompts/cw.v2.txt"}, "prompt cw.v2"),
        ({"prompt": "ids.v1.txt", "answer": "id"}, "prompt ids.v1, answered by id"),
        ({"classes": "shuffled"}, "class list shuffled"),
        ({"layout": "system", "temperature": 0.7}, "layout system, temperature 0.7"),
        ({"prompt": "s.txt", "images": 4}, "prompt s, 4 images a request, as listed"),
        ({"prompt": "cw.txt", "images": 8, "order": "shuffled"}, "8 images a request, shuffled"),
        ({"prompt": "cw.txt", "images": 8, "order": "class"}, "8 images a request, by class"),
    ],
    ids=str,
)  # fmt: skip
def test_what_differs_in_a_variant_is_said_in_words(folder, variant, expected):
    read = loaded(folder, asking({"name": "v", "task": "CW"} | variant, variants=["v"]))
    assert read.differing() == [("api", "v", expected)]


def test_what_is_asked_repeatedly_says_what_repeats_differ_in(folder):
    ways = [
        {"name": "once", "task": "OW"},
        {"name": "again", "task": "OW", "repeats": 2},
        {"name": "lists", "task": "CW", "repeats": 3, "classes": "shuffled"},
        {"name": "mixed", "task": "CW", "repeats": 3, "prompt": "several.txt", "images": 4, "order": "shuffled"},
    ]
    other = ENDPOINT | {"name": "aaa", "label": "Another", "variants": ["mixed"]}
    content = asking(*ways, variants=["mixed", "again", "once", "lists"])
    read = loaded(folder, content | {"models": [*content["models"], other]})
    assert read.repeating() == [
        ("aaa", "mixed", "seed, order of images"),
        ("api", "again", "seed"),
        ("api", "lists", "seed, class list"),
        ("api", "mixed", "seed, order of images"),
    ]


@pytest.mark.parametrize(
    ("kind", "served"), [(ENDPOINT, "m"), (ENGINE, "m"), (OPENAI, "gpt-4o"), (VLLM, "hub/id")], ids=str
)
def test_the_name_in_requests(folder, kind, served):
    read = loaded(folder, whole(models=[kind]))
    assert read.models[0].served == served


def test_a_model_in_a_folder_of_this_machine_is_not_called_by_where_that_lies(folder):
    (folder / "weights").mkdir()
    one, other = (
        loaded(folder, whole(models=[VLLM | {"model": model}])).models[0].served
        for model in ("weights", str(folder / "weights"))
    )
    assert one == "weights"
    assert str(folder) not in other


def test_an_address_holds_no_password_and_the_message_neither(folder):
    found = refusal(folder, whole(models=[ENDPOINT | {"url": "https://me:hunter2@api.example.org/v1"}]))
    assert (
        found == "config.yaml: models[0] (api): url: holds a user or a password; name the key's variable in api_key_env"
    )


@pytest.mark.parametrize("name", ["key", "api_key", "apiKey", "subscription-key", "access_token", "sig"])
def test_an_address_holds_no_key_in_its_query_and_the_message_neither(folder, name):
    found = refusal(folder, whole(models=[ENDPOINT | {"url": f"https://api.example.org/v1?version=1&{name}=hunter2"}]))
    assert found == f"config.yaml: models[0] (api): url: {name}=: holds a key; name the key's variable in api_key_env"


def test_an_address_may_have_a_query(folder):
    url = "https://api.example.org/v1?api-version=2024-10-21&design=1"
    assert loaded(folder, whole(models=[ENDPOINT | {"url": url}])).models[0].url == url


def test_a_model_that_is_asked_nothing_is_refused(folder):
    assert "models[2].tasks: []: " in refusal(folder, whole("models", 2, tasks=[]))


def test_variants_are_those_that_are_made():
    assert list(get_args(MCVariant)) == [*VARIANTS, ALL]
    assert list(get_args(EarlierVariant)) == [*EARLIER, FIRST]


def test_whose_confusions_make_options_is_said_by_the_label_or_by_model_and_data_set(folder):
    found = loaded(folder, choosing())
    assert found.choices.said(found) == "Lite on D"
    found = loaded(folder, choosing(reference=None, confusions="c.parquet", label="EVA-02 on the training images"))
    assert found.choices.said(found) == "EVA-02 on the training images"
    assert found.choices.numbers() == {"few": 4, "n": 26, "classes": 100}
