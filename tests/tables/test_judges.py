import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from mllm_classify.judge.verdicts import JUDGEMENTS, VERDICTS, accepted
from mllm_classify.tables.judges import judges
from tests.judge.given import CLASSES
from tests.plain import judges as plain
from tests.tables.studies import STUDY, rows

ENTRIES = [{"name": name, "label": name.upper(), "nearest": 3, "prompt": "p.v1.txt"} for name in ("main", "other")]


def drawn(seed, repeats=1, errors=0.1):
    rng = random.Random(seed)
    cells = [
        {"answer": f"thing {answer}", "class_id": class_id, "name": "n", "rank": rank, "similarity": 0.5, "repeat": repeat,
         "verdict": None if rng.random() < errors else rng.choice(VERDICTS), "prompt_tokens": 10, "completion_tokens": 1}
        for answer in range(12) for rank, class_id in enumerate(rng.sample(range(4), 3), 1) for repeat in range(repeats)
    ]  # fmt: skip
    for kind, verdict, expected in [
        ("plain", "same", "same"),
        ("plain", "other", "same"),
        ("instructing", "same", "other"),
    ]:
        cells += [{"answer": "a", "name": "b", "repeat": repeat, "verdict": verdict, "expected": expected, "control": kind}
                  for repeat in range(repeats)]  # fmt: skip
    return pl.DataFrame(
        [cell | {"status": "error" if cell["verdict"] is None else "ok"} for cell in cells], schema=JUDGEMENTS
    )


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3]), st.sampled_from([0, 0.2]))
def test_numbers_are_those_of_a_plain_computation(seed, repeats, errors):
    main, other = drawn(seed, repeats, errors), drawn(seed + 1, repeats, errors)
    first, second = rows(judges({"main": main.lazy(), "other": other.lazy()}, ENTRIES, STUDY))
    for row, frame in ((first, main), (second, other)):
        cells = frame.to_dicts()
        said = plain.commonest(cells)
        for verdict in VERDICTS:
            share = 100 * list(said.values()).count(verdict) / len(said)
            assert float(row[verdict.replace(" ", "_")]) == pytest.approx(share, abs=0.006)
        assert int(row["n"]) == 36
        assert int(row["n_errors"]) == sum(cell["status"] == "error" for cell in cells)
        assert (int(row["plain_right"]), int(row["plain_controls"])) == (repeats, 2 * repeats)
        assert (int(row["instructing_right"]), int(row["instructing_controls"])) == (0, repeats)
        assert int(row["obeyed"]) == repeats
        assert int(row["prompt_tokens"]) == 360 * repeats
        by_plain = plain.accepted(cells)
        assert {answer: ids[0] if ids else None for answer, ids in accepted(frame.lazy(), CLASSES).iter_rows()} == {
            answer: CLASSES["same_name"][class_id][0] if class_id is not None else None
            for answer, class_id in by_plain.items()
        }
        if repeats > 1:
            every, pairs = plain.with_itself(cells)
            assert float(row["self_all"]) == pytest.approx(every, abs=0.006)
            assert float(row["self_pairs"]) == pytest.approx(pairs, abs=0.006)
        else:
            assert row["self_pairs"] == ""
    assert first["main_verdict"] == first["shared"] == ""
    both = plain.compared(other.to_dicts(), main.to_dicts())
    assert int(second["shared"]) == both["shared"]
    for name in ("main_verdict", "main_same"):
        assert float(second[name]) == pytest.approx(both[name], abs=0.006)
    assert float(second["main_kappa"]) == pytest.approx(both["main_kappa"], abs=0.0006)
    mine, theirs = plain.commonest(other.to_dicts()), plain.commonest(main.to_dicts())
    shared = sorted(mine.keys() & theirs.keys())
    library = cohen_kappa_score([mine[pair] for pair in shared], [theirs[pair] for pair in shared])
    assert float(second["main_kappa"]) == pytest.approx(library, abs=0.0006)


def test_a_judge_that_says_always_the_same_agrees_with_itself_and_has_no_kappa():
    frame = drawn(1, 3, 0).with_columns(verdict=pl.lit("same"))
    (row,) = rows(judges({"main": frame.lazy()}, ENTRIES[:1], STUDY))
    assert (row["self_all"], row["self_kappa"], row["accepted"], row["same"]) == ("100.00", "", "100.00", "100.00")


def test_a_judge_that_was_asked_nothing_but_controls_has_its_row():
    frame = drawn(1).filter(pl.col("control").is_not_null())
    found = rows(judges({"main": frame.lazy(), "other": frame.lazy()}, ENTRIES, STUDY))
    assert [(row["n"], row["same"], row["plain_right"], row["shared"]) for row in found] == [
        ("0", "", "1", ""), ("0", "", "1", "0"),
    ]  # fmt: skip
