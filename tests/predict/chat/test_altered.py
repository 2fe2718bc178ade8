"""What is shown in place of images: no image, grey of the same size, and the pixels in another order."""

import base64
import io
import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mllm_classify.api import replies
from mllm_classify.api.journal import read
from mllm_classify.config.tasks import TaskPrompt, Variant
from mllm_classify.io.files import sha256
from mllm_classify.io.pictures import Look
from mllm_classify.io.reading import Reading
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.altered import told
from mllm_classify.predict.chat.questions import questionnaire_of
from mllm_classify.predict.chat.tally import estimated
from mllm_classify.predict.images import Images
from tests.chat_server import chat_server
from tests.predict.endpoint.pictures import CLASSES, model
from tests.predict.jobs import job

BLIND = [
    Variant(name="nothing", task="OW", pixels="none"),
    Variant(name="grey", task="OW", pixels="grey"),
    Variant(name="mixed", task="OW", pixels="shuffled"),
]


def picture(number, size=(8, 6)):
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def registered(folder, numbers=(0, 1, 2)):
    rows = []
    for number in numbers:
        (folder / f"image{number}").write_bytes(picture(number))
        rows.append({"image_id": f"image{number}", "file": f"image{number}", "sha256": sha256(picture(number))})
    looks = {"format": "PNG", "width": 8, "height": 6, "traits": []}
    return Images(
        pl.DataFrame([row | looks for row in rows], schema_overrides={"traits": pl.List(pl.String)}), str(folder)
    )


@pytest.fixture
def asked(tmp_path):
    """The questionnaire of some variants, and a way to ask it."""
    (tmp_path / "ow.txt").write_text("What is it?")

    def made(*variants, numbers=(0, 1, 2), url="http://x/v1", **options):
        images = registered(tmp_path, numbers)
        entry = model(url=url, tasks=["OW"], variants=[it.name for it in variants], retries=0, **options)
        tasks = {"OW": TaskPrompt(prompt=str(tmp_path / "ow.txt"))}
        return job(entry, images, CLASSES, tasks=tasks, variants=list(variants), journal=tmp_path / "journal")._replace(
            images=pl.DataFrame(
                {"image_id": images.ids, "file": [str(tmp_path / it) for it in images.ids], "sha256": images.digests,
                 "format": "PNG", "width": 8, "height": 6, "traits": [[]] * len(images), "problem": None},
                schema_overrides={"traits": pl.List(pl.String), "problem": pl.String},
            )
        )  # fmt: skip

    return made


def shown(questionnaire, question):
    """The pixels that a question shows."""
    (url,) = questionnaire.urls(question)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2]))))


def by_variant(questionnaire):
    found = {}
    for question in questionnaire:
        found.setdefault(question.variant, []).append(question)
    return found


def test_grey_has_the_images_size_and_shuffled_its_pixels(asked):
    questionnaire = questionnaire_of(asked(*BLIND))
    for question in questionnaire:
        if question.variant == "nothing":
            assert questionnaire.urls(question) == []
            assert question.template.pictures == 0
            continue
        own = np.asarray(Image.open(io.BytesIO(picture(question.images[0]))))
        found = shown(questionnaire, question)
        assert found.shape == own.shape
        if question.variant == "grey":
            assert np.unique(found).tolist() == [128]
        if question.variant == "mixed":
            assert (found != own).any()
            colours = [Counter(map(tuple, it.reshape(-1, 3).tolist())) for it in (own, found)]
            assert colours[0] == colours[1]


def test_which_formats_a_server_reads_changes_no_key_and_no_byte(asked):
    """Of images sent as they are it decides both (test_sent_anew.py); these are PNG files that were made for the question."""
    found = []
    for formats in (["JPEG", "PNG"], ["JPEG"], ["JPEG", "PNG", "WEBP", "GIF"]):
        questionnaire = questionnaire_of(asked(*BLIND, picture={"formats": formats}))
        altered = [it for it in questionnaire if it.variant]
        assert len(altered) == 9
        found.append([(it.key, questionnaire.urls(it)) for it in altered])
    assert found[0] == found[1] == found[2]


def test_pictures_scaled_down_are_shuffled_afterwards(asked):
    questionnaire = questionnaire_of(asked(*BLIND, picture={"longest_side": 4}))
    for question in by_variant(questionnaire)["mixed"]:
        assert shown(questionnaire, question).shape == (3, 4, 3)


def test_no_answer_stands_for_another_variants(asked):
    questions = by_variant(questionnaire_of(asked(*BLIND, Variant(name="again", task="OW", pixels="shuffled", seed=1))))
    keys = {variant: {question.key for question in of} for variant, of in questions.items()}
    assert {variant: len(of) for variant, of in keys.items()} == {
        "": 3,
        "nothing": 1,
        "grey": 1,
        "mixed": 3,
        "again": 3,
    }
    assert len(set().union(*keys.values())) == 11


def test_repeats_of_shuffled_pixels_have_other_orders(asked):
    questionnaire = questionnaire_of(
        asked(Variant(name="mixed", task="OW", pixels="shuffled", repeats=2), numbers=(0,))
    )
    first, second = by_variant(questionnaire)["mixed"]
    assert first.key != second.key
    assert (shown(questionnaire, first) != shown(questionnaire, second)).any()


@given(order=st.permutations(range(4)))
def test_the_order_of_images_changes_nothing(tmp_path_factory, order):
    folder = tmp_path_factory.getbasetemp()
    (folder / "ow.txt").write_text("What is it?")

    def seen(numbers):
        images = registered(folder, numbers)
        entry = model(tasks=["OW"], variants=["mixed"])
        tasks = {"OW": TaskPrompt(prompt=str(folder / "ow.txt"))}
        questionnaire = questionnaire_of(job(entry, images, CLASSES, tasks=tasks, variants=[BLIND[2]]))
        return {
            images.ids[it.images[0]]: (it.key, shown(questionnaire, it).tobytes()) for it in questionnaire if it.variant
        }

    assert seen(order) == seen(range(4))


def test_grey_of_a_picture_that_may_lie_on_its_side_is_told_by_its_digest():
    look = Look("JPEG", 8, 6, ("oriented",))
    assert told("grey", "", "digest", look, Reading("ignore")) == "grey 8 x 6"
    assert told("grey", "", "digest", look, Reading("obey")) == "digest obeyed grey"
    assert told("grey", "", "digest", None, Reading()) == "digest grey"


def test_one_answer_without_an_image_is_asked_once_and_is_every_images(asked):
    with chat_server(lambda body: str(len(json.dumps(body)))) as server:
        frame, _ = endpoint.predict(asked(BLIND[0], url=server.url))
    rows = frame.filter(pl.col("variant") == "nothing")
    assert len(server.requests) == 3 + 1
    assert rows["text"].n_unique() == 1
    assert rows["image_id"].to_list() == ["image0", "image1", "image2"]
    assert rows["prompt_tokens"].to_list() == [10, None, None]
    assert rows["latency"].is_null().to_list() == [False, True, True]


def test_the_estimate_counts_requests_and_pictures_that_are_sent(asked):
    put = asked(*BLIND, image_tokens=100)
    rows = {row["variant"]: row for row in estimated(questionnaire_of(put), read(put.journal, replies.check_record))}
    assert {name: (row["images"], row["requests"], row["image_tokens"]) for name, row in rows.items()} == {
        "": (3, 3, 300), "nothing": (3, 1, 0), "grey": (3, 1, 100), "mixed": (3, 3, 300),
    }  # fmt: skip
    assert {name: row["answer_tokens"] for name, row in rows.items()} == {
        "": 192,
        "nothing": 64,
        "grey": 64,
        "mixed": 192,
    }


def test_what_is_answered_alike_without_images_does_not_fail_the_preflight(asked):
    """120 questions of which those without an image, and on grey, are all answered alike."""

    def answer(body):
        content = body["messages"][-1]["content"][-1]
        return (
            content.get("text", "an image")
            if content["type"] == "text"
            else sha256(content["image_url"]["url"].encode())
        )

    variants = [
        Variant(name="nothing", task="OW", pixels="none", repeats=60, temperature=1.0),
        Variant(name="mixed", task="OW", pixels="shuffled", repeats=40),
    ]
    with chat_server(answer) as server:
        frame, _ = endpoint.predict(asked(*variants, url=server.url))
        assert len(server.requests) == 3 + 60 + 120
    assert frame.height == 3 * (1 + 60 + 40)


def test_with_images_answered_before_those_without_are_asked_and_no_picture_is_probed(asked):
    with chat_server(lambda _body: "the same") as server:
        few = asked(url=server.url, numbers=(0, 1))
        endpoint.predict(few)
        many = Variant(name="nothing", task="OW", pixels="none", repeats=120, temperature=1.0)
        endpoint.predict(asked(many, url=server.url, numbers=(0, 1)))
    assert len(server.requests) == 2 + 120


@pytest.mark.parametrize("layout", ["image_last", "system", "image_first"])
def test_in_every_layout_the_user_says_what_there_is_without_an_image(asked, layout):
    questionnaire = questionnaire_of(asked(BLIND[0], layout=layout))
    (question, *_) = by_variant(questionnaire)["nothing"]
    assert question.template.with_images([])["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}]}
    ]
    assert question.template.body["max_tokens"] == 64


def test_several_images_in_a_request_are_shown_as_they_are():
    with pytest.raises(ValueError, match="pixels 'grey': is for one image in a request; remove images"):
        Variant(name="v", task="CW", prompt="p", images=2, pixels="grey")
