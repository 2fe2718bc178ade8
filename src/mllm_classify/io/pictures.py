"""Files as pictures."""

import io

from PIL import Image, UnidentifiedImageError

from mllm_classify.io.files import InputError
from mllm_classify.io.text import one_line


def decoded(content: bytes) -> Image.Image:
    """The picture that a file holds, 8-bit RGB. Raises InputError where Pillow cannot read it to its end."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return rgb(image)
    except UnidentifiedImageError:
        msg = "is not an image that Pillow can read"
    except Image.DecompressionBombError:
        msg = f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, which may be a trap; scale it down"
    except Exception as error:  # noqa: BLE001 (each of Pillow's decoders raises what it likes)
        msg = f"cannot be decoded ({one_line(str(error) or type(error).__name__)}); is it damaged?"
    raise InputError(msg)


def rgb(image: Image.Image) -> Image.Image:
    """An image in three colours of 8 bits. Of 16 bits of grey the upper 8 stay: Pillow itself would cut them off."""
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    return image.convert("RGB")
