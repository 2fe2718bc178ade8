"""How likely an answer was, and of MC by letter each option: kept beside the answer, where the server says it."""

import math

import polars as pl
import pytest

from mllm_classify.choices.options import CHOICES
from mllm_classify.config.chat import EndpointModel, Request
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.io.files import sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.collecting import letter_probabilities
from mllm_classify.predict.images import Images
from tests.chat_server import chat_server, completion
from tests.predict.jobs import job

NAMES = ["espresso", "maze", "hash"]


def likely(content, *tokens, **message):
    listed = [
        {
            "token": token,
            "logprob": math.log(share),
            "top_logprobs": [{"token": it, "logprob": math.log(p)} for it, p in top],
        }
        for token, share, top in tokens
    ]
    choice = {"finish_reason": "stop", "message": {"content": content, **message}, "logprobs": {"content": listed}}
    return completion("", choices=[choice])


def answer(body):
    said = str(body["messages"])
    if "A. espresso" in said:
        return likely("B", ("B", 0.5, [("B", 0.5), (" A", 0.2), ("A", 0.1), ("the", 0.1)]), ("<end>", 0.9, []))
    if "think" in said:
        return likely("maze", ("It", 0.5, []), ("maze", 0.5, []), reasoning="It is.")
    return likely("maze", ("ma", 0.5, []), ("ze", 0.5, []))


def test_they_are_asked_for_and_kept(tmp_path):
    (tmp_path / "image").write_bytes(b"GIF")
    from PIL import Image

    Image.new("RGB", (2, 2)).save(tmp_path / "image", "PNG")
    digest = sha256((tmp_path / "image").read_bytes())
    images = Images(pl.DataFrame([{"image_id": "a", "file": "image", "sha256": digest}]), str(tmp_path))
    prompts = {"OW": "What? think", "CW": "{classes}", "MC": "{options}"}
    for name, text in prompts.items():
        (tmp_path / name).write_text(text)
    tasks = {name: TaskPrompt(prompt=str(tmp_path / name)) for name in prompts}
    schema = {name: dtype for name, dtype in CHOICES.items() if name != "origins"}
    choices = pl.DataFrame([("a", "few", 0, [0, 1])], schema=schema, orient="row")

    def ask(url, journal, **options):
        model = EndpointModel(
            name="m",
            label="M",
            kind="endpoint",
            url=url,
            model="q",
            tasks=["OW", "CW", "MC"],
            min_cached_share=0,
            **options,
        )
        asked = job(model, images, NAMES, tasks=tasks, journal=tmp_path / journal, choices=choices, answer="letter")
        return endpoint.predict(asked)[0]

    with chat_server(answer) as server:
        frame = ask(server.url, "j", request={"logprobs": True, "top_logprobs": 4})
        assert all((body["logprobs"], body["top_logprobs"]) == (True, 4) for body in server.requests)
        kept = {row["task"]: row for row in frame.iter_rows(named=True)}
        assert kept["CW"]["answer_logprob"] == pytest.approx(math.log(0.25))
        assert kept["CW"]["letters"] is None
        # what it thought is no part of its answer
        assert kept["OW"]["answer_logprob"] is None
        assert kept["MC"]["answer_logprob"] == pytest.approx(math.log(0.45))
        assert kept["MC"]["letters"] == pytest.approx([0.3, 0.5])
        ask(server.url, "k")
        assert "logprobs" not in server.requests[-1]


def test_letters_are_found_in_whatever_tokens_hold_them_and_others_are_not_said():
    likeliest = {"ĠD": math.log(0.1), "(B)": math.log(0.2), "B.": math.log(0.3), "Bee": math.log(0.1), "ß": -1, "b": -1}
    assert letter_probabilities(likeliest) == pytest.approx([None, 0.5, None, 0.1])
    assert letter_probabilities({"the": -0.1}) is None


def test_likeliest_tokens_alone_are_not_asked_for():
    with pytest.raises(ValueError, match="top_logprobs: 4: needs logprobs: true"):
        Request(top_logprobs=4)
