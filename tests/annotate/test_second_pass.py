import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.annotate import second_pass
from mllm_classify.annotate.second_pass import OPEN, OUTCOMES, UNUSABLE, decided, decisions, outcome, read, relabelled
from mllm_classify.annotate.tasks import KEY
from mllm_classify.dataset.classes import CLASSES, Lookup
from mllm_classify.dataset.label_files import second_labels
from mllm_classify.dataset.labels import LABELS
from mllm_classify.io.files import InputError
from mllm_classify.tables.render import as_html, as_latex, as_markdown
from mllm_classify.tables.table import Study
from tests.annotate.exports import annotation, task

STUDY = Study("data", "Old", "New", None, "names.txt (9)")
NAMES = ["maze", "daisy", "missile", "missile", "<b>", "=1+1"]
MAZE, DAISY, MISSILE, OTHER_MISSILE = range(4)
KEYED = pl.DataFrame(
    [
        {"task": task, "image_id": image, "category": category, "regt": regt, "predicted": predicted}
        for task, image, category, regt, predicted in (
            ("t1", "a", "S-", [0], [1]), ("t2", "b", "S-", [0], [1]), ("t3", "c", "M-", [0, 2], [1]), ("t4", "d", "N", [], [1]),
            ("t5", "e", "M-", [0, 2], [1]),
        )
    ],
    schema=KEY,
)  # fmt: skip
NO_EQUIVALENCES: dict = {}


def states(*items, key=KEYED, equal=NO_EQUIVALENCES):
    found = decisions(key, read(list(items), "e.json", NAMES), equal)
    return dict(found.select("image_id", "state").iter_rows())


def cells(*items, group="all"):
    export = read(list(items), "e.json", NAMES)
    table = second_pass.second_pass(KEYED, export, decisions(KEYED, export, NO_EQUIVALENCES), "Chat", STUDY)
    return table.rows.row(by_predicate=pl.col("category") == group, named=True)


@pytest.mark.parametrize(
    ("regt", "labels", "expected"),
    [
        ({0}, {1}, "preferred"),
        ({0, 2}, {1, 3}, "preferred"),
        ({0}, {0}, "kept"),
        ({0, 2}, {2, 3}, "kept"),
        ({0}, {0, 1}, "combined"),
        ({0}, {3}, "other"),
        ({0}, set(), "other"),
        (set(), set(), "kept"),
        (set(), {1}, "preferred"),
        (set(), {3}, "other"),
    ],
)
def test_the_four_parts_of_figure_7(regt, labels, expected):
    assert outcome(frozenset(regt), frozenset({1}), frozenset(labels), NO_EQUIVALENCES) == expected


def test_equivalent_classes_count_as_one():
    equal = {4: frozenset({1}), 5: frozenset({0})}
    assert outcome(frozenset({0}), frozenset({1}), frozenset({4}), equal) == "preferred"
    assert outcome(frozenset({0}), frozenset({1}), frozenset({4, 5}), equal) == "combined"


classes = st.frozensets(st.integers(0, 5), max_size=4)


@given(classes, classes, classes)
def test_the_parts_do_not_depend_on_the_other_classes_of_an_answer(regt, predicted, labels):
    found = outcome(regt, predicted, labels, NO_EQUIVALENCES)
    assert (found in ("preferred", "combined")) == bool(predicted & labels)
    assert (found in ("kept", "combined")) == bool(regt & labels or not (regt or labels))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([{1}], {1}),
        ([set()], set()),
        ([{1}, {2}], None),
        ([{1, 2}, {2, 3}], {2}),
        ([{1}, {1, 2}, {2}], {1, 2}),
        ([{1}, {2}, {3}], None),
        ([set(), set(), {1}], set()),
        ([set(), {1}], None),
    ],
)
def test_a_majority_decides(said, expected):
    assert decided([frozenset(it) for it in said]) == (None if expected is None else frozenset(expected))


@given(st.lists(classes, min_size=1, max_size=5))
def test_neither_the_order_of_annotators_nor_doubling_them_all_matters(said):
    assert decided(said) == decided(said[::-1]) == decided(said * 2)


def test_one_who_agrees_with_all_changes_nothing_and_one_alone_decides():
    assert decided([frozenset({1, 2})]) == decided([frozenset({1, 2})] * 2) == {1, 2}


def test_classes_are_read_from_every_part_of_the_page():
    first = annotation(proposed=["daisy"], likely=["[2] missile"], other=["<b>"])
    assert read([task("t1", first)], "e", NAMES).annotations[0][2:] == ("usable", {DAISY, MISSILE, 4})


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (annotation(), "empty"),
        (annotation(none=["None of the classes"]), "usable"),
        (annotation(none=["I cannot tell"]), "unsure"),
        (annotation(proposed=["maze"], none=["I cannot tell"]), "usable"),
        (annotation(proposed=["maze"], none=["None of the classes"]), "contradictory"),
        (annotation(proposed=["maze", "labyrinth"]), "unknown_class"),
        (annotation(proposed=["missile"]), "unknown_class"),  # of which there are two
        (annotation(proposed=["maze"], cancelled=True), "skipped"),
        (annotation(cancelled=True), "skipped"),
    ],
)
def test_what_an_annotation_says(said, status):
    (found,) = read([task("t1", said)], "e", NAMES).annotations
    assert found.status == status
    if status != "usable":
        assert not found.classes
        assert states(task("t1", said))["a"] == "unusable"
        assert cells(task("t1", said))[status] == 1


def test_nothing_chosen_is_not_that_no_class_applies():
    assert states(task("t4", annotation()))["d"] == "unusable"
    assert states(task("t4", annotation(none=["None of the classes"])))["d"] == "kept"


def test_tasks_without_an_outcome_are_told_apart():
    found = states(
        task("t1", annotation(1, proposed=["maze"]), annotation(2, proposed=["daisy"])),
        task("t2"),
        task("t3", annotation()),
        task("t4", annotation(proposed=["daisy"])),
    )
    assert found == {"a": "undecided", "b": "unlabelled", "c": "unusable", "d": "preferred", "e": "missing"}


def test_doubled_and_foreign_tasks_are_counted_and_annotations_of_both_copies_count():
    items = [
        task("t1", annotation(1, proposed=["daisy"])), task("t1", annotation(2, proposed=["daisy"])), task("t1"),
        task("another", annotation(proposed=["maze"])), task("another"),
    ]  # fmt: skip
    row = cells(*items)
    assert (row["doubled"], row["foreign"], row["annotators"], row["n_preferred"]) == (1, 1, 2, 1)
    assert cells(*items, group="S-")["doubled"] == 1
    assert cells(*items, group="M-") | {"doubled": 0, "foreign": None, "missing": 2} == cells(*items, group="M-")


def test_of_one_annotator_the_last_annotation_counts_whatever_their_order():
    said = [annotation(1, at=1, proposed=["daisy"]), annotation(1, at=3), annotation(1, at=2, proposed=["maze"])]
    for order in itertools.permutations(said):
        assert states(task("t1", *order))["a"] == "unusable"
        row = cells(task("t1", *order))
        assert (row["replaced"], row["empty"]) == (2, 1)


options = st.sampled_from([[], ["maze"], ["daisy"], ["maze", "daisy"], ["nowhere"]])
annotations = st.builds(
    annotation, st.integers(1, 3), at=st.integers(0, 9), proposed=options, cancelled=st.booleans(),
    none=st.sampled_from([[], ["None of the classes"], ["I cannot tell"]]),
)  # fmt: skip
exports = st.lists(
    st.builds(
        lambda name, said: task(name, *said),
        st.sampled_from(["t1", "t2", "t3", "t4", "t9"]),
        st.lists(annotations, max_size=4),
    ),
    max_size=6,
)


@given(exports)
def test_every_task_is_counted_once_and_every_annotation_too(items):
    for group in ("S-", "M-", "N", "all"):
        row = cells(*items, group=group)
        assert row["decided"] == sum(row[f"n_{name}"] for name in OUTCOMES)
        assert row["tasks"] == row["decided"] + sum(row[name] for name in OPEN)
        members = {t for t, c in KEYED.select("task", "category").iter_rows() if group in ("all", c)}
        said = sum(len(it["annotations"]) for it in items if it["data"]["task"] in members)
        usable = said - sum(row[name] for name in [*UNUSABLE, "replaced"])
        assert usable >= row["decided"] + row["undecided"]
        if row["decided"]:
            assert sum(float(row[name]) for name in OUTCOMES) == pytest.approx(100, abs=0.03)


def test_agreement_of_annotators():
    items = [
        task("t1", annotation(1, proposed=["daisy"]), annotation(2, proposed=["daisy"])),
        task("t2", annotation(1, proposed=["daisy", "maze"]), annotation(2, proposed=["maze", "daisy"])),
        task("t3", annotation(1, proposed=["daisy"]), annotation(2, proposed=["maze"])),
        task("t4", annotation(1, proposed=["daisy"]), annotation(2)),
    ]
    row = cells(*items)
    # of six answers three are {daisy}, two {daisy, maze}, one {maze}: chance 14/36, observed 2/3
    assert (row["annotators"], row["shared"], row["exact"], row["kappa"]) == (2, 3, "66.67", f"{(24 - 14) / 22:.3f}")
    assert cells(*items, group="S-")["exact"] == "100.00"


def test_agreement_of_one_is_unknown_and_so_is_kappa_of_one_answer():
    assert [cells(task("t1", annotation(proposed=["maze"])))[name] for name in ("shared", "exact", "kappa")] == [
        0,
        None,
        None,
    ]
    alike = [task(name, *(annotation(who, proposed=["maze"]) for who in (1, 2))) for name in ("t1", "t2")]
    assert [cells(*alike)[name] for name in ("shared", "exact", "kappa")] == [2, "100.00", None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "e.json: must be a list of tasks, as Label Studio exports them in its format JSON"),
        (
            [{"data": {"image": "x"}, "annotations": []}],
            "e.json: task 1: a task with data.task and annotations is needed",
        ),
        ([task("t1"), 3], "e.json: task 2: a task with data.task and annotations is needed, not 3"),
        (
            [{"data": {"task": "t"}, "annotations": [{}]}],
            "e.json: task 1: an annotation with id and completed_by is needed",
        ),
        (
            [task("t", annotation() | {"result": [{"from_name": "box", "value": {"rectanglelabels": []}}]})],
            "e.json: task 1: a result with from_name and choices is needed",
        ),
        (
            [task("t", annotation(box=["maze"]))],
            "e.json: task 1: 'box' is not part of this labelling configuration; is it an export of another project?",
        ),
    ],
)
def test_what_is_no_export_is_refused(content, message):
    with pytest.raises(InputError) as refused:
        read(content, "e.json", NAMES)
    assert message in str(refused.value)


def test_annotators_may_be_named_by_an_object():
    said = annotation() | {"completed_by": {"id": 7, "email": "a@b"}}
    assert read([task("t", said)], "e", NAMES).annotations[0].annotator == "7"


def test_what_users_said_who_were_deleted_since_counts_as_said_by_others():
    """Of one task each is another's, wherever in the export it stands; none replaces what a user who is there said."""
    gone = [task("t1", annotation(None, proposed=["maze"]), annotation(3, proposed=["daisy"])),
            task("t1", annotation(None, proposed=["daisy"])), task("t2", annotation(None, proposed=["maze"]))]  # fmt: skip
    said = [(it.task, it.annotator, it.status) for it in read(gone, "e", NAMES).annotations]
    assert sorted(said) == [
        ("t1", "3", "usable"),
        ("t1", "deleted 1", "usable"),
        ("t1", "deleted 2", "usable"),
        ("t2", "deleted 1", "usable"),
    ]


def labelled(*rows):
    cells = [
        {"image_id": image, "regt": regt, "excluded": None if regt is not None else "uncertain"} for image, regt in rows
    ]
    return pl.DataFrame(cells, schema=LABELS)


def lookup(names):
    cells = [{"class_id": number, "name": name} for number, name in enumerate(names)]
    return Lookup(pl.DataFrame(cells, schema=CLASSES))


def test_decisions_replace_labels_and_all_others_stay():
    export = read(
        [task("t1", annotation(proposed=["[3] missile"], other=["=1+1"])), task("t2", annotation()),
         task("t3", annotation(none=["None of the classes"]))], "e", NAMES,
    )  # fmt: skip
    first = labelled(("z", [4]), ("a", [0]), ("b", [0]), ("c", [0, 2]), ("u", None), ("n", []))
    found = relabelled(first, decisions(KEYED, export, NO_EQUIVALENCES), NAMES, lookup(NAMES), "N")
    assert found.rows() == [
        ("z", "4", "<b>", "first pass"),
        ("a", "3|5", "missile, =1+1", "other"),
        ("b", "0", "maze", "first pass"),
        ("c", "N", "", "other"),
        ("n", "N", "", "first pass"),
    ]


def test_a_name_that_begins_like_a_formula_is_text_to_a_spreadsheet():
    found = relabelled(
        labelled(("a", [5])),
        KEYED.select("task", "image_id", state=pl.lit(""), labels="regt").clear(),
        NAMES,
        lookup(NAMES),
        "N",
    )
    assert found["names"].to_list() == ["'=1+1"]


@pytest.mark.parametrize("names", [NAMES, ["1", "0", "2"], ["a|b", "c", "N"]])
def test_the_label_file_says_what_was_decided(folder, names):
    from mllm_classify.config.dataset import TableDataset
    from mllm_classify.config.every_dataset import SecondLabelSet

    first = labelled(*((f"#{number}", [number]) for number in range(len(names))), ("none", []), ("both", [0, 1]))
    none = decisions(KEYED.clear(), read([], "e", names), NO_EQUIVALENCES)
    sign = "-" if "N" in names else "N"
    relabelled(first, none, names, lookup(names), sign).write_csv(folder / "l.csv", quote_style="non_numeric")
    regt = SecondLabelSet(label="second", file="l.csv", none=sign)
    dataset = TableDataset.model_construct(source="table")
    back = second_labels(dataset, regt, lookup(names), [])
    assert {image: sorted(reading.classes) for image, reading in back.items()} == dict(
        first.select("image_id", "regt").iter_rows()
    )


def test_labels_that_changed_since_the_tasks_were_made_are_refused():
    now = labelled(*KEYED.select("image_id", "regt").iter_rows())
    second_pass.check(KEYED, now)
    with pytest.raises(InputError, match="annotate: 1 of 5 tasks were made under another ReGT, 'd' among them"):
        second_pass.check(KEYED, now.with_columns(regt=pl.when(pl.col("image_id") != "d").then("regt")))


def test_renderings_show_what_there_is():
    export = read([task("t1", annotation(1, proposed=["daisy"]))], "e", NAMES)
    table = second_pass.second_pass(KEYED, export, decisions(KEYED, export, NO_EQUIVALENCES), "<b>Chat</b> $x$", STUDY)
    shown = as_markdown(table)
    assert "Missing" in shown
    assert "Doubled" not in shown
    assert "Kappa" not in shown
    assert "100.00" in shown
    assert "<b>" not in as_html(table)
    assert "\\$x\\$" in as_latex(table)
