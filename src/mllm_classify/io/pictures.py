"""Files as pictures: what a person sees is what every model gets.

A picture is its first frame, 8-bit RGB, on white where it is transparent. Of 16 bits a channel the upper 8 stay. CMYK
becomes RGB as Pillow converts it. What metadata say of the look (orientation, colour profile, gamma) is obeyed for every
model, or for none.
"""

import io
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base

from mllm_classify.io import colours
from mllm_classify.io.files import InputError
from mllm_classify.io.reading import AS_PILLOW, Reading
from mllm_classify.io.text import one_line

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is read, by Pillow's names; JPEG with MPO, its form with several pictures."""
LARGE = 2**24
"""Pixels from which pictures are decoded one at a time, whatever threads there are: each takes up to 12 bytes a pixel."""
METADATA = {"oriented", "profile", "gamma"}
"""Of the traits, those that only metadata tell."""
PLAIN = {"1", "L", "LA", "P", "RGB", "RGBA"}
"""Pillow's modes that every decoder shows alike."""
GREYS = {"L;2": 85, "L;4": 17}
"""By what Pillow multiplies greys of few bits, by its name for how they are stored."""

Image.MAX_IMAGE_PIXELS = None  # `Reading.max_pixels` is the limit
_one_large = Lock()


class Look(NamedTuple):
    """What decides, beside its bytes, how a picture has to be sent.

    Traits: `transparent` (some pixel is), `several` (frames, of which the first is taken), `colours` (other than 8 bits of
    grey or RGB), `palette` (or black and white only), and those of METADATA, where they change how it looks.
    """

    format: str
    width: int
    height: int
    traits: tuple[str, ...]

    def rendering(self, reading: Reading) -> str:
        """What is done to the picture beyond Pillow's `convert("RGB")`, in a word or two; empty where nothing is."""
        steps = {
            "white": "transparent" in self.traits,
            "obeyed": reading.metadata == "obey" and not METADATA.isdisjoint(self.traits),
            "scaled": self.format == "PPM" and "colours" in self.traits,
        }
        return " ".join(step for step, applies in steps.items() if applies)


def decoded(content: bytes, reading: Reading = AS_PILLOW) -> Image.Image:
    """The picture that a file holds, 8-bit RGB, without metadata. Raises InputError as `seen` does."""
    return seen(content, reading)[1]


def seen(content: bytes, reading: Reading = AS_PILLOW) -> tuple[Look, Image.Image]:
    """How a file's picture looks, and the picture, 8-bit RGB, without metadata.

    Raises InputError where its format is not among FORMATS, it has too many pixels (told before any is decoded), or it
    cannot be read to its end.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image, _turn(image, reading.max_pixels):
            return _seen(image, content, obey=reading.metadata == "obey")
    except InputError:
        raise
    except UnidentifiedImageError:
        msg = _unread(content)
    except Exception as error:  # noqa: BLE001 (each of Pillow's decoders raises what it likes)
        msg = f"cannot be decoded ({one_line(str(error) or type(error).__name__)}); is it damaged?"
    raise InputError(msg)


def part(content: bytes, rectangle: tuple[int, int, int, int]) -> bytes:
    """A PNG file of a part of a picture: left, top, right and bottom in pixels. Raises InputError as `seen` does."""
    cut = io.BytesIO()
    decoded(content).crop(rectangle).save(cut, "PNG", compress_level=1)
    return cut.getvalue()


def size(path: Path) -> tuple[int, int]:
    """Width and height of a file's picture, of which only the beginning is read. Raises InputError where that is none."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception as error:  # noqa: BLE001 (each of Pillow's decoders raises what it likes)
        msg = f"{path}: cannot be read as a picture ({one_line(str(error) or type(error).__name__)})"
        raise InputError(msg) from None


def _turn(image: Image.Image, max_pixels: int) -> AbstractContextManager[Any]:
    """When an image may be decoded: a large one after others. Raises InputError where it has too many pixels."""
    pixels = image.width * image.height
    if pixels > max_pixels:
        msg = (
            f"has {pixels:,} pixels ({image.width:,} x {image.height:,}), more than {max_pixels:,}; scale it down, or "
            "raise dataset.pictures.max_pixels"
        )
        raise InputError(msg)
    return _one_large if pixels > LARGE else nullcontext()


def _unread(content: bytes) -> str:
    """Why a file is not read: the name of its format, by its first bytes, without another decoder."""
    Image.init()
    for name, (_, accepts) in Image.OPEN.items():
        if name not in FORMATS and accepts is not None and accepts(content[:16].ljust(16, b"\0")) is True:
            return f"is a {name} file, which is not read; save it as one of {', '.join(FORMATS)}"
    return "is not an image that Pillow can read"


def _seen(image: Image.Image, content: bytes, *, obey: bool) -> tuple[Look, Image.Image]:
    several = getattr(image, "is_animated", False)  # asked first: other frames take the place of what is decoded
    if image.format == "PNG" and "transparency" in image.info:
        image.info["transparency"] = _in_8_bits(image.info["transparency"], str(image.tile[0].args))  # type: ignore[attr-defined]  # of files
    image.load()
    told = {str(key): value for key, value in image.info.items()}
    picture, alpha = without_alpha(image), _alpha(image)
    traits = {
        "transparent": alpha is not None,
        "several": several,
        "colours": image.mode not in PLAIN,
        "palette": image.mode in ("1", "P"),
        "oriented": image.getexif().get(Base.Orientation, 1) != 1,
        "profile": colours.profile_changes(image.info.get("icc_profile"), picture.mode),
        "gamma": image.format == "PNG" and colours.png_changes(told, content),
    }
    look = Look(str(image.format), *image.size, tuple(trait for trait, applies in traits.items() if applies))
    if obey and traits["profile"]:
        picture = colours.by_profile(picture, image.info["icc_profile"])
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if obey and traits["gamma"]:
        picture = colours.by_gamma(picture, told)
    if alpha is not None:
        picture = Image.composite(picture, Image.new("RGB", picture.size, "white"), alpha)
    picture.info = {}
    if obey and traits["oriented"]:
        picture.getexif()[Base.Orientation] = image.getexif()[Base.Orientation]
        ImageOps.exif_transpose(picture, in_place=True)
    return look, picture


def _in_8_bits(transparency: Any, stored: str) -> Any:
    """The transparent grey or colour of a PNG file (tRNS) as Pillow decodes it; it tells that as it is `stored`.

    Of colours of 16 bits, all with the same upper 8 become transparent.
    """
    if stored in GREYS:
        return transparency * GREYS[stored]
    return tuple(level >> 8 for level in transparency) if stored == "RGB;16B" else transparency


def without_alpha(image: Image.Image) -> Image.Image:
    """An image in which every pixel is opaque, in 8 bits of grey, RGB or CMYK. Raises InputError where no 8 bits are meant."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode in ("I", "F"):
        msg = "has 32 bits a channel, and nothing says which values are black and white; save it with 8 or 16"
        raise InputError(msg)
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode == "CMYK":
        return image.copy()
    # a palette's colours are converted with their transparency, or Pillow warns
    return (image.convert("RGBA") if image.mode in ("P", "PA", "RGBa") else image).convert("RGB")


def _alpha(image: Image.Image) -> Image.Image | None:
    """How opaque each pixel is (L), or None where all are."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I;16"):  # a grey of 16 bits is transparent, not all of the same upper 8
        opaque = np.asarray(image) != image.info["transparency"]
        alpha = Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8))
    else:
        alpha = image.convert("RGBA").getchannel("A")
    return alpha if alpha.getextrema() != (255, 255) else None
