import json

import pytest

from mllm_classify.dataset.label_files import expert_labels, original_labels
from mllm_classify.io.files import PROJECT
from tests.dataset.given import IMAGENET, LOOKUP, read, refusal, summary, val, write_json

EXPERT = PROJECT.parent / "shared/real/mustelidae/356_357_358_359.json"


def classes_of(found):
    return {image_id: reading.classes and set(reading.classes) for image_id, reading in found.items()}


def expert(old, new, kind, detail=""):
    return {"old_label": old, "new_label": new, "detailed_labels": detail, "label_type": kind}


def read_expert(file):
    return expert_labels(IMAGENET.model_copy(update={"mustelidae": file}), LOOKUP)


@pytest.mark.parametrize("call", [read_expert, lambda file: read("mustelidae", file)])
def test_the_experts_labels(folder, call):
    file = write_json(
        folder,
        {
            f"{val(5)}.JPEG": expert(356, 357, "basic"),
            f"{val(4)}.JPEG": expert(357, [358, 359], "multilabel"),
            f"{val(3)}.JPEG": expert(358, None, "custom", "Tayra"),
            f"{val(2)}.JPEG": expert(359, None, "uncertain"),
            f"{val(1)}.JPEG": expert(None, [356], "multilabel"),
        },
    )
    found = call(file)
    assert summary(found) == {
        val(5): ({357}, {356}),
        val(4): ({358, 359}, {357}),
        val(3): (set(), {358}),
        val(2): (None, {359}),
        val(1): ({356}, None),
    }
    assert found[val(3)].place == f"r.json: '{val(3)}.JPEG'"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (expert(356, None, "basic"), "new_label is null and label_type 'basic'; only custom and uncertain say what"),
        (expert(356, None, "multilabel"), "new_label is null and label_type 'multilabel'; only"),
        (expert(356, None, None), "new_label is null and label_type None; only"),
        (expert(356, 1000, "basic"), "1000 is not a class"),
        (expert(356, [356, -1], "multilabel"), "-1 is not a class"),
        (expert(356, "weasel", "basic"), "'weasel' is neither a class id nor a list of them"),
        (expert(1000, 356, "basic"), "1000 is not a class"),
        ({"old_label": 356, "new_label": 356}, "must have old_label, new_label and label_type"),
        (356, "must have old_label, new_label and label_type"),
    ],
)
def test_a_broken_entry_of_the_expert_is_named(folder, entry, expected):
    file = write_json(folder, {f"{val(1)}.JPEG": entry})
    assert refusal(read_expert, file).startswith(f"r.json: '{val(1)}.JPEG': {expected}")


def test_an_image_that_the_expert_labelled_twice_is_refused(folder):
    entry = json.dumps(expert(356, 356, "basic"))
    (folder / "r.json").write_text(f'{{"{val(1)}.JPEG": {entry}, "{val(1)}.JPEG": {entry}}}')
    assert refusal(read_expert, "r.json") == f"r.json: '{val(1)}.JPEG' appears twice"
    write_json(folder, {f"{val(1)}.JPEG": expert(356, 356, "basic"), val(1): expert(356, 356, "basic")})
    assert refusal(read_expert, "r.json") == (
        f"r.json: '{val(1)}': image {val(1)!r} is labelled at r.json: '{val(1)}.JPEG' already"
    )


@pytest.mark.skipif(not EXPERT.exists(), reason="the expert's labels are not in ../shared/real")
def test_the_experts_real_labels():
    found = read_expert(str(EXPERT))
    originals = original_labels(IMAGENET, LOOKUP)
    assert len(found) == 200
    assert sum(reading.classes is None for reading in found.values()) == 27
    assert sum(reading.classes == frozenset() for reading in found.values()) == 8
    assert {
        image_id: classes for image_id, classes in classes_of(found).items() if image_id in MULTILABEL
    } == MULTILABEL
    assert all(reading.original == originals[image_id].classes for image_id, reading in found.items())


MULTILABEL = {val(24239): {356}, val(43742): {356}}
