"""What is said of rankings and of probabilities, on the demonstration: computed once more, plainly."""

import polars as pl
import pytest

from tests.plain.calibration import calibration, reliability, unlike
from tests.plain.main_answers import Files
from tests.plain.quality import label_quality, quality_precision
from tests.plain.top_k import top_k
from tests.workflow.study import Study


@pytest.fixture(scope="module")
def files(demonstration: Study) -> Files:
    config = demonstration.config
    results, encoder = demonstration.folder / "results", config["encoder"]["name"]
    return Files(results, config["models"], variants=config["variants"], encoder=encoder)


def by_row(rows: list[dict], *keys: str) -> list[dict]:
    return sorted(rows, key=lambda row: [str(row[key]) for key in keys])


def same(found: list[dict], wanted: list[dict]) -> bool:
    """Whether rows have the figures that are wanted, other columns aside."""
    return [{name: row[name] for name in other} for row, other in zip(found, wanted, strict=True)] == wanted


def test_the_first_k_of_rankings(demonstration: Study, files: Files) -> None:
    keys = ("model", "task", "k")
    assert same(by_row(demonstration.rows("top_k"), *keys), by_row(top_k(files, [1, 5]), *keys))


def test_calibration(demonstration: Study, files: Files) -> None:
    found = demonstration.rows("calibration")
    assert {row["scores"] for row in found} == {"as given", "temperature"}
    assert unlike(found, calibration(files)) == []
    bins = [row for row in demonstration.rows("reliability") if row["scores"] == "as given"]
    assert same(bins, reliability(files))


def test_how_doubtful_labels_are(demonstration: Study, files: Files) -> None:
    table = pl.read_parquet(demonstration.folder / "results/label_quality.parquet")
    keys = ("model", "image_id")
    found, wanted = by_row(table.to_dicts(), *keys), by_row(label_quality(files), *keys)
    assert len(found) == len(wanted) > 0
    for row, expected in zip(found, wanted, strict=True):
        assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert same(demonstration.rows("quality_precision"), quality_precision(table.to_dicts()))
