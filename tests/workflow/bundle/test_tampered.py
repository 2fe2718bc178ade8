"""No byte of an archive is changed unseen."""

import io
import json
import random
import zipfile
from pathlib import Path

import polars as pl
import pytest

from mllm_classify.bundle.archive import CRATE, ENVIRONMENT, SUMS
from mllm_classify.bundle.unpacking import extract
from mllm_classify.bundle.verify import verify
from mllm_classify.io.files import InputError
from tests.workflow.bundle.archived import Archived, command, edited, rebuilt


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_byte_is_found_and_its_file_named(archived: Archived, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with zipfile.ZipFile(archived.path) as archive:
        name = rng.choice([it.filename for it in archive.infolist() if it.file_size])
        content = bytearray(archive.read(name))
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    (problem,) = verify(rebuilt(archived, tmp_path / "b.zip", {name: bytes(content)}, sums=False))
    assert problem.startswith(f"{name}: changed since the bundle was made")


@pytest.mark.parametrize("name", [SUMS, CRATE, ENVIRONMENT, "config.yaml", "results/table3.csv"])
def test_a_changed_byte_of_each_sort_of_file_is_found(archived: Archived, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(archived.path) as archive:
        content = archive.read(name)
    for changed in (content[:-1], content + b"\n", content.replace(b"a", b"b", 1)):
        (problem,) = verify(rebuilt(archived, tmp_path / "b.zip", {name: changed}, sums=False))
        assert problem.startswith(f"{name}: changed since the bundle was made")


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_archive_is_reported_or_holds_the_same(archived: Archived, tmp_path: Path, seed: int) -> None:
    """A byte of the zip file itself: of a file, or of what zip notes about it."""
    rng = random.Random(seed)
    content = bytearray(archived.path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    (tmp_path / "b.zip").write_bytes(content)
    with zipfile.ZipFile(archived.path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    try:
        with zipfile.ZipFile(tmp_path / "b.zip") as archive:
            problems = extract(archive, tmp_path / "out")
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        with pytest.raises(InputError, match=r"b\.zip: not a complete zip archive"):
            verify(tmp_path / "b.zip")
        return
    if not problems:
        assert {name: (tmp_path / "out" / name).read_bytes() for name in whole} == whole


def named(archived: Archived, file: str) -> str:
    """A file of the author's, by its name in the archive."""
    with zipfile.ZipFile(archived.path) as archive:
        (found,) = [name for name in archive.namelist() if name.startswith("elsewhere/") and name.endswith(f"/{file}")]
    return found


def test_what_was_changed_with_its_sums_does_not_follow(archived: Archived, tmp_path: Path) -> None:
    changes = {
        **edited(archived, named(archived, "regt.csv"), "brick,N", "brick,maze"),
        **edited(archived, named(archived, "ids.csv"), "rocket,4", "rocket,7"),
        **edited(archived, "results/table4.md", "OW", "QW"),
        "results/ranking.csv": None,
        "results/table9.csv": b"a\n",
    }
    found = "\n".join(verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True)))
    for expected in (
        "results/dataset/small/labels.parquet: does not follow from the archived answers and labels: 1 of 4 rows, the first of them row 3,",
        "results/predictions/small/ids.parquet: is not what the archived file of predictions says: 1 of 4 rows",
        "results/table4.md: does not follow from the archived answers and labels: line ",
        "results/ranking.csv: missing",
        "results/table9.csv: in the archive, but no part of this study",
    ):
        assert expected in found


def test_a_configuration_that_is_none_is_named(archived: Archived, tmp_path: Path) -> None:
    changes = edited(archived, "config.yaml", "models:", "model:")
    found = verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True))
    assert found[0] == "config.yaml: models: missing; see docs/configuration.md"
    assert found[1].startswith("config.yaml: model: unknown key")


def test_an_answer_changed_with_its_sums_does_not_follow(archived: Archived, unpacked: Path, tmp_path: Path) -> None:
    name = "results/predictions/small/chat.parquet"
    frame = pl.read_parquet(unpacked / name)
    frame[0, "text"] = "maze" if frame["text"][0] != "maze" else "daisy"
    frame.write_parquet(tmp_path / "chat.parquet")
    changed = rebuilt(archived, tmp_path / "b.zip", {name: (tmp_path / "chat.parquet").read_bytes()}, sums=True)
    assert any("does not follow" in problem or "cannot be made anew" in problem for problem in verify(changed))


def test_archives_of_other_code_and_packages_say_so(archived: Archived, tmp_path: Path) -> None:
    with zipfile.ZipFile(archived.path) as archive:
        used = json.loads(archive.read(ENVIRONMENT))
        code = archive.read("src/mllm_classify/measures/paired.py")
    used["archived with"]["packages"]["polars"] = "0.1"
    changes = edited(archived, "results/table3.csv", "75.00", "76.00")
    changes |= {
        "src/mllm_classify/measures/paired.py": code + b"\n# more\n",
        ENVIRONMENT: json.dumps(used).encode(),
    }
    done = command(rebuilt(archived, tmp_path / "b.zip", changes, sums=True))
    assert done.returncode == 1
    assert "1 files differ, src/mllm_classify/measures/paired.py first" in done.stderr
    assert f"polars 0.1 there, {pl.__version__} here" in done.stderr


def test_a_bundle_of_another_version_is_refused_with_the_reason(archived: Archived, tmp_path: Path) -> None:
    """One whose scores have other columns: none of its tables could be compared."""
    with zipfile.ZipFile(archived.path) as archive:
        scores = pl.read_parquet(io.BytesIO(archive.read("results/scores.parquet")))
    earlier = io.BytesIO()
    scores.drop("predicted", "group").write_parquet(earlier)
    changes: dict[str, bytes | None] = {"results/scores.parquet": earlier.getvalue()}
    (problem,) = verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True))
    assert problem.startswith("results/scores.parquet: by another version of mllm-classify (group, predicted); ")
