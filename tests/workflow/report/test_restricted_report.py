"""The report of a study whose second labels may not be handed on."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from mllm_classify.io.files import PROJECT
from mllm_classify.outputs import OUTPUTS
from tests.bundle.made import CATEGORIES, SECRET, Made, id_of, name_of

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The study's folder, and the report that Snakemake made of it."""
    with pytest.MonkeyPatch.context() as patch:
        Made(tmp_path_factory.mktemp("restricted"), patch)
        folder = Path.cwd()
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "results/report.zip", "results/explorer.html"]
    command += ["--snakefile", str(PROJECT / "Snakefile"), "--configfile", "config.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "which tell of restricted labels" in done.stdout + done.stderr
    return folder


def test_it_has_the_tables_that_an_archive_has_and_no_page_of_single_images(made):
    with zipfile.ZipFile(made / "results/report.zip") as report:
        names = {PurePosixPath(name).name for name in report.namelist()}
    assert {"report.html", "table2.html", "table3.html", "change.svg", "provenance.html"} <= names
    assert names.isdisjoint({"overview.html", "explorer.html", "panels.html", "panels.svg"})
    assert names.isdisjoint({file for output in OUTPUTS.values() if output.reveals for file in output.files})
    assert (made / "results/explorer.html").exists()


def test_nothing_in_it_tells_an_image_and_its_label(made):
    secret = [name_of(class_id) for class_id in SECRET]
    images = [id_of(image) for image in range(len(CATEGORIES))]
    examples = (made / "results/panels.csv").read_text()
    assert any(name in examples for name in secret), "the search finds what is there"
    with zipfile.ZipFile(made / "results/report.zip") as report:
        for name in report.namelist():
            text = report.read(name).decode("utf-8", "replace")
            assert not any(re.search(rf"\b{re.escape(it)}\b", text) for it in (*images, *secret)), name
