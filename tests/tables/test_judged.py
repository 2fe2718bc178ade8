import polars as pl
import pytest

from mllm_classify.tables.judged import judged
from tests.tables.studies import MODELS, ONE_LABEL_SET, STUDY, images_of, rows, scored

JUDGING = {"judge": "J", "nearest": 5, "own": ["b"]}


def made(*frames, study=STUDY, models=MODELS):
    scores = pl.concat(frames)
    return rows(judged(scores, images_of(scores), models, study, 100, JUDGING))


def predicted(frame, *classes):
    return frame.with_columns(predicted=pl.Series([list(it) for it in classes], dtype=pl.List(pl.Int32)))


FRAMES = [
    predicted(scored("a", "OW", "1100", "1110", "S+ S+ M- N"), [1], [1], [2], [3]),
    predicted(scored("a", "OW judged", "1000", "1010", "S+ S+ M- N"), [1], [], [2], []),
    predicted(scored("a", "CW+", "1111", "1111", "S+ S+ M- N", oop="0011"), [1], [1], [2], [3]),
    predicted(scored("a", "CW+ judged", "1101", "1101", "S+ S+ M- N", oop="0011"), [1], [1], [], [3]),
    scored("a", "CW", "1100", "1100", "S+ S+ M- N", oop="0011"),
    predicted(scored("b", "OW", "1000", "1001", "S+ S+ M- N"), [1], [1], [2], [3]),
    predicted(scored("b", "OW judged", "1100", "1101", "S+ S+ M- N", status="---x"), [1], [1], [2], []),
]


def test_judged_stands_beside_nearest_with_its_change_ranks_and_answers_without_a_class():
    first, plus, other = made(*FRAMES)
    shown = ("model", "task", "ImGT_A", "ImGT_A_judged", "ImGT_change", "ReGT_A", "ReGT_A_judged", "ReGT_change",
             "ImGT_rank", "ImGT_rank_judged", "ReGT_rank", "ReGT_rank_judged", "OOP", "no_class", "is_judge", "judge", "nearest",
             "n")  # fmt: skip
    assert [[row[name] for name in shown] for row in (first, plus, other)] == [
        ["Model A", "OW judged", "50.00", "25.00", "-25.00", "75.00", "50.00", "-25.00", "1", "2", "1", "2", "", "50.00", "",
         "J", "5", "4"],
        ["Model A", "CW+ judged", "100.00", "75.00", "-25.00", "100.00", "75.00", "-25.00", "1", "1", "1", "1", "50.00", "25.00",
         "", "J", "5", "4"],
        ["Model B", "OW judged", "25.00", "50.00", "25.00", "50.00", "75.00", "25.00", "2", "1", "2", "1", "", "0.00",
         "own judge", "J", "5", "4"],
    ]  # fmt: skip
    for row in (first, plus, other):
        assert float(row["ImGT_change_low"]) <= float(row["ImGT_change"]) <= float(row["ImGT_change_high"])


def test_another_model_and_the_order_of_rows_change_no_accuracy():
    alone = made(*FRAMES[:5])
    both = made(*(frame.reverse() for frame in reversed(FRAMES)), models=MODELS.reverse())
    same = [name for name in alone[0] if "rank" not in name]
    assert [[row[name] for name in same] for row in both[:2]] == [[row[name] for name in same] for row in alone]


def test_without_a_second_label_set_its_columns_are_empty():
    frames = [predicted(scored("a", name, "110"), [1], [1], [1]) for name in ("OW", "OW judged")]
    (row,) = made(*frames, study=ONE_LABEL_SET)
    assert {row[name] for name in row if name.startswith("ReGT")} == {""}
    assert row["ImGT_change"] == "0.00"


def test_images_in_n_can_be_left_out():
    first, *_ = made(*FRAMES, study=STUDY._replace(n_images="excluded"))
    assert (first["ReGT_A"], first["ReGT_A_judged"]) == ("100.00", "66.67")
    assert float(first["ReGT_change"]) == pytest.approx(-33.33)


def test_variants_are_no_part_of_it():
    varied = FRAMES[0].with_columns(variant=pl.lit("hot"))
    assert made(*FRAMES, varied) == made(*FRAMES)
