import base64
import hashlib
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mllm_classify.api import sending
from mllm_classify.config.encoders import OpenAIEncoder
from mllm_classify.embed import openai
from mllm_classify.io.files import InputError
from tests.fault_server import always, fault_server, first, hashed_vectors, seeded

KEY = "sk-4f1d09c2/7"
TEXTS = [f"thing {number}" for number in range(23)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Retries come at once."""
    monkeypatch.setattr(sending, "FIRST_WAIT", 0.001)


def entry(url, **options):
    return OpenAIEncoder(**{"name": "e", "kind": "openai", "model": "m", "templates": "t.txt", "url": url} | options)


def encoder(folder, url, **options):
    return openai.encoder(entry(url, **options), folder / "journal", lambda total, what: lambda done: None)


def refusal(folder, url, **options):
    with pytest.raises(InputError) as caught:
        encoder(folder, url, **options)(TEXTS)
    return str(caught.value)


def expected(texts):
    return np.array([[b / 255 for b in hashlib.sha256(text.encode()).digest()[:4]] for text in texts], dtype=np.float32)


def lines(folder):
    return [json.loads(line) for file in sorted(folder.rglob("*.jsonl")) for line in file.read_text().splitlines()]


def test_vectors_are_in_the_order_of_the_texts_and_each_text_is_asked_once(tmp_path):
    """The server answers with the last text first."""
    texts = [*TEXTS, TEXTS[0], " ", "thing 1\n"]
    with fault_server(always("good")) as server:
        found = encoder(tmp_path, server.url, batch_size=4)(texts)
        np.testing.assert_array_equal(found, expected(texts))
        assert found.dtype == np.float32
        assert len(server.received) == 7
        asked = sorted(text for one in server.received for text in one.prompt.split("\n"))
        assert asked == sorted([*TEXTS, " ", "thing 1", ""])
        # another job
        np.testing.assert_array_equal(encoder(tmp_path, server.url)([*TEXTS, "new"]), expected([*TEXTS, "new"]))
        assert len(server.received) == 8
        assert server.received[-1].prompt == "new"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=9))
def test_any_text_has_its_own_vector(server, tmp_path_factory, texts):
    found = encoder(tmp_path_factory.mktemp("any"), server.url, batch_size=2, concurrency=2)(texts)
    np.testing.assert_array_equal(found, expected(texts))


@pytest.fixture(scope="module")
def server():
    with fault_server(always("good")) as found:
        yield found


FAULTS = ("429", "500", "503", "408", "reset", "reset_in_body", "truncated", "html", "no_choices", "drip")


@pytest.mark.parametrize("seed", range(3))
def test_half_of_all_responses_may_fail(tmp_path, seed):
    with fault_server(seeded(seed, 0.5, FAULTS), retry_after=0.01, drip=0.01) as server:
        found = encoder(tmp_path, server.url, batch_size=2, retries=40)(TEXTS)
        assert len(server.received) > 12
        assert server.sent_once
        assert server.peak <= 4
    np.testing.assert_array_equal(found, expected(TEXTS))


def test_what_came_before_a_failure_is_not_asked_again(tmp_path):
    with fault_server(first(3, "500")) as server:
        said = refusal(tmp_path, server.url, batch_size=5, concurrency=1, retries=1)
    assert said.startswith(
        "encoder 'e': 5 texts, the first 'thing 15': HTTP 500: failed on purpose (500); what came is in "
    )
    assert sum("embedding" in line for line in lines(tmp_path)) == 15
    with fault_server(always("good")) as server:
        np.testing.assert_array_equal(encoder(tmp_path, server.url)(TEXTS), expected(TEXTS))
        assert [one.prompt.split("\n") for one in server.received] == [TEXTS[15:]]


@pytest.mark.parametrize(
    "one", [[0.5, float("nan"), 0, 0], [0, 0, 0, 0], [0.5, 0.5], []], ids=["not finite", "zeros", "shorter", "empty"]
)
def test_a_vector_of_the_journal_that_no_server_may_give_is_asked_for_again(tmp_path, one):
    with fault_server(always("good")) as server:
        encoder(tmp_path, server.url)(TEXTS)
        (file,) = tmp_path.rglob("*.jsonl")
        *before, last = file.read_text().splitlines()
        torn = base64.b64encode(np.array(one, dtype="<f4").tobytes()).decode()
        file.write_text("\n".join([*before, json.dumps(json.loads(last) | {"embedding": torn}), ""]))
        server.received.clear()
        np.testing.assert_array_equal(encoder(tmp_path, server.url)(TEXTS), expected(TEXTS))
        assert len(server.received) == 1


@pytest.mark.parametrize("status", ["400", "401", "404", "413"])
def test_what_will_never_be_answered_is_asked_once(tmp_path, status):
    with fault_server(always(status)) as server:
        assert f"HTTP {status}: failed on purpose" in refusal(tmp_path, server.url)
        assert len(server.received) == 1


def changed(change):
    def embed(body):
        said = hashed_vectors(body)
        change(said["data"])
        return said

    return embed


def shorten(data):
    data[0]["embedding"].pop()


def twice(data):
    data[1]["index"] = data[0]["index"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop(), "the server sent 22 vectors for 23 texts"),
        (lambda data: data.append(dict(data[0], index=23)), "the server sent 24 vectors for 23 texts"),
        (twice, "the server sent 23 vectors for 23 texts (data[].index: 22, 22, 20, 19, 18, ...)"),
        (shorten, "the server sent vectors of several lengths (3, 4); if its model has changed, set revision: in the entry"),
        (lambda data: [item.update(embedding=[]) for item in data], "the server sent vectors of several lengths (0)"),
        (lambda data: data[3].update(embedding=[0.0, 1, float("nan"), 0]), "the server sent a vector that has no direction"),
        (lambda data: data[3].update(embedding=[0.0, 1, 1e300, 0]), "the server sent a vector that has no direction"),
        (lambda data: data[3].update(embedding=[0.0] * 4), "the server sent a vector that has no direction"),
        (lambda data: data[3].update(embedding=["a", 1, 1, 1]), "the server's answer holds no vectors of numbers"),
        (lambda data: data[3].update(embedding=[None, 1, 1, 1]), "the server sent a vector that has no direction"),
        (lambda data: data[3].update(embedding="AAAA"), "the server's answer holds no vectors of numbers"),
        (lambda data: data[3].pop("embedding"), "the server's answer holds no vectors of numbers"),
        (lambda data: data.__setitem__(3, 5), "the server's answer holds no vectors of numbers"),
    ],
)  # fmt: skip
def test_vectors_that_are_none_stop_the_job(tmp_path, change, message):
    with fault_server(always("good"), embed=changed(change)) as server:
        said = refusal(tmp_path, server.url)
        assert f"encoder 'e': 23 texts, the first 'thing 0': {message}" in said
        assert len(server.received) == 1
    assert not lines(tmp_path)


def test_a_server_whose_model_has_become_another_is_found(tmp_path):
    def longer(body):
        said = hashed_vectors(body)
        return said | {"data": [item | {"embedding": item["embedding"] * 2} for item in said["data"]]}

    with fault_server(always("good")) as server:
        encoder(tmp_path, server.url)(["one"])
    with fault_server(always("good"), embed=longer) as server:
        assert "vectors of several lengths (4, 8); if its model has changed, set revision:" in refusal(
            tmp_path, server.url
        )
        assert encoder(tmp_path, server.url, revision="2")(["one"]).shape == (1, 8)


def test_vectors_of_another_length_than_was_asked_for_are_refused(tmp_path):
    with fault_server(always("good")) as server:
        assert "vectors of several lengths (4, 9)" in refusal(tmp_path, server.url, dimensions=9)
        assert encoder(tmp_path, server.url, dimensions=4)(TEXTS).shape == (23, 4)


def test_what_is_sent_stands_once_in_the_journal(tmp_path):
    with fault_server(always("good")) as server:
        encoder(tmp_path, server.url, dimensions=4, batch_size=2, concurrency=1)(TEXTS)
    sent = [line["sent"] for line in lines(tmp_path) if "sent" in line]
    assert sent == [{"model": "m", "encoding_format": "float", "dimensions": 4}]


def test_the_key_is_sent_and_stands_nowhere_else(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("THE_KEY", KEY)
    asked = []

    def refuse(body):
        asked.append(body)
        from tests.chat_server import error

        return error(400, f"Bearer {KEY} may not ask")

    with fault_server(always("good"), refuse=refuse) as server:
        said = refusal(tmp_path, server.url, api_key_env="THE_KEY")
        assert "Bearer [key] may not ask" in said
    with fault_server(always("good"), embed=lambda body: hashed_vectors(body) | {"model": KEY}) as server:
        encoder(tmp_path, server.url, api_key_env="THE_KEY")(TEXTS)
    assert len(asked) == 1
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not [text for text in [said, caplog.text, *written] if KEY in text]


def test_without_its_key_nothing_is_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("THE_KEY", raising=False)
    with fault_server(always("good")) as server:
        said = refusal(tmp_path, server.url, api_key_env="THE_KEY")
        assert said == "encoder 'e': api_key_env: the environment variable THE_KEY is not set; export the key"
        assert not server.received


def test_a_dead_server_is_not_asked_on(tmp_path):
    with fault_server(always("503")) as server:
        said = refusal(tmp_path, server.url, batch_size=1, concurrency=2, retries=1000, patience=0.2)
    assert "no answer for" in said
    assert "(patience: 0.2)" in said


def test_a_reply_that_is_larger_than_any_vectors_are_is_left(tmp_path, monkeypatch):
    with fault_server(always("good")) as server:
        np.testing.assert_array_equal(encoder(tmp_path / "one", server.url)(TEXTS), expected(TEXTS))
        monkeypatch.setattr(openai, "EMBEDDINGS_BYTES", 100)
        assert "the reply has more than 0 MB" in refusal(tmp_path / "two", server.url)
