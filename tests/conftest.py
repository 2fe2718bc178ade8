import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# no test depends on how busy the machine is
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# most of what is made while modules are imported stays: it is not searched for garbage so often, and not once they are
gc.set_threshold(10_000, 10, 10)

# a make that a test starts is a user's, not part of the one that runs the tests
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMOUT", "MAKE_TERMERR"):
    os.environ.pop(name, None)

LONG = (
    # real networks
    *("tests/test_conse_server.py", "tests/predict/test_timm.py", "tests/predict/test_knn.py", "tests/loading/"),
    *(
        "tests/predict/test_open_clip.py",
        "tests/predict/test_dinotxt.py",
        "tests/predict/test_conse.py",
        "tests/embed/",
    ),
    *("tests/predict/vision/", "tests/tools/test_vision_models.py"),
    # real predictions and labels
    *(
        "tests/test_replay.py",
        "tests/choices/test_real.py",
        "tests/dataset/test_labels_of_imagenet.py",
        "tests/dataset/test_real_labels.py",
    ),
    # independent computations and properties of whole tables
    *("tests/tables/test_recomputed.py", "tests/tables/test_encoders.py", "tests/tables/test_every_table.py"),
    *("tests/tables/test_sensitivity.py", "tests/measures/", "tests/score/test_properties.py"),
    "tests/figures/test_style.py",
    *("tests/predict/test_recorded.py", "tests/test_fuzz.py", "tests/bundle/test_extract.py"),
    # every module of the package, many times over
    "tests/plan/test_code.py::test_an_operator_turned_around",
)
"""Tests that `make check` leaves to `make test`: none of them starts a study, and together they take minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole workflows first, marked as studies: they take longest, and what is short fills up the end."""
    items.sort(key=lambda item: "tests/workflow/" not in item.nodeid)
    for item in items:
        if "tests/workflow/" in item.nodeid:
            item.add_marker(pytest.mark.study)
        if item.nodeid.startswith(LONG):
            item.add_marker(pytest.mark.long)


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What a run leaves out by its marks is not imported either: that alone takes as long as the short tests."""
    left_out = config.option.markexpr
    name = collection_path.relative_to(config.rootpath).as_posix()
    study, long = name.startswith("tests/workflow"), f"{name}/".startswith(LONG)
    return True if (study and "not study" in left_out) or (long and "not long" in left_out) else None


@pytest.fixture(scope="session")
def embedder():
    """The address of a server that embeds texts (`served_encoder`)."""
    from tests.fault_server import always, fault_server

    with fault_server(always("good")) as server:
        yield server.url


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


@pytest.fixture(scope="session")
def demonstration(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory):
    """The configuration as shipped, finished, its report and its tasks included. Tests copy it before they change it."""
    from tests.demonstration import finished

    return finished(pytestconfig.cache.mkdir("demonstration"), tmp_path_factory.mktemp("demonstration") / "study")
