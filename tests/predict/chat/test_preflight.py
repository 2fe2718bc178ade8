"""What is looked at before the first of many requests, against a server that does one thing wrong at a time."""

import asyncio
import base64
import hashlib
import io
import re

import polars as pl
import pytest
from aiohttp import web
from PIL import Image

from mllm_classify.api import journal
from mllm_classify.api.replies import check_record
from mllm_classify.config.chat import EndpointModel
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat import preflight
from mllm_classify.predict.images import Images
from tests.chat_server import chat_server, completion, error, image_of, prompt_of
from tests.predict.jobs import job

NAMES = [f"class number {number}" for number in range(50)]
COUNT = 8
AT_ONCE = 2
"""Questions that are begun beside one of the preflight's."""
PRICES = {"input": 1, "output": 1}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few requests are many, and a cache is looked for once."""
    monkeypatch.setattr(preflight, "MANY", 6)
    monkeypatch.setattr(preflight, "WARM_UPS", 2)


@pytest.fixture
def ask(tmp_path):
    """Asks a server about eight images. Gives the predictions."""
    rows = []
    for number in range(COUNT):
        content = io.BytesIO()
        Image.new("RGB", (2, 2), (number, 9, 9)).save(content, "PNG")
        (tmp_path / f"image{number}").write_bytes(content.getvalue())
        rows.append({"image_id": f"image{number}", "file": f"image{number}", "sha256": sha256(content.getvalue())})
    (tmp_path / "ow.txt").write_text("What?")
    (tmp_path / "cw.txt").write_text("Which?\n{classes}")
    tasks = {"OW": TaskPrompt(prompt=str(tmp_path / "ow.txt"))}
    tasks |= dict.fromkeys(["CW", "CW-constrained"], TaskPrompt(prompt=str(tmp_path / "cw.txt")))

    def run(url, count=COUNT, **options):
        base = {"name": "m", "label": "M", "kind": "endpoint", "url": url, "model": "test", "tasks": ["OW"]}
        model = EndpointModel(**base | {"retries": 0, "concurrency": 1 + AT_ONCE} | options)
        images = Images(pl.DataFrame(rows[:count]), str(tmp_path))
        return endpoint.predict(job(model, images, NAMES, tasks=tasks, journal=tmp_path / "journal"))[0]

    run.journal = tmp_path / "journal"
    return run


def seeing(body):
    """An answer that follows from the image."""
    return f"thing {hashlib.sha256(image_of(body).encode()).hexdigest()}"


def shown(body):
    """The number of the image."""
    content = base64.b64decode(image_of(body).partition(",")[2])
    return Image.open(io.BytesIO(content)).convert("RGB").getpixel((0, 0))[0]


def caching(body, share=1.0, seen=None):
    """As `seeing`, with as many tokens as characters; a list that was seen comes from the cache, or a share of it."""
    prompt = prompt_of(body)
    listed = len(prompt) - len("Which?\n") if "class number" in prompt else 0
    cached = 0
    if seen is not None:
        cached = round(listed * share) if prompt in seen else 0
        seen.add(prompt)
    usage = {"prompt_tokens": len(prompt), "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": cached}}
    return completion(seeing(body), usage=usage)


def prompts(server):
    return [prompt_of(body) for body in server.requests]


def test_what_is_asked_before_is_not_asked_again(ask):
    with chat_server(seeing) as server:
        frame = ask(server.url)
    assert len(server.requests) == COUNT
    assert frame["status"].unique().to_list() == ["ok"]
    assert frame["text"].n_unique() == COUNT


def test_of_few_requests_nothing_is_looked_at(ask):
    with chat_server(lambda _: "the same") as server:
        frame = ask(server.url, count=5, model="another name")
    assert frame["text"].to_list() == ["the same"] * 5


def test_a_model_that_is_not_listed_is_asked_all_the_same(ask, caplog):
    """Lists lack aliases and deployments."""
    with chat_server(seeing) as server:
        assert ask(server.url, model="tset").height == COUNT
    assert "preflight: the server's list of models has no 'tset' (it has test)" in caplog.text


def test_a_model_that_is_neither_listed_nor_served_costs_few_requests(ask, caplog):
    with chat_server(lambda _: error(404, "no such model")) as server:
        with pytest.raises(InputError, match=r"model 'm': .*HTTP 404: no such model"):
            ask(server.url, model="tset")
        assert len(server.requests) <= 3
    assert "has no 'tset' (it has test)" in caplog.text


@pytest.mark.parametrize(
    "listed",
    [web.Response, lambda: web.Response(status=404), lambda: web.json_response({"data": []}),
     lambda: web.json_response(["test"]), lambda: web.json_response({"data": [{"name": "test"}]})],
)  # fmt: skip
def test_a_server_that_lists_no_models_is_a_server_all_the_same(ask, listed):
    with chat_server(seeing, models=listed) as server:
        assert ask(server.url, model="any").height == COUNT


@pytest.mark.parametrize("status", [401, 403])
def test_a_list_of_models_that_the_key_may_not_see_stops_nothing(ask, status):
    """Keys that may only ask models, and lists that want another header (docs/providers.md)."""
    with chat_server(seeing, models=lambda: error(status, "x-api-key header is required")) as server:
        assert ask(server.url).height == COUNT


def test_a_key_that_is_not_taken_is_said_at_the_first_request(ask):
    with chat_server(lambda _: error(401, "who are you?")) as server:
        with pytest.raises(InputError, match=r"HTTP 401: who are you[?]"):
            ask(server.url, concurrency=1)
        assert len(server.requests) == 1


def test_a_model_that_sees_nothing_is_found_out(ask):
    with chat_server(lambda _: "I see no image.") as server, pytest.raises(InputError) as caught:
        ask(server.url)
    message = str(caught.value)
    named = re.search(r"preflight: the model says the same of different images \((.+?)\), asked", message)
    assert len(set(named[1].split(", "))) == preflight.IMAGES
    assert "'I see no image.'; does it see images, and does its chat template place them?" in message
    # its own, and as many more as go at once
    assert len(server.requests) == 2 + AT_ONCE + preflight.IMAGES
    # the answers to questions are kept, and those to the description are not the study's
    with chat_server(seeing) as server:
        frame = ask(server.url)
    assert len(server.requests) == COUNT - 2 - AT_ONCE
    assert frame["text"].to_list().count("I see no image.") == 2 + AT_ONCE


@pytest.mark.parametrize("priced", [{"prices": PRICES}, {"prices": PRICES, "budget": 9}], ids=["prices", "budget"])
def test_where_requests_cost_money_none_goes_before_all_is_well(ask, priced):
    with (
        chat_server(lambda _: completion("no image", usage={"prompt_tokens": 9, "completion_tokens": 1})) as server,
        pytest.raises(InputError, match="the model says the same of different images"),
    ):
        ask(server.url, image_tokens=9, **priced)
    assert len(server.requests) == 2 + preflight.IMAGES


def test_none_goes_before_the_first_of_its_kind_is_answered(ask):
    """Neither a wrong key nor a list that is too long is told to a whole batch."""
    with chat_server(lambda body: error(400, "no") if "class number" in prompt_of(body) else seeing(body)) as server:
        with pytest.raises(InputError, match="task CW: HTTP 400: no"):
            ask(server.url, tasks=["OW", "CW"], min_cached_share=0)
        assert len(server.requests) == 2 * 2


def test_an_answer_that_comes_after_the_preflight_has_failed_is_kept(ask):
    """What has begun is neither cut off nor asked again."""

    async def answer(body):
        begun = preflight.DESCRIBE not in prompt_of(body) and shown(body) >= 2
        await asyncio.sleep(1 if begun else 0)
        return "I see no image."

    with chat_server(answer) as server, pytest.raises(InputError, match="the model says the same of different images"):
        ask(server.url)
    assert len(server.requests) == 2 + AT_ONCE + preflight.IMAGES
    assert len(journal.read(ask.journal, check_record)) == len(server.requests)
    with chat_server(seeing) as server:
        ask(server.url)
    assert len(server.requests) == COUNT - 2 - AT_ONCE


def test_a_model_that_says_the_same_and_describes_differently_sees(ask):
    with chat_server(lambda body: seeing(body) if preflight.DESCRIBE in prompt_of(body) else "dog") as server:
        frame = ask(server.url)
    assert frame["text"].to_list() == ["dog"] * COUNT
    assert len(server.requests) == COUNT + preflight.IMAGES


def test_a_class_list_that_comes_from_the_cache_is_enough(ask):
    seen = set()
    with chat_server(lambda body: caching(body, seen=seen)) as server:
        frame = ask(server.url, tasks=["CW"])
    assert frame["cached_tokens"].sort().to_list()[0] == 0
    assert frame.filter(pl.col("cached_tokens") > 0).height == COUNT - 1
    assert prompts(server).count("Which?\n") == 1
    assert len(server.requests) == COUNT + 1


@pytest.mark.parametrize(("share", "wanted", "enough"), [(0.5, 0.95, False), (0.6, 0.5, True), (0.96, 0.95, True)])
def test_so_much_of_the_class_list_must_come_from_the_cache(ask, share, wanted, enough):
    seen = set()
    length = len("\n".join(f"- {name}" for name in NAMES))
    with chat_server(lambda body: caching(body, share, seen)) as server:
        if enough:
            assert ask(server.url, tasks=["CW"], min_cached_share=wanted).height == COUNT
            return
        said = (
            rf"task CW: {round(length * share)} of the class list's {length} tokens come from the server's prefix cache"
        )
        with pytest.raises(InputError, match=said):
            ask(server.url, tasks=["CW"], min_cached_share=wanted)
    assert len(journal.read(ask.journal, check_record)) == 2 + AT_ONCE + 1


def test_a_server_that_does_not_tell_of_its_cache_is_asked_to_or_waived(ask):
    with chat_server(seeing) as server:
        with pytest.raises(
            InputError, match=r"does not say how many tokens came from its prefix cache; start vLLM with"
        ):
            ask(server.url, tasks=["CW"])
        before = len(server.requests)
        assert ask(server.url, tasks=["CW"], min_cached_share=0).height == COUNT
        # no question is put without its list then
        assert prompts(server)[before:].count("Which?\n") == 0


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.7, 0.94, None])
@pytest.mark.parametrize("tokens_of_a_word", [1, 3])
def test_a_class_list_that_the_server_cuts_in_silence_is_found_out(ask, monkeypatch, kept, tokens_of_a_word):
    monkeypatch.setattr(preflight, "LONG_LIST", len(NAMES))
    whole = tokens_of_a_word * len(("Which? - " + " - ".join(NAMES)).split()) + 64
    limit = whole if kept is None else int(kept * whole)

    def counting(body):
        words = len(prompt_of(body).split())
        used = {"prompt_tokens": min(tokens_of_a_word * words + 64, limit), "completion_tokens": 2}
        return completion(seeing(body), usage=used)

    with chat_server(counting) as server:
        if kept is None:
            assert ask(server.url, tasks=["OW", "CW"], min_cached_share=0).height == 2 * COUNT
            return
        with pytest.raises(
            InputError, match=r"task CW: the class list is cut off: .* with all 50; serve the model with a"
        ):
            ask(server.url, tasks=["OW", "CW"], min_cached_share=0)


def test_a_class_list_that_is_too_long_is_said_with_what_to_do(ask):
    def answer(body):
        return error(400, "maximum context length") if "class number" in prompt_of(body) else seeing(body)

    def models():
        return web.json_response({"data": [{"id": "test", "max_model_len": 4096}]})

    with chat_server(answer, models=models) as server, pytest.raises(InputError) as caught:
        ask(server.url, tasks=["OW", "CW"], min_cached_share=0)
    said = (
        "task CW: HTTP 400: maximum context length; if the list of 50 classes is too long for it (its context has 4096 "
        "tokens), remove CW from its tasks"
    )
    assert said in str(caught.value)


def constrained(body):
    """What a server answers that knows structured_outputs."""
    return body["structured_outputs"]["choice"][0] if "structured_outputs" in body else seeing(body)


def test_a_server_that_constrains_is_taken_at_its_word(ask):
    def answer(body):
        if "structured_outputs" not in body or preflight.OBEY in prompt_of(body):
            return constrained(body)
        names = body["structured_outputs"]["choice"]
        return names[int(hashlib.sha256(image_of(body).encode()).hexdigest(), 16) % len(names)]

    with chat_server(answer) as server:
        frame = ask(server.url, tasks=["CW-constrained"], min_cached_share=0)
    assert set(frame["text"]) <= set(NAMES)
    assert prompts(server).count(preflight.OBEY) == 1


def test_a_server_that_does_not_constrain_is_found_out(ask):
    with (
        chat_server(lambda body: "green" if preflight.OBEY in prompt_of(body) else seeing(body)) as server,
        pytest.raises(InputError, match=r"constrained decoding does not constrain: .*'green' came"),
    ):
        ask(server.url, tasks=["CW-constrained"], min_cached_share=0)


def test_a_budget_that_cannot_be_enough_is_said_before_anything_is_asked(ask):
    prices = {"input": 1, "output": 1000}
    with chat_server(seeing) as server:
        # 8 answers of 1000 tokens
        with pytest.raises(
            InputError, match=r"budget: 7: the answers that are missing cost about 8\.\d\d dollars, and 7\.00"
        ):
            ask(server.url, prices=prices, budget=7, request={"max_tokens": 1000}, image_tokens=1000)
        assert server.requests == []
        assert ask(server.url, prices=prices, budget=9, request={"max_tokens": 1000}, image_tokens=1000).height == COUNT


def test_each_problem_is_one_line(ask):
    with chat_server(lambda _: "the same\nover\x1b[31m and over") as server, pytest.raises(InputError) as caught:
        ask(server.url)
    assert re.fullmatch(r"[\x20-\x7e]+", str(caught.value))
