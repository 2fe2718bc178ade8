import io
import os
import subprocess
import sys

import polars as pl
import pytest
import torch
from PIL import Image
from torch.utils.data import BatchSampler
from torchvision.transforms.functional import pil_to_tensor

from mllm_classify.io.files import PROJECT, InputError, sha256
from mllm_classify.predict.images import Images
from mllm_classify.predict.vision.loader import batches

COUNT = 7


def content(number):
    """A picture of which every pixel is its number."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number, number, number)).save(file, "PNG")
    return file.getvalue()


def written(folder, **torn):
    """Images 0 to 6; those that are named hold other bytes, which are registered."""
    rows = []
    for number in range(COUNT):
        found = torn.get(f"i{number}", content(number))
        (folder / f"{number}.png").write_bytes(found)
        rows.append({"image_id": f"i{number}", "file": f"{number}.png", "sha256": sha256(found)})
    return Images(pl.DataFrame(rows), str(folder))


def by(size, places=range(COUNT)):
    return BatchSampler(places, size, drop_last=False)


def listed(images, places=range(COUNT), **options):
    """Places, and the numbers that are in the tensor, of every batch."""
    found = batches(images, pil_to_tensor, by(3, places), **{"workers": 0} | options)
    return [(batch.places, batch.tensor[:, 0, 0, 0].tolist()) for batch in found]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_batches_are_in_order_and_the_same_for_any_number_of_workers(tmp_path, count):
    places = [[0, 1, 2], [3, 4, 5], [6]]
    assert listed(written(tmp_path), workers=count) == [(it, it) for it in places]


def test_only_the_places_that_are_named_are_read(tmp_path):
    images = written(tmp_path)
    (tmp_path / "0.png").unlink()
    assert listed(images, places=[1, 4, 5, 6]) == [([1, 4, 5], [1, 4, 5]), ([6], [6])]
    assert listed(images, places=[]) == []


TORN = content(4)[:50]


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize(
    ("found", "reason"),
    [(b"no picture", "is not an image that Pillow can read"), (TORN, r"cannot be decoded \(.*truncated")],
    ids=["no picture", "torn"],
)
def test_a_corrupt_image_is_one_message_with_its_name_and_file(tmp_path, count, found, reason):
    images = written(tmp_path, i4=found)
    seen = batches(images, pil_to_tensor, by(3), workers=count)
    assert next(seen).places == [0, 1, 2]
    with pytest.raises(InputError, match=rf"^image 'i4': .*4\.png {reason}") as caught:
        next(seen)
    assert str(tmp_path / "4.png") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 1])
def test_an_image_that_changed_or_is_gone_is_an_error(tmp_path, count):
    images = written(tmp_path)
    (tmp_path / "1.png").write_bytes(b"other")
    (tmp_path / "0.png").unlink()
    with pytest.raises(InputError, match=r"^image 'i0': .*cannot be read"):
        listed(images, workers=count)
    with pytest.raises(InputError, match=r"^image 'i1': .*has changed since it was registered"):
        listed(images, workers=count, places=[1])


def test_a_worker_that_is_killed_is_one_message(tmp_path):
    """As the system does where memory is short."""
    code = f"""
import os, signal, polars as pl
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict.vision.loader import batches
from mllm_classify.predict.images import Images
content = open("0.png", "rb").read()
images = Images(pl.DataFrame([dict(image_id="a", file="0.png", sha256=sha256(content))]), {str(tmp_path)!r})
def transform(_):
    os.kill(os.getpid(), signal.SIGKILL)
try:
    list(batches(images, transform, [[0]], workers=1))
except InputError as error:
    print(error)
"""
    (tmp_path / "0.png").write_bytes(content(0))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("a process that decodes images was killed (")
    assert "set workers or batch_size lower" in done.stdout
    assert done.stdout.count("\n") == 1


def test_pictures_of_other_colours_become_rgb(tmp_path):
    images = written(tmp_path)
    Image.new("CMYK", (8, 8)).save(tmp_path / "cmyk.jpg")
    found = (tmp_path / "cmyk.jpg").read_bytes()
    images = Images(pl.DataFrame([{"image_id": "c", "file": "cmyk.jpg", "sha256": sha256(found)}]), str(tmp_path))
    [batch] = batches(images, pil_to_tensor, [[0]], workers=0)
    assert batch.tensor.shape == (1, 3, 8, 8)
    assert batch.tensor.dtype == torch.uint8


def test_more_places_are_asked_for_as_they_are_needed(tmp_path):
    """So that jobs which share their work see what others did meanwhile."""
    asked = []

    def wanted():
        for place in range(COUNT):
            asked.append(place)
            yield [place]

    seen = batches(written(tmp_path), pil_to_tensor, wanted(), workers=0)
    assert asked == []
    assert [next(seen).places, next(seen).places] == [[0], [1]]
    assert asked == [0, 1]


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_computed_of_a_batch_takes_the_place_of_its_tensor(tmp_path, count):
    found = batches(
        written(tmp_path), pil_to_tensor, by(3), workers=count, compute=lambda it: it[:, 0, 0, 0].float() * 2
    )
    assert [(batch.places, batch.tensor.tolist()) for batch in found] == [
        ([0, 1, 2], [0, 2, 4]), ([3, 4, 5], [6, 8, 10]), ([6], [12]),
    ]  # fmt: skip
