"""Unpacking archives that are not as bundles are."""

import hashlib
import time
import zipfile
from types import SimpleNamespace

import pytest

from mllm_classify.bundle import unpacking
from mllm_classify.bundle.unpacking import extract
from mllm_classify.io.limits import BUNDLE_ENTRIES


def bundled(path, names):
    """An archive of small files with right sums: these names, which may have contents."""
    contents = names if isinstance(names, dict) else {name: name.encode() for name in names}
    sums = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in names).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, contents[name])
        archive.writestr("SHA256SUMS", sums)
        archive.comment = hashlib.sha256(sums).hexdigest().encode()
    return path


def problems(path, into):
    with zipfile.ZipFile(path) as archive:
        return extract(archive, into)


def test_an_archive_of_few_files_is_unpacked(tmp_path):
    assert problems(bundled(tmp_path / "b.zip", ["a", "b/c"]), tmp_path / "out") == []
    assert (tmp_path / "out/b/c").read_text() == "b/c"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_stand_twice_are_told_in_time_that_grows_with_their_number(tmp_path):
    names = [str(number) for number in range(20_000)]
    path = bundled(tmp_path / "b.zip", [*names, "7", "19999"])
    started = time.process_time()
    assert problems(path, tmp_path / "out") == ["19999: appears twice", "7: appears twice"]
    assert time.process_time() - started < 3


def test_more_files_than_any_study_has_are_refused_before_one_is_unpacked(tmp_path):
    path = bundled(tmp_path / "b.zip", [str(number) for number in range(BUNDLE_ENTRIES)])
    assert problems(path, tmp_path / "out") == ["100,001 files, more than the 100,000 that a bundle may have"]
    assert not (tmp_path / "out").exists()


def test_what_the_disk_cannot_hold_is_refused_before_a_file_is_unpacked(tmp_path, monkeypatch):
    path = bundled(tmp_path / "b.zip", {"a": b"x" * 1_000_000})
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: SimpleNamespace(free=500_000))
    (problem,) = problems(path, tmp_path / "out")
    assert problem == f"its files take 0.0 GB, and {tmp_path} has 0.0 GB left; set TMPDIR"
    assert not (tmp_path / "out").exists()
