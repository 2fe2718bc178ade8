"""Requests about one or several images: their messages and parameters."""

import json

import pytest

from mllm_classify.config.chat import EndpointModel
from mllm_classify.predict.chat.prompts import Prompt, Way, listed, messages, numbered, template

NAMES = ["espresso", "lens cap, lens cover", "# hash", "espresso"]
TEXT = {"type": "text", "text": "Which?"}
PICTURE = {"type": "image_url", "image_url": {"url": "{image}"}}


def entry(**options):
    return EndpointModel(
        **{"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q", "tasks": ["CW"]} | options
    )


def body_of(**options):
    """What is sent for one image."""
    model = entry(**options)
    way = Way("CW", Prompt("Which?", "00"), model.layout)
    return template(model, way, "Which?").body


# messages


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("image_last", [{"role": "user", "content": [TEXT, PICTURE]}]),
        ("image_first", [{"role": "user", "content": [PICTURE, TEXT]}]),
        ("system", [{"role": "system", "content": "Which?"}, {"role": "user", "content": [PICTURE]}]),
    ],
)
def test_the_layout_says_where_words_and_image_stand(layout, expected):
    assert messages(layout, "Which?", 1) == expected


@pytest.mark.parametrize("layout", ["image_last", "image_first", "system"])
def test_each_of_several_images_stands_behind_its_number(layout):
    content = messages(layout, "Which?", 3)[-1]["content"]
    images = [part for part in content if part != TEXT]
    assert images == [part for n in (1, 2, 3) for part in ({"type": "text", "text": f"Image {n}:"}, PICTURE)]
    assert content == {"image_last": [TEXT, *images], "image_first": [*images, TEXT], "system": images}[layout]


def test_images_take_their_places_in_order_and_the_template_stays_as_it_was():
    put = template(entry(), Way("CW", Prompt("", ""), "image_first"), "Which?", 2)
    before = json.dumps(put.body)
    content = put.with_images(["data:a", "data:b"])["messages"][0]["content"]
    assert [part["image_url"]["url"] for part in content if part["type"] == "image_url"] == ["data:a", "data:b"]
    assert json.dumps(put.body) == before


@pytest.mark.parametrize("layout", ["image_last", "image_first", "system"])
def test_characters_are_those_of_all_words(layout):
    put = template(entry(), Way("CW", Prompt("", ""), layout), "Which?", 2)
    assert put.characters == len("Which?") + 2 * len("Image 1:")


def test_detail_is_said_of_every_image_and_only_where_it_is_set():
    content = messages("image_last", "Which?", 2, "low")[0]["content"]
    assert [part["image_url"] for part in content if part["type"] == "image_url"] == [
        {"url": "{image}", "detail": "low"}
    ] * 2
    put = template(entry(request={"detail": "high"}), Way("CW", Prompt("", ""), "system"), "Which?")
    assert put.with_images(["data:a"])["messages"][1]["content"][0]["image_url"] == {"url": "data:a", "detail": "high"}
    assert "detail" not in body_of(request={"detail": "high"})


def test_names_are_listed_or_numbered_from_0():
    assert listed(NAMES) == "- espresso\n- lens cap, lens cover\n- # hash\n- espresso"
    assert numbered(dict(enumerate(NAMES))) == "0: espresso\n1: lens cap, lens cover\n2: # hash\n3: espresso"


# parameters


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        ({}, {"temperature": 0.0, "max_tokens": 64}),
        ({"temperature": None}, {"max_tokens": 64}),
        ({"temperature": None, "max_tokens": None}, {}),
        ({"max_completion_tokens": 900}, {"temperature": 0.0, "max_completion_tokens": 900}),
        ({"max_completion_tokens": None}, {"temperature": 0.0, "max_tokens": 64}),
        (
            {"max_completion_tokens": 900, "max_tokens": 9},
            {"temperature": 0.0, "max_completion_tokens": 900, "max_tokens": 9},
        ),
        (
            {"seed": 0, "top_p": 0.5, "reasoning_effort": "low", "service_tier": "flex"},
            {"temperature": 0.0, "max_tokens": 64, "seed": 0, "top_p": 0.5, "reasoning_effort": "low",
             "service_tier": "flex"},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_of_the_request_what_is_not_null_is_sent(request_, sent):
    body = body_of(request=request_)
    assert {key: value for key, value in body.items() if key != "messages"} == {"model": "q", **sent}


def test_further_keys_are_sent_as_they_are():
    more = {"top_k": 1, "chat_template_kwargs": {"enable_thinking": False}}
    assert body_of(extra_body=more).items() >= more.items()


@pytest.mark.parametrize("key", ["model", "messages", "stream", "n", "structured_outputs", "temperature", "detail"])
def test_further_keys_replace_none_that_is_set_elsewhere(key):
    with pytest.raises(ValueError, match=f"extra_body: '{key}' is not for this place"):
        entry(extra_body={key: 1})
