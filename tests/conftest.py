import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share an expensive fixture run in one process: all that use the demonstration, else those of a file."""
    for item in items:
        shared = "demonstration" if "demonstration" in item.fixturenames else str(item.path)
        item.add_marker(pytest.mark.xdist_group(shared))
