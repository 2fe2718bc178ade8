"""What a person sees of a file is what every model gets: by plain computations, and for chat models as for others."""

import base64
import io
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from mllm_classify.config.chat import Picture
from mllm_classify.io import pictures
from mllm_classify.io.files import InputError
from mllm_classify.io.pictures import decoded, seen
from mllm_classify.io.reading import Reading
from mllm_classify.predict.chat.pictures import data_url

OBEY = Reading("obey")
COLOURS = np.random.default_rng(5).integers(0, 256, (6, 9, 4), dtype=np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(depth: int, colour: int, samples: np.ndarray, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG file of samples (rows x columns x channels), by the format's specification."""
    rows, columns, _ = samples.shape
    if depth == 16:
        lines = [row.astype(">u2").tobytes() for row in samples]
    else:
        bits = (samples.reshape(rows, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        lines = [np.packbits(row).tobytes() for row in bits.reshape(rows, -1).astype(np.uint8)]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*it) for it in more) + body + chunk(b"IEND", b"")


def on_white(levels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Levels 0 to 255 (rows x columns x 3) over white."""
    return np.round((levels * alpha + 255.0 * (255 - alpha)) / 255)


KINDS = [(depth, 0) for depth in (1, 2, 4, 8, 16)] + [(depth, 3) for depth in (1, 2, 4, 8)] + [
    (depth, colour) for depth in (8, 16) for colour in (2, 4, 6)
]  # fmt: skip
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@given(st.sampled_from(KINDS), st.integers(0, 2**32), st.booleans())
def test_a_png_of_any_kind_is_what_its_specification_says_on_white(kind, seed, keyed):
    depth, colour = kind
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 2**depth, (3, 5, CHANNELS[colour]))
    palette = rng.integers(0, 256, (2**depth if depth < 16 else 1, 4))
    more = [(b"PLTE", palette[:, :3].astype(np.uint8).tobytes())] if colour == 3 else []
    alpha = np.full((3, 5, 1), 255)
    if keyed and colour in (0, 2):
        key = samples[1, 2]
        more.append((b"tRNS", key.astype(">u2").tobytes()))
        # of colours of 16 bits, the upper 8 are the key
        shift = 8 if kind == (16, 2) else 0
        alpha = np.where(((samples >> shift) == (key >> shift)).all(axis=2, keepdims=True), 0, 255)
    if keyed and colour == 3:
        more.append((b"tRNS", palette[:, 3].astype(np.uint8).tobytes()))
        alpha = palette[samples[..., 0], 3][..., None]
    levels = (
        samples >> 8 if depth == 16 and colour else samples // 257 if depth == 16 else samples * 255 // (2**depth - 1)
    )
    if colour == 3:
        levels = palette[samples[..., 0], :3]
    if colour in (4, 6):
        levels, alpha = levels[..., :-1], levels[..., -1:]
    look, picture = seen(png(depth, colour, samples, *more))
    assert np.abs(np.asarray(picture, dtype=int) - on_white(levels, alpha)).max() <= 1
    assert ("transparent" in look.traits) == bool((alpha < 255).any())


def encoded(form: str, mode: str, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(COLOURS).convert(mode).save(content, form, **options)
    return content.getvalue()


def other_profile() -> bytes:
    """sRGB with red and blue for each other."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"xXYZ", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"xXYZ", b"bXYZ", 1)


EXIF = Image.Exif()
EXIF[0x0112] = 6
METADATA = {
    "none": {},
    "oriented": {"exif": EXIF},
    "profile": {"icc_profile": other_profile()},
    "both": {"exif": EXIF, "icc_profile": other_profile()},
}
FILES = [
    (form, mode)
    for form, modes in {
        "JPEG": ("RGB", "L", "CMYK"),
        "PNG": ("RGB", "RGBA", "L", "LA", "P", "1"),
        "WEBP": ("RGB", "RGBA"),
        "GIF": ("P", "L"),
        "TIFF": ("RGB", "RGBA", "L"),
        "BMP": ("RGB",),
    }.items()
    for mode in modes
]


@pytest.mark.parametrize("metadata", METADATA)
@pytest.mark.parametrize(("form", "mode"), FILES)
@pytest.mark.parametrize("reading", [Reading(), OBEY], ids=["ignore", "obey"])
@pytest.mark.parametrize("formats", [["JPEG", "PNG"], ["JPEG", "PNG", "WEBP", "GIF"]], ids=len)
def test_a_server_gets_what_vision_models_see_and_nothing_that_it_might_obey(form, mode, metadata, reading, formats):
    content = encoded(form, mode, **METADATA[metadata])
    url = data_url(content, Picture(formats=formats), reading)
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as received:
        assert received.getexif().get(0x0112, 1) == 1
        assert received.info.get("icc_profile") is None or mode in ("L", "1")  # of RGB: nobody can obey it for grey
        assert not received.has_transparency_data
        np.testing.assert_array_equal(received.convert("RGB"), decoded(content, reading))


@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGBA"), ("WEBP", "RGBA"), ("TIFF", "RGBA"), ("PNG", "LA")])
def test_what_is_transparent_is_white_to_all(form, mode):
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    content = encoded(form, mode, **options)
    levels = np.asarray(Image.fromarray(COLOURS).convert(mode), dtype=int)
    expected = on_white(levels[..., :-1], levels[..., -1:])
    assert np.abs(np.asarray(decoded(content), dtype=int) - expected).max() <= 1


def test_alpha_that_hides_nothing_leaves_a_file_as_it_is():
    content = io.BytesIO()
    Image.fromarray(COLOURS).convert("RGB").convert("RGBA").save(content, "PNG")
    assert seen(content.getvalue())[0].traits == ()
    assert base64.b64decode(data_url(content.getvalue(), Picture()).partition(",")[2]) == content.getvalue()


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_metadata_are_ignored_or_obeyed(form):
    options = {"lossless": True} if form == "WEBP" else {}
    plain = np.asarray(Image.fromarray(COLOURS).convert("RGB"))
    content = encoded(form, "RGB", exif=EXIF, icc_profile=other_profile(), **options)
    look, ignored = seen(content)
    assert look.traits == ("oriented", "profile")
    np.testing.assert_array_equal(ignored, plain)
    obeyed = np.asarray(decoded(content, OBEY), dtype=int)
    assert np.abs(obeyed - np.rot90(plain, -1)[..., ::-1]).max() <= 2


def test_the_profile_of_srgb_and_one_for_other_colours_change_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert seen(encoded("JPEG", "RGB", icc_profile=srgb))[0].traits == ()
    assert seen(encoded("JPEG", "L", icc_profile=other_profile()))[0].traits == ()


@given(st.integers(20_000, 300_000), st.booleans())
def test_gamma_is_ignored_or_obeyed_unless_it_is_srgbs(gamma, srgb):
    samples = np.arange(256)[None, :, None]
    chunks = [(b"gAMA", struct.pack(">I", gamma)), *([(b"sRGB", b"\0")] if srgb else [])]
    content = png(8, 0, samples, *chunks)
    look, ignored = seen(content)
    np.testing.assert_array_equal(np.asarray(ignored)[..., :1], samples)
    differs = abs(gamma / 1e5 * 2.2 - 1) >= 0.02 and not srgb
    assert look.traits == (("gamma",) if differs else ())
    expected = np.round(255 * (samples / 255) ** (1 / 2.2 / (gamma / 1e5))) if differs else samples
    assert np.abs(np.asarray(decoded(content, OBEY), dtype=int)[..., :1] - expected).max() <= 1


def test_colours_beyond_srgb_are_not_passed_on():
    content = png(8, 0, np.zeros((2, 2, 1), dtype=int), (b"cICP", b"\x09\x10\0\1"))
    assert seen(content)[0].traits == ("gamma",)


def test_chromaticities_without_a_profile_are_obeyed_for_none():
    """Those of P3, and sRGB's gamma."""
    samples = np.arange(0, 256, 5)[None, :, None]
    numbers = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    content = png(8, 0, samples, (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *numbers)))
    for reading in (Reading(), OBEY):
        np.testing.assert_array_equal(np.asarray(decoded(content, reading))[..., :1], samples)


@pytest.mark.parametrize("reading", [Reading(), OBEY], ids=["ignore", "obey"])
def test_the_orientation_of_tiff_is_obeyed_always(reading):
    """It says in which order the file has its rows, as a part of the format."""
    content = encoded("TIFF", "RGB", exif=EXIF)
    plain = np.asarray(Image.fromarray(COLOURS).convert("RGB"))
    np.testing.assert_array_equal(np.asarray(decoded(content, reading)), np.rot90(plain, -1))


def test_cmyk_becomes_rgb_by_the_plain_conversion():
    """No ink is white, and each takes its colour away."""
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255], [0, 0, 0, 100]]])
    content = io.BytesIO()
    Image.fromarray(inks.astype(np.uint8), "CMYK").save(content, "TIFF")
    expected = [[255, 255, 255], [0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0], [155, 155, 155]]
    assert np.asarray(decoded(content.getvalue()))[0].tolist() == expected


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_seen_and_sent(form):
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    content = io.BytesIO()
    first.save(content, form, save_all=True, append_images=[second])
    look, picture = seen(content.getvalue())
    assert "several" in look.traits
    assert picture.getpixel((4, 4))[0] > 200
    url = data_url(content.getvalue(), Picture(formats=["JPEG", "PNG", "WEBP", "GIF"]))
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as sent:
        assert (sent.format, getattr(sent, "n_frames", 1)) == ("PNG", 1)


def test_16_bits_of_a_ppm_are_grey_levels():
    content = io.BytesIO()
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16)).save(content, "PPM")
    assert np.asarray(decoded(content.getvalue()))[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_levels_of_which_nothing_says_what_is_white_are_refused(mode):
    with pytest.raises(InputError, match="has 32 bits a channel"):
        decoded(encoded("TIFF", mode) if mode == "F" else _integers())


def _integers() -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.array([[1, 70_000]], dtype=np.int32)).save(content, "TIFF")
    return content.getvalue()


@pytest.mark.parametrize("form", ["DDS", "PCX", "SGI", "ICNS"])
def test_a_format_that_is_not_read_is_named(form):
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, form)
    with pytest.raises(InputError, match=f"is a {form} file, which is not read; save it as one of AVIF, BMP"):
        decoded(content.getvalue())


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 1600))
def test_pixels_are_counted_before_they_are_decoded(width, height, most):
    whole = png(8, 0, np.zeros((height, width, 1), dtype=int))
    content = whole[: whole.index(b"IDAT") + 4]  # nothing to decode
    with pytest.raises(InputError) as caught:
        decoded(content, Reading(max_pixels=most))
    assert ("more than" in str(caught.value)) == (width * height > most)


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch):
    at_once, most, lock = 0, 0, threading.Lock()
    original = pictures._seen

    def slow(*arguments, **options):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1
        return original(*arguments, **options)

    monkeypatch.setattr(pictures, "_seen", slow)
    content = encoded("PNG", "RGB")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(decoded, [content] * 8))
        several, most = most, 0
        monkeypatch.setattr(pictures, "LARGE", 1)
        list(threads.map(decoded, [content] * 8))
    assert (several > 1, most) == (True, 1)
