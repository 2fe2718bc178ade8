"""Servers that are wrong from the first request on are found out before thousands follow."""

import polars as pl
import pytest
from aiohttp import web

from mllm_classify.io.files import InputError
from tests.chat_server import completion, error, prompt_of
from tests.fault_server import always, fault_server, numbered_answer
from tests.requests.job import NAMES, Job

IMAGES = 150
LIST = 4000
"""Tokens of the class list, as these servers count."""


def usage(cached):
    """Counts the class list where it is; `cached` of its tokens come from the cache, from the second time on."""
    seen = set()

    def count(body):
        prompt = prompt_of(body)
        used = {"prompt_tokens": 100 + (LIST if NAMES[1] in prompt else 0), "completion_tokens": 2}
        if cached is not None:
            used["prompt_tokens_details"] = {"cached_tokens": cached if prompt in seen else 0}
        seen.add(prompt)
        return used

    return count


def stopped(folder, server, message, **options):
    """The job, which a preflight stops before the great mass of requests."""
    job = Job(folder, IMAGES, server.url, **options)
    with pytest.raises(InputError, match=message) as caught:
        job.ask()
    assert str(caught.value).startswith("model 'm': ")
    assert "another run asks for the rest only" in str(caught.value)
    assert len(server.received) < 20
    return job


def test_a_good_server_is_asked_every_question_once_those_of_the_preflight_among_them(tmp_path):
    with fault_server(always("good"), usage=usage(LIST)) as server:
        job = Job(tmp_path, IMAGES, server.url, tasks=["OW", "CW"], min_cached_share=0.95)
        frame = job.ask()
    assert set(frame["status"]) == {"ok"}
    asked = {(one.prompt, one.image) for one in server.received if one.prompt.split("?")[0] in ("What is it", "Which")}
    assert len(asked) == 2 * IMAGES + 1  # and once without the class list
    assert len(server.received) == 2 * IMAGES + 1
    assert set(server.sent.values()) == {1}
    assert job.questions() == 2 * IMAGES
    # what the preflight asked for itself was paid for, and is written down, too
    assert len(job.answers()) == len(server.received)


def test_a_server_that_warms_up_late_passes(tmp_path):
    """Servers in a row behind one address: each has a cache of its own."""
    counted = usage(LIST)
    lists = iter(range(10**6))

    def late(body):
        used = counted(body)
        if NAMES[1] in prompt_of(body) and next(lists) < 2:
            used["prompt_tokens_details"] = {"cached_tokens": 0}
        return used

    with fault_server(always("good"), usage=late) as server:
        job = Job(tmp_path, IMAGES, server.url, tasks=["CW"], min_cached_share=0.95)
        assert set(job.ask()["status"]) == {"ok"}
    assert set(server.sent.values()) == {1}


def test_a_model_that_is_not_served_is_named(tmp_path, caplog):
    with fault_server(always("404"), models=["another", "and-another"]) as server:
        stopped(tmp_path, server, "HTTP 404")
    assert "list of models has no 'q' (it has another, and-another)" in caplog.text
    assert len(server.received) <= 6


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_said(tmp_path, monkeypatch, status):
    monkeypatch.setenv("KEY", "any-key-will-do")
    with fault_server(always(str(status)), listing=lambda request: error(status, "bad key")) as server:
        stopped(tmp_path, server, f"HTTP {status}", api_key_env="KEY", tasks=["OW", "CW"])
    # a 403 may be about one picture, until there are three
    assert len(server.received) <= (2 if status == 401 else 6)


def test_a_model_that_says_the_same_of_all_images_does_not_see_them(tmp_path):
    with fault_server(always("good"), answer=lambda body: "I see no image") as server:
        stopped(tmp_path, server, r"says the same of different images \(image0, image37, .*does it see images")


def test_a_model_that_classifies_all_images_alike_but_describes_them_apart_passes(tmp_path):
    def answer(body):
        return numbered_answer(body) if prompt_of(body).startswith("Describe") else "espresso"

    with fault_server(always("good"), answer=answer) as server:
        job = Job(tmp_path, IMAGES, server.url)
        assert set(job.ask()["text"]) == {"espresso"}
    assert len(server.received) == IMAGES + 4
    assert len(job.answers()) == IMAGES + 4
    assert job.questions() == IMAGES


def test_a_server_that_does_not_say_what_it_cached_is_told_how_to(tmp_path):
    with fault_server(always("good"), usage=usage(None)) as server:
        options = {"tasks": ["CW"], "min_cached_share": 0.95}
        stopped(tmp_path, server, r"does not say how many tokens .*--enable-prompt-tokens-details", **options)


def test_too_few_cached_tokens_are_counted_out(tmp_path):
    with fault_server(always("good"), usage=usage(LIST // 2)) as server:
        message = r"task CW: 2000 of the class list's 4000 tokens .*\(min_cached_share: 0.95\); try layout"
        stopped(tmp_path, server, message, tasks=["CW"], min_cached_share=0.95)


def test_a_server_that_ignores_structured_outputs_is_found_out(tmp_path):
    with fault_server(always("good"), answer=lambda body: "green") as server:
        options = {"tasks": ["CW", "CW-constrained"]}
        stopped(tmp_path, server, r"constrained decoding does not constrain: .* and 'green' came", **options)


def test_a_server_that_obeys_structured_outputs_passes(tmp_path):
    def answer(body):
        choice = body["structured_outputs"]["choice"]
        return choice[int(body["messages"][-1]["content"][-1]["image_url"]["url"].encode().hex(), 16) % len(choice)]

    def numbered(body):
        return answer(body) if "structured_outputs" in body else numbered_answer(body)

    with fault_server(always("good"), answer=numbered) as server:
        frame = Job(tmp_path, IMAGES, server.url, tasks=["CW", "CW-constrained"]).ask()
    constrained = frame.filter(pl.col("task") == "CW-constrained")
    assert constrained.height == IMAGES
    assert set(constrained["text"]) <= set(NAMES)


def test_a_class_list_that_does_not_fit_is_said_with_the_length_of_the_context(tmp_path):
    def listing(request):
        return web.json_response({"data": [{"id": "q", "max_model_len": 2048}]})

    def too_long(body):
        return error(400, "maximum context length exceeded") if NAMES[1] in prompt_of(body) else None

    with fault_server(always("good"), refuse=too_long, listing=listing) as server:
        message = r"task CW: HTTP 400: maximum context length.*2048 tokens\), remove CW from its tasks"
        job = stopped(tmp_path, server, message, tasks=["OW", "CW"])
    assert job.questions() == 2  # those of OW


def test_a_study_that_costs_more_than_its_budget_does_not_begin(tmp_path):
    with fault_server(always("good")) as server:
        prices = {"input": 1000, "output": 1000}
        message = r"budget: 1: the answers that are missing cost about \d+\.\d\d dollars, and 1\.00 are left; raise it"
        stopped(tmp_path, server, message, prices=prices, budget=1, image_tokens=100)
    assert server.received == []


@pytest.mark.parametrize("withheld", [2, 3])
def test_first_images_that_a_filter_withholds_do_not_keep_the_others_from_being_asked(tmp_path, withheld):
    chosen = set()
    with fault_server(always("good")) as server:
        Job(tmp_path / "first", IMAGES, server.url, concurrency=1).ask()
        chosen.update(one.digest for one in server.received[:withheld])
    with fault_server(lambda digest, attempt: "content_filter" if digest in chosen else "good") as server:
        job = Job(tmp_path / "job", IMAGES, server.url, max_errors=withheld)
        frame = job.ask()
    assert (frame["status"] == "error").sum() == withheld
    assert len(server.received) == IMAGES + 4  # whether it sees images was not known from these


def test_fewer_than_a_hundred_questions_are_asked_without_ado(tmp_path):
    with fault_server(always("good"), answer=lambda body: "I see no image", models=["another"]) as server:
        Job(tmp_path, 99, server.url).ask()
    assert len(server.received) == 99
    assert server.listed == 0


def test_a_response_of_another_model_is_noted(tmp_path):
    with fault_server(always("good"), answer=lambda body: completion(numbered_answer(body), model="q-2025")) as server:
        frame = Job(tmp_path, IMAGES, server.url).ask()
    assert set(frame["served_model"]) == {"q-2025"}
