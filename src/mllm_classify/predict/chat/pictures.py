"""Images as requests carry them."""

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image

from mllm_classify.io.pictures import Look, seen, without_alpha
from mllm_classify.io.reading import AS_PILLOW, Reading

if TYPE_CHECKING:
    from mllm_classify.config.chat import Picture

ALIKE = {"palette"}
"""Traits with which a file still looks the same to every server."""
ONCE_SENT_AS_THEY_ARE = {"JPEG", "PNG", "WEBP"}
"""Formats whose bytes were sent whatever a server reads: answers to them stand under a file's SHA-256 alone."""
SMALLER = 0.8
"""By what the sides of a picture shrink until it has no more bytes than it may have."""


def data_url(content: bytes, picture: "Picture", reading: Reading = AS_PILLOW, known: Look | None = None) -> str:
    """An image as it is sent: its own bytes where servers read the format, it looks alike to all, and the size allows.

    Others go as PNG, 8-bit RGB, as all models see them; what is too large, in pixels or bytes, as JPEG of the stated size
    and quality. Where it is `known` how the picture looks, its own bytes go without being decoded again. Raises
    InputError as `seen` does.
    """
    if known and not _too_long(known, picture) and _own_bytes(known, picture):
        url = _url(known.format, content)
        if len(url) <= picture.max_bytes:
            return url
    look, shown = seen(content, reading)
    too_long = _too_long(look, picture)
    if not too_long:
        own = _own_bytes(look, picture)
        url = _url(look.format if own else "PNG", content if own else _encoded(shown, "PNG"))
        if len(url) <= picture.max_bytes:
            return url
    with Image.open(io.BytesIO(content)) as file:
        # a decoder scales a JPEG file down as it reads it
        image = shown if look.rendering(reading) or "palette" in look.traits else file
        if too_long and picture.longest_side is not None:
            image.thumbnail((picture.longest_side, picture.longest_side), Image.Resampling.LANCZOS)
        while True:
            jpeg = _encoded(without_alpha(image).convert("RGB"), "JPEG", quality=picture.quality, subsampling=0)
            url = _url("JPEG", jpeg)
            if len(url) <= picture.max_bytes or max(image.size) == 1:
                return url
            width, height = image.size
            image.thumbnail((max(1.0, width * SMALLER), max(1.0, height * SMALLER)), Image.Resampling.LANCZOS)


def sent_anew(look: Look, picture: "Picture", reading: Reading) -> str:
    """How an image is sent, if otherwise than the first release sent it; empty where an answer to that is one to this.

    It belongs to a question's key. What `max_bytes` does is no part of it: what a server took, it may answer.
    """
    if rendering := look.rendering(reading):
        return rendering
    too_long = _too_long(look, picture)
    if too_long:
        return "smooth" if "palette" in look.traits else ""
    before = look.format in ONCE_SENT_AS_THEY_ARE and "colours" not in look.traits
    if before != _own_bytes(look, picture):
        return "pixels" if before else "bytes"
    return "no profile" if not before and "profile" in look.traits else ""


def _own_bytes(look: Look, picture: "Picture") -> bool:
    return look.format in picture.formats and set(look.traits) <= ALIKE


def _too_long(look: Look, picture: "Picture") -> bool:
    return picture.longest_side is not None and max(look.width, look.height) > picture.longest_side


def _url(form: str, content: bytes) -> str:
    return f"data:image/{form.lower()};base64,{base64.b64encode(content).decode()}"


def _encoded(image: Image.Image, form: str, **options: int) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, form, **options)
    return encoded.getvalue()
