import shutil
from pathlib import Path

import pytest

from tests.chat_server import chat_server
from tests.workflow.bundle.archived import Archived


@pytest.fixture(scope="session")
def archived(embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    with chat_server() as server:
        study = Archived(tmp_path_factory.mktemp("bundle") / "author", server, embedder)
        study.make("all", "results/bundle.zip")
    return study


@pytest.fixture(scope="session")
def unpacked(archived: Archived, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(archived.path, folder)
    return folder
