import pytest

from tests.tables.studies import STUDY, rows_of, scored, worded


def test_table_4_has_every_task_and_its_difference_to_cw():
    frames = [
        worded("a", CW=("1100", "1110"), CWplus=("1110", "1111"), OW=("1000", "0110")),
        worded("b", OW=("1111", "0000")),
        scored("v", "CW", "1111", "1111", "S+ S+ S+ S+"),
    ]
    found = [
        [row[name] for name in ("model", "task", "ImGT_A", "ReGT_A", "change", "ImGT_A_vs_CW", "ReGT_S+_vs_CW")]
        for row in rows_of("table4", *frames)
    ]
    assert found == [
        ["Model A", "OW", "25.00", "50.00", "25.00", "-25.00", "-25.00"],
        ["Model A", "CW+", "75.00", "100.00", "25.00", "25.00", "25.00"],
        ["Model A", "CW", "50.00", "75.00", "25.00", "0.00", "0.00"],
        ["Model B", "OW", "100.00", "0.00", "-100.00", "", ""],
    ]


def test_table_4_counts_the_errors_of_each_task():
    frames = [
        scored("a", "OW", "1000", "1000", "S+ S+ M- N", status="-x-x"),
        scored("a", "CW", "0100", "0100", "S+ S+ M- N", status="x---"),
        scored("a", "CW+", "0110", "0100", "S+ S+ M- N", status="x---"),
    ]
    found = {row["task"]: row for row in rows_of("table4", *frames)}
    shown = ("n_errors", "ImGT_A_worst", "ImGT_A_best", "ReGT_A_worst", "ReGT_A_best")
    assert {task: [row[name] for name in shown] for task, row in found.items()} == {
        "OW": ["2", "25.00", "75.00", "25.00", "75.00"],
        "CW": ["1", "25.00", "50.00", "25.00", "50.00"],
        "CW+": ["1", "50.00", "75.00", "25.00", "50.00"],
    }


@pytest.mark.parametrize(
    ("n_images", "expected", "change"),
    [("correct", ["25.00", "50.00"], "0.00"), ("excluded", ["0.00", "33.33"], "-33.33")],
)
def test_table_4_and_ranking_follow_the_rule_for_images_without_a_label(n_images, expected, change):
    frames = [
        scored("a", "CW", "1100", "0001", "S+ S+ M- N"),
        scored("a", "CW+", "1100", "1001", "S+ S+ M- N"),
    ]
    study = STUDY._replace(n_images=n_images)
    found = {row["task"]: row for row in rows_of("table4", *frames, study=study)}
    assert [found[task]["ReGT_A"] for task in ("CW", "CW+")] == expected
    assert found["CW+"]["ReGT_A_vs_CW"] == f"{float(expected[1]) - float(expected[0]):.2f}"
    (row,) = rows_of("ranking", *frames, study=study)
    assert (row["ReGT_A"], row["change"], found["CW+"]["change"]) == (expected[1], change, change)
