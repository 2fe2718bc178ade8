import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from mllm_classify.config.chat import Picture
from mllm_classify.io.files import InputError
from mllm_classify.io.pictures import decoded
from mllm_classify.predict.chat.pictures import data_url


def encoded(form: str, size: tuple[int, int] = (96, 64)) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


FORMATS = [form for form in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "DDS", "ICO", "PCX", "TGA")
           if form != "AVIF" or features.check("avif")]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
def test_a_damaged_file_is_a_picture_or_one_line(form, data):
    """Whatever its decoder raises."""
    content = bytearray(encoded(form))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    kept = data.draw(st.integers(1, len(content)))
    try:
        picture = decoded(bytes(content[:kept]))
    except InputError as error:
        assert str(error).isprintable()  # noqa: PT017 (or else it is a picture)
    else:
        assert picture.mode == "RGB"


def test_a_picture_of_too_many_pixels_is_told_apart_from_a_torn_one():
    content = io.BytesIO()
    Image.new("1", (14_000, 14_000)).save(content, "PNG")
    with pytest.raises(
        InputError,
        match=r"has 196,000,000 pixels \(14,000 x 14,000\), more than 178,956,970; scale it down, or raise dataset",
    ):
        decoded(content.getvalue())


@given(st.integers(20, 400), st.integers(20, 400), st.integers(2_000, 60_000), st.sampled_from([None, 64, 300]))
def test_what_is_sent_has_no_more_bytes_than_it_may(width, height, limit, longest_side):
    content = encoded("JPEG", (width, height))
    url = data_url(content, Picture(max_bytes=limit, longest_side=longest_side))
    assert len(url) <= limit
