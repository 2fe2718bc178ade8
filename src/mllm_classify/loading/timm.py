"""Image classifiers of timm: their own weights, their own preprocessing, class probabilities."""

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import safetensors.torch
import timm
import torch
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.files import InputError, locate
from mllm_classify.io.pictures import decoded
from mllm_classify.loading.devices import Transform, usable_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mllm_classify.config.vision import Classifier as ClassifierConfig
    from mllm_classify.config.vision import Timm


class Classifier:
    """A model with a classification head, ready to be asked for probabilities."""

    def __init__(self, config: "ClassifierConfig") -> None:
        self.device = usable_device(config.device)
        self.model = loaded(config).eval().to(self.device, memory_format=torch.channels_last)
        self.classes: int = self.model.num_classes
        self.transform = transform(self.model, config)

    @torch.inference_mode()
    def probabilities(self, contents: list[bytes]) -> FloatArray:
        """Class probabilities (images x classes, float32) of encoded images."""
        batch = torch.stack([self.transform(decoded(content)) for content in contents])
        probabilities: FloatArray = self.model(batch.to(self.device)).softmax(dim=1).cpu().numpy()
        return probabilities


def loaded(config: "Timm") -> Any:
    """A model of timm with its weights.

    Raises InputError where timm, the hub or its cache has no such model, or a file does not fit or holds more than
    tensors.
    """
    model = _create(config)
    if config.weights is not None:
        _load(model, config.weights)
    return model


def preprocessing(model: torch.nn.Module, size: str) -> dict[str, Any]:
    """Size, crop, interpolation, mean and deviation as the model's pretrained configuration says."""
    data_config: dict[str, Any] = resolve_data_config(model=model, use_test_size=size == "test")  # type: ignore[no-untyped-call]
    return data_config


def transform(model: torch.nn.Module, config: "Timm") -> Transform:
    """What makes the model's input of an RGB picture."""
    transform: Transform = create_transform(**preprocessing(model, config.size), is_training=False)
    return transform


@contextmanager
def tensors_alone() -> "Iterator[None]":
    """Inside, torch reads checkpoints with `weights_only`, whatever a library asks for: no code in them runs."""
    forced, lifted = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    before = {name: os.environ.pop(name, None) for name in (forced, lifted)}
    os.environ[forced] = "1"
    try:
        yield
    finally:
        del os.environ[forced]
        os.environ |= {name: value for name, value in before.items() if value is not None}


def _create(config: "Timm") -> torch.nn.Module:
    """A model of timm, with weights from the hub, or from its cache, unless the configuration names a file."""
    name, options = config.architecture, dict[str, Any]()
    if name.startswith("hf-hub:"):
        name = f"{name}@{config.revision}" if config.revision else name
    elif not timm.is_model(name):
        msg = f"architecture: {name!r} is not a model of timm {timm.__version__}; see timm.list_models()"
        raise InputError(msg)
    elif config.revision:
        known = timm.models.get_pretrained_cfg(name)
        options = {"pretrained_cfg_overlay": {"hf_hub_id": f"{known and known.hf_hub_id}@{config.revision}"}}
    try:
        with tensors_alone():
            model: torch.nn.Module = timm.create_model(name, pretrained=config.weights is None, **options)
    except Exception as error:  # noqa: BLE001 (timm, its hub, torch and safetensors have no error in common)
        what = f"architecture: {config.architecture}"
        revision = f" at revision {config.revision}" if config.revision else ""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        advice = (
            "HF_HUB_OFFLINE is set: unset it, or download the model once where there is a network, with the same HF_HOME, "
            "or name a file (weights)"
            if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
            else "weights can name a file in its place"
        )
        msg = f"{what}{revision} cannot be loaded from the hub ({reason}); {advice}"
        raise InputError(msg) from None
    return model


def _load(model: torch.nn.Module, weights: str) -> None:
    """Load a checkpoint whose tensors have the model's names, or stand in the model's order.

    Only tensors are read: safetensors, or `torch.load` with `weights_only`.
    """
    path = locate(weights)
    if not path.exists():
        msg = f"weights: {weights} not found; looked for {path.absolute()}"
        raise InputError(msg)
    try:
        if path.suffix == ".safetensors":
            tensors = safetensors.torch.load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 (whatever an unknown file makes the readers raise)
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        msg = f"weights: {weights} is not a checkpoint of tensors alone ({reason})"
        raise InputError(msg) from None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        msg = f"weights: {weights} is not a table of tensors"
        raise InputError(msg)
    wanted = model.state_dict()
    if len(tensors) != len(wanted):
        msg = f"weights: {weights} does not fit the architecture: {len(tensors)} tensors, not {len(wanted)}"
        raise InputError(msg)
    if tensors.keys() != wanted.keys():
        tensors = dict(zip(wanted, tensors.values(), strict=True))
    for name, tensor in wanted.items():
        if tensors[name].shape != tensor.shape:
            msg = f"weights: {weights} does not fit the architecture: {name} is {list(tensors[name].shape)}, not {list(tensor.shape)}"
            raise InputError(msg)
    model.load_state_dict(tensors)
