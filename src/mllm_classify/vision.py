"""Image classifiers of timm: their own weights, their own preprocessing, class probabilities."""

import io
from typing import TYPE_CHECKING, Any

import safetensors.torch
import timm
import torch
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from mllm_classify.arrays import FloatArray
from mllm_classify.files import InputError, locate

if TYPE_CHECKING:
    from mllm_classify.config import Classifier as ClassifierConfig


class Classifier:
    """A model with a classification head, ready to be asked for probabilities."""

    def __init__(self, config: "ClassifierConfig") -> None:
        if not timm.is_model(config.architecture):
            msg = f"architecture: {config.architecture!r} is not a model of timm {timm.__version__}; see timm.list_models()"
            raise InputError(msg)
        self.model = timm.create_model(config.architecture, pretrained=config.weights is None)
        if config.weights is not None:
            _load(self.model, config.weights)
        self.model.eval().to(config.device)
        self.device = config.device
        self.transform = create_transform(**self._preprocessing(), is_training=False)

    def _preprocessing(self) -> dict[str, Any]:
        """Size, crop, interpolation, mean and deviation as the model's pretrained configuration says."""
        found: dict[str, Any] = resolve_data_config(model=self.model)  # type: ignore[no-untyped-call]
        return found

    @torch.inference_mode()
    def probabilities(self, contents: list[bytes]) -> FloatArray:
        """Class probabilities (n x classes, float32) of encoded images."""
        pictures = (Image.open(io.BytesIO(content)).convert("RGB") for content in contents)
        batch = torch.stack([self.transform(picture) for picture in pictures]).to(self.device)
        probabilities: FloatArray = self.model(batch).softmax(dim=1).cpu().numpy()
        return probabilities


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
