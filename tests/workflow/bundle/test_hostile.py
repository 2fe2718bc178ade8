"""Archives of others: nothing that they name is started, asked, or written elsewhere."""

import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from mllm_classify.bundle.verify import verify
from tests.chat_server import chat_server
from tests.workflow.bundle.archived import KEY, Archived, command, rebuilt


def test_nothing_that_an_archive_names_is_started(archived: Archived, tmp_path: Path) -> None:
    """A model whose predictions are not there would have to be asked: its command is not this machine's to run."""
    mark = tmp_path / "started"
    with zipfile.ZipFile(archived.path) as archive:
        config = yaml.safe_load(archive.read("config.yaml"))
    config.pop("annotate")
    config["models"][0] = {
        "name": "evil", "label": "Evil", "kind": "engine", "model": "m", "command": ["touch", str(mark)],
    }  # fmt: skip
    changes = {"config.yaml": yaml.safe_dump(config).encode()}
    found = verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True))
    evil = ("predictions", "embeddings/minilm", "embeddings/served", "concepts/minilm")
    assert found == [f"results/{it}/small/evil.parquet: missing" for it in evil]
    # nor where there are predictions, but older than what they were made from
    with zipfile.ZipFile(archived.path) as archive:
        changes |= {f"results/{it}/small/evil.parquet": archive.read(f"results/{it}/small/chat.parquet") for it in evil}
    verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True), embed=True)
    assert not mark.exists()


def test_no_key_is_sent_to_a_server_of_embeddings_that_an_archive_names(
    archived: Archived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with zipfile.ZipFile(archived.path) as archive:
        config = yaml.safe_load(archive.read("config.yaml"))
    with chat_server() as server:
        config["encoders"][0] |= {"url": server.url, "api_key_env": "MY_KEY"}
        changes = {"config.yaml": yaml.safe_dump(config).encode()}
        done = command(rebuilt(archived, tmp_path / "b.zip", changes, sums=True), "--embed")
        assert "not embedded anew, for servers would have to be asked: served" in done.stderr
        assert (server.requests, server.headers) == ([], [])


HOSTILE = {
    "../outside": "would leave the archive's folder",
    "/outside": "would leave the archive's folder",
    "a/../../outside": "would leave the archive's folder",
    "C:/outside": "would leave the archive's folder",
    "a\\..\\..\\outside": "would leave the archive's folder",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_written_outside_of_the_archives_folder(archived: Archived, tmp_path: Path, name: str) -> None:
    found = verify(rebuilt(archived, tmp_path / "b.zip", {name: b"x"}, sums=True))
    assert len(found) == 1
    assert HOSTILE[name] in found[0]


def test_a_file_that_stands_twice_is_reported(archived: Archived, tmp_path: Path) -> None:
    shutil.copy(archived.path, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.yaml", "a")
    assert verify(tmp_path / "b.zip") == ["config.yaml: appears twice"]


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    for name, expected in {
        "text.zip": "not a complete zip",
        "none.zip": "not a comp",
        "other.zip": "no bundle",
    }.items():
        done = command(tmp_path / name)
        assert done.returncode == 1
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
