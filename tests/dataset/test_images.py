import io
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal

from mllm_classify.config.dataset import ImagenetDataset, TableDataset
from mllm_classify.config.every_dataset import LabelSet
from mllm_classify.dataset.classes import classes
from mllm_classify.dataset.images import IMAGES, images
from mllm_classify.io.files import InputError, sha256

PICTURE = Image.radial_gradient("L").convert("RGB")


def encoded(format_):
    content = io.BytesIO()
    PICTURE.save(content, format_)
    return content.getvalue()


PNG, JPEG = encoded("PNG"), encoded("JPEG")


def table(folder, manifest="i.csv", imgt="l.csv"):
    return TableDataset(
        source="table",
        name="d",
        label="D",
        folder=folder,
        classes="c.txt",
        images=manifest,
        imgt=LabelSet(label="I", file=imgt),
    )


def registered(dataset):
    """Images of a table, which needs no classes for that."""
    return images(dataset, pl.DataFrame())


def assert_images(found, expected):
    assert_frame_equal(found.select(*expected), pl.DataFrame(expected, schema={key: IMAGES[key] for key in expected}))


def message(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def manifest(folder, *lines, header="image_id,file,sha256"):
    (folder / "i.csv").write_text("\n".join([header, *lines]) + "\n")
    return table(None)


def test_images_keep_the_manifests_order_and_get_their_sha256(folder):
    (folder / "pictures").mkdir()
    (folder / "pictures/a.jpg").write_bytes(JPEG)
    (folder / "pictures/b.png").write_bytes(PNG)
    manifest(folder, "b,b.png,", f"a,a.jpg,{sha256(JPEG)}")
    expected = {
        "image_id": ["b", "a"],
        "file": ["b.png", "a.jpg"],
        "sha256": [sha256(PNG), sha256(JPEG)],
        "problem": [None, None],
    }
    assert_images(registered(table("pictures")), expected)


def test_one_file_may_be_two_images_and_the_sha256_column_may_be_absent(folder):
    (folder / "a.png").write_bytes(PNG)
    found = registered(manifest(folder, "a,a.png", "b,a.png", header="image_id,file"))
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
        ([], "dataset 'd': no images"),
    ],
)
def test_a_broken_manifest_is_named_by_line_and_file(folder, lines, expected):
    contents = {"a.png": PNG, "text.png": b"no picture", "empty.png": b""}
    contents |= {"half.png": PNG[: len(PNG) // 2], "half.jpg": JPEG[: len(JPEG) // 2]}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    assert message(registered, manifest(folder, *lines)).startswith(expected.format(folder=folder))


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("content", [PNG, JPEG])
def test_a_picture_that_ends_early_is_not_registered(folder, content, kept):
    (folder / "a").write_bytes(content[: int(kept * len(content))])
    assert message(registered, manifest(folder, "a,a,")).startswith("i.csv:2: file 'a' cannot be decoded (")


def test_pictures_that_cannot_be_decoded_are_registered_with_the_reason_where_they_are_counted(folder):
    for name, content in {"a.png": PNG, "text.png": b"no picture", "half.jpg": JPEG[:100]}.items():
        (folder / name).write_bytes(content)
    dataset = manifest(folder, "a,a.png,", "b,text.png,", "c,half.jpg,").model_copy(update={"corrupt": "count"})
    found = registered(dataset)
    assert found["sha256"].to_list() == [sha256(PNG), sha256(b"no picture"), sha256(JPEG[:100])]
    first, second, third = found["problem"]
    assert (first, second) == (None, "is not an image that Pillow can read")
    assert third.startswith("cannot be decoded (")
    gone = manifest(folder, "d,d.png,").model_copy(update={"corrupt": "count"})
    assert message(registered, gone).startswith("i.csv:2: file 'd.png' not found")


def test_a_missing_column_is_named(folder):
    assert message(registered, manifest(folder, header="image_id,path")) == (
        "i.csv: no column 'file'; the header is 'image_id,path'"
    )


def test_a_sha256_that_stands_twice_is_not_skipped(folder):
    (folder / "a.png").write_bytes(PNG)
    found = message(registered, manifest(folder, "a,a.png,00,", header="image_id,file,sha256,sha256"))
    assert found.startswith("i.csv: the column 'sha256' appears twice")


def test_shipped_manifest_fits_the_installed_pictures():
    found = registered(table(None, "resources/photos/images.csv"))
    recorded = [line.split(",")[2] for line in Path("resources/photos/images.csv").read_text().splitlines()
                if not line.startswith(("#", "image_id"))]  # fmt: skip
    assert found.height == 30
    assert found["sha256"].to_list() == recorded


LABELS = {
    "l.csv": "image_id,class\nb/2.png,0\n1.jpg,\n",
    "l.jsonl": '{"image_id": "b/2.png", "class": 0}\n{"image_id": "1.jpg", "class": null}\n',
    "l.json": '{"b/2.png": 0, "1.jpg": null}',
}


@pytest.mark.parametrize("file", LABELS)
def test_without_a_manifest_the_images_are_those_of_imgt_in_its_order(folder, file):
    (folder / file).write_text(LABELS[file])
    expected = {"image_id": ["b/2.png", "1.jpg"], "file": [None, None], "sha256": [None, None], "problem": [None, None]}
    assert_images(registered(table(None, None, file)), expected)


@pytest.mark.parametrize("file", LABELS)
def test_an_image_of_imgt_is_its_file_where_there_is_a_folder(folder, file):
    (folder / file).write_text(LABELS[file])
    (folder / "pictures/b").mkdir(parents=True)
    (folder / "pictures/b/2.png").write_bytes(PNG)
    (folder / "pictures/1.jpg").write_bytes(JPEG)
    expected = {
        "image_id": ["b/2.png", "1.jpg"],
        "file": ["b/2.png", "1.jpg"],
        "sha256": [sha256(PNG), sha256(JPEG)],
        "problem": [None, None],
    }
    assert_images(registered(table("pictures", None, file)), expected)


def test_an_image_of_imgt_whose_file_is_absent_is_named(folder):
    (folder / "l.csv").write_text("image_id,class\n1.jpg,0\n")
    assert message(registered, table("pictures", None)).startswith(
        "l.csv: '1.jpg': file '1.jpg' not found; looked for "
    )


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("l.csv", "image_id,class\na,0\nb,1\na,0\n", ["l.csv", "'a'", "already"]),
        ("l.csv", "image_id,class\n,0\n", ["l.csv", "image_id is empty"]),
        ("l.jsonl", '{"image_id": "a", "class": 0}\n{"image_id": null, "class": 0}\n', ["l.jsonl:2", "image_id"]),
        ("l.jsonl", '{"image_id": true, "class": 0}\n', ["l.jsonl:1", "image_id"]),
        ("l.jsonl", '{"image_id": ["a"], "class": 0}\n', ["l.jsonl:1", "image_id"]),
        ("l.csv", "image_id,class\n", ["dataset 'd': no images"]),
        ("l.csv", "image,class\na,0\n", ["l.csv: no column 'image_id'"]),
    ],
)
def test_images_of_a_broken_imgt_are_refused(folder, file, content, expected):
    (folder / file).write_text(content)
    found = message(registered, table(None, None, file))
    assert [part for part in expected if part not in found] == []


WEASELS = [f"ILSVRC2012_val_{number:08d}" for number in (723, 1386)]


def imagenet(**options):
    return ImagenetDataset(source="imagenet", name="i", label="I", **options)


@pytest.fixture(scope="module")
def names():
    return classes(imagenet())


@pytest.fixture
def originals(folder):
    """ImGT of five images, and a list of the classes 356 and 0; four images are of these."""
    (folder / "l.csv").write_text(
        "image_id,class\n"
        "ILSVRC2012_val_00000009,356\nval/n01440764/ILSVRC2012_val_00000003.JPEG,tench\nILSVRC2012_val_00000001.JPEG,1\n"
        "n02441942/ILSVRC2012_val_00000004,n02441942\nILSVRC2012_val_00050000.JPEG,0\n"
    )
    (folder / "c.txt").write_text("# the weasel\nn02441942\n\n0\n")
    return {"classes": "c.txt", "imgt": {"file": "l.csv"}}


CHOSEN = [f"ILSVRC2012_val_{number:08d}" for number in (3, 4, 9, 50_000)]


def laid(folder, *files):
    """A folder val with pictures, each its own."""
    for number, file in enumerate(files):
        path = folder / "val" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (60 * number, 0, 0)).save(path, "JPEG")


def digest(folder, file):
    return sha256((folder / "val" / file).read_bytes())


def test_imagenet_without_a_folder_is_50000_ids(names):
    found = images(imagenet(), names)
    assert found.schema == IMAGES
    assert found["image_id"].to_list() == [f"ILSVRC2012_val_{number:08d}" for number in range(1, 50_001)]
    assert found.select("file", "sha256").null_count().row(0) == (50_000, 50_000)


@pytest.mark.parametrize("written", ["weasel", "356", "n02441942", " Weasel "])
def test_a_class_of_imagenet_has_its_50_images(folder, names, written):
    (folder / "c.txt").write_text(f"{written}\n")
    found = images(imagenet(classes="c.txt"), names)["image_id"].to_list()
    assert len(found) == 50
    assert found == sorted(found)
    assert set(WEASELS) <= set(found)


def test_images_are_chosen_by_imgt_in_the_order_of_their_numbers(folder, names, originals):
    expected = {"image_id": CHOSEN, "file": [None] * 4, "sha256": [None] * 4, "problem": [None] * 4}
    assert_images(images(imagenet(**originals), names), expected)


@pytest.mark.parametrize("synsets", [[""] * 4, ["n01440764/", "n02441942/", "n02441942/", "n01440764/"],
                                     ["", "n02441942/", "", "n01440764/"]])  # fmt: skip
def test_pictures_lie_in_one_folder_or_in_one_a_synset(folder, names, originals, synsets):
    files = [f"{synset}{image_id}.JPEG" for synset, image_id in zip(synsets, CHOSEN, strict=True)]
    laid(folder, *files, "ILSVRC2012_val_00000001.JPEG")
    expected = {
        "image_id": CHOSEN,
        "file": files,
        "sha256": [digest(folder, file) for file in files],
        "problem": [None] * 4,
    }
    found = images(imagenet(folder="val", **originals), names)
    assert_images(found, expected)
    assert found["sha256"].n_unique() == 4


def test_all_50_pictures_of_a_class(folder, names):
    (folder / "c.txt").write_text("weasel\n")
    ids = images(imagenet(classes="c.txt"), names)["image_id"].to_list()
    laid(folder, *(f"n02441942/{image_id}.JPEG" for image_id in ids))
    found = images(imagenet(classes="c.txt", folder="val"), names)
    assert found["image_id"].to_list() == ids
    assert found["file"].to_list() == [f"n02441942/{image_id}.JPEG" for image_id in ids]


def test_missing_pictures_are_counted_and_one_is_named(folder, names, originals):
    laid(folder, f"{CHOSEN[0]}.JPEG", f"{CHOSEN[3]}.JPEG")
    assert message(images, imagenet(folder="val", **originals), names) == (
        "dataset.folder: 'val' and its folders lack 2 of 4 images, ILSVRC2012_val_00000004.JPEG among them"
    )


def test_all_50000_pictures_are_needed_without_a_class_list(folder, names):
    laid(folder, "ILSVRC2012_val_00000001.JPEG")
    assert message(images, imagenet(folder="val"), names) == (
        "dataset.folder: 'val' and its folders lack 49999 of 50000 images, ILSVRC2012_val_00000002.JPEG among them"
    )


def test_a_picture_that_lies_there_twice_is_refused(folder, names, originals):
    laid(folder, *(f"{image_id}.JPEG" for image_id in CHOSEN), f"n02441942/{CHOSEN[1]}.JPEG")
    assert message(images, imagenet(folder="val", **originals), names) == (
        f"dataset.folder: 'val' has {CHOSEN[1]!r} twice: {CHOSEN[1]}.JPEG and n02441942/{CHOSEN[1]}.JPEG"
    )


def test_other_files_and_empty_folders_are_no_pictures(folder, names, originals):
    laid(folder, *(f"n02441942/{image_id}.JPEG" for image_id in CHOSEN))
    for path in ("n02441942/.DS_Store", "n01440764/.DS_Store", "n02441942/wget.log", "n01440764/wget.log", "wget.log"):
        (folder / "val" / path).parent.mkdir(exist_ok=True)
        (folder / "val" / path).write_bytes(b"")
    (folder / "val" / CHOSEN[0]).mkdir()
    found = images(imagenet(folder="val", **originals), names)
    assert found["file"].to_list() == [f"n02441942/{image_id}.JPEG" for image_id in CHOSEN]


def test_a_broken_picture_of_imagenet_is_named(folder, names, originals):
    laid(folder, *(f"n02441942/{image_id}.JPEG" for image_id in CHOSEN))
    (folder / f"val/n02441942/{CHOSEN[2]}.JPEG").write_bytes(JPEG[:-100])
    found = message(images, imagenet(folder="val", **originals), names)
    assert f"'n02441942/{CHOSEN[2]}.JPEG' cannot be decoded (" in found


def test_an_absent_folder_is_named(folder, names, originals):
    assert message(images, imagenet(folder="gone", **originals), names) == (
        "dataset.folder: 'gone' cannot be read (No such file or directory)"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("weasel\nweazel\n", "c.txt:2: 'weazel' is not a class: neither one of the 1000 names nor an id from 0 to 999"),
        ("1000\n", "c.txt:1: '1000' is not a class"),
        ("missile\n", "c.txt:1: 'missile' is the name of several classes; write one of the ids [657, 744]"),
        ("# none\n", "dataset 'i': no images"),
    ],
)
def test_a_broken_choice_of_classes_is_named(folder, names, content, expected):
    (folder / "c.txt").write_text(content)
    assert message(images, imagenet(classes="c.txt"), names).startswith(expected)
