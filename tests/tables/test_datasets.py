import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.tables.datasets import best_rows
from mllm_classify.tables.datasets import datasets as of_all
from mllm_classify.tables.render import as_markdown
from tests.figures.drawn import written
from tests.plain.datasets import datasets as plainly
from tests.tables.studies import EVERY, MODELS, ONE_LABEL_SET, STUDY, as_read, scored

LABELS = {"a": "Model A", "v": "Vision", "w": "Vision 2"}


def datasets(frames, n_images, protocols=None):
    """The table of accuracies, and of protocols that data sets have."""
    return of_all(frames, protocols or {}, dict.fromkeys(frames, MODELS), n_images)


def frame(name, *scores, study=STUDY):
    """results/accuracy.parquet of a data set."""
    return EVERY["accuracy"](pl.concat(scores), MODELS, study._replace(dataset=name.upper()))


def of(name, model, imgt, regt=None, scoring="CW", categories=None):
    images = [f"{name}{number}" for number in range(len(imgt))]
    return scored(model, scoring, imgt, regt, categories or (regt and "S+ " * len(imgt)), images=images)


def rows(table):
    return {(row["model"], row["task"], row["measure"]): row for row in table.rows.to_dicts()}


TWO = {
    "p": frame("p", of("p", "v", "1110"), of("p", "w", "1100"), study=ONE_LABEL_SET),
    "q": frame("q", of("q", "v", "10"), of("q", "w", "11"), of("q", "a", "10", scoring="OW"), study=ONE_LABEL_SET),
}


def test_two_models_on_two_data_sets():
    found = rows(datasets(TWO, "correct"))
    shown = ("A_p", "n_p", "A_q", "n_q", "macro", "mean_rank", "wins", "datasets")
    assert {row: [cells[name] for name in shown] for row, cells in found.items()} == {
        ("Vision", "CW", "ImGT"): ["75.00", 4, "50.00", 2, "62.50", "1.50", 1, 2],
        ("Vision 2", "CW", "ImGT"): ["50.00", 4, "100.00", 2, "75.00", "1.50", 1, 2],
        ("Model A", "OW", "ImGT"): [None, None, "50.00", 2, None, None, None, None],
    }


def test_people_see_the_data_sets_by_their_labels_and_the_best_row_first():
    text = as_markdown(datasets(TWO, "correct"))
    heading = next(line for line in text.splitlines() if line.startswith("| Model"))
    assert [cell.strip() for cell in heading.split("|")][5:7] == ["P", "Q"], heading
    assert text.index("| Vision 2 ") < text.index("| Vision  ")


def test_the_order_of_data_sets_changes_nothing():
    assert datasets(dict(reversed(TWO.items())), "correct").rows.equals(datasets(TWO, "correct").rows)


def test_a_mean_of_one_data_set_has_its_wilson_interval_and_says_nothing_of_others():
    row = rows(datasets({"p": TWO["p"]}, "correct"))["Vision", "CW", "ImGT"]
    assert (row["macro"], row["macro_images_low"], row["macro_images_high"]) == (
        row["A_p"],
        row["A_p_low"],
        row["A_p_high"],
    )
    assert (row["macro_datasets_low"], row["macro_datasets_high"]) == (None, None)


def test_regt_is_averaged_over_the_data_sets_that_have_it_by_the_rule_for_images_without_a_label():
    frames = TWO | {"r": frame("r", of("r", "v", "100", "101", categories="S+ S+ N"))}
    for rule, accuracy in (("correct", "66.67"), ("excluded", "50.00")):
        row = rows(datasets(frames, rule))["Vision", "CW", "ReGT"]
        assert (row["A_r"], row["A_p"], row["macro"], row["datasets"]) == (accuracy, None, accuracy, 1)


PROTOCOLS = written(
    "model protocol ImGT_A ImGT_A_low ImGT_A_high ReGT_A ReGT_A_low ReGT_A_high n",
    ("Model A", "MC, 26 random", "80.00", "70.00", "90.00", None, None, None, "3"),
    ("Model A", "OW, embedding", "50.00", "40.00", "60.00", None, None, None, "2"),
    ("Model A", "CW", "10.00", "0.00", "20.00", None, None, None, "2"),
    ("Model B", "MC, 26 random", "60.00", "50.00", "70.00", "65.00", "55.00", "75.00", "3"),
)


def test_protocols_stand_beside_tasks_and_none_stands_twice():
    """Model B was asked multiple choice only, and only about q: of that protocol, q is not all of the label set's data sets."""
    found = rows(datasets(TWO, "correct", {"q": PROTOCOLS}))
    others = {row: cells for row, cells in found.items() if row[1].startswith("MC")}
    assert {
        row: [cells[it] for it in ("A_q", "A_q_low", "A_q_high", "n_q", "A_p")] for row, cells in others.items()
    } == {
        ("Model A", "MC, 26 random", "ImGT"): ["80.00", "70.00", "90.00", 3, None],
        ("Model B", "MC, 26 random", "ImGT"): ["60.00", "50.00", "70.00", 3, None],
        ("Model B", "MC, 26 random", "ReGT"): ["65.00", "55.00", "75.00", 3, None],
    }
    assert {row for row in found if row not in others} == rows(datasets(TWO, "correct")).keys()
    both = rows(datasets(TWO, "correct", {"p": PROTOCOLS, "q": PROTOCOLS}))
    assert [both[f"Model {name}", "MC, 26 random", "ImGT"]["mean_rank"] for name in "AB"] == ["1.00", "2.00"]


def test_a_model_is_shown_at_a_main_task_and_at_another_protocol_only_without():
    table = as_read(datasets(TWO, "correct", {"p": PROTOCOLS, "q": PROTOCOLS}))
    shown = dict(best_rows(table, ["p", "q"]).select("model", "task").iter_rows())
    assert shown == {"Vision": "CW", "Vision 2": "CW", "Model A": "OW", "Model B": "MC, 26 random"}


@st.composite
def studies(draw):
    """Flags of each model and task on up to four data sets; not all have all."""
    found = {}
    for name in draw(st.lists(st.sampled_from("pqrs"), min_size=1, max_size=4, unique=True)):
        number = draw(st.integers(1, 12))
        of_length = st.text("01", min_size=number, max_size=number)
        present = st.lists(
            st.sampled_from([("v", "CW"), ("w", "CW"), ("a", "CW"), ("a", "OW")]), min_size=1, unique=True
        )
        found[name] = {row: (draw(of_length), draw(of_length)) for row in draw(present)}
    return found


@given(studies())
@settings(max_examples=40, deadline=None)
def test_an_independent_computation_gives_the_same_figures(study):
    frames = {
        name: frame(name, *(of(name, model, *flags, scoring=task) for (model, task), flags in rows.items()))
        for name, rows in study.items()
    }
    counts = {}
    for name, each in study.items():
        for (model, task), flags in each.items():
            for measure, said in zip(("ImGT", "ReGT"), flags, strict=True):
                counts.setdefault((measure, task, LABELS[model]), {})[name] = (said.count("1"), len(said))
    found = rows(datasets(frames, "correct"))
    expected = plainly(counts)
    assert {(measure, task, model) for model, task, measure in found} == expected.keys()
    for (measure, task, model), figures in expected.items():
        row = found[model, task, measure]
        for column, figure in figures.items():
            if figure is None or column in ("wins", "datasets"):
                assert row[column] == figure
            else:
                assert float(row[column]) == pytest.approx(figure, abs=0.0051)
        for name, (correct, images) in counts[measure, task, model].items():
            assert row[f"A_{name}"] == f"{correct / images * 100:.2f}"
            assert row[f"n_{name}"] == images
