"""Images as requests carry them."""

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image

from mllm_classify.io.pictures import rgb

if TYPE_CHECKING:
    from mllm_classify.config.chat import Picture

SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""Formats that every OpenAI-compatible server reads."""
COLOURS = {"1", "L", "LA", "P", "RGB", "RGBA"}
"""Pillow's modes that every decoder shows alike; CMYK is not among them."""


SMALLER = 0.8
"""By what the sides of a picture shrink until it has no more bytes than it may have."""


def data_url(content: bytes, picture: "Picture") -> str:
    """An image as it is sent: its own bytes where servers read the format and the size allows.

    Another format or other colours go as PNG, 8-bit RGB; what is too large, in pixels or bytes, as JPEG of the stated
    size and quality.
    """
    with Image.open(io.BytesIO(content)) as image:
        media_type = SENT_AS_THEY_ARE.get(image.format or "") if image.mode in COLOURS else None
        too_long = picture.longest_side is not None and max(image.size) > picture.longest_side
        if media_type is None and not too_long:
            content, media_type = _encoded(image, "PNG"), "image/png"
        if too_long or len(content) > picture.max_bytes:
            if picture.longest_side is not None:
                image.thumbnail((picture.longest_side, picture.longest_side), Image.Resampling.LANCZOS)
            content, media_type = _encoded(image, "JPEG", quality=picture.quality, subsampling=0), "image/jpeg"
            while len(content) > picture.max_bytes and max(image.size) > 1:
                width, height = image.size
                image.thumbnail((max(1.0, width * SMALLER), max(1.0, height * SMALLER)), Image.Resampling.LANCZOS)
                content = _encoded(image, "JPEG", quality=picture.quality, subsampling=0)
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _encoded(image: Image.Image, form: str, **options: int) -> bytes:
    encoded = io.BytesIO()
    rgb(image).save(encoded, form, **options)
    return encoded.getvalue()
