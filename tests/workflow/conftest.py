from pathlib import Path

import pytest

from tests.workflow.study import Study


@pytest.fixture
def demonstration_copy(demonstration: Study, tmp_path: Path) -> Study:
    return demonstration.copy(tmp_path / "study")
