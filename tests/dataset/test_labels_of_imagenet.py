import json
from collections import Counter

import polars as pl
from polars.testing import assert_frame_equal

from mllm_classify.config.dataset import ImagenetDataset
from mllm_classify.dataset.images import images
from mllm_classify.dataset.labels import labels
from tests.dataset.given import CLASSES, frame, refusal, val

REAL_LABELS = "package:timm/data/_info/imagenet_real_labels.json"


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
    return labels(pl.DataFrame({"image_id": ids}), CLASSES, dataset)


def real(folder, originals, lists, **options):
    write(folder, "real.json", lists)
    return of_imagenet(folder, originals, format="real", file="real.json", **options)


def reimagenet(folder, originals, lines, **options):
    """By the rules of the first paper: those of ReImageNet's authors are in test_reimagenet_rules.py."""
    options = {"missing": "error", "uncertain": "exclude", "categories": "raw"} | options
    keys = ("image_name", "original_class", "reannotated_labels")
    records = [
        dict(zip(keys, (f"{val(number)}.JPEG", original, found), strict=True)) | {"file_path": f"{val(number)}.JPEG"}
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
    found = labels(images(dataset, CLASSES), CLASSES, dataset)
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
        overlapping=[True, True, False],
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
