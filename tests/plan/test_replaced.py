"""The images job runs again when a picture was replaced, once for each replacement."""

import logging
from types import SimpleNamespace

from mllm_classify.io import stamps
from mllm_classify.io.files import sha256
from mllm_classify.plan.replaced import noted, replaced


def test_each_replacement_is_another_parameter_that_stays(folder, caplog):
    config = SimpleNamespace(dataset=SimpleNamespace(root=str(folder), name="d"))
    (folder / "a.png").write_bytes(b"first")
    kept = noted("d").with_name(stamps.STAMPS)
    kept.parent.mkdir(parents=True)

    def register():
        stamps.keep(kept, [("a.png", sha256((folder / "a.png").read_bytes()))], str(folder))

    assert replaced(config) == ""
    register()
    assert replaced(config) == ""
    assert not noted("d").exists()
    parameters = []
    for content in (b"second", b"third", b"first"):
        (folder / "a.png").write_bytes(content)
        with caplog.at_level(logging.WARNING):
            parameters.append(replaced(config))
        assert "1 pictures are not those that were registered (a.png is one)" in caplog.text
        assert replaced(config) == parameters[-1]  # until it is registered, as the job may fail
        register()
        assert replaced(config) == parameters[-1]
    assert len({"", *parameters}) == 4
    kept.unlink()
    (folder / "a.png").unlink()
    assert replaced(config) == parameters[-1]
