"""Image-text models of open_clip: their own weights, tokenizer and preprocessing, as plain functions."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import open_clip
import torch
from open_clip.pretrained import download_pretrained_from_hf
from open_clip.transform import PreprocessCfg, image_transform_v2

from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.files import InputError, locate
from mllm_classify.loading.devices import Transform, usable_device

if TYPE_CHECKING:
    from mllm_classify.config.vision import OpenClip

HUB = "hf-hub:"
FOLDER = "local-dir:"
"""open_clip's own mark of a folder with `open_clip_config.json`."""
SAFE = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
"""What a folder's weights may be called. Other formats may hold code, and folders may hold several."""
Tokenize = Callable[[list[str]], torch.Tensor]


class Tower(NamedTuple):
    """An image-text model, ready to be asked for embeddings."""

    encode_texts: Callable[[list[str]], FloatArray]  # k texts to k x d
    encode_images: Callable[[torch.Tensor], torch.Tensor]  # n x 3 x h x w on the device to n x d
    device: torch.device
    transform: Transform
    scale: float  # of the cosine: the model's temperature
    bias: float | None  # of the logits; models with it are trained with a sigmoid for each pair, others with softmax


class Source(NamedTuple):
    """Where open_clip finds a model."""

    name: str  # as open_clip understands it
    weights: Path
    preprocessing: dict[str, Any]  # what the weights' tag says of images, where the model's name alone does not


def open_clip_tower(config: "OpenClip", device: str, texts: int = 256) -> Tower:
    """The model with its weights, on the device. `texts` are embedded at once.

    Raises InputError where the name, the tag or the weights are not there, do not fit, or hold more than tensors.
    """
    origin, where = source(config), usable_device(device)
    model = weighted(origin).eval().to(where)
    bias = model.logit_bias
    return Tower(
        text_function(model.encode_text, tokenizer(origin.name), where, texts),
        model.encode_image,
        where,
        image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False),
        float(model.logit_scale.detach().exp()),
        None if bias is None else float(bias.detach()),
    )


def open_clip_text(config: "OpenClip", device: str, texts: int) -> Callable[[list[str]], FloatArray]:
    """The text side alone, as a function from k texts to k x d. Raises InputError as `open_clip_tower` does."""
    origin = source(config)
    model = weighted(origin).eval()
    model.visual = None  # the larger half, of no use here
    where = usable_device(device)
    return text_function(model.to(where).encode_text, tokenizer(origin.name), where, texts)


def text_function(
    encode: Callable[[torch.Tensor], torch.Tensor], tokenize: Tokenize, device: torch.device, texts: int
) -> Callable[[list[str]], FloatArray]:
    """A text encoder of token ids as a function from k texts to k x d, float32, so many texts at once."""

    @torch.inference_mode()
    def encoded(wanted: list[str]) -> FloatArray:
        parts = [encode(tokenize(wanted[start : start + texts]).to(device)) for start in range(0, len(wanted), texts)]
        vectors: FloatArray = torch.cat(parts).float().cpu().numpy()
        return vectors

    return encoded


def source(config: "OpenClip") -> Source:
    """Where a model and its weights are; they are downloaded if need be.

    Raises InputError where open_clip or the hub knows no such model or tag, or a file or folder is not there.
    """
    if config.model.startswith(HUB):
        return folder_source(_snapshot(config.model.removeprefix(HUB), config.revision))
    if config.model in open_clip.list_models():
        return _built_in(config)
    folder = locate(config.model)
    if not folder.is_dir():
        msg = (
            f"model: {config.model!r} is not a model of open_clip {open_clip.__version__} (open_clip.list_models()), "
            "hf-hub:OWNER/NAME, or folder"
        )
        raise InputError(msg)
    if config.pretrained is not None:
        msg = f"pretrained: {config.pretrained!r}: the folder {config.model} has weights of its own; remove the key"
        raise InputError(msg)
    return folder_source(folder)


def folder_source(folder: Path) -> Source:
    """A folder in the layout of open_clip's models on the hub. Raises InputError where it is not complete."""
    weights = next((folder / name for name in SAFE if (folder / name).exists()), None)
    if weights is None or not (folder / "open_clip_config.json").exists():
        msg = f"model: {folder} needs open_clip_config.json and one of {', '.join(SAFE)}"
        raise InputError(msg)
    return Source(f"{FOLDER}{folder}", weights, {})


def _snapshot(repository: str, revision: str | None) -> Path:
    """A repository of the hub at a revision: configuration, tokenizer, and weights that cannot hold code."""
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "*.model", *SAFE]
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except Exception as error:  # noqa: BLE001 (of the network, the hub, or its cache)
        raise _unreachable("model", f"{HUB}{repository}", error) from None


def _unreachable(key: str, value: str, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return InputError(f"{key}: {value} could not be had ({reason}); docs/models.md says how to put weights in place")


def _built_in(config: "OpenClip") -> Source:
    """A model whose architecture open_clip has; the images are prepared as the tag of its weights says."""
    tags = open_clip.list_pretrained_tags_by_model(config.model)
    if config.pretrained is None:
        msg = f"pretrained: missing; {config.model} has {', '.join(tags) or 'no tags: give a checkpoint'}"
        raise InputError(msg)
    if config.pretrained in tags:
        tag = open_clip.get_pretrained_cfg(config.model, config.pretrained)
        if tag.get("quick_gelu", False) != open_clip.get_model_config(config.model).get("quick_gelu", False):
            msg = f"model: the weights {config.pretrained!r} of {config.model} are of another activation (quick_gelu)"
            raise InputError(msg)
        return Source(config.model, _download(config, tag), tag)
    path = locate(config.pretrained)
    if not path.exists():
        msg = (
            f"pretrained: {config.pretrained!r} is neither a tag of {config.model} ({', '.join(tags)}) nor a file; "
            f"looked for {path.absolute()}"
        )
        raise InputError(msg)
    return Source(config.model, path, _agreed(config, tags))


def _agreed(config: "OpenClip", tags: list[str]) -> dict[str, Any]:
    """How images are prepared for a checkpoint without a tag: as all of the model's tags say.

    open_clip alone would take CLIP's mean, deviation and crop, whatever the model, and say nothing.
    """
    fields = ("mean", "std", "interpolation", "resize_mode")
    known = [open_clip.get_pretrained_cfg(config.model, tag) for tag in tags]
    said = {tuple(map(str, (tag.get(field) for field in fields))) for tag in known}
    if len(said) > 1:
        msg = (
            f"pretrained: {config.pretrained!r}: the tags of {config.model} differ in how they prepare images; put the "
            "checkpoint into a folder with an open_clip_config.json, whose preprocess_cfg says how"
        )
        raise InputError(msg)
    return {field: known[0].get(field) for field in fields} if known else {}


def _download(config: "OpenClip", tag: dict[str, Any]) -> Path:
    """The checkpoint of a tag; from the hub, safetensors where it has them."""
    repository, _, file = str(tag.get("hf_hub", "")).rpartition("/")
    try:
        if repository:
            checkpoint = download_pretrained_from_hf(repository, filename=file or None, revision=config.revision)
        else:
            checkpoint = open_clip.download_pretrained(tag)
    except Exception as error:  # noqa: BLE001 (of the network, the hub, or its cache)
        raise _unreachable("pretrained", f"{config.pretrained} of {config.model}", error) from None
    return Path(checkpoint)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without open_clip's warning that a model has no weights, before it has them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def built(origin: Source) -> Any:
    """The model without its weights, on torch's default device, and how it wants images: `visual.preprocess_cfg`."""
    with _quietly():
        return open_clip.create_model(
            origin.name,
            load_weights=False,
            pretrained_text=False,
            force_preprocess_cfg=origin.preprocessing,
            device=torch.get_default_device(),
        )


def weighted(origin: Source) -> Any:
    """The model with its weights, on the processor.

    Raises InputError where they do not fit, or hold anything but tensors: that open_clip would load after all, where
    torch refuses it with a TypeError.
    """
    model = built(origin)
    path = origin.weights
    try:
        if path.suffix not in (".safetensors", ".npz"):
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        open_clip.load_checkpoint(model, str(path), strict=True, weights_only=True)
    except Exception as error:  # noqa: BLE001 (whatever an unknown file makes the readers raise)
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        msg = f"pretrained: {path} is not a checkpoint of {origin.name}, or not of tensors alone ({reason})"
        raise InputError(msg) from None
    return model


def tokenizer(name: str) -> Tokenize:
    """The model's own tokenizer: its cleaning of texts, and padding to its context length.

    Raises InputError where its files are not there.
    """
    try:
        tokenize: Tokenize = open_clip.get_tokenizer(name)
    except Exception as error:  # noqa: BLE001 (of the network, the hub, or its cache)
        raise _unreachable("model", f"the tokenizer of {name}", error) from None
    return tokenize
