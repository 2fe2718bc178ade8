"""docs/models.md: the vision models of the paper's preset, each constructed from its entry, without weights.

`python -m tools.reference` (`make reference`) writes it; a test fails when it is out of date, or when an installed
library no longer knows an identifier.
"""

from typing import Any, NamedTuple

import open_clip
import timm
import torch

from mllm_classify.config.load import load
from mllm_classify.config.vision import DinoTxtModel, KnnModel, OpenClipModel, TimmModel
from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.loading import open_clip as vlm
from mllm_classify.loading.timm import preprocessing
from mllm_classify.predict.vision.features import headless

PAGE = PROJECT / "docs/models.md"
PRESET = PROJECT / "presets/paper.yaml"
RUN: frozenset[str] = frozenset()
"""Models of the preset that were run with their real weights where this project is made, by name: none so far."""
VisionModel = TimmModel | OpenClipModel | KnnModel | DinoTxtModel


class Described(NamedTuple):
    """What a model is, and how it wants images and texts."""

    parameters: int
    size: str
    interpolation: str
    crop: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    context: int | None  # tokens of a text
    cleaning: str
    returns: str


def described(model: VisionModel) -> Described | None:
    """A model as its library makes it of its entry, on torch's meta device: without weights, memory or a network.

    None where the library is a clone of the user's. Raises InputError where the library has no such model.
    """
    if isinstance(model, DinoTxtModel):
        return None
    if isinstance(model, OpenClipModel):
        return _of_open_clip(model)
    return _of_timm(model)


def _of_timm(model: TimmModel | KnnModel) -> Described:
    if model.architecture not in timm.list_models(pretrained=True):
        msg = f"architecture: {model.architecture!r} is not among the pretrained models of timm {timm.__version__}"
        raise InputError(msg)
    with torch.device("meta"):
        made: Any = timm.create_model(model.architecture)
    if features := isinstance(model, KnnModel):
        headless(made, model.pool)
    data = preprocessing(made, model.size)
    return Described(
        _parameters(made),
        _size(data["input_size"][1:]),
        data["interpolation"],
        f"{data['crop_mode']}, {data['crop_pct']:g}",
        tuple(data["mean"]),
        tuple(data["std"]),
        None,
        "",
        f"{made.num_features} features, pooled by {made.global_pool}" if features else f"{made.num_classes} classes",
    )


def _of_open_clip(model: OpenClipModel) -> Described:
    tag = open_clip.get_pretrained_cfg(model.model, model.pretrained or "")
    if not tag:
        msg = f"model: {model.model} {model.pretrained} is not among the pretrained models of open_clip {open_clip.__version__}"
        raise InputError(msg)
    with torch.device("meta"):
        made = vlm.built(vlm.Source(model.model, PROJECT, tag))
    images, texts = made.visual.preprocess_cfg, open_clip.get_model_config(model.model)["text_cfg"]
    return Described(
        _parameters(made),
        _size(images["size"]),
        images["interpolation"],
        images["resize_mode"],
        tuple(images["mean"]),
        tuple(images["std"]),
        made.context_length,
        texts.get("tokenizer_kwargs", {}).get("clean", "lower"),
        "softmax" if made.logit_bias is None else "sigmoid",
    )


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _size(size: Any) -> str:
    height, width = size
    return f"{height} x {width}"


def vision_models(path: str = str(PRESET)) -> list[VisionModel]:
    """The models of a configuration that look at images themselves."""
    return [model for model in load(path).models if isinstance(model, VisionModel)]


def descriptions() -> dict[str, Described | None]:
    """The preset's models by name, each constructed. Raises InputError where an identifier is unknown."""
    return {model.name: described(model) for model in vision_models()}


def page(made: dict[str, Described | None]) -> str:
    """docs/models.md, from `descriptions`."""
    rows = []
    for model in vision_models():
        found = made[model.name]
        ran = "yes" if model.name in RUN else "never run"
        match model:
            case OpenClipModel():
                identifier = f"open_clip `{model.model}` `{model.pretrained}`"
            case DinoTxtModel():
                identifier = f"clone of dinov3, `{model.entry}`"
            case _:
                identifier = f"timm `{model.architecture}`"
        cells = [model.label, identifier, *(_cells(found) if found else CLONE), ran]
        rows.append(f"| {' | '.join(cells)} |")
    return TEXT.replace("ROWS", "\n".join(rows))


def _cells(found: Described) -> list[str]:
    return [
        f"{found.parameters / 1e6:,.1f}",
        found.size,
        f"{found.interpolation}, {found.crop}",
        f"{_numbers(found.mean)}; {_numbers(found.deviation)}",
        f"{found.context}, {found.cleaning}" if found.context else "",
        found.returns,
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in (values if len(set(values)) > 1 else values[:1]))


CLONE = ["", "224 x 224", "bicubic, center, 0.875", "0.485 0.456 0.406; 0.229 0.224 0.225", "77, lower", "softmax"]
"""What the clone's own code says: nothing of it is installed."""
TEXT = """# Vision models

Written by `make reference` from `tools/vision_models.py` and `presets/paper.yaml`. Each model of the paper's
study that looks at images itself, as its installed library constructs it: a renamed identifier fails a test. *Never run*:
constructed here, and its loader tested with small random weights, but never run with its own weights, so that nobody knows
whether it has the paper's accuracy. The row of dino.txt is what its repository's code says.

| model | identifier | million parameters | input | resized | mean; deviation | text: tokens, cleaning | gives | with its weights |
|:--|:--|--:|:--|:--|:--|:--|:--|:--|
ROWS

`center, 0.9`: the middle, of a side of 0.9 of the resized picture; `squash`: the whole picture, whatever its shape;
`canonicalize`: lower-cased, without punctuation. Texts are padded to that number of tokens.

## Weights

timm and open_clip take weights from the Hugging Face hub when a job first needs them. `HF_HOME` says where they are kept;
jobs on nodes without a network need them there before, and `HF_HUB_OFFLINE=1`:

```sh
HF_HOME=weights/hub .venv/bin/hf download timm/vit_7b_patch16_dinov3.lvd1689m
```

A file takes the hub's place with `weights:` (`timm`, `conse`, `knn`) or `pretrained:` (`open_clip`). For `open_clip`,
`model:` may also be a folder: `open_clip_config.json`, safetensors, and the tokenizer's files, as the hub's repositories have
them. That needs no network at all; a name of open_clip's still asks the hub for its tokenizer. `model: hf-hub:OWNER/NAME`
with `revision:` pins all three to a commit. Of a file only tensors are read: safetensors, or what torch reads with
`weights_only`.

With a file, images are prepared as the tags of the model's name say. open_clip itself would prepare them as CLIP's.

## How a job computes

Separate processes (`workers:`) decode images while the device computes; on a CPU each process computes what it has decoded.
With `precision: bf16` or `fp16`, the log says for how many of the first 256 images the first class differs from that in fp32.
Finished parts (`part:` images each) are kept beside the output until it is written: a job that was killed goes on from there,
unless something that decides its results has changed. An image that cannot be decoded ends the study before any model runs,
naming the file; with `dataset.corrupt: count` it is a wrong answer of every model, and tables count it among the errors.

## k-NN

The training set is a folder of images and a file of records: `image_id`, which is the image's path in that folder, and
`class`, which is a name, a synset or a number. ImageNet's 1,281,167, in a folder for each synset:

```sh
cd imagenet/train && find . -name '*.JPEG' -printf '%P\\n' | sort |
  awk -F/ 'BEGIN { print "image_id,class" } { print $0 "," $1 }' > ../train.csv
```

Features of both sets are kept in `features:`, in a folder for all that they depend on (encoder, weights, pooling, precision,
list of images), in parts of 4,096 images. An interrupted job computes only the parts that are missing, and another
`k`, `vote` or label file none. Jobs of several `shards:` share the parts. The search is exact, in blocks, on the model's device. A
picture of the training set that changes under its name is not noticed: remove its folder of features.

## dino.txt

Clone github.com/facebookresearch/dinov3 to the folder that `repository:` names, ask for the weights as it says, and put both
checkpoints where `weights:` and `backbone_weights:` say, under the names that they have (the loader reads the digest in them).
**The clone's code runs with your rights: read it, and stay at that commit.** What it imports must be installed. The
checkpoints are refused where they hold anything but tensors.
"""
