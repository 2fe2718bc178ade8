"""Pictures of the tests of an endpoint, and what requests show of them."""

import base64
import io

import polars as pl
from PIL import Image

from mllm_classify.config.chat import EndpointModel
from mllm_classify.io.files import sha256
from mllm_classify.predict.images import Images
from tests.chat_server import image_of

CLASSES = ["espresso", "lens cap, lens cover", "# hash"]


def encoded(image, form, **options):
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def bytes_of(body):
    return base64.b64decode(image_of(body).partition("base64,")[2])


def number_of(body):
    """Which image of the fixture a request shows."""
    return Image.open(io.BytesIO(bytes_of(body))).getpixel((0, 0))[0]


def register(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    rows = [{"image_id": name, "file": name, "sha256": sha256(content)} for name, content in contents.items()]
    return Images(pl.DataFrame(rows), str(folder))


def model(**options):
    return EndpointModel(
        **{"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q"} | options
    )
