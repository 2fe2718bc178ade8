import importlib.metadata
import os
import platform

import pytest

from mllm_classify.io.environment import environment

SMI = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
echo "NVIDIA H200, 570.86.15, 143771 MiB"
echo "NVIDIA H200, 570.86.15, 143771 MiB"
"""


@pytest.fixture(autouse=True)
def afresh():
    environment.cache_clear()
    yield
    environment.cache_clear()


def on_path(monkeypatch, folder, script):
    (folder / "nvidia-smi").write_text(script)
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_it_names_python_and_every_package():
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["packages"] == {it.name: it.version for it in importlib.metadata.distributions()}
    assert list(found["packages"]) == sorted(found["packages"], key=str.lower)


def test_names_in_descriptions_and_metadata_of_an_older_form_are_told_apart(monkeypatch, tmp_path):
    for folder, file, content in [
        ("a-1.dist-info", "METADATA", "Metadata-Version: 2.1\nName: A\nVersion: 1\n\nName: B\nVersion: 2\n"),
        ("c-3.egg-info", "PKG-INFO", "Metadata-Version: 1.0\nName: C\nVersion: 3\n"),
    ]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text(content)
    found = importlib.metadata.distributions(path=[str(tmp_path)])
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: found)
    assert environment()["packages"] == {"A": "1", "C": "3"}


def test_each_gpu_is_named_with_its_driver(monkeypatch, tmp_path):
    on_path(monkeypatch, tmp_path, SMI)
    assert environment()["gpus"] == ["NVIDIA H200, 570.86.15, 143771 MiB"] * 2
    assert "driver_version" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize("script", ["#!/bin/sh\necho no driver; exit 9\n", "no program at all"])
def test_without_a_driver_there_are_no_gpus(monkeypatch, tmp_path, script):
    on_path(monkeypatch, tmp_path, script)
    assert environment()["gpus"] == []
