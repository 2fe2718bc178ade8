"""Knowledge of classes beside accuracy on them, on small studies and against a plain computation."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.dataset.labels import LABELS
from mllm_classify.predict.chat.probing import PROBES
from mllm_classify.tables.class_knowledge import class_knowledge
from mllm_classify.tables.knowledge import knowledge
from tests import plain
from tests.plain.knowledge import knowledge as plainly
from tests.tables.ways import MODELS, STUDY, scored

assert plain
CLASSES = pl.DataFrame({"class_id": range(6), "name": list("uvwxyz")}, schema_overrides={"class_id": pl.Int32})


def probes(*rights, model="a"):
    """Answers about classes 0, 1, ...: a string of each, `1` right, `0` another option, `-` none."""
    rows = [
        {
            "class_id": class_id, "description": "d", "repeat": repeat, "options": [class_id, (class_id + 1) % 6],
            "chosen": {"1": class_id, "0": (class_id + 1) % 6, "-": None}[sign], "right": sign == "1", "status": "ok",
        }
        for class_id, signs in enumerate(rights)
        for repeat, sign in enumerate(signs)
    ]  # fmt: skip
    return {model: pl.DataFrame(rows, schema=PROBES).lazy()}


def labelled(classes):
    rows = [{"image_id": f"i{number}", "imgt": class_id} for number, class_id in enumerate(classes)]
    return pl.DataFrame(rows, schema=LABELS)


def worded(imgt, regt, categories=None):
    """Scores of the three scorings of CW and OW; the first task of best accuracy is CW+."""
    zeros = "0" * len(imgt)
    return pl.concat(
        [scored("OW", zeros, zeros if regt else None, categories=categories),
         *(scored(it, imgt, regt, categories=categories) for it in ("CW+", "CW"))]
    )  # fmt: skip


def test_what_is_known_is_recognised_better():
    """Class 0 is known and always recognised, 1 half known and half recognised, 2 neither, 3 has no image."""
    found = knowledge(
        probes("11", "10", "-0", "11"), worded("111000", "111111"), labelled([0, 0, 1, 1, 2, 2]), MODELS, STUDY, 100
    )
    (row,) = found.rows.to_dicts()
    shown = {name: row[name] for name in ("task", "n_classes", "questions", "knowledge", "chance", "unnamed")}
    assert shown == {
        "task": "CW+",
        "n_classes": 4,
        "questions": 8,
        "knowledge": "62.50",
        "chance": "50.00",
        "unnamed": "12.50",
    }
    imgt = [row[f"ImGT_{it}"] for it in ("n_classes", "n_known", "A", "known", "unknown", "difference", "rho")]
    assert imgt == [3, 1, "50.00", "100.00", "25.00", "75.00", "1.000"]
    assert (row["ReGT_A"], row["ReGT_rho"]) == ("100.00", None)


def test_every_class_has_its_row():
    rows = class_knowledge(probes("11", "1-"), worded("110", "101"), labelled([0, 0, 5]), CLASSES, MODELS, STUDY)
    assert rows.select("model", "class", "questions", "known", "knowledge", "unnamed", "n", "ImGT", "ReGT").rows() == [
        ("A", "u", 2, 2, "100.00", 0, 2, "100.00", "50.00"),
        ("A", "v", 2, 1, "50.00", 1, 0, None, None),
    ]


@settings(max_examples=60)
@given(
    st.lists(st.text("10-", min_size=1, max_size=3), min_size=1, max_size=6),
    st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.booleans(), st.sampled_from(["S+", "N"])),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["correct", "excluded"]),
)
def test_the_numbers_are_those_of_a_plain_computation(rights, images, n_images):
    signs = ["".join("01"[flags[place]] for flags in images) for place in (1, 2)]
    scores = worded(*signs, categories=" ".join(it[3] for it in images))
    labels = labelled([it[0] for it in images])
    asked = probes(*rights)
    (row,) = knowledge(asked, scores, labels, MODELS, STUDY._replace(n_images=n_images), 100).rows.to_dicts()
    of_task = scores.filter(pl.col("scoring") == row["task"]).to_dicts()
    imgt = {f"i{number}": it[0] for number, it in enumerate(images)}
    expected = plainly(asked["a"].collect().to_dicts(), of_task, imgt, n_images)
    for name, value in expected.items():
        if name.endswith(("classes", "questions", "n_known")):
            assert row[name] == value, name
        elif value is None:
            assert row[name] is None, name
        else:
            factor, decimals = (1, 3) if name.endswith("rho") else (100, 2)
            assert float(row[name]) == pytest.approx(float(value) * factor, abs=0.51 * 10**-decimals), name


def test_an_interval_holds_the_share_that_it_is_of():
    rights = ["1" if number % 3 else "0" for number in range(6)]
    (row,) = knowledge(
        probes(*rights), worded("1011", "1011"), labelled([0, 1, 2, 3]), MODELS, STUDY, 200
    ).rows.to_dicts()
    assert float(row["knowledge_low"]) <= float(row["knowledge"]) <= float(row["knowledge_high"])
