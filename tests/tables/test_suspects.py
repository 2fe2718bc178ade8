import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.tables.render import write
from mllm_classify.tables.suspects import quality
from tests.tables.small import IMAGES, ranked, suspected
from tests.tables.studies import rows


def test_suspects_are_ranked_by_what_models_agree_on_against_the_label():
    """Two of three models name `missile` for k, under both its ids; on j they agree on nothing."""
    columns = ["rank", "image_id", "imgt_label", "other", "votes", "right", "models", "regt_labels", "category", "gained",
               "lost", "quality", "quality_rank"]  # fmt: skip
    assert [[row[name] for name in columns] for row in rows(suspected())] == [
        ["1", "'=i", "cat", "dog", "2", "0", "3", "dog", "S-", "2", "0", "0.5000", "2"],
        ["2", "k", "dog", "missile", "2", "0", "3", "missile | missile", "M-", "2", "0", "0.4500", "1"],
        ["3", "j", "cat", "dog", "1", "1", "3", "cat", "S+", "0", "0", "0.9000", "3"],
    ]


def test_people_see_the_first_rows_only_and_programs_all(tmp_path):
    assert suspected().first == 50
    write(suspected()._replace(first=1), tmp_path / "t.csv")
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 4
    assert "missile" not in (tmp_path / "t.md").read_text()
    assert "'=i" in (tmp_path / "t.html").read_text().replace("&#x27;", "'")


@given(st.integers(0, 2**32 - 1))
def test_quality_of_whole_rankings_is_cleanlabs_of_the_whole_matrix(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), 3)
    order = np.argsort(-probabilities, axis=1)
    kept = np.take_along_axis(probabilities, order, axis=1)
    frame = ranked(*zip(IMAGES["image_id"], order.tolist(), strict=True), probabilities=kept.tolist())
    expected = get_label_quality_scores(IMAGES["imgt"].to_numpy(), probabilities, method="normalized_margin")
    found = quality([frame.lazy()], IMAGES).sort("image_id")
    assert found["quality"].to_numpy() == pytest.approx(expected, abs=1e-6)
