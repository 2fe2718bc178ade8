import polars as pl
import pytest

from mllm_classify.measures.counting import SUBSETS
from mllm_classify.tables.table4 import table4
from mllm_classify.tables.table5 import table5
from tests.tables.studies import STUDY, rows_of, scored


def test_table_5_is_the_share_of_out_of_prompt_answers_per_category():
    categories = "S+ S+ S- M+ M- M- N"
    frames = [
        scored("a", "CW", "0000000", "0000000", categories, oop="1001010"),
        scored("a", "CW+", "0000000", "0000000", categories, oop="1111111"),
        scored("b", "CW", "0000000", "0000000", categories, oop="0000001"),
        scored("b", "OW", "0000000", "0000000", categories),
        scored("v", "CW", "0000000", "0000000", categories),
    ]
    found = [[row[name] for name in ("model", *SUBSETS)] for row in rows_of("table5", *frames)]
    assert found == [
        ["Model B", "14.3", "0.0", "0.0", "0.0", "0.0", "0.0", "0.0", "100.0"],
        ["Model A", "42.9", "33.3", "50.0", "0.0", "66.7", "100.0", "50.0", "0.0"],
    ]


def test_table_5_counts_empty_answers_and_lists_of_names_and_leaves_errors_out():
    frame = scored("a", "CW", "000000", "000000", "S+ S+ S- M+ M- N", oop="11 101", status="esx--s")
    (row,) = rows_of("table5", frame)
    assert [row[name] for name in ("n", "n_empty", "n_several", "A", "S+", "S-", "N")] == [
        "5", "1", "2", "80.0", "100.0", "", "100.0",
    ]  # fmt: skip
    assert "n_errors" not in row


@pytest.mark.parametrize("table", [table4, table5])
def test_truncated_answers_are_counted_and_shown_where_there_are_any(table):
    """Two of three answers were cut off."""
    models = pl.DataFrame([("m", "M", "MLLM")], schema=["model", "label", "family"], orient="row")
    whole = pl.concat(scored("m", scoring, "100", "100", "S+ S+ S+", oop="001") for scoring in ("CW", "CW+"))
    cut = whole.with_columns(truncated=pl.Series([True, None, True] * 2))
    for scores, counted in ((whole, "0"), (cut, "2")):
        of = table(scores, models, STUDY)
        assert set(of.rows["n_truncated"].cast(pl.String)) == {counted}
        assert ("n_truncated" in of.columns) == (counted != "0")
