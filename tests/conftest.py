import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# no test depends on how busy the machine is
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SHARING_THE_DEMONSTRATION = ("demonstration", "readme", "relocated", "rerun")


class Grouped(LoadScopeScheduling):
    """Tests that share an expensive fixture run in one process: those of a file, and all that use the demonstration."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        sharing = any(f"tests/workflow/{folder}/" in file for folder in SHARING_THE_DEMONSTRATION)
        return "demonstration" if sharing else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Grouped:
    return Grouped(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole workflows first, marked as studies: they take longest, and what is short fills up the end."""
    items.sort(key=lambda item: "tests/workflow/" not in item.nodeid)
    for item in items:
        if "tests/workflow/" in item.nodeid:
            item.add_marker(pytest.mark.study)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def one_thread():
    """Torch on one thread: more than the machine has idle make short texts many times slower."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
