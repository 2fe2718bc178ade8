import polars as pl
import pytest

from mllm_classify.io import parquet
from mllm_classify.io.environment import environment
from mllm_classify.predict.vision import parts

SCHEMA = {"image": pl.Int64(), "value": pl.Float32()}
COUNT, SIZE = 10, 4


class Job:
    """Computes two images at a time, and stops before one of them."""

    def __init__(self, stop=None):
        self.stop, self.computed, self.reports = stop, [], []

    def compute(self, places):
        for start in range(0, len(places), 2):
            if self.stop in places[start : start + 2]:
                raise KeyboardInterrupt
            self.computed += places[start : start + 2]
            batch = places[start : start + 2]
            yield pl.DataFrame({"image": batch, "value": [place / 3 for place in batch]}, schema=SCHEMA)

    def run(self, kept, size=SIZE):
        return parts.resumed(self.compute, COUNT, SCHEMA, size=size, kept=kept, progress=self.reports.append)


def undisturbed():
    return Job().run(None)


def test_what_was_finished_is_not_computed_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Job(stop=9).run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-4.parquet", "4-8.parquet"]
    job = Job()
    assert job.run(tmp_path).equals(undisturbed())
    assert job.computed == [8, 9]
    assert job.reports == [8, 10]


def test_without_a_folder_nothing_is_kept_and_progress_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = Job()
    assert job.run(None)["image"].to_list() == list(range(COUNT))
    assert job.reports == [0, 2, 4, 6, 8, 10]
    assert not list(tmp_path.iterdir())


def test_a_job_whose_parts_are_all_there_computes_nothing(tmp_path):
    Job().run(tmp_path)
    job = Job(stop=0)
    assert job.run(tmp_path).equals(undisturbed())


@pytest.mark.parametrize("end", [0, 10, -1])
def test_a_torn_part_is_computed_again_and_the_others_are_not(tmp_path, end):
    Job().run(tmp_path)
    part = tmp_path / "4-8.parquet"
    part.write_bytes(part.read_bytes()[:end])
    job = Job()
    assert job.run(tmp_path).equals(undisturbed())
    assert job.computed == [4, 5, 6, 7]


def test_a_part_of_fewer_images_than_its_name_says_is_computed_again(tmp_path):
    Job().run(tmp_path)
    part = tmp_path / "4-8.parquet"
    parquet.write(parquet.read(part)[:2], SCHEMA, part)
    job = Job()
    assert job.run(tmp_path).equals(undisturbed())
    assert job.computed == [4, 5, 6, 7]


def test_parts_that_do_not_end_with_a_batch_are_refused():
    with pytest.raises(ValueError, match="4 rows in a part of 3 images"):
        Job().run(None, size=3)


def test_no_images_are_an_empty_frame_of_the_same_columns(tmp_path):
    found = parts.resumed(Job().compute, 0, SCHEMA, size=4, kept=tmp_path, progress=lambda _: None)
    assert found.schema == SCHEMA
    assert found.is_empty()


def test_parts_know_what_they_were_made_with(tmp_path):
    Job().run(tmp_path)
    assert parts.environments(tmp_path) == [environment()] * 3


def test_the_folder_lies_beside_the_output_under_all_that_decides(tmp_path):
    output = tmp_path / "model.parquet"
    folder = parts.folder(output, "lineage", ["a", "b"])
    assert folder.parent == tmp_path
    assert folder == parts.folder(str(output), "lineage", ["a", "b"])
    assert folder != parts.folder(output, "lineage", ["b", "a"])
    assert folder != parts.folder(tmp_path / "model.parquet2", "lineage", ["a", "b"])


def test_all_parts_of_an_output_are_removed_and_no_others(tmp_path):
    output, other = tmp_path / "a.parquet", tmp_path / "a.parquet.parquet"
    for path in (output, other):
        for lineage in ("1", "2"):
            Job().run(parts.folder(path, lineage))
    parts.remove(output)
    assert sorted(tmp_path.iterdir()) == sorted(parts.folder(other, lineage) for lineage in ("1", "2"))
