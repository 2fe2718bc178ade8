import base64
import io
from itertools import chain

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mllm_classify.config.chat import Picture
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io.files import InputError, sha256
from mllm_classify.io.pictures import seen
from mllm_classify.io.reading import Reading
from mllm_classify.predict.chat import pictures
from mllm_classify.predict.chat.pictures import data_url
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
    frame = pl.DataFrame([{"image_id": "b"}, {"image_id": "a"}], schema=IMAGES)
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


def picture(form, mode="RGB", size=(8, 4), **options):
    """A picture of noise, so that its size in bytes follows from that in pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(content, form, **options)
    return content.getvalue()


def sent(content, **options):
    """The media type, the bytes, and the image that a picture is sent as."""
    media_type, _, encoded = data_url(content, Picture(**options)).removeprefix("data:").partition(";base64,")
    received = base64.b64decode(encoded, validate=True)
    return media_type, received, Image.open(io.BytesIO(received))


@pytest.mark.parametrize(
    ("form", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("PNG", "LA")],
)  # fmt: skip
def test_what_every_server_reads_is_sent_byte_for_byte(form, mode):
    content = picture(form, mode)
    media_type, received, _ = sent(content)
    assert (media_type, received) == (f"image/{form.lower()}", content)


@pytest.mark.parametrize(
    ("form", "mode"), [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("GIF", "P"), ("BMP", "RGB"), ("WEBP", "RGB")]
)
def test_other_formats_and_colours_go_as_png_of_8_bit_rgb(form, mode):
    content = picture(form, mode)
    original = Image.open(io.BytesIO(content))
    media_type, _, received = sent(content)
    assert (media_type, received.format, received.mode) == ("image/png", "PNG", "RGB")
    np.testing.assert_array_equal(received, original.convert("RGB"))


@pytest.mark.parametrize("options", [{}, {"longest_side": 7}, {"max_bytes": 2000}, {"formats": ["JPEG", "PNG", "GIF"]}])
@pytest.mark.parametrize("metadata", ["ignore", "obey"])
@pytest.mark.parametrize(
    ("form", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "RGBA"), ("GIF", "P"), ("BMP", "RGB")]
)
def test_to_know_how_a_picture_looks_changes_nothing_that_is_sent(form, mode, metadata, options):
    content, settings, reading = picture(form, mode, size=(32, 32)), Picture(**options), Reading(metadata=metadata)
    look = seen(content, reading)[0]
    assert data_url(content, settings, reading, look) == data_url(content, settings, reading)


def test_what_is_sent_as_it_is_and_known_is_not_decoded(monkeypatch):
    content = picture("JPEG")
    look = seen(content)[0]
    monkeypatch.setattr(pictures, "seen", None)
    assert data_url(content, Picture(), known=look).endswith(base64.b64encode(content).decode())
    with pytest.raises(TypeError):
        data_url(content, Picture(longest_side=4), known=look)


def test_of_16_bits_of_grey_the_upper_8_are_sent():
    values = np.arange(32, dtype=np.uint16).reshape(4, 8) * 2114
    deep = io.BytesIO()
    Image.fromarray(values).save(deep, "PNG")
    assert Image.open(deep).mode == "I;16"
    media_type, _, received = sent(deep.getvalue())
    assert (media_type, received.mode) == ("image/png", "RGB")
    for channel in np.moveaxis(np.asarray(received), 2, 0):
        np.testing.assert_array_equal(channel, values // 257)


@pytest.mark.parametrize(("size", "expected"), [((80, 40), (20, 10)), ((40, 80), (10, 20)), ((21, 1), (20, 1))])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
def test_too_long_a_side_is_scaled_down_and_the_shape_stays(form, size, expected):
    media_type, _, received = sent(picture(form, size=size), longest_side=20)
    assert (media_type, received.format, received.size) == ("image/jpeg", "JPEG", expected)


@pytest.mark.parametrize("size", [(20, 20), (20, 1), (3, 3)])
def test_what_is_small_enough_is_never_enlarged_and_keeps_its_bytes(size):
    content = picture("PNG", size=size)
    assert sent(content, longest_side=20)[1] == content


def test_too_many_bytes_go_as_jpeg_of_the_same_size_in_pixels():
    content = picture("PNG", size=(64, 64))
    url = len(data_url(content, Picture()))
    media_type, received, image = sent(content, max_bytes=url - 1)
    assert (media_type, image.size) == ("image/jpeg", (64, 64))
    assert len(received) < len(content)
    assert sent(content, max_bytes=url)[1] == content


def test_an_unusual_format_that_is_too_large_as_png_goes_as_jpeg():
    content = picture("BMP", size=(64, 64))
    as_png = len(data_url(content, Picture()))
    assert sent(content, max_bytes=as_png)[0] == "image/png"
    assert sent(content, max_bytes=as_png - 1)[0] == "image/jpeg"


def test_the_quality_of_a_jpeg_is_as_stated():
    content = picture("PNG", size=(64, 64))
    sizes = [len(sent(content, max_bytes=len(content) - 1, quality=quality)[1]) for quality in (20, 60, 95)]
    assert sizes == sorted(sizes)
    again = picture("JPEG", size=(64, 64), quality=60, subsampling=0)
    assert sent(content, max_bytes=len(content) - 1, quality=60)[1] == again


def test_a_transparent_picture_that_is_scaled_down_has_no_transparency_left():
    assert sent(picture("PNG", "RGBA", (64, 64)), longest_side=8)[2].mode == "RGB"


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_no_side_is_ever_longer_than_allowed(width, height, longest):
    size = sent(picture("PNG", size=(width, height)), longest_side=longest)[2].size
    assert max(size) <= max(longest, 1)
    assert size == (width, height) or max(size) == longest
