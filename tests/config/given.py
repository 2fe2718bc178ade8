"""Configurations of tests: one with a model of every kind, and ways to change it."""

from copy import deepcopy

import pytest
import yaml

from mllm_classify.config.load import load
from mllm_classify.io.files import InputError

TIMM = {"name": "lite", "label": "Lite", "kind": "timm", "architecture": "tf_efficientnet_lite0"}
CONSE = {"name": "conse", "label": "ConSE", "kind": "conse", "classifier": {"architecture": "tf_efficientnet_lite0"}}
ENDPOINT = {"name": "api", "label": "API", "kind": "endpoint", "model": "m", "url": "http://127.0.0.1:1/v1"}
RECORDED = {"name": "file", "label": "File", "kind": "recorded", "file": "p.csv"}
OPENAI = {"name": "gpt", "label": "GPT", "kind": "openai", "model": "gpt-4o"}
VLLM = {"name": "vllm", "label": "vLLM", "kind": "vllm", "model": "hub/id", "chat_template": "chat.jinja"}
ENGINE = {"name": "engine", "label": "Engine", "kind": "engine", "model": "m", "command": ["serve", "{port}"]}
WHOLE = {
    "dataset": {
        "source": "table",
        "name": "d",
        "label": "D",
        "classes": "c.txt",
        "images": "i.csv",
        "imgt": {"label": "I", "file": "l.csv"},
        "regt": {"label": "R", "file": "r.csv"},
        "equivalences": {"label": "E", "file": "e.csv"},
    },
    "encoder": {"name": "e", "kind": "sentence-transformers", "path": "hub/id", "templates": "t.txt"},
    "tasks": {"OW": {"prompt": "ow.txt"}, "CW": {"prompt": "cw.txt"}},
    "variants": [{"name": "ids", "task": "CW", "answer": "id", "prompt": "ids.txt", "sample": {"per_class": 2}}],
    "models": [TIMM, CONSE, ENDPOINT, ENGINE, RECORDED, OPENAI, VLLM],
}
PRICES = {"input": 1, "output": 2}
IMAGENET = {"source": "imagenet", "name": "i", "label": "I"}
PICTURED = [
    {"source": "folder", "name": "f", "label": "F", "folder": "pictures"},
    {"source": "hub", "name": "h", "label": "H", "repository": "a/b", "split": "test"},
    {"source": "webdataset", "name": "w", "label": "W", "folder": "shards", "shards": "*.tar", "classes": "c.txt"},
    {"source": "torchvision", "name": "t", "label": "T", "set": "FakeData", "classes": "c.txt"},
]
"""Data sets whose pictures bring their labels."""
CROPS = {"source": "crops", "name": "c", "label": "C", "folder": "val", "boxes": "r.csv"}
ONLY_RECORDED = {"dataset": IMAGENET, "models": [RECORDED]}
COMPARING = [
    {"name": "siglip", "label": "S", "kind": "open_clip", "model": "hf-hub:a/b", "templates": "t.txt"},
    {"name": "dinotxt", "label": "D", "kind": "dinotxt", "repository": "r", "weights": "w", "backbone_weights": "b",
     "templates": "t.txt"},
    {"name": "knn", "label": "K", "kind": "knn", "architecture": "a", "train": {"folder": "f", "images": "l.csv"}},
]  # fmt: skip
"""Models that compare images with texts or images."""
OPEN_CLIP_ENCODER = {"name": "e", "kind": "open_clip", "model": "ViT-B-32", "pretrained": "x", "templates": "t.txt"}
WORDS = {"name": "w", "kind": "sentence-transformers", "path": "hub/id", "templates": "t.txt"}
SERVED_ENCODER = {"name": "w", "kind": "openai", "model": "m", "templates": "t.txt"}


def loaded(folder, content):
    path = folder / "config.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return load(path)


def refusal(folder, content):
    with pytest.raises(InputError) as caught:
        loaded(folder, content)
    return str(caught.value)


def whole(*keys, **values):
    """The whole configuration with values set in the section at `keys`, or taken out where None."""
    result = deepcopy(WHOLE)
    section = result
    for key in keys:
        section = section[key]
    section.update(values)
    for key in [key for key, value in values.items() if value is None]:
        del section[key]
    return result


def choosing(**values):
    """A configuration of which one model is asked multiple choice; values are set at the top, or in choices."""
    tasks = WHOLE["tasks"] | {"MC": {"prompt": "mc.txt"}}
    models = [TIMM, CONSE, ENDPOINT, ENGINE | {"tasks": ["MC"]}]
    top = {key: values.pop(key) for key in list(values) if key in ("dataset", "tasks", "models", "choices")}
    choices = {key: value for key, value in ({"reference": "lite"} | values).items() if value is not None}
    return whole(**{"tasks": tasks, "models": models, "choices": choices} | top)


def asking(*variants, **options):
    """A configuration with these variants, of which one model is asked those that it names."""
    return whole(variants=list(variants), models=[ENDPOINT | options])
