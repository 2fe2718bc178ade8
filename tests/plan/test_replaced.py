"""The images job runs again when a picture was replaced, once for each replacement."""

import logging
from types import SimpleNamespace

import pytest

from mllm_classify.io import stamps
from mllm_classify.io.files import sha256
from mllm_classify.plan.replaced import replaced


@pytest.fixture
def registered(folder):
    """Registers the picture as it is now, and returns where the images' file lies."""
    images = folder / "results/images.parquet"
    images.parent.mkdir()
    (folder / "a.png").write_bytes(b"first")

    def register():
        images.write_bytes(b"")
        stamps.keep(images.with_name(stamps.STAMPS), [("a.png", sha256((folder / "a.png").read_bytes()))], str(folder))
        return images

    return register


def test_each_replacement_is_another_parameter_that_stays(folder, registered, caplog):
    config = SimpleNamespace(dataset=SimpleNamespace(folder=str(folder)))
    assert replaced(config, folder / "results/images.parquet") == ""
    images = registered()
    assert replaced(config, images) == ""
    parameters = []
    for content in (b"second", b"third", b"first"):
        (folder / "a.png").write_bytes(content)
        with caplog.at_level(logging.WARNING):
            parameters.append(replaced(config, images))
        assert "1 pictures are not those that were registered (a.png is one)" in caplog.text
        assert replaced(config, images) == parameters[-1]  # until it is registered, as the job may fail
        registered()
        assert replaced(config, images) == parameters[-1]
    assert len({"", *parameters}) == 4
