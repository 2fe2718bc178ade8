"""Our side of the loader, with a clone that a test makes; the real one is never run here."""

import io
import sys

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from mllm_classify.config.vision import DinoTxtModel
from mllm_classify.dataset.images import IMAGES
from mllm_classify.embed.texts import averaged, read_templates
from mllm_classify.io.files import InputError, locate, sha256
from mllm_classify.loading.dinotxt import dinotxt_tower
from mllm_classify.predict import dinotxt
from mllm_classify.predict.images import Images
from tests.predict.jobs import predictions

ENTRY = "dinov3_vitl16_dinotxt_tet1280d20h24l"
HEAD, BACKBONE = "head-a442d8f5.pth", "backbone-8aa4cbdd.pth"
NAMES = ["cat", "dog", "cup", "missile", "ship", "Missile"]
CLASSES = pl.DataFrame({"class_id": range(6), "name": NAMES, "same_name": [[0], [1], [2], [3, 5], [4], [3, 5]]})
HUBCONF = f"""
import torch
from dinov3.data import transforms


class Tokenizer:
    def tokenize(self, texts, context_length=8):
        rows = [[ord(letter) for letter in text[-context_length:].rjust(context_length)] for text in texts]
        return torch.tensor(rows)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual_model = torch.nn.Linear(12, 4)
        self.text_model = torch.nn.EmbeddingBag(1000, 4)
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.0))

    def encode_image(self, image, normalize=False):
        assert not self.training
        return self.visual_model(image.flatten(1))

    def encode_text(self, text, normalize=False):
        return self.text_model(text)


def {ENTRY}(*, pretrained=True, weights=None, backbone_weights=None, bpe_path_or_url="https://", check_hash=False):
    open(bpe_path_or_url, "rb").close()
    model = Model()
    address = "file://" + weights
    model.load_state_dict(torch.hub.load_state_dict_from_url(address), strict=False)
    model.visual_model.load_state_dict(torch.load(backbone_weights, weights_only=True))
    return model, Tokenizer()
"""
TRANSFORMS = """
from torchvision.transforms import v2
import torch


def make_classification_eval_transform():
    return v2.Compose([v2.ToImage(), v2.Resize((2, 2)), v2.ToDtype(torch.float32, scale=True)])
"""


@pytest.fixture
def clone(folder, monkeypatch):
    """A clone with its checkpoints; what it leaves among the modules goes again."""
    for path, content in {
        "dinov3/hubconf.py": HUBCONF,
        "dinov3/dinov3/__init__.py": "",
        "dinov3/dinov3/data/__init__.py": "",
        "dinov3/dinov3/data/transforms.py": TRANSFORMS,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    torch.manual_seed(3)
    backbone = torch.nn.Linear(12, 4).state_dict()
    head = {"text_model.weight": torch.randn(1000, 4), "logit_scale": torch.tensor(1.0)}
    torch.save(head, folder / HEAD)
    torch.save(backbone, folder / BACKBONE)
    yield backbone, head
    for name in [name for name in sys.modules if name.partition(".")[0] == "dinov3"]:
        del sys.modules[name]


def entry(**options):
    known = {"name": "m", "label": "M", "kind": "dinotxt", "repository": "dinov3"}
    return DinoTxtModel(**known | {"weights": HEAD, "backbone_weights": BACKBONE} | options)


def predict(**options):
    content = locate("package:skimage/data/coffee.png").read_bytes()
    row = {"image_id": "x", "file": "package:skimage/data/coffee.png", "sha256": sha256(content)}
    model, images = entry(**options), Images(pl.DataFrame([row], schema=IMAGES), None)
    return predictions(dinotxt, model, images, CLASSES)


def test_it_predicts_with_the_weights_templates_and_preprocessing_that_it_is_given(clone):
    backbone, head = clone
    hub = torch.hub.get_dir()
    (row,) = predict().iter_rows(named=True)
    assert torch.hub.get_dir() == hub
    transform = sys.modules["dinov3.data.transforms"].make_classification_eval_transform()
    picture = Image.open(io.BytesIO(locate("package:skimage/data/coffee.png").read_bytes())).convert("RGB")
    image = torch.nn.functional.linear(transform(picture).flatten(), backbone["weight"], backbone["bias"])

    def encode(texts):
        rows = [[ord(letter) for letter in text[-8:].rjust(8)] for text in texts]
        return head["text_model.weight"][torch.tensor(rows)].mean(dim=1).numpy()

    weights = averaged(encode, NAMES, read_templates("resources/templates/imagenet-7.v1.txt"))
    weights[5] = weights[3]
    cosines = weights @ (image / image.norm()).numpy()
    assert row["class_ids"] == np.argsort(-np.round(cosines, 5), kind="stable")[:20].tolist()
    scores = np.exp(np.e * cosines) / np.exp(np.e * cosines).sum()
    np.testing.assert_allclose(row["scores"], scores[row["class_ids"]], rtol=1e-4)


def test_another_checkpoint_of_the_same_name_is_read_anew(clone, folder):
    first = predict()
    (folder / "other").mkdir()
    torch.save({"text_model.weight": torch.randn(1000, 4)}, folder / "other" / HEAD)
    assert predict(weights=f"other/{HEAD}")["scores"].to_list() != first["scores"].to_list()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repository": "nowhere"}, r"repository: nowhere has no hubconf.py; clone .*facebookresearch/dinov3 to /.*/nowhere"),
        ({"weights": "no.pth"}, r"^weights: no.pth not found; looked for /.*/no.pth. Ask for the weights where "),
        ({"backbone_weights": "no.pth"}, "^backbone_weights: no.pth not found"),
        ({"vocabulary": "no.gz"}, "^vocabulary: no.gz not found"),
        ({"entry": "dinov4"}, r"repository: dinov3: dinov4 did not load \(RuntimeError: "),
        ({"backbone_weights": HEAD}, r"did not load \(RuntimeError: Error\(s\) in loading state_dict"),
        ({"weights": BACKBONE}, r"^weights: .* lacks 1 tensors of the text encoder, text_model.weight among them"),
    ],
)  # fmt: skip
def test_what_is_not_there_or_does_not_fit_is_an_input_error(clone, options, message):
    with pytest.raises(InputError, match=message):
        dinotxt_tower(entry(**options))


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("key", ["weights", "backbone_weights"])
def test_code_inside_weights_is_refused_and_does_not_run(clone, folder, key):
    torch.save({"text_model.weight": Payload(folder / "executed")}, folder / "w-a442d8f5.pth")
    with pytest.raises(InputError, match=rf"^{key}: w-a442d8f5.pth is not a checkpoint of tensors alone"):
        dinotxt_tower(entry(**{key: "w-a442d8f5.pth"}))
    assert not (folder / "executed").exists()
