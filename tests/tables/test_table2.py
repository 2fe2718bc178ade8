import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.measures.counting import SUBSETS
from mllm_classify.tables.table2 import table2
from tests.tables.studies import ONE_LABEL_SET, STUDY, rows


def test_table_2_is_the_papers():
    """But for M-: 1,078 of 31,250 are 3.4496 %, which the paper prints as 3.5."""
    counts = {"S+": 16177, "S-": 1894, "M+": 10756, "M-": 1078, "N": 1345}
    names = [name for name, count in counts.items() for _ in range(count)]
    count, percent = rows(table2(pl.DataFrame({"category": names}), STUDY))
    assert list(count.values())[:9] == ["count", "31250", "18071", "16177", "1894", "11834", "10756", "1078", "1345"]
    assert list(percent.values())[:9] == ["percent", "100.0", "57.8", "51.8", "6.1", "37.9", "34.4", "3.4", "4.3"]


def test_table_2_without_a_second_label_set_has_the_total_only():
    for row, total in zip(
        rows(table2(pl.DataFrame({"category": [None, None]}, schema={"category": pl.String}), ONE_LABEL_SET)),
        ["2", "100.0"],
        strict=True,
    ):
        assert [row[name] for name in SUBSETS] == [total, "", "", "", "", "", "", ""]


@given(st.lists(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), min_size=1))
def test_table_2_parts_the_images(names):
    count = {
        name: int(value)
        for name, value in rows(table2(pl.DataFrame({"category": names}), STUDY))[0].items()
        if name in SUBSETS
    }
    assert count["A"] == len(names) == count["S"] + count["M"] + count["N"]
    assert count["S"] == count["S+"] + count["S-"]
    assert count["M"] == count["M+"] + count["M-"]
