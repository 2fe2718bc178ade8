"""What is wrong with class folders, Parquet files and tar shards is said in a line that names file, row and member."""

import io
import os
import shutil
import tarfile

import polars as pl
import pytest

from mllm_classify.dataset.images import images
from mllm_classify.dataset.labels import labels
from mllm_classify.io import class_folders, columns, places, tar
from mllm_classify.io.files import InputError
from tests.dataset import pictured
from tests.dataset.pictured import CIFAR10, encoded, registered

RED, BLUE = encoded("red"), encoded("blue")
PICTURES = [("a", RED, 0), ("b", BLUE, 2), ("c", encoded("green"), 1)]


def refusal(make, *arguments):
    with pytest.raises(InputError) as caught:
        make(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# class folders


@pytest.mark.parametrize(
    ("files", "more", "said"),
    [
        ([], {}, "dataset.folder: '{top}' has no folders in it; one of each class is needed, with its pictures"),
        (["a/1.png", "2.png"], {}, "{top}: the picture '2.png' lies outside of the class folders, so it has no class"),
        (["a/1.png", "b/notes.txt"], {}, "dataset.folder: '{top}': the class folder 'b' has no pictures; remove it"),
        (["a_b/1.png", "A b/1.png"], {}, "dataset.folder: classes 'A b' and 'a_b' are both called 'a b'; give each its own"),
        (["a/1.png", "b/1.png"], {"classes": "c.txt"}, "dataset.folder: class 'b': 'b' is not a class: neither one of the 2"),
        (["a/1.png", "b/1.png"], {"names": "n.csv"}, "n.csv: no name for 1 of 2 classes, 'b' among them"),
        (["a/1.png", "c/1.png"], {"names": "n.csv"}, "n.csv: classes 'a' and 'c' are both called 'X'; give each its own"),
        (["a/1.png"], {"names": "twice.csv"}, "twice.csv:3: class 'a' appears twice"),
        (["a/1.png"], {"names": "list.json"}, "list.json: must be a JSON object from classes to names"),
        (["a/1.png"], {"names": "n.txt"}, "n.txt:2: a class and its name are needed, with a blank between them"),
    ],
)  # fmt: skip
def test_broken_class_folders(folder, files, more, said):
    (folder / "top").mkdir()
    for name in files:
        (folder / "top" / name).parent.mkdir(exist_ok=True)
        (folder / "top" / name).write_bytes(RED)
    (folder / "c.txt").write_text("a\nz\n")
    (folder / "n.csv").write_text("class,name\na,x\nc,X\n")
    (folder / "twice.csv").write_text("class,name\na,x\na,y\n")
    (folder / "list.json").write_text('["a"]')
    (folder / "n.txt").write_text("a x\nb\n")
    assert refusal(registered, pictured.folder("top", **more)).startswith(said.format(top="top"))


def test_names_of_folders_are_data(folder):
    """Hidden files are no pictures, links in class folders are not followed, odd names stay as they are."""
    name = "=1+1 [x] {y} ; $(z)"
    (folder / "top" / name / "in" / "side").mkdir(parents=True)
    (folder / "top" / name / "in" / "side" / "#.PNG").write_bytes(RED)
    (folder / "top" / name / ".hidden.png").write_bytes(RED)
    (folder / "top" / ".git").mkdir()
    (folder / "top" / name / "loop").symlink_to(folder / "top", target_is_directory=True)
    classes, found = registered(pictured.folder("top"))
    assert classes["name"].to_list() == [name]
    assert found["image_id"].to_list() == [f"{name}/in/side/#.PNG"]
    with open(os.fsencode(folder / "top" / name) + b"/\xff.png", "wb") as file:  # noqa: PTH123
        file.write(RED)
    assert "is not UTF-8; rename it" in refusal(registered, pictured.folder("top"))


def test_a_corrupt_picture_is_an_error_or_counted(folder):
    dataset = pictured.folders("top", [*PICTURES, ("d", RED[:40], 1)])
    said = refusal(registered, dataset)
    assert said.startswith(
        "dataset.folder: 'automobile/d.png': file 'automobile/d.png' is not an image that Pillow can read"
    )
    _, found = registered(pictured.folder("top", corrupt="count"))
    assert found.filter(pl.col("problem").is_not_null())["image_id"].to_list() == ["automobile/d.png"]


def test_a_file_of_other_labels_takes_the_place_of_the_own(folder):
    dataset = pictured.folders("top", PICTURES)
    (folder / "l.csv").write_text("image_id,class\nairplane/a.png,bird\nbird/b.png,bird\nautomobile/c.png,airplane\n")
    other = pictured.folder("top", imgt={"file": "l.csv"})
    classes, found = registered(dataset)
    assert labels(found, classes, dataset)["imgt"].to_list() == [0, 1, 2]
    assert labels(found, classes, other)["imgt"].to_list() == [2, 0, 2]


# Parquet and Arrow


def test_broken_parquet_files(folder, monkeypatch):
    data = pictured.hub_cache(folder / "home", PICTURES, monkeypatch, shards=2)
    classes, _ = registered(pictured.hub())
    first, second = sorted(data.glob("*.parquet"))
    whole = second.read_bytes()
    second.write_bytes(whole[:-20])
    said = refusal(images, pictured.hub(), classes)
    assert said.startswith(f"{second}: is damaged, or not a Parquet file (")
    second.unlink()
    second.with_name("other.txt").write_text("")
    fresh = pictured.hub(folder=str(data.parent))
    assert (
        refusal(registered, fresh)
        == f"{data.parent}: 1 of the 2 files of the split 'test' are there (data/{first.name} is)"
    )


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        ({"image": [RED], "label": [0]}, {}, "dataset.classes: missing; nothing says what the numbers in the column 'label'"),
        ({"image": [RED], "label": [5]}, {"classes": "c.txt"}, "test.parquet: row 0: 5 is not a class: neither one of the 2"),
        ({"image": [RED], "label": ["cow"]}, {"classes": "c.txt"}, "test.parquet: row 0: 'cow' is not a class"),
        ({"image": [RED, None], "label": ["a", "a"]}, {}, "test.parquet: row 1: file 'test.parquet#1/image' cannot be read (the row holds no bytes"),
        ({"image": ["x"], "label": ["a"]}, {}, "test.parquet: row 0: file 'test.parquet#0/image' cannot be read (the column holds"),
        ({"x": [RED], "label": ["a"]}, {}, "dataset.image: missing; test.parquet has 0 columns that look like it, of x, label"),
        ({"x": [RED], "label": ["a"]}, {"image": "y"}, "dataset.image: test.parquet has no column 'y'; it has x, label"),
        ({"image": [RED], "label": ["a"]}, {"labels": "y"}, "dataset.labels: test.parquet has no column 'y'; it has image, label"),
        ({"image": [RED], "label": [0.5]}, {}, "test.parquet: column 'label' holds double; integers or text are needed"),
        ({"image": [RED, RED], "label": ["a", "a"], "n": [1, 1]}, {"id": "n"}, "test.parquet: row 1: image_id '1' stands at test.parquet: row 0"),
        ({"image": [RED[:40]], "label": ["a"]}, {}, "test.parquet: row 0: file 'test.parquet#0/image' is not an image that Pillow can read"),
        ({"image": [RED], "label": ["a_b"], "n": [1]}, {"split": "train"}, "dataset.folder: '.' has no .parquet or .arrow file of the split 'train'"),
    ],
)  # fmt: skip
def test_what_a_parquet_file_lacks(folder, rows, more, said):
    (folder / "c.txt").write_text("a\nb\n")
    pl.DataFrame(rows).write_parquet("test.parquet")
    assert refusal(registered, pictured.hub(folder=".", **more)).startswith(said)


def test_hidden_labels_are_missing(folder):
    features = {"img": [{"bytes": RED, "path": None}] * 2, "label": [-1, 1]}
    pictured.as_datasets(PICTURES).from_dict(features, features=pictured.as_datasets(PICTURES).features).to_parquet(
        "test.parquet"
    )
    dataset = pictured.hub(folder=".")
    classes, found = registered(dataset)
    assert found["own_label"].to_list() == [None, 1]
    assert refusal(labels, found, classes, dataset).startswith("dataset.imgt: no label for 1 of 2 images: 'test/0'")


def test_a_data_set_that_is_not_in_the_cache(folder, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(folder))
    said = refusal(registered, pictured.hub())
    assert said.startswith(
        "dataset.repository: 'me/pictures': revision 'main' with the split 'test' is not in the cache"
    )
    assert said.endswith("`hf download --repo-type dataset --revision main me/pictures` fetches it")


def test_several_configurations_are_told_apart(folder):
    for config in ("one", "two"):
        (folder / config).mkdir()
        pl.DataFrame({"image": [RED], "label": [config]}).write_parquet(f"{config}/test-00000-of-00001.parquet")
    assert refusal(registered, pictured.hub(folder=".")).startswith("dataset.config: . has several groups of files")
    classes, _ = registered(pictured.hub(folder=".", config="two"))
    assert classes["name"].to_list() == ["two"]


def test_a_row_group_that_is_too_large_is_refused(folder, monkeypatch):
    pl.DataFrame({"image": [RED], "label": ["a"]}).write_parquet("test.parquet")
    monkeypatch.setattr(columns, "GROUP_BYTES", 10)
    assert "row group 0 has" in refusal(registered, pictured.hub(folder="."))


# tar shards


def write_tar(path, members, **options):
    with tarfile.open(path, "w", **options) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


GOOD = [("a.png", RED), ("a.cls", b"0"), ("b.png", BLUE), ("b.cls", b"1")]


@pytest.mark.parametrize(
    ("members", "more", "said"),
    [
        ([*GOOD, ("a.png", BLUE)], {}, "{top}/s.tar: member 'a.png' appears twice"),
        ([*GOOD, ("c.png", BLUE)], {}, "s.tar: sample 'c': has no .cls with its class, but 'png' (dataset.labels)"),
        ([*GOOD, ("c.cls", b"0")], {}, "s.tar: sample 'c': has 0 pictures, not one, among its endings 'cls' (dataset.image)"),
        ([*GOOD, ("a.jpg", RED)], {}, "s.tar: sample 'a': has 2 pictures, not one"),
        ([("a.png", RED), ("a.cls", b"7")], {}, "s.tar: member 'a.cls': '7' is not a class: neither one of the 2 names"),
        ([("a.png", RED), ("a.cls", b"\xff")], {}, "s.tar: member 'a.cls': neither text nor JSON that says a class"),
        ([("a.png", RED), ("a.json", b"[1]")], {"labels": "json"}, "s.tar: member 'a.json': no JSON object with 'label'"),
        ([("a.png", RED), ("a.json", b'{"label": 9}')], {"labels": "json"}, "s.tar: member 'a.json': 9 is not a class"),
        ([("a.png", RED[:40]), ("a.cls", b"0")], {}, "s.tar: member 'a.png': file 's.tar!a.png' is not an image that Pillow can read"),
        (GOOD, {"shards": "s-{0..1}.tar"}, "dataset.shards: no 's-0.tar' in dataset.folder, '{top}'"),
        (GOOD, {"shards": "x*.tar"}, "dataset.shards: no 'x*.tar' in dataset.folder"),
        (GOOD, {"shards": "s-{0..999999999}.tar"}, "dataset.shards: 's-{{0..999999999}}.tar': from 0 to 999999999 is no range"),
        ([], {}, "dataset 'd': no images"),
    ],
)  # fmt: skip
def test_broken_shards(folder, members, more, said):
    (folder / "top").mkdir()
    (folder / "classes.txt").write_text("airplane\nautomobile\n")
    write_tar("top/s.tar", members)
    assert refusal(registered, pictured.webdataset("top", **more)).startswith(said.format(top="top"))


def test_one_key_in_two_shards(folder):
    (folder / "top").mkdir()
    (folder / "classes.txt").write_text("airplane\nautomobile\n")
    for name in ("0.tar", "1.tar"):
        write_tar(f"top/{name}", GOOD)
    said = refusal(registered, pictured.webdataset("top"))
    assert said == "1.tar: member 'a.png': image_id 'a' stands at 0.tar: member 'a.png' already"


def test_a_shard_that_was_cut_off_or_damaged_is_found_wherever(folder):
    write_tar("s.tar", GOOD)
    whole = (folder / "s.tar").read_bytes()
    ends = [member.start for member in tar.members(folder / "s.tar").values()]
    for end in (1, 600, *ends, ends[-1] + 1, ends[-1] + 512):
        (folder / f"{end}.tar").write_bytes(whole[:end])
        said = refusal(tar.members, folder / f"{end}.tar")
        assert "was it cut off?" in said or "is damaged, or no tar file" in said, (end, said)
    header = ends[2] - 512
    (folder / "damaged.tar").write_bytes(whole[:header] + b"x" * 512 + whole[header + 512 :])
    assert "after member 'a.cls', is damaged" in refusal(tar.members, folder / "damaged.tar")


@pytest.mark.parametrize("how", ["gz", "bz2", "xz"])
def test_compressed_shards_are_named(folder, how):
    with tarfile.open("s.tar", f"w:{how}") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    assert "unpack the compression only" in refusal(tar.members, folder / "s.tar")


def test_members_never_become_paths(folder):
    """Names that lead out, links and devices: nothing is written, nothing else is read."""
    (folder / "secret.png").write_bytes(BLUE)
    (folder / "in").mkdir()
    with tarfile.open("in/s.tar", "w") as archive:
        for name in ("../secret.png", "/etc/passwd", "x/../../y.png"):
            info = tarfile.TarInfo(name)
            info.size = len(RED)
            archive.addfile(info, io.BytesIO(RED))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"odd{kind.decode()}.png")
            info.type, info.linkname = kind, "../secret.png"
            archive.addfile(info)
    before = sorted(folder.rglob("*"))
    assert list(tar.members(folder / "in/s.tar")) == ["../secret.png", "/etc/passwd", "x/../../y.png"]
    assert places.read("s.tar!../secret.png", str(folder / "in")) == RED
    with pytest.raises(OSError, match="no such member"):
        places.read(f"s.tar!odd{tarfile.SYMTYPE.decode()}.png", str(folder / "in"))
    assert sorted(folder.rglob("*")) == before


def test_a_shard_that_changed_since_it_was_registered_is_told(folder):
    from mllm_classify.predict.images import Images

    (folder / "top").mkdir()
    (folder / "classes.txt").write_text("\n".join(CIFAR10))
    write_tar("top/s.tar", GOOD)
    _, found = registered(pictured.webdataset("top"))
    write_tar("top/s.tar", [("a.png", BLUE), ("a.cls", b"0")])
    reader = Images(found, "top")
    assert refusal(reader.read, 0).startswith(
        f"image 'a': {folder}/top/s.tar!a.png has changed since it was registered"
    )
    assert "cannot be read (the tar file has no such member)" in refusal(reader.read, 1)


# torchvision


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("NoSuch", {"classes": "c.txt"}, "dataset.set: 'NoSuch' is no data set of torchvision"),
        ("wrap_dataset_for_transforms_v2", {"classes": "c.txt"}, "dataset.set: 'wrap_dataset_for_transforms_v2' is no data"),
        ("CIFAR10", {}, "dataset.folder: missing; CIFAR10 lies in one"),
        ("CIFAR10", {"folder": "gone"}, "dataset.folder: gone holds no CIFAR10 that torchvision can read"),
        ("CIFAR10", {"folder": "gone", "options": {"download": True}}, "dataset.options: 'download' is no option of CIFAR10"),
        ("FakeData", {}, "dataset.classes: missing; torchvision has no names for the classes of FakeData"),
        ("FakeData", {"classes": "c.txt", "options": {"size": 9}}, "torchvision's FakeData: item "),
    ],
)  # fmt: skip
def test_broken_sets_of_torchvision(folder, name, more, said):
    (folder / "c.txt").write_text("a\nb\n")
    assert refusal(registered, pictured.torchvision(name, **more)).startswith(said)


def test_of_several_commits_in_the_cache_one_must_be_named(folder, monkeypatch):
    place = pictured.prepared_cache(folder / "home", PICTURES, monkeypatch)
    shutil.copytree(place, place.with_name("f" * 40))
    said = refusal(registered, pictured.hub())
    assert said.startswith("dataset.repository: 'me/pictures' is in the cache several times (default/0.0.0/0123")
    assert pictured.hub(revision=pictured.COMMIT).root == str(place)


# how much is read


def test_a_file_with_too_many_or_too_large_pictures_is_refused(folder, monkeypatch):
    (folder / "top").mkdir()
    (folder / "classes.txt").write_text("airplane\nautomobile\n")
    write_tar("top/s.tar", GOOD)
    pl.DataFrame({"image": [RED, BLUE], "label": ["a", "b"]}).write_parquet("test.parquet")
    pictured.folders("classes", [("a", RED, 0), ("b", BLUE, 0), ("c", RED, 1)])
    readers = {
        tar: pictured.webdataset("top"), columns: pictured.hub(folder="."), class_folders: pictured.folder("classes"),
    }  # fmt: skip
    for reader, limit, said in (
        (tar, {"ENTRIES": 3}, "top/s.tar: member 'b.cls' is one too many: no more than 3 are read"),
        (tar, {"FILE_BYTES": len(RED) - 1}, f"top/s.tar: member 'a.png' has {len(RED)} bytes, more than the {len(RED) - 1} "),
        (columns, {"ENTRIES": 1}, "test.parquet: 2 rows; no more than 1 are read"),
        (columns, {"FILE_BYTES": len(RED) - 1}, f"{len(RED)} bytes, more than the {len(RED) - 1} that are read"),
        (class_folders, {"ENTRIES": 2}, "classes: more than 2 pictures"),
    ):  # fmt: skip
        for cached in (tar._members, columns._opened):
            cached.cache_clear()
        registered(readers[reader])
        with monkeypatch.context() as patched:
            for name, value in limit.items():
                patched.setattr(reader, name, value)
            for cached in (tar._members, columns._opened):
                cached.cache_clear()
            assert said in refusal(registered, readers[reader])
