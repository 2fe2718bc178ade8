import json
import logging
import os
import signal
import subprocess
import sys

import pytest

from mllm_classify.api import journal
from mllm_classify.io.files import InputError

WRITE_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from mllm_classify.api.journal import Writer

with Writer(Path(sys.argv[1])) as writer:
    for number in count():
        writer.append({"key": str(number), "response": "x" * (number * 997 % 50_000)})
        print(number, flush=True)
"""


def record(key, text="espresso"):
    return {"key": key, "latency": 0.5, "response": {"choices": [{"message": {"content": text}}]}}


def write(folder, *records):
    with journal.Writer(folder) as writer:
        for each in records:
            writer.append(each)
    return writer.path


def test_what_is_appended_is_read(tmp_path):
    write(tmp_path / "model", record("a"), record("b", "tabby"))
    assert journal.read(tmp_path / "model", bool) == {"a": record("a"), "b": record("b", "tabby")}


def test_an_absent_folder_holds_no_answers(tmp_path):
    assert journal.read(tmp_path / "none", bool) == {}


def test_nothing_is_created_before_the_first_answer(tmp_path):
    write(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_writers_at_the_same_time_have_a_file_each(tmp_path):
    with journal.Writer(tmp_path) as one, journal.Writer(tmp_path) as other:
        for number in range(10):
            one.append(record(f"one {number}"))
            other.append(record(f"other {number}"))
    assert one.path != other.path
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert len(journal.read(tmp_path, bool)) == 20


def test_of_equal_keys_the_first_written_counts(tmp_path):
    (tmp_path / "20260102.jsonl").write_text(json.dumps(record("a", "later file")) + "\n")
    first = [record("a", "first"), record("a", "second")]
    (tmp_path / "20260101.jsonl").write_text("".join(json.dumps(each) + "\n" for each in first))
    assert journal.read(tmp_path, bool) == {"a": record("a", "first")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ud800 half a pair",
        "\udfff",
        "nul \0 nul",
        "\x1b[31mred\x1b[0m",
        "line\nline\r\u2028\u0085",
        "é😀",
        "m" * 2**20,
    ],
    ids=ascii,
)
def test_any_text_survives(tmp_path, text):
    path = write(tmp_path, record("before"), record("a", text), record("after"))
    assert journal.read(tmp_path, bool) == {
        "before": record("before"),
        "a": record("a", text),
        "after": record("after"),
    }
    assert path.read_bytes().count(b"\n") == 3


def test_a_torn_last_record_is_reported_and_costs_nothing_else(tmp_path, caplog):
    path = write(tmp_path, record("a"), record("b", "é😀\ud800"), record("c", "tortilla é😀\ud800"))
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(whole)):
        path.write_bytes(whole[:end])
        caplog.clear()
        answers = journal.read(tmp_path, bool)
        complete = end == len(whole) - 1
        assert list(answers) == (["a", "b", "c"] if complete else ["a", "b"]), whole[last:end]
        torn = last < end and not complete
        said = [line.getMessage() for line in caplog.records if path.name in line.getMessage()]
        assert len(said) == torn
        assert all(it.startswith(f"{path}: 1 unreadable line(s), the first line 3: ") for it in said)


@pytest.mark.parametrize("torn_after", [0, 1, 2, 3, 4, 30])
def test_a_tail_of_nul_bytes_is_reported_and_costs_nothing_else(tmp_path, caplog, torn_after):
    path = write(tmp_path, record("a"), record("b"))
    lost = json.dumps(record("c")).encode()[:torn_after]
    path.write_bytes(path.read_bytes() + lost + b"\0" * 4096)
    assert list(journal.read(tmp_path, bool)) == ["a", "b"]
    assert [line.levelno for line in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize(
    "line", [b"\n", b"3\n", b"[]\n", b"null\n", b'{"latency": 1}\n', b"\xff\xfe\n", b'{"key": []}\n']
)
def test_a_line_that_is_no_record_is_reported_and_costs_nothing_else(tmp_path, caplog, line):
    path = write(tmp_path, record("a"))
    path.write_bytes(path.read_bytes() + line + json.dumps(record("b")).encode() + b"\n")
    assert list(journal.read(tmp_path, bool)) == ["a", "b"]
    assert "1 unreadable line(s)" in caplog.text


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_longer_than_any_answer_is_not_read_and_costs_nothing_else(tmp_path, caplog, monkeypatch, end):
    """Nor is what stands behind it in the same line."""
    monkeypatch.setattr(journal, "JOURNAL_LINE_BYTES", 1000)
    monkeypatch.setattr(journal, "CHUNK", 300)
    path = write(tmp_path, record("a"))
    first = path.read_bytes()
    for longer in (0, 1, 299, 5000):
        path.write_bytes(first)
        text = "x" * (1000 - len(json.dumps(record("b", ""))) - 1 + longer)
        others = [json.dumps(record("b", text)).encode() + b"\n", json.dumps(record("c")).encode() + end]
        path.write_bytes(first + b"".join(others))
        caplog.clear()
        answers = journal.read(tmp_path, bool)
        assert list(answers) == (["a", "c"] if longer else ["a", "b", "c"])
        assert answers["c"] == record("c")
        assert ("the first line 2: more than 1,000 bytes; " in caplog.text) == bool(longer)


def test_a_torn_file_is_left_as_it_is(tmp_path):
    path = write(tmp_path, record("a"))
    path.write_bytes(path.read_bytes() + b'{"key": "b"')
    before = path.read_bytes()
    write(tmp_path, record("b"))
    assert journal.read(tmp_path, bool).keys() == {"a", "b"}
    assert path.read_bytes() == before


@pytest.mark.parametrize("after", [1, 200])
def test_a_killed_writer_loses_nothing_that_append_returned_for(tmp_path, after):
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        returned = [process.stdout.readline() for _ in range(after)]
        os.kill(process.pid, signal.SIGKILL)
        returned += process.stdout.readlines()
    answers = journal.read(tmp_path, bool)
    last = int([line for line in returned if line.endswith("\n")][-1])
    assert last >= after - 1
    for number in range(last + 1):
        assert answers[str(number)]["response"] == "x" * (number * 997 % 50_000)


def test_what_was_sent_is_written_once_in_a_file_before_its_first_answer(tmp_path):
    with journal.Writer(tmp_path) as writer:
        for key, request in [("a", "one"), ("b", "two"), ("c", "one"), ("d", "one")]:
            writer.append(record(key) | {"request": request}, {"body of": request})
    lines = [json.loads(line) for line in writer.path.read_text().splitlines()]
    assert [line.get("key", line["request"]) for line in lines] == ["one", "a", "two", "b", "c", "d"]
    assert lines[0] == {"request": "one", "sent": {"body of": "one"}}
    assert set(journal.read(tmp_path, bool)) == {"a", "b", "c", "d"}


def test_each_file_says_for_itself_what_was_sent(tmp_path):
    for key in ("a", "b"):
        with journal.Writer(tmp_path) as writer:
            writer.append(record(key) | {"request": "one"}, {"body of": "one"})
    assert [path.read_text().count('"sent"') for path in tmp_path.glob("*.jsonl")] == [1, 1]


def test_answers_are_read_from_the_disk_when_they_are_asked_for(tmp_path):
    path = write(tmp_path, record("a"), record("b", "é😀"))
    answers = journal.read(tmp_path, bool)
    path.write_bytes(path.read_bytes().replace(b"espresso", b"ESPRESSO"))
    assert answers["a"] == record("a", "ESPRESSO")
    assert answers["b"] == record("b", "é😀")
    assert ("a" in answers, "c" in answers, len(answers)) == (True, False, 2)
    with pytest.raises(KeyError):
        answers["c"]
    # what comes later is in no mapping that was made before
    write(tmp_path, record("c"))
    assert "c" not in answers


def test_a_pipe_among_a_journals_files_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(
        InputError, match=r"a\.jsonl: cannot be read \(not a regular file, but a pipe, socket or device\)"
    ):
        journal.read(tmp_path, lambda _record: None)
