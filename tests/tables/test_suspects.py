import numpy as np
import polars as pl
import pytest
from cleanlab.rank import get_label_quality_scores
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.score.score import predicted_by_ranking, score
from mllm_classify.tables.render import write
from mllm_classify.tables.suspects import quality, suspects
from tests.tables.small import CLASSES, IMAGES, labelled, ranked, suspected
from tests.tables.studies import STUDY, rows


def test_suspects_are_ranked_by_what_models_agree_on_against_the_label():
    """Two of three models name `missile` for k, under both its ids; on j they agree on nothing."""
    columns = ["rank", "image_id", "imgt_label", "other", "votes", "right", "models", "regt_labels", "category", "gained",
               "lost", "quality", "quality_rank"]  # fmt: skip
    assert [[row[name] for name in columns] for row in rows(suspected())] == [
        ["1", "'=i", "cat", "dog", "2", "0", "3", "dog", "S-", "2", "0", "0.5000", "2"],
        ["2", "k", "dog", "missile", "2", "0", "3", "missile | missile", "M-", "2", "0", "0.4500", "1"],
        ["3", "j", "cat", "dog", "1", "1", "3", "cat", "S+", "0", "0", "0.9000", "3"],
    ]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=4),
    st.lists(st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=4, max_size=4), min_size=1, max_size=4),
)
def test_no_answer_is_both_right_and_a_vote_and_no_label_is_contradicted_by_its_own_name(images, answers):
    """Two classes are called missile, and with `both` each admits the other; answers may name several classes."""
    labels = labelled(*((f"i{n}", imgt, [imgt], "S+") for n, (imgt, _) in enumerate(images))).with_columns(
        pl.Series(
            "imgt_admissible",
            [[2, 3] if both and imgt > 1 else [imgt] for imgt, both in images],
            dtype=pl.List(pl.Int32),
        ),
        expert_admissible="expert",
    )
    ids = labels["image_id"].to_list()
    scores = pl.concat(
        score(
            f"m{n}",
            predicted_by_ranking(ranked(*zip(ids, given, strict=False))).with_columns(predicted="class_ids"),
            labels,
        )
        for n, given in enumerate(answers)
    )
    for row in rows(suspects(scores, labels, CLASSES, {}, STUDY)):
        assert int(row["votes"]) + int(row["right"]) <= int(row["models"])
        assert row["other"] != row["imgt_label"]
        assert bool(row["other"]) == (row["votes"] != "0")


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
