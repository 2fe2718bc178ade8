import csv
import io
import itertools
import math
import random
import re
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mllm_classify.measures.statistics import SEED
from mllm_classify.tables.tables import (
    SCORINGS,
    SUBSETS,
    Study,
    accuracies,
    as_markdown,
    fold,
    mcnemar,
    mustelidae,
    ranking,
    table2,
    table3,
    table4,
    table5,
    write,
)

from mllm_classify.config.dataset import Equivalences
from mllm_classify.dataset.classes import CLASSES, Lookup
from mllm_classify.dataset.equivalences import admissible, admits
from mllm_classify.dataset.labels import LABELS, category
from mllm_classify.io import parquet
from mllm_classify.mapping.mapping import MAPPING, map_answers
from mllm_classify.measures import clusters
from mllm_classify.measures.clusters import with_clusters
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.score.score import SCORES, predicted_by_ranking, predicted_by_text, score
from mllm_classify.tables.agreement import agreement, meanings
from mllm_classify.tables.protocols import protocols
from mllm_classify.tables.sensitivity import sensitivity
from tests import plain

RESAMPLES = 100
TABLES = {
    "table3": table3,
    "table4": table4,
    "table5": table5,
    "ranking": lambda scores, models, study, images=None: ranking(
        scores, images_of(scores) if images is None else images, models, study, RESAMPLES
    ),
}
"""Those that people read too."""
EVERY = TABLES | {
    "mcnemar": lambda scores, models, study: mcnemar(scores, images_of(scores), models, study),
    "accuracy": lambda scores, models, study, images=None: accuracies(
        scores, images_of(scores) if images is None else images, models, study, RESAMPLES
    ),
}
STUDY = Study("data", "Old labels", "New labels", "pairs.v1", "names.txt (10)")
ONE_LABEL_SET = STUDY._replace(regt=None, equivalences=None)
STUDY_COLUMNS = ["dataset", "imgt", "regt", "equivalences", "classes", "n_images", "excluded"]
HEADERS = {
    "table2": "statistic,A,S,S+,S-,M,M+,M-,N",
    "table3": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-,ImGT_and_ReGT",
    "table4": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-",
    "table5": "model,A,S,S+,S-,M,M+,M-,N",
}
ACCURACIES = HEADERS["table3"].split(",")[2:]
HEADERS["ranking"] = "model,task,ImGT_A,ImGT_A_rank,ImGT_A_rank_low,ImGT_A_rank_high,ReGT_A,ReGT_A_rank"
FIRST, SECOND = ["i1", "i3", "i5", "i8"], ["i0", "i2", "i4", "i6"]
"""Images of the two halves between which tasks are chosen."""
MODELS = pl.DataFrame(
    [
        {"model": "a", "label": "Model A", "family": "MLLM"},
        {"model": "b", "label": "Model B", "family": "MLLM"},
        {"model": "v", "label": "Vision", "family": "supervised"},
        {"model": "w", "label": "Vision 2", "family": "supervised"},
    ]
)


def images_of(scores):
    """The images that any model has."""
    return scores.select("image_id", "category").unique("image_id")


STATUS = {"-": "ok", "x": "error", "e": "empty", "s": "several"}


def scored(model, scoring, imgt, regt=None, categories=None, oop=None, images=None, expert=None, status=None):
    """Scores of one model from strings of 0 and 1, one sign per image, and from categories in words.

    Of statuses, there are the signs of STATUS.
    """
    count = len(imgt)
    flags = [
        [None] * count if signs is None else [{"0": False, "1": True}.get(sign) for sign in signs]
        for signs in (imgt, regt, oop, expert)
    ]
    return pl.DataFrame(
        {
            "model": model,
            "image_id": images or [f"i{number}" for number in range(count)],
            "task": scoring.removesuffix("+"),
            "variant": "",
            "repeat": 0,
            "encoder": None,
            "scoring": scoring,
            "status": [STATUS[sign] for sign in status or "-" * count],
            "oop": flags[2],
            "imgt": flags[0],
            "regt": flags[1],
            "category": categories.split() if categories else [None] * count,
            "expert": flags[3],
        },
        schema=SCORES,
    )


def worded(model, **imgt_and_regt):
    """Scores of a model that answers in words: (imgt, regt) under OW, CW and CWplus; all images are S+."""
    frames = [
        scored(model, name.replace("plus", "+"), imgt, regt, " ".join(["S+"] * len(imgt)))
        for name, (imgt, regt) in imgt_and_regt.items()
    ]
    return pl.concat(frames)


def rows(table):
    """The CSV file's rows as text."""
    figures = table if isinstance(table, pl.DataFrame) else table.figures
    return list(csv.DictReader(io.StringIO(figures.write_csv())))


def made(table, *frames, models=MODELS, study=STUDY):
    return rows(EVERY[table](pl.concat(frames), models, study))


def test_table_2_is_the_papers():
    """But for M-: 1,078 of 31,250 are 3.4496 %, which the paper prints as 3.5."""
    counts = {"S+": 16177, "S-": 1894, "M+": 10756, "M-": 1078, "N": 1345}
    names = [name for name, count in counts.items() for _ in range(count)]
    count, percent = rows(table2(pl.Series(names), STUDY))
    assert list(count.values())[:9] == ["count", "31250", "18071", "16177", "1894", "11834", "10756", "1078", "1345"]
    assert list(percent.values())[:9] == ["percent", "100.0", "57.8", "51.8", "6.1", "37.9", "34.4", "3.4", "4.3"]


def test_table_2_without_a_second_label_set_has_the_total_only():
    for row, total in zip(
        rows(table2(pl.Series([None, None], dtype=pl.String), ONE_LABEL_SET)), ["2", "100.0"], strict=True
    ):
        assert [row[name] for name in SUBSETS] == [total, "", "", "", "", "", "", ""]


@given(st.lists(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), min_size=1))
def test_table_2_parts_the_images(names):
    count = {name: int(value) for name, value in rows(table2(pl.Series(names), STUDY))[0].items() if name in SUBSETS}
    assert count["A"] == len(names) == count["S"] + count["M"] + count["N"]
    assert count["S"] == count["S+"] + count["S-"]
    assert count["M"] == count["M+"] + count["M-"]


@pytest.mark.parametrize("table", HEADERS)
def test_the_first_columns_are_the_papers(table):
    frame = pl.concat([worded("a", OW=("1", "1"), CW=("1", "1"), CWplus=("1", "1")), scored("v", "CW", "1", "1", "S+")])
    made_table = table2(pl.Series(["N"]), STUDY) if table == "table2" else TABLES[table](frame, MODELS, STUDY)
    assert made_table.figures.write_csv().startswith(HEADERS[table] + ",")


def test_table_3_on_nine_images():
    frame = scored("v", "CW", "110100110", "101110010", "S+ S+ S- M+ M+ M- M- N N")
    (row,) = made("table3", frame)
    expected = {
        "model": "Vision",
        "task": "CW",
        "family": "supervised",
        "ImGT_A": "55.56",
        "ReGT_A": "55.56",
        "ReGT_S": "66.67",
        "ReGT_S+": "50.00",
        "ReGT_S-": "100.00",
        "ReGT_M": "50.00",
        "ReGT_M+": "100.00",
        "ReGT_M-": "0.00",
        "ImGT_and_ReGT": "33.33",
        "change": "0.00",
        "selection": "only task",
        "crossfit_task": "CW",
        "crossfit_ImGT_A": "55.56",
        "crossfit_ReGT_A": "55.56",
        "dataset": "data",
        "imgt": "Old labels",
        "regt": "New labels",
        "equivalences": "pairs.v1",
        "classes": "names.txt (10)",
        "n_images": "correct",
        "excluded": "0",
        "n": "9",
        "n_errors": "0",
        **{f"{name}_A_{case}": "55.56" for name in ("ImGT", "ReGT") for case in ("worst", "best")},
        **{f"{name}_rank": "1" for name in ACCURACIES},
        **dict(zip([f"n_{name}" for name in SUBSETS if name != "A"], "3214222", strict=True)),
    }
    assert {name: value for name, value in row.items() if not name.endswith(("_low", "_high"))} == expected


def test_an_empty_category_has_empty_cells():
    frame = pl.concat([worded("a", OW=("10", "10"), CW=("00", "00"), CWplus=("00", "00"))])
    (row,) = made("table3", frame)
    for name in ("ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"):
        assert [row[name + end] for end in ("", "_rank", "_low", "_high")] == ["", "", "", ""]
    assert (row["n_M"], row["n_N"]) == ("0", "0")
    assert {row["ReGT_M"] + row["ReGT_M_vs_CW"] for row in made("table4", frame)} == {""}
    (row,) = made("table5", scored("a", "CW", "10", "10", "S+ S+", oop="01"))
    assert [row[name] for name in SUBSETS] == ["50.0", "50.0", "50.0", "", "", "", "", ""]


@pytest.mark.parametrize("table", ["table3", "table4", "table5", "ranking"])
def test_without_a_second_label_set_its_columns_are_empty(table):
    frames = [scored("a", name, "110", oop=oop) for name, oop in (("OW", None), ("CW", "100"), ("CW+", "100"))]
    found = made(table, *frames, scored("v", "CW", "110"), study=ONE_LABEL_SET)
    assert found
    for row in found:
        empty = {
            name for name in row if name.startswith(("ReGT", "change", "tau")) or name in ("ImGT_and_ReGT", *SUBSETS)
        }
        assert {row[name] for name in (empty - {"A"}) | {"regt", "equivalences"}} == {""}
        assert row.get("ImGT_A", "66.67") == "66.67"
        assert row.get("ImGT_A_rank", "1") == "1"
        assert row.get("A", "33.3") == "33.3"
        assert row["n"] == "3"


def test_without_a_second_label_set_comparisons_and_accuracies_are_under_the_first_only():
    frames = [scored("a", "OW", "110"), scored("v", "CW", "011")]
    (row,) = made("mcnemar", *frames, study=ONE_LABEL_SET)
    assert (row["measure"], row["n"], row["regt"]) == ("ImGT", "3", "")
    found = made("accuracy", *frames, study=ONE_LABEL_SET)
    assert [(row["model"], row["measure"], row["subset"], row["correct"], row["n"]) for row in found] == [
        ("Model A", "ImGT", "A", "2", "3"),
        ("Vision", "ImGT", "A", "2", "3"),
    ]


def test_rows_ascend_by_imgt_then_regt_then_name():
    frames = [
        scored("w", "CW", "0111", "1111", "S+ S+ S+ N"),
        scored("v", "CW", "1100", "1111", "S+ S+ S+ N"),
        worded("b", CWplus=("1100", "1101")),
        worded("a", OW=("0011", "0111")),
    ]
    found = made("table3", *frames)
    assert [row["model"] for row in found] == ["Model A", "Model B", "Vision", "Vision 2"]
    assert [row["ImGT_A"] for row in found] == ["50.00", "50.00", "50.00", "75.00"]


def test_ranks_are_dense_per_column_from_the_highest():
    regt = {"a": "11100", "b": "00111", "v": "01110", "w": "11111"}
    frames = [
        scored(model, "CW", "1" * n + "0" * (5 - n), regt[model], "S+ S+ S+ M- M-") for n, model in enumerate(regt)
    ]
    found = {row["model"]: row for row in made("table3", *frames)}
    ranks = {
        name: [found[label][f"{name}_rank"] for label in ("Model A", "Model B", "Vision", "Vision 2")]
        for name in ("ImGT_A", "ReGT_A", "ReGT_S", "ReGT_M", "ReGT_S-")
    }
    assert ranks == {
        "ImGT_A": ["4", "3", "2", "1"],
        "ReGT_A": ["2", "2", "2", "1"],
        "ReGT_S": ["1", "3", "2", "1"],
        "ReGT_M": ["3", "1", "2", "1"],
        "ReGT_S-": ["", "", "", ""],
    }


def test_equal_shares_of_unequal_counts_tie():
    found = made(
        "table3", scored("v", "CW", "100", "100", "S+ S+ S+"), scored("w", "CW", "110000", "110000", "S+ " * 6)
    )
    assert [row["ImGT_A_rank"] for row in found] == ["1", "1"]


@pytest.mark.parametrize(
    ("ow", "cw_plus", "task"),
    [
        (("110", "000"), ("100", "111"), "OW"),
        (("100", "111"), ("110", "000"), "CW+"),
        (("100", "100"), ("010", "110"), "CW+"),
        (("100", "110"), ("010", "100"), "OW"),
        (("100", "010"), ("001", "100"), "OW"),
        (None, ("000", "000"), "CW+"),
        (("000", "000"), None, "OW"),
    ],
)
def test_table_3_shows_the_better_task_by_imgt_then_regt_then_ow(ow, cw_plus, task):
    found = {name: value for name, value in (("CWplus", cw_plus), ("OW", ow)) if value}
    plain_cw = {} if cw_plus is None else {"CW": ("111", "111")}
    (row,) = made("table3", worded("a", **found, **plain_cw))
    assert row["task"] == task
    assert row["selection"] == "best ImGT_A of OW and CW+ on these same images (optimistic)"


def test_the_better_task_is_chosen_on_the_images_of_which_both_were_asked():
    """A pilot of CW on the first two images: there OW is right once, CW+ never; on all four OW is right once."""
    frames = [scored("a", "OW", "1000", "1000", "S+ " * 4), scored("a", "CW+", "00", "00", "S+ S+")]
    (row,) = made("table3", *frames)
    assert (row["task"], row["ImGT_A"], row["n"]) == ("OW", "25.00", "4")
    frames = [scored("a", "OW", "1011", "1011", "S+ " * 4), scored("a", "CW+", "11", "11", "S+ S+")]
    (row,) = made("table3", *frames)
    assert (row["task"], row["ImGT_A"], row["n"]) == ("CW+", "100.00", "2")


def test_halves_are_fixed_by_the_images_ids():
    assert [fold(f"i{number}") for number in range(9)] == [1, 0, 1, 0, 1, 0, 1, 1, 0]
    assert {fold(image) for image in FIRST} == {0}
    assert {fold(image) for image in SECOND} == {1}


def crossfit(images, **imgt):
    frames = [
        scored("a", name.replace("plus", "+"), signs, signs, "S+ " * len(images), images=images)
        for name, signs in imgt.items()
    ]
    (row,) = made("table3", *frames)
    return [row["crossfit_task"], row["crossfit_ImGT_A"], row["crossfit_ReGT_A"]]


def test_each_half_is_scored_by_the_task_that_is_best_on_the_other():
    images = [*FIRST, *SECOND]
    assert crossfit(images, OW="11100000", CWplus="00011110") == ["CW+ / OW", "12.50", "12.50"]
    assert crossfit(images, OW="00001110", CWplus="11110001") == ["OW / CW+", "12.50", "12.50"]
    assert crossfit(images, OW="11101110", CWplus="11001000") == ["OW", "75.00", "75.00"]
    assert crossfit(images, CWplus="11001000") == ["CW+", "37.50", "37.50"]


def test_a_tie_on_the_other_half_goes_to_ow():
    assert crossfit([*FIRST, *SECOND], CWplus="11110000", OW="00000000") == ["OW / CW+", "0.00", "0.00"]


@pytest.mark.parametrize("images", [FIRST, SECOND])
def test_without_another_half_there_is_no_cross_fit(images):
    assert crossfit(images, OW="1110", CWplus="1000") == ["", "", ""]


def test_table_4_has_every_task_and_its_difference_to_cw():
    frames = [
        worded("a", CW=("1100", "1110"), CWplus=("1110", "1111"), OW=("1000", "0110")),
        worded("b", OW=("1111", "0000")),
        scored("v", "CW", "1111", "1111", "S+ S+ S+ S+"),
    ]
    found = [
        [row[name] for name in ("model", "task", "ImGT_A", "ReGT_A", "change", "ImGT_A_vs_CW", "ReGT_S+_vs_CW")]
        for row in made("table4", *frames)
    ]
    assert found == [
        ["Model A", "OW", "25.00", "50.00", "25.00", "-25.00", "-25.00"],
        ["Model A", "CW+", "75.00", "100.00", "25.00", "25.00", "25.00"],
        ["Model A", "CW", "50.00", "75.00", "25.00", "0.00", "0.00"],
        ["Model B", "OW", "100.00", "0.00", "-100.00", "", ""],
    ]


def test_table_5_is_the_share_of_out_of_prompt_answers_per_category():
    categories = "S+ S+ S- M+ M- M- N"
    frames = [
        scored("a", "CW", "0000000", "0000000", categories, oop="1001010"),
        scored("a", "CW+", "0000000", "0000000", categories, oop="1111111"),
        scored("b", "CW", "0000000", "0000000", categories, oop="0000001"),
        scored("b", "OW", "0000000", "0000000", categories),
        scored("v", "CW", "0000000", "0000000", categories),
    ]
    found = [[row[name] for name in ("model", *SUBSETS)] for row in made("table5", *frames)]
    assert found == [
        ["Model B", "14.3", "0.0", "0.0", "0.0", "0.0", "0.0", "0.0", "100.0"],
        ["Model A", "42.9", "33.3", "50.0", "0.0", "66.7", "100.0", "50.0", "0.0"],
    ]


def test_errors_are_wrong_and_at_best_all_of_them_were_right():
    """Of nine images three are errors, one of them without a label; two more are right under each label set."""
    frame = scored("v", "CW", "100000010", "010000010", "S+ S+ S- M+ M+ M- M- N N", status="---x-x--x")
    (row,) = made("table3", frame)
    shown = ("n_errors", "ImGT_A", "ImGT_A_worst", "ImGT_A_best", "ReGT_A", "ReGT_A_worst", "ReGT_A_best")
    assert [row[name] for name in shown] == ["3", "22.22", "22.22", "55.56", "22.22", "22.22", "55.56"]
    (row,) = made("table3", frame, study=STUDY._replace(n_images="excluded"))
    # of the seven images with a label, one is right and two are errors
    assert [row[name] for name in shown] == ["3", "22.22", "22.22", "55.56", "14.29", "14.29", "42.86"]


def test_table_4_counts_the_errors_of_each_task():
    frames = [
        scored("a", "OW", "1000", "1000", "S+ S+ M- N", status="-x-x"),
        scored("a", "CW", "0100", "0100", "S+ S+ M- N", status="x---"),
        scored("a", "CW+", "0110", "0100", "S+ S+ M- N", status="x---"),
    ]
    found = {row["task"]: row for row in made("table4", *frames)}
    shown = ("n_errors", "ImGT_A_worst", "ImGT_A_best", "ReGT_A_worst", "ReGT_A_best")
    assert {task: [row[name] for name in shown] for task, row in found.items()} == {
        "OW": ["2", "25.00", "75.00", "25.00", "75.00"],
        "CW": ["1", "25.00", "50.00", "25.00", "50.00"],
        "CW+": ["1", "50.00", "75.00", "25.00", "50.00"],
    }


def test_without_a_second_label_set_errors_have_no_range_under_it():
    (row,) = made("table3", scored("v", "CW", "100", status="--x"), study=ONE_LABEL_SET)
    shown = ("n_errors", "ImGT_A_worst", "ImGT_A_best", "ReGT_A_worst", "ReGT_A_best")
    assert [row[name] for name in shown] == ["1", "33.33", "66.67", "", ""]


@pytest.mark.parametrize("table", ["table3", "table4"])
@pytest.mark.parametrize("status", ["---", "-xx", "es-"])
def test_people_see_errors_only_where_there_are_any(table, status):
    frames = [scored("a", name, "100", "110", "S+ S+ N", oop="001", status=status) for name in ("OW", "CW", "CW+")]
    shown = as_markdown(TABLES[table](pl.concat(frames), MODELS, STUDY))
    assert ("| Errors |" in re.sub(" +", " ", shown)) == ("x" in status)
    assert ("ReGT at best" in shown) == ("x" in status)
    assert ("They count as wrong" in shown) == ("x" in status)


def test_table_5_counts_empty_answers_and_lists_of_names_and_leaves_errors_out():
    frame = scored("a", "CW", "000000", "000000", "S+ S+ S- M+ M- N", oop="11 101", status="esx--s")
    (row,) = made("table5", frame)
    assert [row[name] for name in ("n", "n_empty", "n_several", "A", "S+", "S-", "N")] == [
        "5", "1", "2", "80.0", "100.0", "", "100.0",
    ]  # fmt: skip
    assert "n_errors" not in row


SIGNS = st.lists(
    st.tuples(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), *[st.booleans()] * 3), min_size=1,
    max_size=20,
)  # fmt: skip


@given(SIGNS, st.sampled_from(["correct", "excluded"]))
@settings(max_examples=30)
def test_worst_is_what_is_shown_and_best_is_that_without_a_wrong_error(images, n_images):
    """Errors that are all right change the accuracy to the best."""
    status = "".join("-x"[image[3]] for image in images)
    categories = " ".join(image[0] for image in images)
    signs = ["".join("01"[image[place] and not image[3]] for image in images) for place in (1, 2)]
    forgiven = ["".join("01"[image[place] or image[3]] for image in images) for place in (1, 2)]
    study = STUDY._replace(n_images=n_images)
    (row,) = made("table3", scored("v", "CW", *signs, categories, status=status), study=study)
    (best,) = made("table3", scored("v", "CW", *forgiven, categories), study=study)
    for name in ("ImGT_A", "ReGT_A"):
        assert row[f"{name}_worst"] == row[name]
        assert row[f"{name}_best"] == best[name] == best[f"{name}_worst"] == best[f"{name}_best"]


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=25)
def test_intervals_are_wilsons(counts):
    correct, total = counts
    signs = "1" * correct + "0" * (total - correct)
    (row,) = made("table3", scored("v", "CW", signs, signs, "S+ " * total))
    z = 1.9599639845400545
    p = correct / total
    middle = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    for name in ("ImGT_A", "ReGT_A", "ReGT_S+", "ImGT_and_ReGT"):
        assert float(row[f"{name}_low"]) == pytest.approx(100 * (middle - half), abs=0.00501)
        assert float(row[f"{name}_high"]) == pytest.approx(100 * (middle + half), abs=0.00501)
        assert 0 <= float(row[f"{name}_low"]) <= float(row[name]) <= float(row[f"{name}_high"]) <= 100


IMAGE = st.tuples(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), st.booleans(), st.booleans())


def from_images(images):
    """A vision model's scores; on N it is right under ReGT."""
    signs = ["".join("01"[image[place]] for image in images) for place in (1, 2)]
    signs[1] = "".join("1" if image[0] == "N" else sign for image, sign in zip(images, signs[1], strict=True))
    return scored("v", "CW", *signs, " ".join(image[0] for image in images))


@given(st.lists(IMAGE, min_size=1, max_size=20), st.randoms())
@settings(max_examples=30)
def test_the_whole_is_the_sum_of_its_parts_in_any_order_of_images(images, order):
    (row,) = made("table3", from_images(images))

    def correct(name, subset):
        return round(Fraction(row[name] or 0) * int(row["n" if subset == "A" else f"n_{subset}"]) / 100)

    assert correct("ReGT_S", "S") == correct("ReGT_S+", "S+") + correct("ReGT_S-", "S-")
    assert correct("ReGT_M", "M") == correct("ReGT_M+", "M+") + correct("ReGT_M-", "M-")
    assert correct("ReGT_A", "A") == correct("ReGT_S", "S") + correct("ReGT_M", "M") + int(row["n_N"])
    shuffled = from_images(images).sample(fraction=1, shuffle=True, seed=order.randrange(2**32))
    assert made("table3", shuffled) == [row]


def random_frames(seed, images=8, models="ab", rankers="v"):
    """Scores of models that answer in words and of others, on the same images."""
    rng = random.Random(seed)

    def signs():
        return "".join(rng.choice("01") for _ in range(images))

    names = " ".join(rng.choices(["S+", "S-", "M+", "M-", "N"], k=images))
    frames = [
        scored(model, name, signs(), signs(), names, oop=None if name == "OW" else signs())
        for model in models
        for name in ("OW", "CW", "CW+")
    ]
    return frames + [scored(model, "CW", signs(), signs(), names) for model in rankers]


OF_ALL_MODELS = ("rank", "tau", "p_holm", "tests")
"""Parts of names of columns that another model changes."""


def own(found, without="Vision 2"):
    """What rows have for themselves, but those of one model."""
    return [
        {name: value for name, value in row.items() if not any(part in name for part in OF_ALL_MODELS)}
        for row in found
        if without not in row.values()
    ]


@pytest.mark.parametrize("table", EVERY)
def test_the_order_of_models_and_images_changes_nothing_and_another_model_no_accuracy(table):
    *frames, another = random_frames(table, images=40, rankers="vw")
    found = made(table, *frames)
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=1) for frame in frames]
    assert made(table, *reversed(shuffled), models=MODELS.reverse()) == found
    assert own(made(table, *frames, another)) == own(found)
    if table not in ("table4", "table5"):
        assert len(made(table, *frames, another)) > len(found)


@pytest.mark.parametrize("table", EVERY)
def test_another_model_with_more_images_changes_no_accuracy(table):
    *frames, another = random_frames(table, images=20, rankers="vw")
    frames = [frame.filter(pl.col("image_id") != "i7") for frame in frames]
    drawn = [images_of(another)] if table in ("ranking", "accuracy") else []
    with_it, without = (
        rows(EVERY[table](pl.concat(each), MODELS, STUDY, *drawn)) for each in ([*frames, another], frames)
    )
    assert own(with_it) == own(without)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("regt", ["101", None])
def test_every_table_is_written_in_four_forms_with_its_labels_unharmed(tmp_path, table, regt):
    categories = "S+ M- N" if regt else None
    frames = [scored("a", name, "110", regt, categories, oop="100") for name in ("OW", "CW", "CW+")]
    models = MODELS.with_columns(label=pl.col("label").replace("Model A", 'A|B & C_D <E>, "5 %"'))
    study = STUDY if regt else ONE_LABEL_SET
    write(TABLES[table](pl.concat(frames), models, study), tmp_path / "t.csv")
    shown = {
        "csv": '"A|B & C_D <E>, ""5 %"""',
        "md": 'A\\|B & C_D \\<E>, "5 %"',
        "html": "A|B &amp; C_D &lt;E&gt;,",
        "tex": "A|B \\& C\\_D \\textless{}E\\textgreater{},",
    }
    assert {path.name for path in tmp_path.iterdir()} == {f"t.{suffix}" for suffix in shown}
    for suffix, label in shown.items():
        assert label in (tmp_path / f"t.{suffix}").read_text()


@pytest.mark.parametrize("table", ["table4", "table5"])
def test_without_a_model_that_answers_in_words_a_table_is_its_header(tmp_path, table):
    write(TABLES[table](scored("v", "CW", "1", "1", "S+"), MODELS, STUDY), tmp_path / "t.csv")
    (header,) = (tmp_path / "t.csv").read_text().splitlines()
    assert header.startswith(HEADERS[table] + ",")
    assert header.split(",")[-7:] == STUDY_COLUMNS
    assert ("Task" if table == "table4" else "M-") in (tmp_path / "t.md").read_text()


SMALL = [scored("a", "OW", "1100", "1111", "S+ S+ M- N"), scored("v", "CW", "0111", "0101", "S+ S+ M- N")]
"""Two rows on four images. Under ReGT, Vision is right on one S+, wrong on M-, right on N."""


@pytest.mark.parametrize("table", ["table2", *EVERY, "mustelidae"])
def test_every_table_says_what_it_is_of(table):
    study = STUDY._replace(excluded=3)
    if table == "table2":
        found = rows(table2(pl.Series(["S+", "N"]), study))
    elif table == "mustelidae":
        found = rows(weasels(scored("a", "CW", "1100", expert="1011"), study=study)[1])
    else:
        found = made(table, *SMALL, scored("a", "CW", "1100", "1111", "S+ S+ M- N", oop="0000"), study=study)
    assert found
    for row in found:
        assert row["n"].isdecimal()
        assert "n_A" not in row
        expected = [name for name in STUDY_COLUMNS if table != "accuracy" or name != "n_images"]
        assert list(row)[-len(expected) :] == expected
        values = ["data", "Old labels", "New labels", "pairs.v1", "names.txt (10)", "correct", "3"]
        assert [row[name] for name in expected] == [
            value for name, value in zip(STUDY_COLUMNS, values, strict=True) if name in expected
        ]


@pytest.mark.parametrize("table", [*TABLES, "mustelidae"])
@pytest.mark.parametrize("suffix", ["md", "html", "tex"])
def test_renderings_name_the_study_and_its_label_sets(tmp_path, table, suffix):
    study = STUDY._replace(excluded=3)
    if table == "mustelidae":
        content = weasels(scored("a", "CW", "1100", expert="1011"), study=study)[1]
    else:
        content = TABLES[table](
            pl.concat([*SMALL, scored("a", "CW", "1100", "1111", "S+ S+ M- N", oop="0000")]), MODELS, study
        )
    write(content, tmp_path / "t.csv")
    text = (tmp_path / f"t.{suffix}").read_text()
    for name in (
        "data",
        "ImGT: Old labels",
        "equivalences: pairs.v1",
        "classes: names.txt (10)",
        "3 images with an open",
    ):
        assert name in text
    assert "ReGT: New labels" in text
    if table != "table5":
        cell = {"md": "| ImGT (Old labels) |", "html": ">ImGT (Old labels)</th>", "tex": "& ImGT (Old labels) &"}[
            suffix
        ]
        assert cell in re.sub(" +", " ", text)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_a_second_label_set_or_equivalences_says_so(tmp_path, table):
    frames = [scored("a", name, "110", oop=oop) for name, oop in (("OW", None), ("CW", "100"))]
    write(TABLES[table](pl.concat(frames), MODELS, ONE_LABEL_SET), tmp_path / "t.csv")
    for suffix in ("md", "html", "tex"):
        text = (tmp_path / f"t.{suffix}").read_text()
        assert "ReGT: none; equivalences: none" in text
        assert "left out" not in text


def header(table):
    """The headings of its Markdown."""
    line = next(line for line in as_markdown(table).splitlines() if line.startswith("|"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("table", TABLES)
def test_a_row_of_fewer_images_has_its_own_number(table):
    """Markdown has a column for it only where rows differ, and the subtitle says between what."""
    frames = [
        scored("a", "CW", "110", "111", "S+ M+ N", oop="100"),
        scored("a", "CW+", "110", "111", "S+ M+ N", oop="100"),
    ]
    fewer = [scored("b", name, "10", "11", "S+ N", oop="01", images=["i0", "i2"]) for name in ("CW", "CW+")]
    alike, unlike = (TABLES[table](pl.concat(each), MODELS, STUDY) for each in (frames, frames + fewer))
    assert "n" not in header(alike)
    assert alike.subtitle.endswith("; n = 3")
    assert "n" in header(unlike)
    assert unlike.subtitle.endswith("; n = 2 to 3")
    assert {row["model"]: row["n"] for row in rows(unlike)} == {"Model A": "3", "Model B": "2"}
    if table == "table3":
        assert {row["model"]: row["ImGT_A"] for row in rows(unlike)} == {"Model A": "66.67", "Model B": "50.00"}
        assert {row["model"]: row["n_M"] for row in rows(unlike)} == {"Model A": "1", "Model B": "0"}


def test_excluded_images_without_a_label_are_in_no_accuracy_under_the_second_set():
    frame = scored("v", "CW", "110100110", "101110010", "S+ S+ S- M+ M+ M- M- N N")
    (row,) = made("table3", frame, study=STUDY._replace(n_images="excluded"))
    shown = (
        "ImGT_A",
        "ReGT_A",
        "ReGT_S",
        "ReGT_M",
        "ImGT_and_ReGT",
        "change",
        "crossfit_ReGT_A",
        "n",
        "n_N",
        "n_images",
    )
    assert [row[name] for name in shown] == [
        "55.56", "57.14", "66.67", "50.00", "28.57", "1.59", "57.14", "9", "2", "excluded",
    ]  # fmt: skip
    low, high = plain.statistics.wilson(4, 7)
    assert (row["ReGT_A_low"], row["ReGT_A_high"]) == (f"{low:.2f}", f"{high:.2f}")


@pytest.mark.parametrize(("n_images", "expected"), [("correct", ["25.00", "50.00"]), ("excluded", ["0.00", "33.33"])])
def test_table_4_and_ranking_follow_the_rule_for_images_without_a_label(n_images, expected):
    frames = [
        scored("a", "CW", "1100", "0001", "S+ S+ M- N"),
        scored("a", "CW+", "1100", "1001", "S+ S+ M- N"),
    ]
    study = STUDY._replace(n_images=n_images)
    found = {row["task"]: row for row in made("table4", *frames, study=study)}
    assert [found[task]["ReGT_A"] for task in ("CW", "CW+")] == expected
    assert found["CW+"]["ReGT_A_vs_CW"] == f"{float(expected[1]) - float(expected[0]):.2f}"
    (row,) = made("ranking", *frames, study=study)
    assert (row["ReGT_A"], row["change"]) == (expected[1], f"{float(expected[1]) - 50:.2f}")


@pytest.mark.parametrize("table", TABLES)
def test_where_every_image_is_without_a_label_and_those_are_excluded_nothing_is_known(table):
    frames = [scored(model, name, "10", "11", "N N", oop="01") for model in "ab" for name in ("CW", "CW+")]
    for row in made(table, *frames, study=STUDY._replace(n_images="excluded")):
        shown = {name: value for name, value in row.items() if name.startswith(("ReGT_A", "change", "tau"))}
        assert set(shown.values()) <= {""}
        assert row["n"] == "2"


def test_the_tie_between_tasks_is_broken_by_the_accuracy_that_is_shown():
    """Answers that ended in errors on images in N count against OW only where those images count."""
    frames = [scored("a", "OW", "1000", "1000", "S+ S+ N N"), scored("a", "CW+", "0100", "0011", "S+ S+ N N")]
    tasks = {
        n_images: [
            made(table, *frames, study=STUDY._replace(n_images=n_images))[0]["task"] for table in ("table3", "ranking")
        ]
        for n_images in ("correct", "excluded")
    }
    assert tasks == {"correct": ["CW+", "CW+"], "excluded": ["OW", "OW"]}


def long(*frames, study=STUDY, resamples=RESAMPLES):
    """Rows of the accuracies, by model, task, measure, rule and subset."""
    found = accuracies(pl.concat(frames), images_of(pl.concat(frames)), MODELS, study, resamples).to_dicts()
    key = ("model", "task", "measure", "n_images", "subset")
    by_key = {tuple(row[name] for name in key): row for row in found}
    assert len(by_key) == len(found)
    return by_key


def test_accuracies_of_four_images():
    found = long(*SMALL)
    assert {
        key[2:]: (row["correct"], row["n"], round(row["accuracy"], 2))
        for key, row in found.items()
        if key[0] == "Vision"
    } == {
        ("ImGT", None, "A"): (3, 4, 75),
        ("ImGT", None, "S"): (1, 2, 50),
        ("ImGT", None, "S+"): (1, 2, 50),
        ("ImGT", None, "M"): (1, 1, 100),
        ("ImGT", None, "M-"): (1, 1, 100),
        ("ImGT", None, "N"): (1, 1, 100),
        ("ReGT", "correct", "A"): (2, 4, 50),
        ("ReGT", "excluded", "A"): (1, 3, 33.33),
        ("ReGT", "correct", "S"): (1, 2, 50),
        ("ReGT", "correct", "S+"): (1, 2, 50),
        ("ReGT", "correct", "M"): (0, 1, 0),
        ("ReGT", "correct", "M-"): (0, 1, 0),
        ("ImGT and ReGT", "correct", "A"): (2, 4, 50),
        ("ImGT and ReGT", "excluded", "A"): (1, 3, 33.33),
        ("change", "correct", "A"): (None, 4, -25),
        ("change", "excluded", "A"): (None, 3, -41.67),
    }
    assert {row["wilson_low"] for key, row in found.items() if key[2] == "change"} == {None}


def test_accuracies_do_not_depend_on_the_rule_of_the_study():
    assert long(*SMALL) == long(*SMALL, study=STUDY._replace(n_images="excluded"))


@given(st.lists(IMAGE, min_size=1, max_size=20))
@settings(max_examples=30)
def test_reals_accuracy_is_over_images_with_a_label(images):
    """Beyer et al. (2020): the share of images whose top prediction is among its labels; those without are left out."""
    found = long(from_images(images), resamples=2)
    right = [regt for name, _, regt in images if name != "N"]
    row = found.get(("Vision", "CW", "ReGT", "excluded", "A"))
    assert (row is None) == (not right)
    if row:
        assert (row["correct"], row["n"]) == (sum(right), len(right))
        assert row["accuracy"] == pytest.approx(100 * sum(right) / len(right))
        assert found["Vision", "CW", "ReGT", "correct", "A"]["accuracy"] >= row["accuracy"]


@given(st.lists(IMAGE, min_size=1, max_size=20))
@settings(max_examples=30)
def test_accuracy_over_all_images_is_the_weighted_mean_of_its_parts(images):
    found = long(from_images(images), resamples=2)
    for measure, rule, whole, parts in [
        ("ReGT", "correct", "S", ["S+", "S-"]),
        ("ReGT", "correct", "M", ["M+", "M-"]),
        ("ReGT", "correct", "A", ["S", "M", "N"]),
        ("ImGT", None, "A", ["S", "M", "N"]),
    ]:
        of_n = sum(name == "N" for name, *_ in images)
        of_parts = [
            {"n": of_n, "accuracy": 100.0}
            if (measure, part) == ("ReGT", "N")
            else found.get(("Vision", "CW", measure, rule, part), {"n": 0, "accuracy": 0.0})
            for part in parts
        ]
        total = sum(part["n"] for part in of_parts)
        row = found.get(("Vision", "CW", measure, rule, whole), {"n": 0, "accuracy": 0.0})
        assert row["n"] == total
        if total:
            mean = sum(part["n"] * part["accuracy"] for part in of_parts) / total
            assert row["accuracy"] == pytest.approx(mean)
            assert row["wilson_low"] - 1e-9 <= mean <= row["wilson_high"] + 1e-9


ANSWER = st.tuples(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), *[st.booleans()] * 5)


@given(st.lists(ANSWER, min_size=1, max_size=20))
@settings(max_examples=30)
def test_cw_plus_is_at_least_cw_in_every_accuracy(images):
    """It differs from CW only where that is wrong."""
    categories = " ".join(image[0] for image in images)
    cw = [[str(int(image[place])) for image in images] for place in (1, 2)]
    plus = [[str(int(image[place] or image[place + 2])) for image in images] for place in (1, 2)]
    oop = "".join(str(int(image[5])) for image in images)
    frames = [
        scored("a", name, *map("".join, signs), categories, oop=oop) for name, signs in (("CW", cw), ("CW+", plus))
    ]
    found = long(*frames, resamples=2)
    for (model, task, *about), row in found.items():
        if task == "CW" and about[0] != "change":
            assert found[(model, "CW+", *about)]["accuracy"] >= row["accuracy"]
            assert found[(model, "CW+", *about)]["n"] == row["n"]
    both = {row["task"]: row for row in made("table4", *frames)}
    for name in ACCURACIES[:-1]:
        assert (both["CW+"][name] == "") == (both["CW"][name] == "")
        if both["CW"][name]:
            assert float(both["CW+"][f"{name}_vs_CW"]) >= 0


def quantile(values, share):
    """Linear interpolation between order statistics."""
    values = sorted(values)
    place = share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def interval(values):
    if None in values:
        return None, None
    return quantile(values, 0.025), quantile(values, 0.975)


def drawn_images(images, number):
    """The images of one resample, from its number alone."""
    return [images[place] for place in np.random.default_rng([SEED, number]).integers(0, len(images), len(images))]


def naive(flags, drawn, measure, rule, subset):
    """One row's accuracy on drawn images: (category, imgt, regt) by image."""
    seen = [flags[image] for image in drawn if image in flags]
    if measure == "change":
        one, other = (naive(flags, drawn, name, rule, "A") for name in ("ImGT", "ReGT"))
        return None if one is None or other is None else other - one
    if measure != "ImGT":
        seen = [row for row in seen if not (rule == "excluded" and row[0] == "N")]
    seen = [row for row in seen if subset == "A" or row[0].startswith(subset)]
    right = {
        "ImGT": [imgt for _, imgt, _ in seen],
        "ReGT": [regt for *_, regt in seen],
        "ImGT and ReGT": [imgt and regt for _, imgt, regt in seen],
    }[measure]
    return 100 * sum(right) / len(right) if right else None


def image_level(frames):
    """Per label of a model and task: (category, imgt, regt) by image."""
    labels = dict(MODELS.select("model", "label").rows())
    found = {}
    for row in pl.concat(frames).to_dicts():
        flags = found.setdefault((labels[row["model"]], row["scoring"]), {})
        flags[row["image_id"]] = (row["category"], row["imgt"], row["regt"])
    return found


def some_frames():
    """Of 30 images, of which one row lacks a third."""
    *frames, last = random_frames(5, images=30, rankers="vw")
    return [*frames, last.head(20)]


def test_bootstrap_intervals_are_those_of_a_loop_over_images():
    frames = some_frames()
    by_row = image_level(frames)
    images = sorted(by_row["Vision", "CW"])
    resamples = [drawn_images(images, number) for number in range(RESAMPLES)]
    found = long(*frames)
    assert {key[:2] for key in found} == set(by_row)
    for (model, task, measure, rule, subset), row in found.items():
        flags = by_row[model, task]
        assert row["accuracy"] == pytest.approx(naive(flags, images, measure, rule, subset), abs=1e-9)
        expected = interval([naive(flags, drawn, measure, rule, subset) for drawn in resamples])
        assert (row["bootstrap_low"], row["bootstrap_high"]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_images", ["correct", "excluded"])
def test_intervals_of_change_ranks_and_tau_are_those_of_a_loop_over_images(n_images):
    frames = some_frames()
    by_row = image_level(frames)
    images = sorted(by_row["Vision", "CW"])
    resamples = [drawn_images(images, number) for number in range(RESAMPLES)]
    found = made("ranking", *frames, study=STUDY._replace(n_images=n_images))
    keys = [(row["model"], row["task"]) for row in found]
    assert len(keys) == 4
    ranks = {"ImGT": [], "ReGT": []}
    taus = []
    for drawn in resamples:
        exact = {}
        for measure, listed in ranks.items():
            exact[measure] = [
                Fraction(naive(by_row[key], drawn, measure, n_images, "A")).limit_denominator(10**6) for key in keys
            ]
            listed.append([int(rank) for rank in plain.statistics.dense_ranks(exact[measure])])
        taus.append(plain.statistics.tau(list(zip(exact["ImGT"], exact["ReGT"], strict=True))))
    for place, row in enumerate(found):
        changes = [naive(by_row[keys[place]], drawn, "change", n_images, "A") for drawn in resamples]
        shown = {"change": interval(changes), "tau": interval(taus)}
        for name, expected in shown.items():
            assert [float(row[f"{name}_{end}"]) for end in ("low", "high")] == pytest.approx(expected, abs=0.00501)
        for measure, listed in ranks.items():
            # the smallest rank that 2.5 % of the resamples do not exceed, and the same for 97.5 %
            of_row = sorted(rank[place] for rank in listed)
            ends = [of_row[math.ceil(share * RESAMPLES) - 1] for share in (0.025, 0.975)]
            assert [int(row[f"{measure}_A_rank_{end}"]) for end in ("low", "high")] == ends


def test_ranking_of_three_models():
    frames = [
        scored("a", "OW", "11100", "11000", "S+ " * 5),
        scored("a", "CW+", "11000", "11111", "S+ " * 5),
        scored("v", "CW", "11110", "11000", "S+ " * 5),
        scored("w", "CW", "11111", "11100", "S+ " * 5),
    ]
    found = made("ranking", *frames)
    shown = ("model", "task", "ImGT_A", "ImGT_A_rank", "ReGT_A", "ReGT_A_rank", "change", "tau", "family", "n")
    assert [[row[name] for name in shown] for row in found] == [
        ["Model A", "OW", "60.00", "3", "40.00", "2", "-20.00", "0.82", "MLLM", "5"],
        ["Vision", "CW", "80.00", "2", "40.00", "2", "-40.00", "0.82", "supervised", "5"],
        ["Vision 2", "CW", "100.00", "1", "60.00", "1", "-40.00", "0.82", "supervised", "5"],
    ]


def test_ranks_that_every_resample_has_are_certain():
    frames = [scored("v", "CW", "1" * 9, "0" * 9, "S+ " * 9), scored("w", "CW", "0" * 9, "1" * 9, "S+ " * 9)]
    text = as_markdown(TABLES["ranking"](pl.concat(frames), MODELS, STUDY))
    first, second = made("ranking", *frames)
    assert [first[f"ImGT_A_rank{end}"] for end in ("", "_low", "_high")] == ["2", "2", "2"]
    assert [first[f"ReGT_A_rank{end}"] for end in ("", "_low", "_high")] == ["1", "1", "1"]
    assert [second[f"ReGT_A_rank{end}"] for end in ("", "_low", "_high")] == ["2", "2", "2"]
    assert [first[f"change{end}"] for end in ("", "_low", "_high")] == ["100.00", "100.00", "100.00"]
    assert (first["tau"], first["tau_low"], first["tau_high"]) == ("-1.00", "-1.00", "-1.00")
    assert "tau between both rankings: -1.00 (-1.00 to -1.00)" in text


def test_a_ranking_of_one_model_has_no_tau():
    (row,) = made("ranking", scored("v", "CW", "10", "11", "S+ S+"))
    assert (row["ImGT_A_rank"], row["ReGT_A_rank"], row["tau"], row["tau_low"]) == ("1", "1", "", "")
    assert "tau" not in as_markdown(TABLES["ranking"](scored("v", "CW", "10", "11", "S+ S+"), MODELS, STUDY))


def ranks_of(row, measure):
    return [row[f"{measure}_A_rank{end}"] for end in ("", "_low", "_high")]


def test_where_a_resample_has_no_image_to_judge_there_is_no_interval_of_ranks():
    """As there is none of the accuracy: N alone is drawn often here."""
    frames = [scored("v", "CW", "100", "111", "S+ N N"), scored("w", "CW", "010", "011", "S+ N N")]
    for row in made("ranking", *frames, study=STUDY._replace(n_images="excluded")):
        assert (row["change_low"], row["tau_low"]) == ("", "")
        assert set(ranks_of(row, "ImGT")) <= {"1", "2"}
        assert ranks_of(row, "ReGT")[1:] == ["", ""]
        assert ranks_of(row, "ReGT")[0] in ("1", "2")


def test_a_row_of_few_images_has_a_rank_and_no_interval_of_it():
    frames = [scored("v", "CW", "1000", "1111", "S+ " * 4), scored("w", "CW", "1", "1", "S+")]
    found = {row["model"]: row for row in made("ranking", *frames)}
    assert ranks_of(found["Vision 2"], "ImGT") == ["1", "", ""]
    assert ranks_of(found["Vision"], "ImGT")[0] == "2"
    assert set(ranks_of(found["Vision"], "ImGT")[1:]) <= {"", "1", "2"}


def test_mcnemar_of_two_rows():
    """ReGT: a is right on three images more, p = 2 / 2^3; ImGT: 2 against 2."""
    found = made(
        "mcnemar",
        scored("a", "OW", "11000", "11110", "S+ S+ M- M- N"),
        scored("v", "CW", "00110", "10000", "S+ S+ M- M- N"),
    )
    shown = (
        "measure",
        "model_a",
        "task_a",
        "model_b",
        "task_b",
        "n",
        "only_a",
        "only_b",
        "difference",
        "p",
        "p_holm",
        "tests",
    )
    assert [[row[name] for name in shown] for row in found] == [
        ["ImGT", "Model A", "OW", "Vision", "CW", "5", "2", "2", "0.00", "1", "1", "1"],
        ["ReGT", "Model A", "OW", "Vision", "CW", "5", "3", "0", "60.00", "0.25", "0.25", "1"],
    ]
    half = 100 * 1.959963984540054 * math.sqrt(3 - 9 / 5) / 5
    assert [found[1]["difference_low"], found[1]["difference_high"]] == [f"{60 - half:.2f}", f"{60 + half:.2f}"]


def test_mcnemar_is_on_common_images_and_holm_is_within_a_label_set():
    frames = [
        scored("v", "CW", "111111", "000000", "S+ " * 6),
        scored("w", "CW", "000000", "000000", "S+ " * 6),
        scored("b", "CW", "000", "111", "S+ " * 3, images=["i1", "i3", "i4"]),
    ]
    found = {(row["measure"], row["model_a"], row["model_b"]): row for row in made("mcnemar", *frames)}
    assert {key: (row["n"], row["only_a"], row["only_b"], row["p"], row["p_holm"]) for key, row in found.items()} == {
        ("ImGT", "Model B", "Vision"): ("3", "0", "3", "0.25", "0.5"),
        ("ImGT", "Model B", "Vision 2"): ("3", "0", "0", "1", "1"),
        ("ImGT", "Vision", "Vision 2"): ("6", "6", "0", "0.0312", "0.0938"),
        ("ReGT", "Model B", "Vision"): ("3", "3", "0", "0.25", "0.75"),
        ("ReGT", "Model B", "Vision 2"): ("3", "3", "0", "0.25", "0.75"),
        ("ReGT", "Vision", "Vision 2"): ("6", "0", "0", "1", "1"),
    }
    assert {row["tests"] for row in found.values()} == {"3"}


def test_mcnemar_without_a_common_image_knows_no_difference():
    frames = [scored("v", "CW", "11", "11", "S+ S+"), scored("w", "CW", "00", "00", "S+ S+", images=["i7", "i8"])]
    for row in made("mcnemar", *frames):
        assert [row[name] for name in ("n", "difference", "difference_low", "difference_high", "p")] == [
            "0",
            "",
            "",
            "",
            "1",
        ]


def test_mcnemar_leaves_images_without_a_label_out_where_the_rule_says_so():
    """On the second image of N an error made one of them wrong."""
    frames = [scored("v", "CW", "1111", "1011", "S+ S- N N"), scored("w", "CW", "1111", "1110", "S+ S- N N")]
    found = {
        n_images: [
            (row["measure"], row["n"], row["only_a"], row["only_b"])
            for row in made("mcnemar", *frames, study=STUDY._replace(n_images=n_images))
        ]
        for n_images in ("correct", "excluded")
    }
    assert found == {
        "correct": [("ImGT", "4", "0", "0"), ("ReGT", "4", "1", "1")],
        "excluded": [("ImGT", "4", "0", "0"), ("ReGT", "2", "0", "1")],
    }


def test_mcnemar_of_one_row_is_a_header():
    figures = EVERY["mcnemar"](scored("v", "CW", "1", "1", "S+"), MODELS, STUDY)
    assert figures.height == 0
    assert figures.write_csv().startswith("measure,model_a,task_a,model_b,task_b,n,only_a,only_b,difference,")


def test_a_p_that_no_float_holds_is_not_0():
    count = 1100
    (row, _) = made(
        "mcnemar",
        scored("v", "CW", "1" * count, "1" * count, "S+ " * count),
        scored("w", "CW", "0" * count, "0" * count, "S+ " * count),
    )
    assert row["p"] == row["p_holm"] == "<1e-300"


def weasels(*frames, study=STUDY, none=(), left_open=()):
    """The table of the weasel family; images are of classes 1 and 2 in turn.

    To those in `none` the expert gave no class; those in `left_open` a label set excludes.
    """
    scores = pl.concat(frames)
    names = pl.DataFrame(
        {
            "class_id": range(4),
            "name": ["cat", "mink", "otter", "badger"],
            "synset": None,
            "same_name": [[i] for i in range(4)],
        },
        schema=CLASSES,
    )
    images = sorted(scores["image_id"].unique())
    cells = [
        {
            "image_id": image,
            "imgt": 1 + number % 2,
            "expert": [] if image in none else [number % 4],
            "excluded": "uncertain" if image in left_open else None,
        }
        for number, image in enumerate([*images, *left_open])
    ]
    labels = pl.DataFrame(cells, schema=LABELS)
    table = mustelidae(scores, labels, names, MODELS, study)
    return rows(table), table


def test_the_weasel_family_by_class_under_both_label_sets():
    """Images 0, 2 and 4 are of minks; image 3 has no expert label."""
    found, _ = weasels(
        scored("a", "CW", "11010", expert="100-1"),
        scored("a", "CW+", "11111", expert="111-1"),
        scored("v", "CW", "00000", expert="00000"),
    )
    shown = ("model", "task", "class", "n", "ImGT", "expert")
    assert [[row[name] for name in shown] for row in found] == [
        ["Model A", "CW+", "all", "4", "100.00", "100.00"],
        ["Model A", "CW+", "mink", "3", "100.00", "100.00"],
        ["Model A", "CW+", "otter", "1", "100.00", "100.00"],
        ["Model A", "CW", "all", "4", "50.00", "50.00"],
        ["Model A", "CW", "mink", "3", "33.33", "66.67"],
        ["Model A", "CW", "otter", "1", "100.00", "0.00"],
        ["Vision", "CW", "all", "5", "0.00", "0.00"],
        ["Vision", "CW", "mink", "3", "0.00", "0.00"],
        ["Vision", "CW", "otter", "2", "0.00", "0.00"],
    ]
    low, high = plain.statistics.wilson(2, 4)
    assert [found[3][f"expert_{end}"] for end in ("low", "high")] == [f"{low:.2f}", f"{high:.2f}"]


def test_weasels_to_which_the_expert_gave_no_class_follow_the_rule():
    frames = [scored("v", "CW", "1100", expert="1010")]
    found, table = weasels(*frames, none=["i2"])
    assert [[row[name] for name in ("class", "n", "ImGT", "expert")] for row in found] == [
        ["all", "4", "50.00", "50.00"],
        ["mink", "2", "50.00", "100.00"],
        ["otter", "2", "50.00", "0.00"],
    ]
    assert "of 1 images, to which no class applies, every answer is right" in as_markdown(table)
    found, table = weasels(*frames, none=["i2"], study=STUDY._replace(n_images="excluded"))
    assert [[row[name] for name in ("class", "n", "ImGT", "expert")] for row in found] == [
        ["all", "3", "66.67", "33.33"],
        ["mink", "1", "100.00", "100.00"],
        ["otter", "2", "50.00", "0.00"],
    ]
    assert "of 1 images, to which no class applies, none counts" in as_markdown(table)


def test_weasels_that_a_label_set_leaves_open_are_not_counted_among_them():
    _, table = weasels(scored("v", "CW", "11", expert="11"), none=["i0", "i8", "i9"], left_open=["i8", "i9"])
    assert "of 1 images, to which no class applies" in as_markdown(table)


def test_without_expert_labels_the_weasel_table_is_its_header(tmp_path):
    found, table = weasels(scored("v", "CW", "11", "11", "S+ S+"))
    assert found == []
    write(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("model,task,class,n,ImGT,expert,")


NAMES = ["cat", "Missile", "dog", "missile ", "laptop", "notebook", "tabby", "clock", "book", "pen"]
WORDS = ["", " ", "Cat", "DOG\n", "missile", "rocket", "a laptop", "Tabby", "pen", "something else", "book|pen"]
WORDS += ["dog, cat", "tabby or Missile", "clock\npen, or book", "cat and a rocket", "dog, dog", "missile, missile "]
IDS = ["0", "3", " 7\n", "10", "cat", "dog, cat", "", "1, 2"]
SCORED = [0.4, 0.3, 0.2, 0.07, 0.03]
ENTRIES = [
    {"name": "v1", "label": "Vision 1", "kind": "timm"},
    {"name": "v2", "label": "Vision 2", "kind": "conse"},
    {"name": "both", "label": "Both tasks", "kind": "endpoint"},
    {"name": "again", "label": "Both tasks again", "kind": "engine"},
    {"name": "open", "label": "Open world only", "kind": "endpoint", "tasks": ["OW"]},
    {"name": "closed", "label": "Closed world only", "kind": "engine", "tasks": ["CW"]},
    {"name": "varied", "label": "Asked in many ways", "kind": "vllm", "tasks": ["OW", "CW"],
     "variants": ["hot", "ids", "warm", "groups", "mixed"]},
    {"name": "ruled", "label": "Constrained", "kind": "openai", "tasks": ["CW", "CW-constrained"], "variants": ["hot"]},
    {"name": "kept", "label": "Kept ranking", "kind": "recorded", "share": 0.8},
    {"name": "told", "label": "Kept answers", "kind": "recorded", "column": "text", "family": "told", "share": 0.7},
]  # fmt: skip
"""As in a configuration; `share` is of the images."""
VARIANTS = [
    {"name": "warm", "task": "OW", "repeats": 2},
    {"name": "hot", "task": "CW", "repeats": 3},
    {"name": "ids", "task": "CW", "answer": "id", "share": 0.6},
    {"name": "groups", "task": "CW", "images": 7, "repeats": 2},
    {"name": "mixed", "task": "CW", "images": 7, "repeats": 2, "shuffled": 1},
]
PAIRS = """# Pairs.
classes,admits,source
1|3,,same name
4|5|8,,a group
5|9,,not chained to the group
0|2,6|7,one way
"""


def unit_vectors(rng, count):
    drawn = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(count)]
    return [[x / math.hypot(*vector) for x in vector] for vector in drawn]


def make_study(folder, seed, count, second_label_set, one_way, several):
    """All of a run's files with random contents, as the stages after `predict` write them.

    Returns scores, what answers say and mean and in which requests they were, labels and classes.
    """
    rng = random.Random(seed)
    ids = list(range(len(NAMES)))
    same = [[other for other in ids if NAMES[other].lower().strip() == name.lower().strip()] for name in NAMES]
    classes = pl.DataFrame({"class_id": ids, "name": NAMES, "synset": None, "same_name": same}, schema=CLASSES)
    parquet.write(classes, CLASSES, folder / "dataset/d/classes.parquet")
    (folder / "pairs.csv").write_text(PAIRS)
    pairs = Equivalences(label="pairs", file=str(folder / "pairs.csv"), one_way=one_way)
    equal = admits(pairs, Lookup(classes))

    def labelled(image):
        imgt, regt = rng.choice(ids), rng.sample(ids, rng.choice([0, 1, 1, 1, 2, 3]))
        regt = sorted({imgt, *regt[1:]}) if regt and rng.random() < 0.6 else sorted(regt)
        expert = rng.choice([None, None, [], rng.sample(ids, 1)])
        known = second_label_set and rng.random() < 0.9
        return {
            "image_id": image,
            "imgt": imgt,
            "regt": regt if known else None,
            "imgt_admissible": sorted(admissible(frozenset({imgt}), equal)),
            "regt_admissible": sorted(admissible(frozenset(regt), equal)) if known else None,
            "category": category(imgt, frozenset(regt)) if known else None,
            "excluded": "uncertain" if second_label_set and not known else None,
            "expert": expert,
            "expert_admissible": None if expert is None else sorted(admissible(frozenset(expert), equal)),
        }

    images = [f"picture {number}" for number in range(count)]
    labels = pl.DataFrame([labelled(image) for image in images], schema=LABELS)
    parquet.write(labels, LABELS, folder / "dataset/d/labels.parquet")
    of_classes = unit_vectors(rng, len(ids))
    schema = {"class_id": pl.Int32(), "embedding": pl.Array(pl.Float32, 4)}
    embedded = pl.DataFrame({"class_id": ids, "embedding": [of_classes[group[0]] for group in same]}, schema=schema)
    parquet.write(embedded, schema, folder / "embeddings/e/d/classes.parquet")
    scores, said = [], []
    for entry in ENTRIES:
        ranks = not plain.files.worded(entry)
        cells = []
        tasks = ["CW"] if ranks else entry.get("tasks", ["OW", "CW"])
        ways = [{"name": "", "task": task, "share": entry.get("share", 1)} for task in tasks]
        for way in [*ways, *(it for it in VARIANTS if it["name"] in entry.get("variants", []))]:
            words = IDS if way.get("answer") == "id" else WORDS + NAMES
            asked = images[: math.ceil(count * way.get("share", 1))]
            for repeat, image in itertools.product(range(way.get("repeats", 1)), asked):
                answer = {"class_ids": rng.sample(ids, 5), "scores": SCORED} if ranks else {"text": rng.choice(words)}
                about = {"image_id": image, "task": way["task"], "variant": way["name"], "repeat": repeat}
                # the images of a request are others in each repeat, unless that is their order
                place = images.index(image)
                about["group"] = (place * 3 ** (repeat * way.get("shuffled", 0)) % 7) if "images" in way else None
                cells.append(about | answer | {"status": "error" if rng.random() < 0.05 else "ok"})
        predictions = pl.DataFrame(cells, schema=PREDICTIONS)
        parquet.write(predictions, PREDICTIONS, folder / f"predictions/d/{entry['name']}.parquet")
        if ranks:
            scores.append(score(entry["name"], predicted_by_ranking(predictions), labels))
            continue
        texts = sorted({row["text"].strip() for row in cells} - {""})
        schema = {"text": pl.String(), "embedding": pl.Array(pl.Float32, 4)}
        answers = pl.DataFrame({"text": texts, "embedding": unit_vectors(rng, len(texts))}, schema=schema)
        parquet.write(answers, schema, folder / f"embeddings/e/d/{entry['name']}.parquet")
        by_id = frozenset(it["name"] for it in VARIANTS if it.get("answer") == "id")
        mapped = map_answers(predictions, classes, embedded, answers, "e", None, several, by_id)
        parquet.write(mapped, MAPPING, folder / f"mapping/e/d/{entry['name']}.parquet")
        mapped = mapped.select(list(MAPPING))
        scores.append(score(entry["name"], predicted_by_text(mapped, classes), labels))
        keys = ["image_id", "task", "variant", "repeat"]
        meant = meanings(predictions, mapped, classes).join(predictions.select(*keys, "group"), on=keys)
        said.append(meant.with_columns(model=pl.lit(entry["name"])))
    return pl.concat(scores), pl.concat(said), labels, classes


def assert_the_same(found, expected):
    """Rows of a table and of its recomputation; of p only the third digit may be rounded the other way."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        for name, value in other.items():
            if name.endswith(("p", "p_holm")) and value:
                assert float(row[name]) == pytest.approx(float(value), rel=6e-3), name
            elif isinstance(value, float):
                assert row[name] == pytest.approx(value, abs=1e-9), name
            else:
                assert row[name] == value, name
        missing = set(row) - set(other) - set(STUDY_COLUMNS)
        ranges = ("bootstrap", "tau_", "change_", *(["ImGT", "ReGT", "used_by", "what"] if "protocol" in row else []))
        drawn = [f"{name}_A{end}" for name in ("ImGT", "ReGT") for end in ("_low", "_high")] if "variant" in row else []
        drawn += ["differs"]
        assert all(
            name in drawn or name.startswith(ranges) or "_rank_" in name or "_vs_main_" in name for name in missing
        ), missing


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set", "n_images", "one_way", "several"),
    [
        (1, 4, True, "correct", False, "wrong"),
        (2, 12, True, "correct", True, "first"),
        (3, 12, True, "excluded", False, "any"),
        (4, 150, True, "correct", True, "wrong"),
        (4, 150, True, "excluded", True, "first"),
        (5, 40, False, "correct", False, "any"),
    ],
)
def test_every_figure_equals_an_independent_computation(
    tmp_path, seed, count, second_label_set, n_images, one_way, several
):
    """Equal names, equivalences, ties, errors, empty answers, lists of names, single tasks, empty categories, fewer
    images, variants, several images in a request.
    """
    scores, said, labels, classes = make_study(tmp_path, seed, count, second_label_set, one_way, several)
    options = {"variants": VARIANTS, "several": several}
    expected = plain.tables(tmp_path, ENTRIES, tmp_path / "pairs.csv", n_images, one_way, **options)
    models = pl.DataFrame([{"model": e["name"], "label": e["label"], "family": plain.files.family(e)} for e in ENTRIES])
    study = STUDY._replace(n_images=n_images)
    images = labels.filter(labels["excluded"].is_null()).select("image_id", "category")
    ways = [(e["name"], it["name"], "words") for e in ENTRIES for it in VARIANTS if it["name"] in e.get("variants", [])]
    differing = pl.DataFrame(ways, ["model", "variant", "differs"], orient="row")
    clustered = with_clusters(scores, said.unique(clusters.KEYS))
    more = {"sensitivity": rows(sensitivity(clustered, differing, models, study, RESAMPLES))}
    meant = clustered.join(said.drop("group"), on=[*clusters.KEYS, "scoring"])
    more["agreement"] = rows(agreement(meant, differing, models, study, RESAMPLES))
    scores = scores.filter(pl.col("variant") == "")
    more["protocols"] = rows(protocols(scores, images, models, study, RESAMPLES, {}))
    scores = scores.filter(pl.col("scoring").is_in(SCORINGS))
    found = {name: rows(make(scores, models, study)) for name, make in EVERY.items()} | more
    found["accuracy"] = EVERY["accuracy"](scores, models, study).to_dicts()
    found["table2"] = rows(table2(labels.filter(labels["excluded"].is_null())["category"], study))
    found["mustelidae"] = rows(mustelidae(scores, labels, classes, models, study))
    assert expected.keys() == found.keys()
    for name, table in found.items():
        assert len(table) > 1
        assert_the_same(table, expected[name])


def test_renderings_show_what_would_turn_their_text_around(tmp_path):
    evil = "\u202egnp.exe\x1b[31m"
    models = MODELS.with_columns(pl.lit(evil).alias("label"))
    study = STUDY._replace(dataset=evil, imgt=evil)
    write(TABLES["table3"](pl.concat(SMALL), models, study), tmp_path / "t.csv")
    for suffix in ("md", "html", "tex"):
        text = (tmp_path / f"t.{suffix}").read_text()
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "u202egnp.exe" in text


def test_markdown_holds_no_tag_and_no_link_of_others(tmp_path):
    evil = "a<img src=x onerror=alert(1)> [b](javascript:alert(1)) | &lt;"
    models = MODELS.with_columns(pl.lit(evil).alias("label"))
    write(TABLES["table3"](pl.concat(SMALL), models, STUDY._replace(dataset=evil, imgt=evil)), tmp_path / "t.csv")
    text = (tmp_path / "t.md").read_text()
    assert "](" not in text
    assert text.count("<") == text.count("\\<img") > 2
    assert "a\\<img src=x onerror=alert(1)> [b]\\(javascript:alert(1)) \\| &lt;" in text
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
