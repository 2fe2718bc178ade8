import pytest

from mllm_classify.dataset.boxes import BOXES
from tests.dataset.given import refusal
from tests.dataset.reimagenet import box, written


def described(folder, labels, *boxes, **options):
    found, _ = written(folder, [(5, labels, list(boxes))], **options)
    return found.select(list(BOXES)).row(0, named=True)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([[]], "none"),
        ([["crowd_flag"]], "Crowd"),
        ([["reflected_flag"], [], ["reflected_flag"]], "Reflection"),
        ([["rendition_flag", "dominant_object"]], "Rendition"),
        ([["ocr_needed_flag"]], "Text"),
        ([["ocr_needed_flag", "crowd_flag"]], "Mix"),
        ([["ocr_needed_flag"], ["crowd_flag"]], "Mix"),
        ([], "none"),
    ],
)
def test_an_image_has_the_one_attribute_of_its_boxes_or_several(folder, flags, expected):
    assert described(folder, [5], *(box([5], (0, 0, 9, 9), *it) for it in flags))["attribute"] == expected


def test_boxes_are_sized_within_the_picture_and_equal_ones_stand_in_their_order(folder):
    """The picture is 100 by 80 pixels; the first box reaches far out of it, the last lies outside."""
    found = described(
        folder, [5, 6, 7, 836],
        box([5], (90, 70, 900, 900)), box([6], (0, 0, 20, 10)), box([7, -1], (50, 0, 70, 10)), box([836], (0, 0, 100, 80)),
        box([-1], (0, 0, 90, 80)), box([5], (120, 0, 130, 10)), box([6], (9, 9, 9, 20)), box([7], (0, 0, 30)),
    )  # fmt: skip
    assert found["largest_admissible"] == [[836, 837], [6], [7], [5]]
    assert found["n_boxes"] == 8


def test_of_many_boxes_the_five_largest_are_known(folder):
    found = described(folder, [5, 6], *(box([5 + number % 2], (0, 0, 10, 10 + number)) for number in range(9)))
    assert found["largest_admissible"] == [[5], [6], [5], [6], [5]]


def test_dominant_labels_are_different_ones_without_not_sure(folder):
    drawn = [box([836, -1], (0, 0, 5, 5), "dominant_object"), box([836], (0, 0, 6, 6), "dominant_object"), box([5])]
    found = described(folder, [836, 5], *drawn)
    assert (found["n_dominant"], found["dominant_admissible"]) == (1, [836, 837])
    assert described(folder, [836], box([836]))["dominant_admissible"] == []


def test_where_the_file_has_no_boxes_nothing_is_known(folder):
    assert set(written(folder, [(5, [5], None)])[0].select(list(BOXES)).row(0)) == {None}
    assert described(folder, [-1], box([-1]), uncertain="exclude") == dict.fromkeys(BOXES)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ("x", "re.jsonl:1: bboxes 'x': must be a list of boxes"),
        ([1], "re.jsonl:1: box 0: 1: needs coordinates and labels, two lists"),
        ([box([5]), {"labels": [5]}], "re.jsonl:1: box 1: {'labels': [5]}: needs coordinates and labels"),
        ([box([1000])], "re.jsonl:1: box 0: 1000 is not a class"),
    ],
)
def test_a_broken_box_is_named(folder, drawn, expected):
    assert refusal(written, folder, [(5, [5], drawn)]).startswith(expected)
