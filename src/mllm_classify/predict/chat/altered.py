"""What is shown in place of an image, to learn what a model answers from the prompt alone."""

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mllm_classify.choices import draws
from mllm_classify.io.files import sha256
from mllm_classify.io.pictures import Look, decoded
from mllm_classify.io.reading import Reading

if TYPE_CHECKING:
    from mllm_classify.config.chat import Picture
    from mllm_classify.config.tasks import Pixels

GREY = (128, 128, 128)


def picture(
    content: bytes, pixels: "Pixels", purpose: "tuple[np.uint64, ...]", sent: "Picture", reading: Reading
) -> bytes:
    """A PNG file of the size that an image is sent in: grey, or of the image's pixels in another order.

    The order comes from the image's content and the purpose. Raises InputError as `decoded` does.
    """
    image = decoded(content, reading)
    if sent.longest_side is not None:  # scaled afterwards, shuffled pixels would be the mean of all
        image.thumbnail((sent.longest_side, sent.longest_side), Image.Resampling.LANCZOS)
    if pixels == "grey":
        image = Image.new("RGB", image.size, GREY)
    else:
        own = np.asarray(image).reshape(-1, 3)
        numbers = np.arange(len(own), dtype=np.uint64)
        drawn = draws.draw(draws.key("pixels"), draws.key(sha256(content)), *purpose, numbers)
        image = Image.fromarray(own[np.argsort(drawn, kind="stable")].reshape(image.height, image.width, 3))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def told(pixels: "Pixels", purpose: str, digest: str, look: Look | None, reading: Reading) -> str | None:
    """What tells such a picture from others, but for the repeat: `purpose` is what an order is drawn for.

    Grey pictures of one size are one, whatever image they stand for; nothing is shown of none.
    """
    if pixels == "none":
        return None
    if pixels == "grey" and look is not None and not (reading.metadata == "obey" and "oriented" in look.traits):
        return f"grey {look.width} x {look.height}"
    rendering = look.rendering(reading) if look else ""
    return " ".join(part for part in (digest, rendering, pixels, purpose if pixels == "shuffled" else "") if part)
