import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.tables.abstention import abstention, aurc, risk_coverage
from mllm_classify.tables.breakdown import breakdown
from mllm_classify.tables.oop_texts import oop_texts
from mllm_classify.tables.render import write
from mllm_classify.tables.table4 import table4
from tests import plain
from tests.tables.random_studies import ENTRIES, MODELS_OF, lazy, make_study
from tests.tables.small import CLASSES, answered
from tests.tables.studies import PARADIGMS, STUDY, rows, scored


def test_risk_at_every_coverage_and_the_area_below():
    """Right, wrong, right, wrong: risks 0, 1/2, 1/3, 1/2."""
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert aurc(confidence, right) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert risk_coverage(confidence, right).rows() == [
        (0.9, 25.0, 1, 1), (0.8, 50.0, 2, 1), (0.7, 75.0, 3, 2), (0.6, 100.0, 4, 2),
    ]  # fmt: skip
    assert aurc(np.array([1.0, 0.5, 0.5]), np.array([True, True, False])) == pytest.approx((0 + 1 / 4 + 1 / 3) / 3)
    assert np.isnan(aurc(np.empty(0), np.empty(0, bool)))
    assert risk_coverage(np.empty(0), np.empty(0, bool)).height == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60), st.randoms())
def test_a_risk_coverage_curve_ends_at_all_answers_and_knows_no_order(pairs, shuffled):
    def both(pairs):
        confidence, right = (np.array(values) for values in zip(*pairs, strict=True))
        return aurc(confidence.astype(float), right), risk_coverage(confidence.astype(float), right)

    area, points = both(pairs)
    right = sum(hit for _, hit in pairs)
    assert points.row(-1)[1:] == (100.0, len(pairs), right)
    assert points["kept"].is_sorted()
    assert points["kept"].is_unique().all()
    assert points["threshold"].is_sorted(descending=True)
    assert 0 <= area <= 1
    assert both(shuffled.sample(pairs, len(pairs)))[0] == pytest.approx(area)
    assert aurc(np.zeros(len(pairs)), np.array([hit for _, hit in pairs])) == pytest.approx(1 - right / len(pairs))


def test_all_kept_is_cw_plus_and_none_would_be_cw(tmp_path):
    scores, _, _ = make_study(tmp_path, 4, 150, second_label_set=True, one_way=False, several="wrong")
    mappings = lazy(tmp_path, "mapping", [entry["name"] for entry in ENTRIES if plain.files.worded(entry)])
    by_task = {(row["model"], row["task"]): row for row in rows(table4(scores, MODELS_OF, STUDY))}
    points = [row for row in rows(abstention(scores, mappings, MODELS_OF, STUDY)) if row["coverage"] == "100.00"]
    assert {row["signal"] for row in points} == {"similarity", "margin"}
    assert len(points) > 8
    for row in points:
        whole = by_task[row["model"], "CW+"][f"{row['label_set']}_A"]
        assert row["accuracy"] == whole
        without = by_task[row["model"], "CW"][f"{row['label_set']}_A"]
        assert float(whole) - float(without) == pytest.approx(100 * int(row["right"]) / int(row["n"]), abs=0.011)


def test_a_model_without_answers_out_of_prompt_has_rows_of_zeros_and_one_without_cw_none(tmp_path):
    scores = pl.concat([scored("a", "CW+", "11", "11", "S+ S+", oop="00"), scored("b", "OW", "11", "11", "S+ S+")])
    found = rows(breakdown(scores, PARADIGMS, STUDY))
    assert {(row["model"], row["A"]) for row in found} == {("A", "0"), ("A", "")}
    for table in (
        breakdown(scores.clear(), PARADIGMS, STUDY),
        oop_texts(*answered(), CLASSES, PARADIGMS, STUDY),
        abstention(scores, answered().mappings, PARADIGMS, STUDY),
    ):
        assert table.rows.height == 0
        write(table, tmp_path / "t.csv")
        assert table.title in (tmp_path / "t.md").read_text()
