import base64
import io
import json
import logging
import platform
from tempfile import NamedTemporaryFile

import numpy as np
import polars as pl
import pytest
from aiohttp import web
from PIL import Image

from mllm_classify.api import journal, sending
from mllm_classify.config.chat import EndpointModel, EngineModel, VLLMModel
from mllm_classify.config.models import Resources
from mllm_classify.config.tasks import TaskPrompt, Variant
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.questions import Questionnaire
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import PREDICTIONS
from tests.chat_server import chat_server, completion, error, image_of, prompt_of

CLASSES = ["espresso", "lens cap, lens cover", "# hash"]
KEY = "sk-4f1d09c2"


def encoded(image, form, **options):
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def bytes_of(body):
    return base64.b64decode(image_of(body).partition("base64,")[2])


def number_of(body):
    """Which image of the fixture a request shows."""
    return Image.open(io.BytesIO(bytes_of(body))).getpixel((0, 0))[0]


def register(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    rows = [{"image_id": name, "file": name, "sha256": sha256(content)} for name, content in contents.items()]
    return Images(pl.DataFrame(rows), str(folder))


def unreported(_):
    return lambda *_: None


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Retries come at once."""
    monkeypatch.setattr(sending, "FIRST_WAIT", 0.01)


@pytest.fixture
def images(tmp_path):
    """Five: image4 to image0, in this order."""
    contents = {f"image{n}": encoded(Image.new("RGB", (3, 2), (n, 9, 9)), "PNG") for n in (4, 3, 2, 1, 0)}
    return register(tmp_path, **contents)


@pytest.fixture
def tasks(tmp_path):
    (tmp_path / "ow.txt").write_text("# a comment\nWhat is it?\n")
    (tmp_path / "cw.txt").write_text("Which of these?\n{classes}\n")
    return {task: TaskPrompt(prompt=str(tmp_path / f"{task.lower()}.txt")) for task in ("OW", "CW")}


@pytest.fixture
def predict(tmp_path, images, tasks):
    """Asks a server for all answers, by default for one task, without retries."""

    def run(url, images=images, progress=unreported, **options):
        entry = model(url=url, **{"tasks": ["OW"], "retries": 0} | options)
        asked = Questionnaire(entry, tasks, images, CLASSES)
        return endpoint.predict(entry, asked, tmp_path / "journal", progress)[0]

    return run


def model(**options):
    return EndpointModel(
        **{"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q"} | options
    )


def vllm(**options):
    return VLLMModel(**{"name": "m", "label": "M", "kind": "vllm", "model": "hub/id"} | options)


def engine(**options):
    return EngineModel(**{"name": "m", "label": "M", "kind": "engine", "command": ["serve"], "model": "q"} | options)


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
        asked = Questionnaire(entry, tasks, images, CLASSES, variants=ways)
        found, _ = endpoint.predict(entry, asked, tmp_path / "journal", unreported)
    texts = {(row["variant"], row["image_id"]): row["text"] for row in found.to_dicts()}
    assert [texts[name, "image4"] for name in ("alone", "main", "")] == [numbered, plain, plain]
    assert texts["groups", "image0"] == numbered
    groups = found.filter(pl.col("variant") == "groups").select("image_id", "group", "status").rows()
    assert groups == [(f"image{n}", 0, "error") for n in (4, 3, 2, 1)] + [("image0", 1, "ok")]
    assert found.filter(pl.col("variant") != "groups")["group"].is_null().all()


# what is asked


def prompts(file):
    """What one image is asked."""
    tasks, entry = {"CW": TaskPrompt(prompt=str(file))}, model(tasks=["CW"])
    asked = Questionnaire(entry, tasks, Images(REGISTERED[:1], None), CLASSES)
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


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_common_formats_are_sent_byte_for_byte(tmp_path, predict, form):
    content = encoded(Image.linear_gradient("L").convert("RGB"), form)
    with chat_server() as server:
        predict(server.url, register(tmp_path, picture=content))
    assert image_of(server.requests[0]).startswith(f"data:image/{form.lower()};base64,")
    assert bytes_of(server.requests[0]) == content


@pytest.mark.parametrize("form", ["GIF", "TIFF", "BMP"])
def test_other_formats_are_sent_as_png_of_the_same_pixels(tmp_path, predict, form):
    content = encoded(Image.linear_gradient("L").convert("RGB"), form)
    with chat_server() as server:
        predict(server.url, register(tmp_path, picture=content))
    sent = Image.open(io.BytesIO(bytes_of(server.requests[0])))
    assert image_of(server.requests[0]).startswith("data:image/png;base64,")
    assert sent.format == "PNG"
    np.testing.assert_array_equal(sent, Image.open(io.BytesIO(content)).convert("RGB"))


# what makes two questions the same

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


def test_tasks_and_images_have_keys_of_their_own(tasks):
    asked = Questionnaire(model(), tasks, Images(REGISTERED, None), [])
    assert len({question.key for question in asked}) == 4


# what is answered


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
        "reasoning_tokens": 2, "batched": False, "group": None,
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
    assert [record["response"] for record in journal.read(tmp_path / "journal").values()] == [response] * 5


def test_only_what_is_missing_is_asked(predict, images, tmp_path):
    first = Images(REGISTERED.clear(), None)
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


def test_a_picture_that_is_registered_twice_is_asked_about_once(predict, images, tmp_path):
    with chat_server(lambda _: "espresso") as server:
        frame = predict(server.url, register(tmp_path, one=images.read(0), two=images.read(0)), concurrency=1)
    assert frame["text"].to_list() == ["espresso", "espresso"]
    assert len(server.requests) == 1


def test_progress_starts_at_what_the_journal_held_and_ends_at_all(predict, images, tmp_path):
    reports = []
    with chat_server() as server:
        predict(server.url, register(tmp_path, **{images.ids[0]: images.read(0)}))
        predict(server.url, progress=lambda total: lambda done, more: reports.append((total, done)))
    assert reports == [(5, done) for done in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_requests_are_in_flight_as_allowed_and_no_more(predict, concurrency):
    with chat_server(delay=0.1) as server:
        predict(server.url, concurrency=concurrency, tasks=["OW", "CW"])
    assert server.peak == concurrency


# what goes wrong


def refusing(number, status=400):
    """A server's answer that refuses one image."""

    def answer(body):
        return error(status, "the image \x1b[31m cannot be read") if number_of(body) == number else "espresso"

    return answer


def test_an_error_names_what_failed_and_is_no_answer(predict, tmp_path):
    with chat_server(refusing(2)) as server, pytest.raises(InputError) as caught:
        predict(server.url, retries=4)
    message = str(caught.value)
    assert "model 'm': 1 of 5 requests failed, the first for task OW, image 'image2'" in message
    assert "400" in message
    assert r"the image \x1b[31m cannot be read" in message
    assert len(server.requests) == 5
    assert len(journal.read(tmp_path / "journal")) == 4
    with chat_server(lambda _: "tabby") as server:
        frame = predict(server.url)
    assert [number_of(body) for body in server.requests] == [2]
    assert frame["text"].to_list() == ["espresso", "espresso", "tabby", "espresso", "espresso"]


def test_of_many_errors_the_first_in_order_is_named_though_it_came_last(predict):
    seen = []

    def answer(body):
        seen.append(number_of(body))
        return error(429, "later", retry_after_ms="300") if seen.count(4) == 1 and seen[-1] == 4 else error(400, "no")

    with chat_server(answer) as server, pytest.raises(InputError, match=r"5 of 5.*image 'image4'"):
        predict(server.url, concurrency=5, retries=1)


@pytest.mark.parametrize(
    "reply",
    [
        "<html>Service Unavailable</html>",
        "",
        "null",
        "[]",
        '"espresso"',
        "{}",
        '{"choices": []}',
        '{"choices": null}',
        '{"choices": [null]}',
        '{"choices": [{}]}',
        '{"choices": [{"message": null}]}',
        '{"choices": [{"message": "espresso"}]}',
        '{"choices": [{"message": {"content": ["espresso"]}}]}',
        '{"choices": [{"message": {"content": 3}}]}',
        '{"error": {"message": "overloaded"}}',
        '{"choices": [{"message": {"content": "esp',
        "[" * 100_000,
    ],
    ids=lambda reply: ascii(reply[:50]),
)
def test_a_reply_of_status_200_that_is_no_completion_is_an_error(predict, tmp_path, reply):
    def answer(body):
        return web.Response(text=reply, content_type="application/json") if number_of(body) == 2 else "espresso"

    with (
        chat_server(answer) as server,
        pytest.raises(InputError, match=r"1 of 5 requests failed.*not a chat completion"),
    ):
        predict(server.url)
    assert len(journal.read(tmp_path / "journal")) == 4


@pytest.mark.parametrize("statuses", [[429], [500, 503], [408, 429, 502]], ids=str)
def test_what_can_succeed_later_is_retried(predict, images, tmp_path, statuses):
    waiting = list(statuses)

    def answer(_):
        return error(waiting.pop(0), "later", retry_after_ms="1") if waiting else "espresso"

    one = register(tmp_path, one=images.read(0))
    with chat_server(answer) as server:
        assert predict(server.url, one, retries=len(statuses))["text"].to_list() == ["espresso"]
    assert len(server.requests) == len(statuses) + 1


def test_what_fails_more_often_than_it_is_retried_is_an_error(predict, images, tmp_path):
    one = register(tmp_path, one=images.read(0))
    with chat_server(lambda _: error(429, "slow down", retry_after_ms="1")) as server:
        with pytest.raises(InputError, match=r"1 of 1 requests failed.*429.*slow down"):
            predict(server.url, one, retries=2)
        assert len(server.requests) == 3
    assert journal.read(tmp_path / "journal") == {}


def test_a_request_that_takes_longer_than_its_timeout_is_an_error(predict, tmp_path):
    with (
        chat_server(stall_after=3) as server,
        pytest.raises(InputError, match=r"2 of 5 requests failed.*image 'image1'.*no answer within 2 s"),
    ):
        predict(server.url, timeout=2, concurrency=1)
    assert len(journal.read(tmp_path / "journal")) == 3


def test_a_server_that_is_not_there_is_an_error(predict):
    with pytest.raises(InputError, match=r"5 of 5 requests failed.*Cannot connect to host"):
        predict("http://127.0.0.1:9/v1")


def test_an_image_that_changed_is_an_input_error_and_what_was_answered_stays(predict, images, tmp_path):
    (tmp_path / "image1").write_bytes(images.read(0))
    with chat_server() as server, pytest.raises(InputError, match=r"image 'image1'.*has changed"):
        predict(server.url, concurrency=1)
    assert len(journal.read(tmp_path / "journal")) >= 3


def test_a_key_that_is_not_set_is_an_error_before_any_request(predict, monkeypatch):
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    with chat_server() as server, pytest.raises(InputError, match=r"model 'm': api_key_env: .* ABSENT_KEY is not set"):
        predict(server.url, api_key_env="ABSENT_KEY")
    assert server.requests == []


def test_a_line_break_after_the_key_is_no_part_of_it(predict, monkeypatch):
    monkeypatch.setenv("TEST_KEY", f"{KEY}\r\n")
    with chat_server() as server:
        predict(server.url, api_key_env="TEST_KEY")
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("key", ["sk-é", "sk-\u200b", "sk-one\nsk-two"], ids=ascii)
def test_a_key_that_no_request_can_carry_is_an_error_that_does_not_show_it(predict, monkeypatch, key):
    monkeypatch.setenv("TEST_KEY", key)
    with chat_server() as server, pytest.raises(InputError, match=r"model 'm': api_key_env: .*TEST_KEY") as caught:
        predict(server.url, api_key_env="TEST_KEY")
    assert "sk-" not in str(caught.value)
    assert server.requests == []


def test_the_key_is_sent_and_written_nowhere(predict, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("TEST_KEY", KEY)
    with chat_server(refusing(2)) as server, pytest.raises(InputError) as caught:
        predict(server.url, api_key_env="TEST_KEY")
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".jsonl" for path in written)
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


# odd answers


@pytest.mark.parametrize(
    "message", [{"content": None}, {"content": ""}, {"content": None, "refusal": "No."}, {}], ids=str
)
def test_an_answer_without_text_is_an_empty_answer(predict, message):
    with chat_server(lambda _: completion("", choices=[{"message": message}])) as server:
        frame = predict(server.url)
    assert frame.select("text", "status").rows() == [("", "ok")] * 5


def test_odd_answers_are_kept_as_they_are_and_reported_in_one_line_a_sort(predict, caplog, tmp_path):
    caplog.set_level(logging.INFO, logger="mllm_classify")
    odd = {
        4: "espresso",
        3: "",
        2: "long é😀" * 2**17,
        1: "nul \0 \x1b[31mred\x1b]0;title\x07 \x9b2J",
        0: "two\nlines\r\n",
    }
    with chat_server(lambda body: odd[number_of(body)]) as server:
        frame = predict(server.url)
    assert frame["text"].to_list() == list(odd.values())
    frame.write_parquet(tmp_path / "frame.parquet")
    assert pl.read_parquet(tmp_path / "frame.parquet")["text"].to_list() == list(odd.values())
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 3
    assert warnings[0].startswith("1 of 5 answers are empty")
    assert "'image3': ''" in warnings[0]
    assert warnings[1].startswith("1 of 5 answers are longer than 1000 characters")
    assert r"'image2': 'long \xe9\U0001f600long" in warnings[1]
    assert warnings[2].startswith("2 of 5 answers are with control characters")
    assert r"'image1': 'nul \x00 \x1b[31mred\x1b]0;title\x07 \x9b2J'" in warnings[2]
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert len(record.getMessage()) < 500


def test_half_of_a_surrogate_pair_does_not_cost_the_answer(predict):
    reply = json.dumps(completion("caf\ud83d\ude00 x\ud800y"))
    with chat_server(lambda _: web.Response(text=reply, content_type="application/json")) as server:
        frame = predict(server.url)
    assert frame["text"].to_list() == ["caf😀 x?y"] * 5


@pytest.fixture
def ask(tmp_path, images, tasks):
    """Asks a server for all answers to some tasks. Gives the environments beside them."""

    def run(url, wanted):
        entry = model(url=url, tasks=wanted)
        return endpoint.predict(entry, Questionnaire(entry, tasks, images, CLASSES), tmp_path / "j", unreported)

    return run


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        ('{"version": "0.11.0"}', "0.11.0"),
        ('{"version": 3}', "3"),
        ('["0.11.0"]', None),
        ("{}", None),
        ("<html>", None),
        ("", None),
    ],
)
def test_the_version_of_a_server_on_this_machine_is_noted(ask, said, noted):
    with chat_server(version=lambda: web.Response(text=said)) as server:
        frame, environments = ask(server.url, ["OW"])
    assert [environment["server"] for environment in environments] == [noted]
    assert environments[0]["python"] == platform.python_version()
    # nothing is asked now: what is noted is of those who answered
    again, known = ask("http://127.0.0.1:9/v1", ["OW"])
    assert known == environments
    assert again.equals(frame)


def test_answers_of_two_servers_name_both(ask):
    for number, wanted in enumerate([["OW"], ["OW", "CW"]]):
        with chat_server(version=lambda n=number: web.json_response({"version": f"0.{n}"})) as server:
            _, environments = ask(server.url, wanted)
    assert sorted(environment["server"] for environment in environments) == ["0.0", "0.1"]
    _, environments = ask("http://127.0.0.1:9/v1", ["OW"])
    assert [environment["server"] for environment in environments] == ["0.0"]
