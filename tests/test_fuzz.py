"""Damaged files of every kind that others write (tests/fuzz.py): a few hundred of each, and always the same."""

import json
import logging
from collections import Counter

import pytest

from tests.fuzz import FAULTS, outcome
from tests.fuzzed import readers

READERS = readers()
COUNT = 300


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_a_line(tmp_path, name, caplog):
    caplog.set_level(logging.ERROR)
    reader = READERS[name]
    (tmp_path / reader.file).write_bytes(reader.content)
    assert reader.right(reader.content, reader.read(tmp_path / reader.file)), "the file itself must be read rightly"
    counts = Counter()
    for number in range(COUNT):
        kind, shown = outcome(reader, tmp_path, number)
        assert kind not in FAULTS, f"number {number}: {kind}: {shown}"
        counts[kind] += 1
    assert counts["refused"] > COUNT // 20 or name == "journal", "a damaged line of a journal is left out"


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda _: [], "wrong"),
        (lambda _: {}["x"], "traceback"),
        (lambda path: json.loads(path.read_bytes()), "traceback"),
    ],
)
def test_a_careless_reader_is_found_out(tmp_path, read, kind):
    careless = READERS["classes.json"]._replace(read=read)
    assert kind in {outcome(careless, tmp_path, number)[0] for number in range(50)}
