"""What rankings by likelihood will cost at most, and have cost, by a toy server's counts."""

import io

import polars as pl
import pytest
from PIL import Image

from mllm_classify.config.chat import EndpointModel
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.io.files import sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.estimate import estimate
from mllm_classify.predict.images import Images
from tests.likelihood_server import Toy, likelihood_server
from tests.predict.jobs import job

NAMES = ["abcdef", "abcxyz", "abc", "q"]
"""In pieces of three characters: abc-def, abc-xyz, abc, q. Nodes that go on: the root, abc, abc-def, abc-xyz and q."""
NODES = 5
BY_CHARACTERS = 1 + 1 + 1 + 1 + 3 + 3 + 1
"""As the toy server has tokens: the root, a, ab, abc, two branches, and q."""
PRICES = {"input": 10, "cached_input": 1, "output": 100}
TEXT = "W" * 300
"""100 tokens, at three characters each."""


@pytest.fixture
def made(tmp_path):
    """A job about so many images, without a task in words."""
    (tmp_path / "ow.txt").write_text(TEXT)
    rows = []
    for number in range(4):
        content = io.BytesIO()
        Image.new("RGB", (2, 2), (number, 9, 9)).save(content, "PNG")
        (tmp_path / f"image{number}").write_bytes(content.getvalue())
        rows.append({"image_id": f"image{number}", "file": f"image{number}", "sha256": sha256(content.getvalue())})
    # the data set holds the first image twice
    rows.append(rows[0] | {"image_id": "again"})

    def make(images=5, url="http://127.0.0.1:1/v1", **options):
        base = {"name": "m", "label": "M", "kind": "endpoint", "url": url, "model": "toy", "tasks": ["OW-likelihood"]}
        entry = EndpointModel(**base | {"retries": 0, "likelihood": {"scales": ["sum"], "top": 2}} | options)
        shown = Images(pl.DataFrame(rows[-images:]), str(tmp_path))
        tasks = {"OW-likelihood": TaskPrompt(prompt=str(tmp_path / "ow.txt"))}
        return job(entry, shown, NAMES, tasks=tasks, journal=tmp_path / "journal")

    return make


def row(of):
    return estimate([of]).row(0, named=True)


def test_before_anything_is_asked_every_node_counts(made):
    """Four different images of five nodes. All but each image's first request has its text and image from a cache, and the
    text of all images is one."""
    found = row(made(image_tokens=700, prices=PRICES))
    requests = 4 * NODES
    cached = (requests - 4) * 800 + 3 * 100
    assert found == {
        "model": "m", "task": "OW-likelihood", "variant": "", "images": 5, "requests": requests, "answered": 0,
        "text_tokens": 100 * requests, "image_tokens": 700 * requests, "cached_tokens": cached, "answer_tokens": requests,
        "tokens_from": "at most: 5 requests an image, all nodes of names in pieces of 3 characters, as if bounds left none "
        "out; characters",
        "cost": pytest.approx(800 * requests * 10e-6 + requests * 100e-6, abs=1e-4),
        "cost_cached": pytest.approx((800 * requests - cached) * 10e-6 + cached * 1e-6 + requests * 100e-6, abs=1e-4),
        "used_prompt_tokens": 0, "used_cached_tokens": 0, "used_answer_tokens": 0, "spent": 0.0,
    }  # fmt: skip


def test_names_without_an_image_are_asked_once_more(made):
    with_prior = row(made(image_tokens=700, likelihood={"scales": ["sum", "PMI"]}))
    assert with_prior["requests"] == 5 * NODES
    assert with_prior["image_tokens"] == 700 * 4 * NODES
    assert with_prior["text_tokens"] == 100 * 5 * NODES


def test_an_unknown_cost_of_images_is_said_and_so_is_that_nothing_is_bounded(made):
    found = row(made(likelihood={"scales": ["sum"], "top": "all"}))
    assert found["image_tokens"] is None
    assert found["tokens_from"] == (
        "at most: 5 requests an image, all nodes of names in pieces of 3 characters; characters; image_tokens is not set"
    )


def test_what_was_counted_takes_the_place_of_what_was_estimated(made):
    """One image is ranked, and the server has told the names' tokens."""
    with likelihood_server(Toy()) as toy:
        options = {"prices": PRICES, "likelihood": {"scales": ["sum"], "top": "all"}}
        first, _ = endpoint.predict(made(images=1, url=toy.url, **options))
        found = row(made(**options))
        assert found["requests"] == 4 * BY_CHARACTERS
        assert found["answered"] == BY_CHARACTERS
        used = first.row(0, named=True)
        assert found["used_prompt_tokens"] == used["prompt_tokens"]
        assert found["used_cached_tokens"] == used["cached_tokens"]
        assert found["text_tokens"] == 3 * used["prompt_tokens"]
        assert found["answer_tokens"] == 3 * BY_CHARACTERS
        assert found["tokens_from"] == "counted on 1 rankings, text and images together"
        everything, _ = endpoint.predict(made(url=toy.url, **options))
    done = row(made(**options))
    assert (done["requests"], done["answered"], done["cost"]) == (4 * BY_CHARACTERS, 4 * BY_CHARACTERS, 0)
    assert done["tokens_from"] == "nothing is missing"
    distinct = everything.filter(pl.col("image_id") != "again")
    assert done["used_prompt_tokens"] == distinct["prompt_tokens"].sum()


def test_of_a_job_that_ended_early_the_rest_is_estimated(made):
    with (
        likelihood_server(Toy(stall_after=4 * BY_CHARACTERS // 2)) as toy,
        pytest.raises(Exception, match=r"no answer|no ranking"),
    ):
        endpoint.predict(
            made(url=toy.url, timeout=1, patience=1, concurrency=1, likelihood={"scales": ["sum"], "top": "all"})
        )
    found = row(made(likelihood={"scales": ["sum"], "top": "all"}))
    assert 0 < found["answered"] < found["requests"] == 4 * BY_CHARACTERS
