"""Errors that nobody foresaw: one line each, and the traceback in a file."""

import errno
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify import __main__ as command_line
from mllm_classify.io.borders import UnforeseenError, border, brief
from mllm_classify.io.files import InputError, TerminatedError
from tests.config.given import whole

ERRORS = [
    (RecursionError("maximum recursion depth exceeded"), "nested too deep"),
    (
        OSError(errno.ENOSPC, "No space left on device", "results/a.parquet"),
        "No space left on device: results/a.parquet",
    ),
    (OSError("cannot\nwrite"), "OSError: cannot\\nwrite"),
    (TypeError("'<' not supported\nbetween"), "TypeError: '<' not supported\\nbetween"),
    (
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        "UnicodeEncodeError: 'utf-8' codec can't enc",
    ),
    (pl.exceptions.PanicException("index out of bounds"), "PanicException: index out of bounds"),
    (MemoryError(), "not enough memory"),
    (KeyError("x" * 5000), "KeyError: 'xxx"),
    (ValueError(), "ValueError: no message"),
]


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_an_unforeseen_error_is_a_line_with_the_place(error, message):
    with pytest.raises(UnforeseenError) as caught, border("l.csv"):
        raise error
    said = str(caught.value)
    assert said.startswith(f"l.csv: {message}")
    assert len(said.splitlines()) == 1
    assert len(said) < 400
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [InputError("a.csv:2: no"), TerminatedError("by 15", 15), KeyboardInterrupt(), SystemExit(3)]
)
def test_what_is_foreseen_passes_a_border(error):
    with pytest.raises(type(error)) as caught, border("l.csv"):
        raise error
    assert caught.value is error


def test_the_innermost_border_names_the_place():
    with pytest.raises(UnforeseenError, match=r"^l\.csv: TypeError: x$"), border("the job"), border("l.csv"):
        raise TypeError("x")


def run(folder, monkeypatch, error):
    (folder / "config.yaml").write_text(yaml.safe_dump(whole()))

    def fail(*_):
        raise error

    monkeypatch.setattr("mllm_classify.score.command.score", fail)
    arguments = ["score", "--output", "o"]
    monkeypatch.setattr(sys, "argv", ["mllm_classify", *arguments])
    return command_line.main()


@pytest.mark.parametrize("error", [error for error, _ in ERRORS])
def test_a_job_ends_in_one_line_that_says_where_the_traceback_is(folder, monkeypatch, capfd, error):
    assert run(folder, monkeypatch, error) == 1
    said = capfd.readouterr().err
    assert said == f"error: score: {brief(error)}; the traceback is in logs/tracebacks/score.txt\n"
    assert "in fail" in Path("logs/tracebacks/score.txt").read_text()


def test_a_traceback_that_cannot_be_written_is_told(folder, monkeypatch, capfd):
    (folder / "logs").write_text("a file")
    assert run(folder, monkeypatch, TypeError("x")) == 1
    assert capfd.readouterr().err == (
        "error: score: TypeError: x; the traceback could not be written to logs/tracebacks/score.txt (Not a directory)\n"
    )
