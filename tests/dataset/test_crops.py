import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mllm_classify.config.dataset import CropsDataset
from mllm_classify.dataset.boxes import Box
from mllm_classify.dataset.images import images
from mllm_classify.dataset.labels import labels
from mllm_classify.dataset.sources.crops import crops, enlarge
from mllm_classify.io import places
from mllm_classify.io.pictures import decoded
from tests.dataset.given import CLASSES, refusal, val
from tests.dataset.reimagenet import box

SIZE = (60, 40)


@pytest.fixture
def pictures(folder):
    """Two validation images, one flat and one in its synset's folder."""
    (folder / "val/n01440764").mkdir(parents=True)
    for number, name in enumerate([f"{val(1)}.JPEG", f"n01440764/{val(2)}_n01440764.JPEG"]):
        pixels = np.random.default_rng(number).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "val" / name, "JPEG", quality=90)
    return folder


def dataset(folder, by_image, **options):
    lines = [{"image_name": f"{val(number)}.JPEG", "bboxes": drawn} for number, drawn in by_image.items()]
    (folder / "re.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return CropsDataset(source="crops", name="c", label="C", folder="val", boxes="re.jsonl", **options)


def test_each_crop_has_the_pixels_that_pillow_cuts_and_the_label_of_its_box(pictures):
    of = dataset(
        pictures,
        {
            1: [
                box([5], (0.4, 2.6, 30, 20)),
                box([7, 6, -1], (-10, 10, 99, 99)),
                box([-1], (0, 0, 9, 9)),
                box([5], (70, 0, 80, 9)),
            ],
            2: [box([3], (0, 0, *SIZE))],
            3: [],
        },
    )
    found = images(of, CLASSES)
    name = f"n01440764/{val(2)}_n01440764.JPEG"
    assert found.select("image_id", "file", "own_label", "width", "height").rows() == [
        (f"{val(1)}_crop_5_0", f"{val(1)}.JPEG@0,3,30,20", 5, 30, 17),
        (f"{val(1)}_crop_6_1", f"{val(1)}.JPEG@0,10,60,40", 6, 60, 30),
        (f"{val(1)}_crop_7_2", f"{val(1)}.JPEG@0,10,60,40", 7, 60, 30),
        (f"{val(2)}_crop_3_0", f"{name}@0,0,60,40", 3, 60, 40),
    ]
    for file in found["file"]:
        whole, _, rectangle = file.rpartition("@")
        with Image.open(pictures / "val" / whole) as image:
            expected = np.asarray(image.crop(tuple(map(int, rectangle.split(",")))))
        content = places.read(file, "val")
        assert np.array_equal(np.asarray(decoded(content)), expected)
        with Image.open(io.BytesIO(content)) as cut:
            assert cut.format == "PNG"
    labelled = labels(found, CLASSES, of)
    assert labelled["imgt"].to_list() == [5, 6, 7, 3]
    assert labelled["pixels"].to_list() == [510, 1800, 1800, 2400]


def test_a_crop_of_the_whole_picture_is_the_picture(pictures):
    """What any model gets of it is therefore the same."""
    (file,) = images(dataset(pictures, {1: [box([5], (0, 0, *SIZE))]}), CLASSES)["file"]
    whole = decoded((pictures / "val" / f"{val(1)}.JPEG").read_bytes())
    assert np.array_equal(np.asarray(decoded(places.read(file, "val"))), np.asarray(whole))


def test_a_file_that_is_called_like_a_part_goes_first(pictures):
    (pictures / "val/a.png@0,0,1,1").write_bytes(b"its own")
    assert places.read("a.png@0,0,1,1", "val") == b"its own"
    assert places.place("b.png@0,5,9,9", "val").part == (0, 5, 9, 9)
    assert places.place("b.png@0,5,9,9", "val").inside == "@0,5,9,9"


def test_a_damaged_picture_is_told_as_any_other(pictures):
    of = dataset(pictures, {1: [box([5], (0, 0, 9, 9))]})
    path = pictures / "val" / f"{val(1)}.JPEG"
    path.write_bytes(path.read_bytes()[:700])
    assert "cannot be decoded" in refusal(images, of, CLASSES)


def test_an_image_that_is_not_there_is_named(pictures):
    of = dataset(pictures, {9: [box([5])]})
    assert refusal(images, of, CLASSES) == f"re.jsonl:1: dataset.folder: 'val' and its folders lack {val(9)}.JPEG"


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ((10, 10, 20, 20), [], (0, 0, 60, 40)),
        ((10, 10, 20, 20), [(30, 0, 40, 40)], (0, 0, 30, 40)),
        ((10, 10, 20, 20), [(15, 15, 40, 40)], (0, 0, 60, 40)),
        ((30, 10, 40, 20), [(0, 0, 10, 40), (0, 30, 60, 40)], (10, 0, 60, 30)),
        ((25, 15, 35, 25), [(0, 0, 25, 15)], (0, 15, 60, 40)),
    ],
)
def test_a_box_is_enlarged_as_far_as_no_other_is_in_it(own, others, expected):
    assert enlarge(own, others, SIZE) == expected


RECTANGLES = st.tuples(st.integers(0, 11), st.integers(0, 7), st.integers(1, 6), st.integers(1, 6)).map(
    lambda it: (it[0], it[1], min(12, it[0] + it[2]), min(8, it[1] + it[3]))
)


@given(RECTANGLES, st.lists(RECTANGLES, max_size=5))
def test_no_rectangle_of_a_small_picture_is_larger(own, others):
    """Against all rectangles, tried one by one."""

    def overlap(one, other):
        return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(one[3], other[3])

    apart = [it for it in others if not overlap(it, own)]
    allowed = [
        (left, top, right, bottom)
        for left in range(own[0] + 1) for top in range(own[1] + 1)
        for right in range(own[2], 13) for bottom in range(own[3], 9)
        if not any(overlap((left, top, right, bottom), it) for it in apart)
    ]  # fmt: skip
    found = enlarge(own, others, (12, 8))
    assert found in allowed
    assert (found[2] - found[0]) * (found[3] - found[1]) == max((it[2] - it[0]) * (it[3] - it[1]) for it in allowed)


def test_crops_are_of_boxes_or_of_enlarged_ones():
    drawn = tuple(Box(it, frozenset({5}), frozenset(), dominant=False) for it in ((0, 0, 10, 10), (30, 0, 40, 10)))
    assert list(crops(drawn, SIZE, enlarged=False)) == [(5, (0, 0, 10, 10)), (5, (30, 0, 40, 10))]
    assert list(crops(drawn, SIZE, enlarged=True)) == [(5, (0, 0, 30, 40)), (5, (10, 0, 60, 40))]


def test_a_second_label_set_and_turned_pictures_are_refused(folder):
    for options, expected in (
        ({"regt": {"label": "R", "file": "r"}}, "dataset.regt"),
        ({"pictures": {"metadata": "obey"}}, "metadata"),
    ):
        with pytest.raises(ValueError, match=expected):
            dataset(folder, {}, **options)


def test_boxes_are_restricted_unless_said_otherwise(folder):
    assert dataset(folder, {}).restricted
