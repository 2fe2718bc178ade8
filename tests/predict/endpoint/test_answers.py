import io
import json
import logging

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mllm_classify.api import journal
from mllm_classify.api.replies import check_record
from mllm_classify.config.tasks import TaskPrompt, Variant
from mllm_classify.io.files import sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.questions import Questionnaire
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import PREDICTIONS
from tests.chat_server import chat_server, completion, image_of, prompt_of
from tests.predict.endpoint.pictures import CLASSES, bytes_of, encoded, model, number_of, register
from tests.predict.jobs import job

ONE = pl.DataFrame({"image_id": ["a"], "file": ["a.png"], "sha256": ["11"]})


# what is asked


def prompts(file):
    """What one image is asked."""
    tasks, entry = {"CW": TaskPrompt(prompt=str(file))}, model(tasks=["CW"])
    asked = Questionnaire(entry, tasks, Images(ONE, None), CLASSES)
    return [prompt_of(question.template.body) for question in asked]


def test_a_prompt_loses_its_comments_and_lists_names_one_a_line_with_commas_intact(tmp_path):
    (tmp_path / "p.txt").write_text("\n# version 3\nChoose.\n\n#no\n{classes}\nAnswer # now\n\n")
    assert prompts(tmp_path / "p.txt") == ["Choose.\n\n- espresso\n- lens cap, lens cover\n- # hash\nAnswer # now"]


def test_a_prompt_without_the_placeholder_lists_nothing(tmp_path):
    (tmp_path / "p.txt").write_text("What is {it}?")
    assert prompts(tmp_path / "p.txt") == ["What is {it}?"]


def test_a_request_holds_the_class_list_first_and_the_image_last(predict):
    with chat_server() as server:
        predict(server.url, tasks=["CW"], request={"max_tokens": 7, "temperature": 0.5, "seed": 3})
    for body in server.requests:
        assert body | {"messages": None} == {
            "model": "q", "messages": None, "temperature": 0.5, "max_tokens": 7, "seed": 3
        }  # fmt: skip
        assert [(message["role"], [part["type"] for part in message["content"]]) for message in body["messages"]] == [
            ("user", ["text", "image_url"])
        ]
        assert prompt_of(body) == "Which of these?\n- espresso\n- lens cap, lens cover\n- # hash"
    assert sorted(map(number_of, server.requests)) == [0, 1, 2, 3, 4]


def test_no_seed_is_sent_unless_one_is_set(predict):
    with chat_server() as server:
        predict(server.url)
    assert not any("seed" in body for body in server.requests)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_common_formats_are_sent_byte_for_byte(tmp_path, predict, form):
    content = encoded(Image.linear_gradient("L").convert("RGB"), form)
    with chat_server() as server:
        predict(server.url, register(tmp_path, picture=content))
    assert image_of(server.requests[0]).startswith(f"data:image/{form.lower()};base64,")
    assert bytes_of(server.requests[0]) == content


@pytest.mark.parametrize("form", ["GIF", "TIFF", "BMP", "WEBP"])
def test_other_formats_are_sent_as_png_of_the_same_pixels(tmp_path, predict, form):
    content = encoded(Image.linear_gradient("L").convert("RGB"), form)
    with chat_server() as server:
        predict(server.url, register(tmp_path, picture=content))
    sent = Image.open(io.BytesIO(bytes_of(server.requests[0])))
    assert image_of(server.requests[0]).startswith("data:image/png;base64,")
    assert sent.format == "PNG"
    np.testing.assert_array_equal(sent, Image.open(io.BytesIO(content)).convert("RGB"))


# what is answered


@pytest.mark.parametrize(
    ("said", "numbered", "plain"),
    [
        ("1. espresso", "espresso", "1. espresso"),
        (" Image 1: lens cap\n", "lens cap", " Image 1: lens cap\n"),
        ("Here it is:\n1) # hash", "# hash", "Here it is:\n1) # hash"),
        ("espresso", "espresso", "espresso"),
        ("1. espresso\n2. # hash", "1. espresso\n2. # hash", "1. espresso\n2. # hash"),
        ("2. espresso", "2. espresso", "2. espresso"),
        ("", "", ""),
    ],
    ids=repr,
)
def test_a_lone_image_may_be_answered_behind_its_number_where_the_prompt_numbers_images(
    tmp_path, images, tasks, said, numbered, plain
):
    """Also the one that is left over of groups; elsewhere a number is part of the answer."""
    (tmp_path / "several.txt").write_text("There are {n}.\n{classes}")
    prompt = str(tmp_path / "several.txt")
    ways = [
        Variant(name="alone", task="CW", prompt=prompt), Variant(name="groups", task="CW", prompt=prompt, images=4),
        Variant(name="main", task="CW", layout="system"),
    ]  # fmt: skip
    entry = model(tasks=["CW"], variants=[way.name for way in ways], max_errors=4, retries=0)

    def answer(body):
        return completion(said)

    with chat_server(answer) as server:
        entry = entry.model_copy(update={"url": server.url})
        given = {"tasks": tasks, "variants": ways, "journal": tmp_path / "journal"}
        found, _ = endpoint.predict(job(entry, images, CLASSES, **given))
    texts = {(row["variant"], row["image_id"]): row["text"] for row in found.to_dicts()}
    assert [texts[name, "image4"] for name in ("alone", "main", "")] == [numbered, plain, plain]
    assert texts["groups", "image0"] == numbered
    groups = found.filter(pl.col("variant") == "groups").select("image_id", "group", "status").rows()
    assert groups == [(f"image{n}", 0, "error") for n in (4, 3, 2, 1)] + [("image0", 1, "ok")]
    assert found.filter(pl.col("variant") != "groups")["group"].is_null().all()


def test_rows_stand_by_task_and_then_in_the_images_order(predict):
    with chat_server(lambda body: f"{prompt_of(body)[:5]} {number_of(body)}") as server:
        frame = predict(server.url, tasks=["OW", "CW"], concurrency=3)
    assert dict(frame.schema) == PREDICTIONS
    assert frame.select("task", "image_id", "text", "status").rows() == [
        *(("OW", f"image{n}", f"What  {n}", "ok") for n in (4, 3, 2, 1, 0)),
        *(("CW", f"image{n}", f"Which {n}", "ok") for n in (4, 3, 2, 1, 0)),
    ]


def test_a_row_says_what_the_server_said(predict, tmp_path):
    usage = {"prompt_tokens": 4100, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4000},
             "completion_tokens_details": {"reasoning_tokens": 2}}  # fmt: skip
    choice = {"message": {"content": "espresso", "reasoning_content": "Brown."}, "finish_reason": "length"}
    more = {"model": "q-2026-01-01", "system_fingerprint": "fp_1"}
    with chat_server(lambda _: completion("", choices=[choice], usage=usage, **more), delay=0.1) as server:
        row = predict(server.url).row(0, named=True)
    body = server.requests[0]
    body["messages"][0]["content"][1]["image_url"]["url"] = "{image}"
    request = sha256(json.dumps(body, sort_keys=True).encode())
    assert row.pop("latency") >= 0.1
    assert row == {
        "image_id": "image4", "task": "OW", "variant": "", "repeat": 0, "text": "espresso", "class_ids": None,
        "scores": None, "status": "ok", "error": None, "reasoning": "Brown.", "finish_reason": "length",
        "prompt": sha256((tmp_path / "ow.txt").read_bytes()), "request": request, "served_model": "q-2026-01-01",
        "fingerprint": "fp_1", "prompt_tokens": 4100, "completion_tokens": 3, "cached_tokens": 4000,
        "reasoning_tokens": 2, "batched": False, "group": None, "answer_logprob": None, "letters": None, "nodes": None, "texts": None,
        "tree_nodes": None, "whole_tokens": None,
    }  # fmt: skip


def test_what_was_sent_stands_once_in_the_journal_without_images(predict, tmp_path):
    with chat_server() as server:
        predict(server.url, tasks=["OW", "CW"])
    (file,) = (tmp_path / "journal").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    sent = {line["request"]: line["sent"] for line in lines if "sent" in line}
    answered = [line for line in lines if "response" in line]
    assert (len(sent), len(answered), len(lines)) == (2, 10, 12)
    assert {line["request"] for line in answered} == set(sent)
    for body in server.requests:
        body["messages"][0]["content"][1]["image_url"]["url"] = "{image}"
        assert body in sent.values()
    assert "base64" not in file.read_text()


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens_details": None}, "many", ["many"], {"prompt_tokens": 2**40}]
)
def test_a_server_that_counts_no_tokens_or_counts_oddly_is_a_server_all_the_same(predict, usage):
    with chat_server(lambda _: completion("espresso", usage=usage)) as server:
        frame = predict(server.url)
    assert frame["text"].to_list() == ["espresso"] * 5
    assert frame["prompt_tokens"].null_count() == 5


def test_the_whole_response_is_kept(tmp_path, predict):
    response = completion("espresso", system_fingerprint="fp_1", extra={"logprobs": [1.5, None, "é"]})
    with chat_server(lambda _: response) as server:
        predict(server.url)
    assert [record["response"] for record in journal.read(tmp_path / "journal", check_record).values()] == [
        response
    ] * 5


def test_only_what_is_missing_is_asked(predict, images, tmp_path):
    first = register(tmp_path, **{images.ids[n]: images.read(n) for n in (0, 3)})
    with chat_server() as server:
        predict(server.url, first)
        assert len(server.requests) == 2
        predict(server.url)
        assert sorted(map(number_of, server.requests[2:])) == [0, 2, 3]
        frame = predict(server.url, tasks=["OW", "CW"])
        assert len(server.requests) == 10
        again = predict(server.url, tasks=["OW", "CW"], concurrency=1)
        assert len(server.requests) == 10
    assert again.equals(frame)


def test_a_complete_journal_needs_no_server_no_images_and_no_key(predict, images, tmp_path, monkeypatch):
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    with chat_server() as server:
        frame = predict(server.url)
    for name in images.ids:
        (tmp_path / name).unlink()
    assert predict("http://127.0.0.1:9/v1", api_key_env="ABSENT_KEY").equals(frame)


def test_a_picture_that_is_registered_twice_is_asked_about_once(predict, images, tmp_path, caplog):
    """What the log says is missing is what will be asked."""
    caplog.set_level(logging.INFO)
    reports = []
    with chat_server(lambda _: "espresso") as server:
        frame = predict(
            server.url,
            register(tmp_path, one=images.read(0), two=images.read(0)),
            lambda total, _what: lambda done, _more: reports.append((done, total)),
        )
        assert f"lacks 1 of 1 answers\nasking {server.url} for 1 answers" in "\n".join(caplog.messages)
    assert frame["text"].to_list() == ["espresso", "espresso"]
    assert len(server.requests) == 1
    assert reports == [(0, 1), (1, 1)]


def test_progress_starts_at_what_the_journal_held_and_ends_at_all(predict, images, tmp_path):
    reports = []
    with chat_server() as server:
        predict(server.url, register(tmp_path, **{images.ids[0]: images.read(0)}))
        predict(server.url, progress=lambda total, _what: lambda done, more: reports.append((total, done)))
    assert reports == [(5, done) for done in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_requests_are_in_flight_as_allowed_and_no_more(predict, concurrency):
    with chat_server(delay=0.1) as server:
        predict(server.url, concurrency=concurrency, tasks=["OW", "CW"])
    assert server.peak == concurrency
