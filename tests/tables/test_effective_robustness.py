import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.tables.effective_robustness import effective_robustness
from mllm_classify.tables.render import as_markdown
from tests.plain.robustness import robustness as plainly
from tests.tables.studies import ONE_LABEL_SET, RESAMPLES, STUDY, images_of, rows, scored

MODELS = pl.DataFrame(
    [{"model": name, "label": name.upper(), "family": "VLM" if name < "c" else "supervised"} for name in "abcdef"]
)
LABELS = {"p": "Photographs", "q": "Quilts", "r": "Riddles"}


def made(frames, *pairs, study=ONE_LABEL_SET):
    """The table of scores of data sets by their names."""
    images = {name: images_of(scores) for name, scores in frames.items()}
    each = {
        "models": dict.fromkeys(frames, MODELS),
        "study": {name: study._replace(classes=f"{name}.txt (3)") for name in frames},
    }
    return effective_robustness(
        frames, images, each["models"], each["study"], LABELS, [list(pair) for pair in pairs], RESAMPLES
    )


def of(**flags):
    """Scores of models that rank classes, from flags."""
    return pl.concat([scored(model, "CW", signs) for model, signs in flags.items()])


FOUR = {
    "p": of(a="1100", b="1110", c="1000", d="1110"),
    "q": of(a="10", b="10", c="00", d="11"),
}


def test_four_models_on_a_base_and_a_shifted_set():
    """The others of d have logits 0, ln 3 and -ln 3 on the base, and 0, 0 and ln(1/3) there: y = x / 2 - ln(3) / 3."""
    found = {row["model"]: row for row in rows(made(FOUR, ("p", "q")))}
    row = found["D"]
    shown = ("base", "dataset", "measure", "task", "family", "n_base", "n", "base_A", "A", "loss", "line_models")
    assert [row[name] for name in shown] == [
        "p", "q", "ImGT", "CW", "supervised", "4", "2", "75.00", "100.00", "-25.00", "3",
    ]  # fmt: skip
    # e to the power of ln(3) / 6 is 1.2009, which is 0.5456 of itself and 1
    assert (row["line_A"], row["robustness"]) == ("54.56", "45.44")
    assert (row["base_classes"], row["classes"]) == ("p.txt (3)", "q.txt (3)")
    assert list(found) == sorted(found, key=lambda it: -float(found[it]["robustness"]))


def test_three_models_have_a_loss_and_no_line():
    frames = {name: scores.filter(pl.col("model") != "d") for name, scores in FOUR.items()}
    found = rows(made(frames, ("p", "q")))
    assert [(row["loss"] != "", row["line_A"], row["robustness"], row["robustness_low"]) for row in found] == [
        (True, "", "", "")
    ] * 3


def test_a_model_that_lacks_a_set_is_neither_in_the_table_nor_in_the_line():
    frames = FOUR | {"p": pl.concat([FOUR["p"], of(e="1111")])}
    assert rows(made(frames, ("p", "q"))) == rows(made(FOUR, ("p", "q")))


def test_models_are_shown_at_their_task_of_the_base():
    worded = [scored("e", "OW", "1111"), scored("e", "CW", "0000", oop="0000")]
    there = [scored("e", "OW", "00"), scored("e", "CW", "11", oop="00")]
    frames = {"p": pl.concat([FOUR["p"], *worded]), "q": pl.concat([FOUR["q"], *there])}
    (row,) = (row for row in rows(made(frames, ("p", "q"))) if row["model"] == "E")
    assert (row["task"], row["base_A"], row["A"]) == ("OW", "100.00", "0.00")


def test_regt_is_compared_where_both_sets_have_it():
    with_regt = {
        name: pl.concat([scored(model, "CW", "10", "11", "S+ N") for model in "abcd"]) for name in ("p", "q")
    } | {"r": of(a="10", b="11", c="00", d="10")}
    found = rows(made(with_regt, ("p", "q"), ("p", "r"), study=STUDY))
    assert {(row["dataset"], row["measure"]) for row in found} == {("q", "ImGT"), ("q", "ReGT"), ("r", "ImGT")}


def test_people_see_which_set_is_shifted_from_which():
    text = as_markdown(made(FOUR, ("p", "q")))
    assert "Quilts from Photographs" in text
    heading = next(line for line in text.splitlines() if line.startswith("| Data set"))
    assert [cell.strip() for cell in heading.split("|")][-4:-1] == ["Line", "Robustness", "95 % CI"]


@st.composite
def two_sets(draw):
    models = "abcdef"[: draw(st.integers(1, 6))]
    sizes = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    return [{model: draw(st.text("01", min_size=size, max_size=size)) for model in models} for size in sizes]


@given(two_sets())
@settings(max_examples=25, deadline=None)
def test_an_independent_computation_gives_the_same_figures(sets):
    frames = dict(zip("pq", (of(**flags) for flags in sets), strict=True))
    found = rows(made(frames, ("p", "q")))
    expected = plainly(
        *({model: [sign == "1" for sign in signs] for model, signs in flags.items()} for flags in sets), RESAMPLES
    )
    assert {row["model"].lower() for row in found} == expected.keys()
    for row in found:
        for column, figure in expected[row["model"].lower()].items():
            if figure is None:
                assert row[column] == "", column
            else:
                assert float(row[column]) == pytest.approx(figure, abs=0.0051), column
