from mllm_classify.tables.labels_per_image import labels_per_image
from tests.dataset.reimagenet import box, written
from tests.tables.studies import STUDY, rows


def test_labels_boxes_and_attributes_are_counted(folder):
    records = [
        (5, [5], [box([5], (0, 0, 9, 9), "crowd_flag")]),
        (5, [6, 7], [box([6])] * 12),
        (836, [836, 837], []),
        (657, [5], []),
        (5, [-1], [box([-1])]),
    ]
    found, _ = written(folder, records)
    table = rows(labels_per_image(found, STUDY))
    shown = {(row["statistic"], row["value"]): (int(row["n"]), row["percent"]) for row in table if row["n"] != "0"}
    assert shown == {
        ("labels", "0"): (1, "20.00"),
        ("labels", "1"): (3, "60.00"),
        ("labels", "2"): (1, "20.00"),
        ("boxes", "0"): (2, "40.00"),
        ("boxes", "1"): (2, "40.00"),
        ("boxes", "10 and more"): (1, "20.00"),
        ("attribute", "Crowd"): (1, "20.00"),
        ("attribute", "none"): (4, "80.00"),
        ("other rule for classes in several groups", "changed"): (1, "20.00"),
    }
    assert [row["value"] for row in table if row["statistic"] == "labels"] == [*map(str, range(10)), "10 and more"]


def test_images_that_are_left_out_are_not_counted(folder):
    found, _ = written(folder, [(5, [5], [box([5])]), (5, [-1], [box([-1])])], uncertain="exclude")
    table = rows(labels_per_image(found, STUDY))
    assert sum(int(row["n"]) for row in table if row["statistic"] == "boxes") == 1
