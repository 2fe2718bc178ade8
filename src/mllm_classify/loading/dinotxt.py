"""DINOv3 with dino.txt, through the loader of a local clone of its repository.

The clone's code runs: whoever configures it trusts it. Its checkpoints are read only where they hold tensors alone.
"""

import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mllm_classify.io.files import InputError, locate
from mllm_classify.loading.devices import usable_device
from mllm_classify.loading.open_clip import Tower, text_function

if TYPE_CHECKING:
    from mllm_classify.config.vision import DinoTxtModel

REPOSITORY = "github.com/facebookresearch/dinov3"
TEXTS = 256
"""Texts that are embedded at once."""


def dinotxt_tower(config: "DinoTxtModel") -> Tower:
    """The model with its weights, on the device, as the repository documents it: `model, tokenizer`.

    Raises InputError where the clone or a checkpoint is not there, or they do not fit.
    """
    repository = locate(config.repository)
    if not (repository / "hubconf.py").exists():
        msg = f"repository: {config.repository} has no hubconf.py; clone {REPOSITORY} to {repository.absolute()}"
        raise InputError(msg)
    weights, tensors = _checkpoint("weights", config.weights)
    backbone, _ = _checkpoint("backbone_weights", config.backbone_weights)
    vocabulary = locate(config.vocabulary)
    if not vocabulary.exists():
        msg = f"vocabulary: {config.vocabulary} not found; looked for {vocabulary.absolute()}"
        raise InputError(msg)
    try:
        model, tokenizer = _loaded(config.entry, repository, weights, backbone, vocabulary)
        # the repository is a package of its own, which its loader has imported
        preprocessing = importlib.import_module("dinov3.data.transforms").make_classification_eval_transform()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        msg = f"repository: {config.repository}: {config.entry} did not load ({reason})"
        raise InputError(msg) from error
    # the loader passes over what the checkpoint lacks, and leaves it random
    if lacking := {f"text_model.{name}" for name, _ in model.text_model.named_parameters()} - tensors:
        msg = f"weights: {config.weights} lacks {len(lacking)} tensors of the text encoder, {min(lacking)} among them"
        raise InputError(msg)
    device = usable_device(config.device)
    model.eval().to(device)
    bias = getattr(model, "logit_bias", None)
    return Tower(
        text_function(model.encode_text, tokenizer.tokenize, device, TEXTS),
        model.encode_image,
        device,
        preprocessing,
        float(model.logit_scale.detach().exp()),
        None if bias is None else float(bias.detach()),
    )


def _checkpoint(key: str, name: str) -> tuple[Path, set[str]]:
    """A checkpoint that is there and holds tensors alone, and their names.

    The repository's loader would run what else it holds.
    """
    path = locate(name).absolute()
    if not path.exists():
        msg = (
            f"{key}: {name} not found; looked for {path}. Ask for the weights where {REPOSITORY} says, and put the file "
            "there under the name that it has"
        )
        raise InputError(msg)
    try:
        names = set(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    except Exception as error:  # noqa: BLE001 (whatever an unknown file makes the reader raise)
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        msg = f"{key}: {name} is not a checkpoint of tensors alone ({reason})"
        raise InputError(msg) from None
    return path, names


def _loaded(entry: str, repository: Path, weights: Path, backbone: Path, vocabulary: Path) -> tuple[Any, Any]:
    """What the repository's entry returns.

    It takes checkpoints from torch's cache by their file names alone, and copies there what it does not find: a cache
    for this once, which has just these files, saves the copy and cannot be out of date.
    """
    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as folder:
        cached = Path(folder) / "checkpoints"
        cached.mkdir()
        for path in {weights.resolve(), backbone.resolve()}:
            (cached / path.name).symlink_to(path)
        torch.hub.set_dir(folder)
        try:
            model, tokenizer = torch.hub.load(  # type: ignore[no-untyped-call]
                str(repository.absolute()),
                entry,
                source="local",
                weights=str(weights),
                backbone_weights=str(backbone),
                bpe_path_or_url=str(vocabulary.absolute()),
            )
        finally:
            torch.hub.set_dir(before)
    return model, tokenizer
