"""Models that look at images themselves, in studies of several data sets: how often weights are loaded, and what is computed."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.tiny_vlms import SIGLIP, save
from tests.workflow.datasets.several import Several, copied
from tests.workflow.study import PROJECT, reconfigure

pytestmark = pytest.mark.study
LOADING = "loading the weights"
COUNT = 4
PIXELS = 2500
"""Pictures that take so long to decode that a job can be killed meanwhile."""


class Looking(Several):
    """Its model is a zero-shot classifier that keeps each image's result."""

    model = "siglip"

    def prepare(self) -> None:
        self.shrink()
        save(self.folder / "siglip", SIGLIP)
        self.entry(kind="open_clip", model="siglip", templates="small/templates.txt", batch_size=1, part=1, workers=1)
        self.lay_out(COUNT, PIXELS)

    def entry(self, **values: object) -> None:
        reconfigure(lambda config: config.update(models=[{"name": "siglip", "label": "Tiny SigLIP"} | values]))(self)

    def loads(self) -> int:
        """Make all predictions. How often weights were loaded for that."""
        return self.predicted().count(LOADING)

    def parts(self) -> list[Path]:
        return list((self.folder / "results/predictions").glob("*/.siglip.parquet.parts-*/*.parquet"))

    def frames(self) -> dict[str, pl.DataFrame]:
        return {path: pl.read_parquet(self.folder / path) for path in self.predictions()}

    def have_the_same(self, before: dict[str, pl.DataFrame]) -> bool:
        return all(frame.equals(before[path]) for path, frame in self.frames().items())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Looking:
    study = Looking(tmp_path_factory.mktemp("vision") / "study", yaml.safe_load((PROJECT / "config.yaml").read_text()))
    study.prepare()
    assert study.loads() == 1
    return study


@pytest.fixture
def study(finished: Looking, tmp_path: Path) -> Looking:
    return copied(finished, tmp_path / "study")


def test_weights_are_loaded_once_and_nothing_is_left(study):
    assert study.jobs() == []
    assert study.parts() == []
    assert [len(frame) for frame in study.frames().values()] == [4, 2 * COUNT, 2 * COUNT]


def test_an_appended_data_set_is_computed_alone(study):
    before = study.contents()
    study.have("h", "f", "g")
    assert study.jobs() == ["Asking siglip", "Checking every image of the data set"]
    assert study.loads() == 1
    assert study.contents().items() >= before.items()
    assert study.jobs() == []


def test_two_appended_data_sets_are_computed_with_one_load(study):
    before = study.contents()
    study.have("f")
    for path in study.predictions("f"):
        (study.folder / path).unlink()
    study.have("f", "g", "h")
    assert study.jobs() == ["Asking siglip"] * 2 + ["Asking siglip about f h", "Checking every image of the data set"]
    assert study.loads() == 1
    assert study.contents().items() >= before.items()
    assert study.jobs() == []


def test_a_changed_template_is_computed_for_all_with_one_load(study):
    before = study.frames()
    study.edit("small/templates.txt", "art of the", "art of a")
    assert study.loads() == 1
    assert study.jobs() == []
    assert not any(frame.equals(before[path]) for path, frame in study.frames().items())


@pytest.mark.parametrize("names", [["g"], ["f", "g"], ["small", "f", "g"]])
def test_deleted_files_are_computed_again_with_one_load(study, names):
    """All of them, too: the mark of their first making says nothing of parts that are no more."""
    before = study.frames()
    for path in study.predictions(*names):
        (study.folder / path).unlink()
    assert study.loads() == 1
    assert study.have_the_same(before)
    assert study.jobs() == []


def test_what_was_killed_computes_the_rest(study):
    before = study.frames()
    shutil.rmtree(study.folder / "results/predictions")
    study.killed(lambda: len(study.parts()) > COUNT)  # those of one data set are whole
    kept = {path: path.stat().st_mtime_ns for path in study.parts()}
    assert COUNT < len(kept) < 4 * COUNT + 4
    said = study.predicted()
    assert said.count(LOADING) == 1
    assert "images were computed before" in said
    assert study.have_the_same(before)
    assert study.parts() == []
    assert study.jobs() == []


def test_what_was_killed_after_all_was_computed_loads_nothing(study):
    before = study.frames()
    shutil.rmtree(study.folder / "results/predictions")
    assert "Asking siglip about f g small" in study.jobs()
    planned = study.snakemake("-n", *study.predictions())
    (mark,) = set(re.findall(r"results/asked/siglip/[\w-]+\.json", planned.stdout + planned.stderr))
    done = study.snakemake(mark)
    assert done.returncode == 0
    assert (done.stdout + done.stderr).count(LOADING) == 1
    assert study.jobs() == ["Asking siglip"] * 3
    without = study.folder / "without"
    without.mkdir()
    (without / "torch.py").write_text("raise ImportError('torch is imported')\n")
    study.environment["PYTHONPATH"] = str(without)
    assert study.loads() == 0
    assert study.have_the_same(before)
    assert study.jobs() == []


def test_weights_that_cannot_be_loaded_are_tried_once_and_all_is_left_to_do(study):
    (study.folder / "siglip/open_clip_model.safetensors").write_bytes(b"torn")
    shutil.rmtree(study.folder / "results/predictions")
    done = study.snakemake("--keep-going", *study.predictions())
    assert done.returncode != 0
    assert (done.stdout + done.stderr).count(LOADING) == 1
    assert study.jobs() == ["Asking siglip"] * 3 + ["Asking siglip about f g small"]


def test_each_shard_loads_once(study):
    before = study.frames()
    shutil.rmtree(study.folder / "results/predictions")
    reconfigure(lambda config: config["models"][0].update(shards=2))(study)
    jobs = study.jobs()
    assert [it for it in jobs if "about" in it] == [
        "Asking siglip about f g small, shard 1 of 2", "Asking siglip about f g small, shard 2 of 2",
    ]  # fmt: skip
    assert study.loads() == 2
    assert study.have_the_same(before)
    assert study.jobs() == []
    (study.folder / study.predictions("g")[0]).unlink()
    assert study.jobs() == ["Gathering the shards of siglip"]
    study.have("f", "g", "h")
    assert study.loads() == 2
    assert study.have_the_same(before | {path: frame for path, frame in study.frames().items() if "/h/" in path})
    assert study.jobs() == []
