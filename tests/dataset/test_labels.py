from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.config.dataset import TableDataset
from mllm_classify.config.every_dataset import Equivalences, LabelSet, SecondLabelSet
from mllm_classify.dataset.classes import classes as read_classes
from mllm_classify.dataset.labels import category, labels
from mllm_classify.io.files import PROJECT
from tests.dataset.given import frame, refusal

REAL = PROJECT.parent / "shared/real"
REAL_LABELS = "package:timm/data/_info/imagenet_real_labels.json"
NAMES = ["cat", "dog", "Missile", "laptop", "missile ", "notebook", "two, in one"]
IDS = st.integers(0, 6)


def labelled(folder, imgt, regt=None, equivalences=None, ids="abc", first=None, second=None, one_way=False):
    """Labels of images a, b and c, from rows without their headers."""
    files = {"classes.txt": "\n".join(NAMES), "imgt.csv": "\n".join(["image_id,class", *imgt])}
    if regt is not None:
        files["regt.csv"] = "\n".join(["image_id,classes", *regt])
    if equivalences is not None:
        files["pairs.csv"] = "\n".join(["classes,admits,source", *(f"{row},ours" for row in equivalences)])
    for name, content in files.items():
        (folder / name).write_text(content + "\n")
    dataset = TableDataset(
        source="table",
        name="d",
        label="D",
        classes="classes.txt",
        imgt=LabelSet(label="I", file="imgt.csv", **(first or {})),
        regt=None if regt is None else SecondLabelSet(label="R", file="regt.csv", **(second or {})),
        equivalences=None if equivalences is None else Equivalences(label="E", file="pairs.csv", one_way=one_way),
    )
    return labels(pl.DataFrame({"image_id": list(ids)}), read_classes(dataset), dataset)


@pytest.mark.parametrize(
    ("imgt", "regt", "expected"),
    [
        (1, set(), "N"),
        (1, {1}, "S+"),
        (1, {2}, "S-"),
        (1, {1, 2}, "M+"),
        (1, {1, 2, 3}, "M+"),
        (1, {2, 3}, "M-"),
        (0, {0}, "S+"),
    ],
)
def test_categories_are_those_of_table_1(imgt, regt, expected):
    assert category(imgt, regt, {}) == expected


@given(st.lists(st.tuples(IDS, st.frozensets(IDS))))
def test_categories_part_the_images(pairs):
    counts = Counter(category(imgt, frozenset(regt), {}) for imgt, regt in pairs)
    assert set(counts) <= {"N", "S+", "S-", "M+", "M-"}
    assert counts["N"] == sum(not regt for _, regt in pairs)
    assert counts["S+"] + counts["S-"] == sum(len(regt) == 1 for _, regt in pairs)
    assert counts["S+"] + counts["M+"] == sum(imgt in regt for imgt, regt in pairs)
    assert counts.total() == len(pairs)


def test_labels_by_name_and_by_id(folder):
    found = labelled(
        folder,
        ["c,LAPTOP", "a, 0 ", "b,4"],
        ["a,dog|Cat", "b,N", 'c,"two, in one"'],
        ["3|Notebook,", "2|4,"],
    )
    expected = frame(
        image_id=["a", "b", "c"],
        imgt=[0, 4, 3],
        regt=[[0, 1], [], [6]],
        imgt_admissible=[[0], [2, 4], [3, 5]],
        regt_admissible=[[0, 1], [], [6]],
        category=["M+", "N", "S-"],
    )
    assert_frame_equal(found, expected)


def test_equivalence_changes_what_is_admissible_and_no_category(folder):
    """Table 1 compares labels; equation 1 compares predictions with labels."""
    rows = (["a,laptop", "b,laptop", "c,cat"], ["a,notebook", "b,notebook|dog", "c,cat|cat"])
    expected = {
        "image_id": ["a", "b", "c"],
        "imgt": [3, 3, 0],
        "regt": [[5], [1, 5], [0]],
        "category": ["S-", "M-", "S+"],
    }
    assert_frame_equal(
        labelled(folder, *rows, ["3|5,"]),
        frame(**expected, imgt_admissible=[[3, 5], [3, 5], [0]], regt_admissible=[[3, 5], [1, 3, 5], [0]]),
    )
    assert_frame_equal(
        labelled(folder, *rows),
        frame(**expected, imgt_admissible=[[3], [3], [0]], regt_admissible=[[5], [1, 5], [0]]),
    )


@pytest.mark.parametrize(("one_way", "admissible"), [(False, [[3], [5], [0]]), (True, [[3, 5], [5], [0]])])
def test_a_one_way_row_counts_only_when_asked_for(folder, one_way, admissible):
    rows = ["a,laptop", "b,notebook", "c,cat"]
    found = labelled(folder, rows, rows, ["3,5"], one_way=one_way)
    assert found["imgt_admissible"].to_list() == admissible
    assert found["regt_admissible"].to_list() == admissible


def test_without_a_second_label_set_its_columns_are_null(folder):
    expected = frame(image_id=["a", "b", "c"], imgt=[0, 1, 3], imgt_admissible=[[0], [1], [3, 5]])
    assert_frame_equal(labelled(folder, ["a,0", "b,1", "c,3"], None, ["3|5,"]), expected)


@given(st.permutations(range(3)), st.permutations(range(3)), st.permutations(range(3)))
def test_the_order_of_the_files_changes_nothing(tmp_path_factory, first, second, third):
    folder = tmp_path_factory.getbasetemp()
    imgt, regt, groups = ["a,0", "b,4", "c,laptop"], ["a,dog|cat", "b,N", "c,5|3"], ["3|5,", "2|4,", "0|6,"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shuffled = labelled(folder, *([rows[i] for i in order]
                                      for rows, order in ((imgt, first), (regt, second), (groups, third))))  # fmt: skip
        assert_frame_equal(shuffled, labelled(folder, imgt, regt, groups))


IMGT, REGT = ["a,0", "b,1", "c,3"], ["a,N", "b,1", "c,3|5"]


@pytest.mark.parametrize(
    ("imgt", "regt", "equivalences", "expected"),
    [
        (["a,0", "b,7", "c,3"], REGT, [],
         "imgt.csv:3: '7' is not a class: neither one of the 7 names nor an id from 0 to 6"),
        (["a,0", "b,-1", "c,3"], REGT, [], "imgt.csv:3: '-1' is not a class"),
        (["a,0", "b,cats", "c,3"], REGT, [], "imgt.csv:3: 'cats' is not a class"),
        (["a,0", "b,missile", "c,3"], REGT, [],
         "imgt.csv:3: 'missile' is the name of several classes; write one of the ids [2, 4]"),
        (["a,0", "b,N", "c,3"], REGT, [], "imgt.csv:3: 'N' is not a class"),
        (["a,0", "b,0|1", "c,3"], REGT, [], "imgt.csv:3: '0|1' is not a class"),
        (["a,0", "b,", "c,3"], REGT, [], "imgt.csv: no label for 1 of 3 images: 'b'. Label them"),
        (["a,0", "c,3"], REGT, [], "imgt.csv: no label for 1 of 3 images: 'b'. Label them"),
        (["a,0", "b,1", "c,3", "a,0"], REGT, [], "imgt.csv:5: image 'a' is labelled at imgt.csv:2 already"),
        (["a,0", "b,1", "c,3", "d,0", "e,0"], REGT, [],
         "imgt.csv:5: 2 labels are of images that are not registered (dataset.images)"),
        (IMGT, ["a,N", "b,1|7", "c,3"], [], "regt.csv:3: '7' is not a class"),
        (IMGT, ["a,N", "b,1|", "c,3"], [], "regt.csv:3: '' is not a class"),
        (IMGT, ["a,N", "b,1|N", "c,3"], [], "regt.csv:3: 'N' is not a class"),
        (IMGT, ["a,N", "b,missile|1", "c,3"], [], "regt.csv:3: 'missile' is the name of several classes"),
        (IMGT, ["a,N", "b,", "c,3"], [],
         "regt.csv: no label for 1 of 3 images: 'b'. Label them (N where no class applies), or set dataset.regt.missing"),
        (IMGT, ["a,N", "b,1"], [], "regt.csv: no label for 1 of 3 images: 'c'. Label them"),
        (IMGT, ["a,N", "b,1", "b,N", "c,3"], [], "regt.csv:4: image 'b' is labelled at regt.csv:3 already"),
        (IMGT, ["a,N", "b,1", "c,3", "d,N"], [], "regt.csv:5: 1 labels are of images that are not registered"),
        (IMGT, REGT, ["0|1,", "2|9,"], "pairs.csv:3: '9' is not a class"),
        (IMGT, REGT, ["0|missile,"], "pairs.csv:2: 'missile' is the name of several classes"),
        (IMGT, REGT, ["0|1"], "pairs.csv:2: 2 values under a header of 3: '0|1,ours'"),
    ],
)  # fmt: skip
def test_a_broken_label_file_is_named_by_line_and_value(folder, imgt, regt, equivalences, expected):
    assert refusal(labelled, folder, imgt, regt, equivalences).startswith(expected)


def test_missing_labels_are_counted_and_three_are_named(folder):
    found = refusal(labelled, folder, ["a,0"], ids="abcde")
    assert found.startswith("imgt.csv: no label for 4 of 5 images: 'b', 'c', 'd' ...")
    assert found.endswith("or set dataset.imgt.missing: exclude to leave them out of every table")


def test_nobody_is_told_to_write_n_where_it_is_no_label(folder):
    assert "(N where no class applies)" not in refusal(labelled, folder, ["a,0"])


def test_images_without_a_label_are_left_out_and_say_why(folder):
    found = labelled(
        folder,
        ["a,laptop", "b,", "d,0"],
        ["a,N", "b,1", "d,"],
        ["3|5,", "0|6,"],
        ids="abcd",
        first={"missing": "exclude"},
        second={"missing": "exclude"},
    )
    expected = frame(
        image_id=["a", "b", "c", "d"],
        imgt=[3, None, None, 0],
        regt=[[], None, None, None],
        imgt_admissible=[[3, 5], None, None, [0, 6]],
        regt_admissible=[[], None, None, None],
        category=["N", None, None, None],
        excluded=[None, "no ImGT label", "no ImGT label", "no ReGT label"],
    )
    assert_frame_equal(found, expected)


@pytest.mark.parametrize(("first", "second", "key"), [("exclude", "error", "regt"), ("error", "exclude", "imgt")])
def test_each_label_set_has_its_own_rule_for_what_is_missing(folder, first, second, key):
    rules = {"first": {"missing": first}, "second": {"missing": second}}
    assert f"dataset.{key}.missing: exclude" in refusal(labelled, folder, ["a,0", "b,1"], ["a,N", "b,1"], **rules)


@pytest.mark.parametrize("missing", ["error", "exclude"])
def test_labels_of_other_images_are_no_missing_labels(folder, missing):
    rule = {"missing": missing}
    assert refusal(labelled, folder, ["x,0", "y,1"], first=rule).startswith("imgt.csv:2: 2 labels are of images that")


def test_an_image_is_never_without_a_label_and_evaluated(folder):
    rows = ["a,0", "b,", "c,1"]
    found = labelled(folder, rows, ["a,N", "b,1", "c,"], first={"missing": "exclude"}, second={"missing": "exclude"})
    assert found.filter(pl.col("excluded").is_null())["image_id"].to_list() == ["a"]
