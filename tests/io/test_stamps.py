"""Files that were replaced are told by their content; which are read, by size and time."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.io import stamps
from mllm_classify.io.files import sha256


@pytest.fixture
def kept(folder):
    for name in "abc":
        (folder / name).write_bytes(name.encode() * 9)
    stamps.keep(folder / stamps.STAMPS, [(name, sha256(name.encode() * 9)) for name in "abc"], str(folder))
    return folder / stamps.STAMPS


def test_another_content_is_told_and_another_time_is_not(folder, kept):
    assert stamps.replaced(kept, str(folder)) == {}
    (folder / "a").write_bytes(b"another")
    (folder / "b").write_bytes(b"x" * 9)
    os.utime(folder / "b", ns=(1, 1))
    os.utime(folder / "c", ns=(1, 1))
    expected = {"a": sha256(b"another"), "b": sha256(b"x" * 9)}
    assert stamps.replaced(kept, str(folder)) == expected
    assert stamps.replaced(kept, str(folder)) == expected


def test_what_was_only_touched_is_read_once(folder, kept, monkeypatch):
    read = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or original(path))
    assert stamps.replaced(kept, str(folder)) == {}
    assert read == []
    for name in "ab":
        os.utime(folder / name, ns=(1, 1))
    assert stamps.replaced(kept, str(folder)) == {}
    assert read == ["a", "b"]
    assert stamps.replaced(kept, str(folder)) == {}
    assert read == ["a", "b"]


def test_a_copy_elsewhere_without_some_or_all_files_is_left_alone(folder, kept):
    (folder / "a").unlink()
    assert stamps.replaced(kept, str(folder)) == {}
    assert stamps.replaced(kept, str(folder / "nowhere")) == {}
    assert stamps.replaced(kept, None) == {}


@given(st.binary(max_size=30), st.booleans())
def test_no_other_content_is_missed(tmp_path_factory, content, touched):
    folder = tmp_path_factory.mktemp("files")
    (folder / "a").write_bytes(b"as it was")
    stamps.keep(folder / stamps.STAMPS, [("a", sha256(b"as it was"))], str(folder))
    (folder / "a").write_bytes(content)
    os.utime(folder / "a", ns=(int(touched), int(touched)))
    expected = {} if content == b"as it was" else {"a": sha256(content)}
    assert stamps.replaced(folder / stamps.STAMPS, str(folder)) == expected
