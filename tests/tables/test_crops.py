import polars as pl

from mllm_classify.dataset.labels import LABELS
from mllm_classify.tables.crops import crops
from tests.tables.studies import MODELS, STUDY, rows, scored

IDS = ["a_crop_5_0", "a_crop_6_1", "b_crop_5_0", "b_crop_5_1", "c_crop_7_0"]
PIXELS = [10, 20, 30, 30, 5]


def test_largest_any_and_all(folder):
    """Of a's crops the larger is wrong; of b's equally large ones the first is right; c's only one is wrong."""
    labels = pl.DataFrame([{"image_id": it, "pixels": n} for it, n in zip(IDS, PIXELS, strict=True)], schema=LABELS)
    found = {row["measure"]: row for row in rows(crops(scored("v", "CW", "10100", images=IDS), labels, MODELS, STUDY))}
    assert {name: (row["accuracy"], row["n"], row["filled"]) for name, row in found.items()} == {
        "largest": ("33.33", "3", "100.00"),
        "any": ("66.67", "3", "100.00"),
        "all": ("40.00", "5", ""),
    }


def test_images_without_a_crop_count_as_right_where_all_are_counted(folder):
    ids = [f"image {number}_crop_1_0" for number in range(1000)]
    labels = pl.DataFrame([{"image_id": it, "pixels": 1} for it in ids], schema=LABELS)
    for right, expected in (("0" * 1000, "98.00"), ("01" * 500, "99.00")):
        found = rows(crops(scored("v", "CW", right, images=ids), labels, MODELS, STUDY))
        assert [row["filled"] for row in found] == [expected, expected, ""]
