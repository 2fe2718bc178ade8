"""A study as an archive: made twice the same, checked elsewhere, extended there, and no byte of it changed unseen."""

import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.chat_server import chat_server
from tests.workflow.study import Study


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study(tmp_path_factory.mktemp("bundle") / "study")
    with chat_server() as server:
        study.shrink(kind="endpoint", url=server.url)
        study.make("all", "results/bundle.zip")
    return study


def bundle(study: Study) -> Path:
    return study.folder / "results/bundle.zip"


def verify(archive: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mllm_classify.verify", *options, str(archive)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


def rewritten(source: Path, target: Path, changes: dict[str, bytes]) -> Path:
    """The archive with other contents, whose checksums are zip's own and right."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, old.read(name)))
    return target


def test_the_same_results_give_the_same_bytes(archived: Study) -> None:
    before = bundle(archived).read_bytes()
    bundle(archived).unlink()
    archived.make("results/bundle.zip")
    assert bundle(archived).read_bytes() == before


def test_it_is_whole_and_its_tables_follow(archived: Study) -> None:
    done = verify(bundle(archived), "--embed")
    assert done.returncode == 0, done.stderr


def test_unpacked_elsewhere_it_has_nothing_to_do_and_can_be_extended(archived: Study, tmp_path: Path) -> None:
    shutil.unpack_archive(bundle(archived), tmp_path / "elsewhere")
    study = archived.copy(tmp_path / "copy")
    study.folder = tmp_path / "elsewhere"
    assert study.scheduled() == set()
    (study.folder / "ids.csv").write_text("image_id,class_id\ncoffee,0\ncat,2\nbrick,3\nrocket,4\n")
    config = study.config
    config["models"].append({"name": "ids", "label": "Ids", "kind": "recorded", "file": "ids.csv"})
    study.write_config(config)
    assert {job for job in study.scheduled() if "/" in job} == {"predict/ids"}


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_byte_is_found_and_its_file_named(archived: Study, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with zipfile.ZipFile(bundle(archived)) as archive:
        name = rng.choice([it for it in archive.namelist() if archive.getinfo(it).file_size])
        content = bytearray(archive.read(name))
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    done = verify(rewritten(bundle(archived), tmp_path / "b.zip", {name: bytes(content)}))
    assert done.returncode == 1
    assert name in done.stderr
