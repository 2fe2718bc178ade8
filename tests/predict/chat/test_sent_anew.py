"""A picture that is sent as it was keeps its questions' keys; one that is sent otherwise is asked about again."""

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mllm_classify.config.chat import EndpointModel, Picture
from mllm_classify.config.dataset import TableDataset
from mllm_classify.config.every_dataset import LabelSet
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.dataset.images import images, remarks
from mllm_classify.io.reading import AS_PILLOW, Reading
from mllm_classify.predict.chat.pictures import sent_anew
from mllm_classify.predict.chat.questions import Questionnaire
from mllm_classify.predict.images import Images
from tests.io.test_looks import EXIF, METADATA

NOISE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 60, 4), dtype=np.uint8))
OBEY = Reading("obey")
SMALL, WEBP = {"longest_side": 20}, {"formats": ["JPEG", "PNG", "WEBP"]}
FIRST_RELEASE = {"a": "35e717f65c64503f", "b": "00ef1b51834d9b32"}
"""Keys of questions about two JPEG files, as the first release had them."""
SAME = {
    "rgb.jpg": ("RGB", {"quality": 80}),
    "grey.jpg": ("L", {}),
    "cmyk.jpg": ("CMYK", {}),
    "rgb.png": ("RGB", {}),
    "palette.png": ("P", {}),
    "rgb.gif": ("RGB", {}),
    "rgb.tiff": ("RGB", {}),
    "rgb.bmp": ("RGB", {}),
}
OTHERWISE = {
    "oriented.jpg": ("RGB", {"exif": EXIF}),
    "profile.jpg": ("RGB", METADATA["profile"]),
    "alpha.png": ("RGBA", {}),
    "rgb.webp": ("RGB", {}),
    "profile.tiff": ("RGB", METADATA["profile"]),
}


def dataset(folder, **options):
    (folder / "imgt.csv").write_text("image_id,class\n" + "".join(f"{name},0\n" for name in (*SAME, *OTHERWISE)))
    for name, (mode, saved) in (SAME | OTHERWISE).items():
        content = io.BytesIO()
        picture = NOISE if mode == "RGBA" else NOISE.convert("RGB").convert(mode)
        picture.save(content, Image.registered_extensions()["." + name.partition(".")[2]], **saved)
        (folder / name).write_bytes(content.getvalue())
    imgt = LabelSet(label="I", file="imgt.csv")
    entry = {"source": "table", "name": "d", "label": "D", "folder": str(folder), "classes": "c.txt", "imgt": imgt}
    return TableDataset(**entry, **options)


def keys(registered, picture, reading=AS_PILLOW):
    """The key of the question about each image."""
    entry = {"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q", "tasks": ["OW"]}
    tasks = {"OW": TaskPrompt(prompt="resources/prompts/ow.v1.txt")}
    shown = Images(registered, None, reading)
    asked = Questionnaire(EndpointModel(**entry, picture=picture), tasks, shown, [])
    return {shown.ids[question.images[0]]: question.key for question in asked}


@pytest.mark.parametrize(
    ("picture", "reading", "otherwise"),
    [
        ({}, AS_PILLOW, {*OTHERWISE}),
        (WEBP, AS_PILLOW, {*OTHERWISE} - {"rgb.webp"}),
        # scaled down, they were sent as JPEG without metadata already; palettes roughly
        (SMALL, AS_PILLOW, {"alpha.png", "palette.png", "rgb.gif"}),
        (SMALL, OBEY, {"alpha.png", "palette.png", "rgb.gif", "oriented.jpg", "profile.jpg", "profile.tiff"}),
        ({"formats": ["PNG"]}, AS_PILLOW, {*OTHERWISE, "rgb.jpg", "grey.jpg"}),
        ({"formats": ["JPEG", "PNG", "GIF"]}, AS_PILLOW, {*OTHERWISE, "rgb.gif"}),
    ],
)
def test_only_what_is_sent_otherwise_has_another_key(folder, picture, reading, otherwise):
    registered = images(dataset(folder), pl.DataFrame())
    before = keys(registered.select("image_id", "file", "sha256"), {k: v for k, v in picture.items() if k != "formats"})
    now = keys(registered, picture, reading)
    assert {name for name in now if now[name] != before[name]} == otherwise


def test_the_keys_of_ordinary_jpeg_files_are_those_of_the_first_release():
    looks = {"format": "JPEG", "width": 500, "height": 375, "traits": []}
    rows = [{"image_id": name, "file": name, "sha256": f"{place:064x}"} | looks for place, name in enumerate("ab")]
    assert {name: key[:16] for name, key in keys(pl.DataFrame(rows), {}).items()} == FIRST_RELEASE


def test_ways_of_sending_are_told_apart(folder):
    registered = images(dataset(folder), pl.DataFrame())
    looks = dict(zip(registered["image_id"], Images(registered, None).looks, strict=True))
    ways = {(reading.metadata, sent_anew(looks["oriented.jpg"], Picture(), reading)) for reading in (AS_PILLOW, OBEY)}
    assert ways == {("ignore", "pixels"), ("obey", "obeyed")}


def test_the_log_counts_what_looks_otherwise_elsewhere(folder):
    obeying = dataset(folder, pictures={"metadata": "obey"})
    assert remarks(images(obeying, pl.DataFrame()), obeying) == [
        "1 images transparent in parts: shown on white",
        "1 images with an EXIF orientation: obeyed for every model (pictures.metadata)",
        "2 images with a colour profile other than sRGB: obeyed for every model (pictures.metadata)",
    ]
