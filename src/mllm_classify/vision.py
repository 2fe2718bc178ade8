"""Image classifiers of timm: their own weights, their own preprocessing, class probabilities."""

import ctypes
import os
import warnings
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import safetensors.torch
import timm
import torch
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from mllm_classify.arrays import FloatArray
from mllm_classify.files import InputError, locate
from mllm_classify.predict.batches import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mllm_classify.config import Classifier as ClassifierConfig

HUB = "hf-hub:"
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


class Classifier:
    """A model with a classification head, ready to be asked for probabilities."""

    def __init__(self, config: "ClassifierConfig") -> None:
        self.device = usable_device(config.device)
        self.autocast = autocast(self.device, config.precision)
        self.model = _create(config)
        if config.weights is not None:
            _load(self.model, config.weights)
        self.model.eval().to(self.device)
        self.transform = create_transform(**self._preprocessing(), is_training=False)

    def _preprocessing(self) -> dict[str, Any]:
        """Size, crop, interpolation, mean and deviation as the model's pretrained configuration says."""
        found: dict[str, Any] = resolve_data_config(model=self.model)  # type: ignore[no-untyped-call]
        return found

    @torch.inference_mode()
    def classify(self, batch: torch.Tensor, exact: bool = False) -> FloatArray:
        """Class probabilities (images x classes, float32) of transformed images on the device.

        `exact` computes in fp32, whatever the precision is.
        """
        with nullcontext() if exact else self.autocast:
            logits = self.model(batch)
        found: FloatArray = logits.float().softmax(dim=1).cpu().numpy()
        return found

    def probabilities(self, contents: list[bytes]) -> FloatArray:
        """Class probabilities (images x classes, float32) of encoded images."""
        return self.classify(torch.stack([self.transform(decoded(content)) for content in contents]).to(self.device))


def usable_device(name: str) -> torch.device:
    """A device by torch's name, set up for it. Raises InputError where there is no such device here."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        msg = f"device: {name!r} cannot be used here ({str(error).splitlines()[0][:200]})"
        raise InputError(msg) from None
    if device.type == "cuda":
        # fp32 is 32 bits; who wants speed has the other precisions
        torch.backends.cudnn.allow_tf32 = False
    elif device.type == "cpu":
        _keep_memory()
    return device


def _keep_memory() -> None:
    """Have the C library keep freed memory for the next layer.

    glibc returns large blocks to the system, which fills each new one with zeros: on a CPU that costs convolutional
    networks more time than their arithmetic. Other C libraries have no such call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """A context, to be entered any number of times, in which models compute in this precision.

    Raises InputError where the device does not have it.
    """
    if precision == "fp32":
        return nullcontext()
    reason = "torch has no mixed precision for it"
    if torch.amp.is_autocast_available(device.type):
        try:
            with warnings.catch_warnings(action="error"):  # with a warning, torch would go on in fp32
                context: AbstractContextManager[None] = torch.autocast(device.type, PRECISIONS[precision])
        except (RuntimeError, UserWarning) as error:
            reason = str(error).splitlines()[0]
        else:
            return context
    msg = f"precision: {precision} is not available on device {str(device)!r} ({reason}); use fp32, or another device"
    raise InputError(msg)


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


def _create(config: "ClassifierConfig") -> torch.nn.Module:
    """A model of timm, with weights from the hub, or from its cache, unless the configuration names a file."""
    name, options = config.architecture, dict[str, Any]()
    if name.startswith(HUB):
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
            found = safetensors.torch.load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 (whatever an unknown file makes the readers raise)
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        msg = f"weights: {weights} is not a checkpoint of tensors alone ({reason})"
        raise InputError(msg) from None
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        msg = f"weights: {weights} holds something else than a table of tensors"
        raise InputError(msg)
    wanted = model.state_dict()
    if len(found) != len(wanted):
        msg = f"weights: {weights} does not fit the architecture: {len(found)} tensors, not {len(wanted)}"
        raise InputError(msg)
    if found.keys() != wanted.keys():
        found = dict(zip(wanted, found.values(), strict=True))
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            msg = f"weights: {weights} does not fit the architecture: {name} is {list(found[name].shape)}, not {list(tensor.shape)}"
            raise InputError(msg)
    model.load_state_dict(found)
