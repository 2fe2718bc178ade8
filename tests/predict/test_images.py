from itertools import chain

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.dataset.images import IMAGES
from mllm_classify.files import InputError, sha256
from mllm_classify.predict.images import Images, sharded


def registered(**contents):
    rows = [{"image_id": name, "file": f"{name}.png", "sha256": sha256(content)} for name, content in contents.items()]
    return pl.DataFrame(rows)


def test_images_keep_their_order_and_their_bytes(tmp_path):
    contents = {"b": b"bytes of b", "a": b"bytes of a"}
    for name, content in contents.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    images = Images(registered(**contents), str(tmp_path))
    assert images.ids == ["b", "a"]
    assert len(images) == 2
    assert [images.read(0), images.read(1)] == [b"bytes of b", b"bytes of a"]


def test_an_image_inside_an_installed_package_is_found_from_any_folder(tmp_path):
    import skimage.data

    content = (tmp_path / skimage.data.__path__[0] / "coffee.png").read_bytes()
    frame = pl.DataFrame([{"image_id": "a", "file": "package:skimage/data/coffee.png", "sha256": sha256(content)}])
    assert Images(frame, str(tmp_path)).read(0) == content


def test_an_image_that_is_gone_is_named_with_what_to_do(tmp_path):
    with pytest.raises(
        InputError, match=r"image 'a': .*a\.png cannot be read \(No such file.*dataset\.folder"
    ) as caught:
        Images(registered(a=b"bytes"), str(tmp_path)).read(0)
    assert str(tmp_path) in str(caught.value)


def test_an_image_that_changed_since_it_was_registered_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"other bytes")
    with pytest.raises(InputError, match="has changed since it was registered") as caught:
        Images(registered(a=b"bytes"), str(tmp_path)).read(0)
    assert sha256(b"bytes") in str(caught.value)
    assert sha256(b"other bytes") in str(caught.value)


def test_images_without_pictures_have_their_ids(tmp_path):
    frame = pl.DataFrame({"image_id": ["b", "a"], "file": [None, None], "sha256": [None, None]}, schema=IMAGES)
    images = Images(frame, None)
    assert images.ids == ["b", "a"]
    assert len(images) == 2


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 9))
def test_every_image_is_in_one_shard_and_batches_stay_whole(count, shards, together):
    images = pl.DataFrame({"image_id": [f"image{number}" for number in range(count)]})
    parts = [sharded(images, shard, shards, together)["image_id"].to_list() for shard in range(1, shards + 1)]
    ids = images["image_id"].to_list()
    assert sorted(chain.from_iterable(parts)) == sorted(ids)
    batches = [ids[start : start + together] for start in range(0, count, together)]
    of_parts = [part[start : start + together] for part in parts for start in range(0, len(part), together)]
    assert sorted(of_parts) == sorted(batches)
    assert max(map(len, parts)) - min(map(len, parts)) <= together


def test_single_images_take_turns():
    images = pl.DataFrame({"image_id": list("abcdefg")})
    assert ["".join(sharded(images, shard, 3)["image_id"]) for shard in (1, 2, 3)] == ["adg", "be", "cf"]
