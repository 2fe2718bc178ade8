import polars as pl
import pytest

from mllm_classify.measures.counting import SUBSETS
from mllm_classify.tables.render import write
from mllm_classify.tables.table2 import table2
from tests.tables.studies import (
    EVERY,
    HEADERS,
    MODELS,
    ONE_LABEL_SET,
    SMALL,
    STUDY,
    STUDY_COLUMNS,
    TABLES,
    header,
    images_of,
    random_frames,
    rows,
    rows_of,
    scored,
    weasels,
    worded,
)


@pytest.mark.parametrize("table", HEADERS)
def test_the_first_columns_are_the_papers(table):
    frame = pl.concat([worded("a", OW=("1", "1"), CW=("1", "1"), CWplus=("1", "1")), scored("v", "CW", "1", "1", "S+")])
    first = (
        table2(pl.DataFrame({"category": ["N"]}), STUDY) if table == "table2" else TABLES[table](frame, MODELS, STUDY)
    )
    assert first.rows.write_csv().startswith(HEADERS[table] + ",")


def test_an_empty_category_has_empty_cells():
    frame = pl.concat([worded("a", OW=("10", "10"), CW=("00", "00"), CWplus=("00", "00"))])
    (row,) = rows_of("table3", frame)
    for name in ("ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"):
        assert [row[name + end] for end in ("", "_rank", "_low", "_high")] == ["", "", "", ""]
    assert (row["n_M"], row["n_N"]) == ("0", "0")
    assert {row["ReGT_M"] + row["ReGT_M_vs_CW"] for row in rows_of("table4", frame)} == {""}
    (row,) = rows_of("table5", scored("a", "CW", "10", "10", "S+ S+", oop="01"))
    assert [row[name] for name in SUBSETS] == ["50.0", "50.0", "50.0", "", "", "", "", ""]


@pytest.mark.parametrize("table", ["table3", "table4", "table5", "ranking"])
def test_without_a_second_label_set_its_columns_are_empty(table):
    frames = [scored("a", name, "110", oop=oop) for name, oop in (("OW", None), ("CW", "100"), ("CW+", "100"))]
    found = rows_of(table, *frames, scored("v", "CW", "110"), study=ONE_LABEL_SET)
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
    (row,) = rows_of("mcnemar", *frames, study=ONE_LABEL_SET)
    assert (row["measure"], row["n"], row["regt"]) == ("ImGT", "3", "")
    found = rows_of("accuracy", *frames, study=ONE_LABEL_SET)
    assert [(row["model"], row["measure"], row["subset"], row["correct"], row["n"]) for row in found] == [
        ("Model A", "ImGT", "A", "2", "3"),
        ("Vision", "ImGT", "A", "2", "3"),
    ]


OF_ALL_MODELS = ("rank", "place", "tau", "p_holm", "tests")
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
    found = rows_of(table, *frames)
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=1) for frame in frames]
    assert rows_of(table, *reversed(shuffled), models=MODELS.reverse()) == found
    assert own(rows_of(table, *frames, another)) == own(found)
    if table not in ("table4", "table5"):
        assert len(rows_of(table, *frames, another)) > len(found)


@pytest.mark.parametrize("table", EVERY)
def test_another_model_with_more_images_changes_no_accuracy(table):
    *frames, another = random_frames(table, images=20, rankers="vw")
    frames = [frame.filter(pl.col("image_id") != "i7") for frame in frames]
    drawn = [images_of(another)] if table in ("ranking", "accuracy") else []
    with_it, without = (
        rows(EVERY[table](pl.concat(each), MODELS, STUDY, *drawn)) for each in ([*frames, another], frames)
    )
    assert own(with_it) == own(without)


@pytest.mark.parametrize("table", ["table4", "table5"])
def test_without_a_model_that_answers_in_words_a_table_is_its_header(tmp_path, table):
    write(TABLES[table](scored("v", "CW", "1", "1", "S+"), MODELS, STUDY), tmp_path / "t.csv")
    (header,) = (tmp_path / "t.csv").read_text().splitlines()
    assert header.startswith(HEADERS[table] + ",")
    assert header.split(",")[-8:] == STUDY_COLUMNS
    assert ("Task" if table == "table4" else "M-") in (tmp_path / "t.md").read_text()


@pytest.mark.parametrize("table", ["table2", *EVERY, "mustelidae"])
def test_every_table_says_what_it_is_of(table):
    study = STUDY._replace(excluded=3, rules="rules that differ")
    if table == "table2":
        found = rows(table2(pl.DataFrame({"category": ["S+", "N"]}), study))
    elif table == "mustelidae":
        found = rows(weasels(scored("a", "CW", "1100", expert="1011"), study=study)[1])
    else:
        found = rows_of(table, *SMALL, scored("a", "CW", "1100", "1111", "S+ S+ M- N", oop="0000"), study=study)
    assert found
    for row in found:
        assert row["n"].isdecimal()
        assert "n_A" not in row
        expected = [name for name in STUDY_COLUMNS if table != "accuracy" or name != "n_images"]
        assert list(row)[-len(expected) :] == expected
        values = ["data", "Old labels", "New labels", "pairs.v1", "names.txt (10)", "correct", "3", "rules that differ"]
        assert [row[name] for name in expected] == [
            value for name, value in zip(STUDY_COLUMNS, values, strict=True) if name in expected
        ]


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


@pytest.mark.parametrize("table", TABLES)
def test_where_every_image_is_without_a_label_and_those_are_excluded_nothing_is_known(table):
    frames = [scored(model, name, "10", "11", "N N", oop="01") for model in "ab" for name in ("CW", "CW+")]
    for row in rows_of(table, *frames, study=STUDY._replace(n_images="excluded")):
        shown = {name: value for name, value in row.items() if name.startswith(("ReGT_A", "change", "tau"))}
        assert set(shown.values()) <= {""}
        assert row["n"] == ("0" if table == "ranking" else "2")
