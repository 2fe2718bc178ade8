"""A key is sent, and stands in no file: not even where a server repeats it."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from mllm_classify.io.files import InputError
from tests.batch_server import batch_server
from tests.chat_server import chat_server, completion, digest, digested_answer, error, prompt_of
from tests.fault_server import always, fault_server
from tests.requests.job import Job
from tests.workflow.study import Study

KEY = "sk-planted/7d41c0-f2a9"
SPELLED = [KEY, KEY.replace("/", "\\/")]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)


def holding(folder: Path) -> list[str]:
    """The files that hold the key, read as what they are: Parquet and archives are compressed."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        str(path.relative_to(folder))
        for path in files
        if any(spelled.encode() in content for spelled in SPELLED for content in contents(path.name, path.read_bytes()))
    ]


def contents(name: str, content: bytes) -> Iterator[bytes]:
    yield content
    if name.endswith(".parquet"):
        yield pl.read_parquet(content).write_ndjson().encode()
        yield json.dumps(pl.read_parquet_metadata(content)).encode()
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from contents(member, archive.read(member))


def test_no_file_of_a_study_holds_a_key_that_servers_repeat(tmp_path, embedder):
    asked = set()

    def answer(body):
        """Each question is refused once, by words that hold the key; so are some answers, and one for good."""
        first = (body["model"], digest(body)) not in asked
        asked.add((body["model"], digest(body)))
        if first:
            return error(503, f"Authorization: Bearer {KEY} is busy", retry_after_ms="1")
        kinds = sorted(each for each in asked if each[0] == body["model"])
        if kinds.index((body["model"], digest(body))) == 0 and len(kinds) == 8:
            return error(400, f"the key {KEY} may not ask this")
        if "- " in prompt_of(body):
            return completion(f"tabby cat {KEY}", system_fingerprint=KEY, served_by={KEY: [f"Bearer {KEY}"]})
        return digested_answer(body)

    with chat_server(answer) as server:
        study = Study(tmp_path / "study")
        study.shrink(embedder=embedder, kind="endpoint", url=server.url, api_key_env="PLANTED_KEY", max_errors=8)
        config = study.config
        config["models"].append(config["models"][0] | {"name": "other", "label": "Other", "kind": "openai"})
        study.write_config(config)
        study.make("results/table3.csv", "results/bundle.zip")
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    frames = [pl.read_parquet(path) for path in study.folder.glob("results/predictions/small/*.parquet")]
    assert len(frames) == 2
    found = pl.concat(frames)
    assert found["text"].str.contains("tabby cat [key]", literal=True).any()
    assert found["fingerprint"].str.contains("[key]", literal=True).any()
    assert list(study.folder.glob("journal/*/*.jsonl"))
    assert (study.folder / "results" / "bundle.zip").exists()
    assert holding(study.folder) == []
    planted = study.folder / "planted.txt"
    planted.write_text(KEY)
    assert holding(study.folder) == ["planted.txt"]


@pytest.mark.parametrize("kind", ["endpoint", "openai"])
@pytest.mark.parametrize("status", ["400", "401", "503"])
def test_no_message_holds_the_key(tmp_path, kind, status, caplog):
    def refuse(body):
        return error(int(status), f"Incorrect API key provided: {KEY}. {KEY}")

    with fault_server(always("good"), refuse=refuse) as server:
        job = Job(tmp_path, 10, server.url, kind=kind, api_key_env="PLANTED_KEY", retries=1)
        with pytest.raises(InputError, match=r"Incorrect API key provided: \[key\]") as caught:
            job.ask()
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text
    assert holding(tmp_path) == []


def test_no_batch_gives_the_key_away(tmp_path):
    with batch_server(answer=lambda body: f"an answer to {KEY}") as server:
        job = Job(tmp_path / "answered", 10, server.url, kind="openai", api_key_env="PLANTED_KEY", batch={"poll": 0.05})
        assert set(job.ask()["text"]) == {"an answer to [key]"}
    with batch_server(refuse=f"the key {KEY} has no room") as server:
        job = Job(tmp_path / "refused", 10, server.url, kind="openai", api_key_env="PLANTED_KEY", batch={"poll": 0.05})
        with pytest.raises(InputError, match=r"Batch API: .*the key \[key\] has no room") as caught:
            job.ask()
    assert KEY not in str(caught.value)
    assert holding(tmp_path) == []


@pytest.mark.parametrize("key", ["none", "EMPTY", "test"])
def test_a_word_that_stands_for_a_key_is_left_in_answers(tmp_path, monkeypatch, key):
    """Servers on the own machine take any key, and people name it by such words."""
    monkeypatch.setenv("PLANTED_KEY", key)
    with fault_server(always("good"), answer=lambda body: f"{key} of these") as server:
        frame = Job(tmp_path, 3, server.url, api_key_env="PLANTED_KEY").ask()
    assert set(frame["text"]) == {f"{key} of these"}
