from pathlib import Path

import pytest

from tests.workflow.study import Study


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The configuration as shipped, run once from a fresh copy. Tests copy it before they change anything."""
    study = Study(tmp_path_factory.mktemp("demonstration") / "study")
    study.make("all", "results/annotate/tasks.json")
    return study


@pytest.fixture
def demonstration_copy(demonstration: Study, tmp_path: Path) -> Study:
    return demonstration.copy(tmp_path / "study")
