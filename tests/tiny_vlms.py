"""Image-text models of open_clip with a few thousand random weights, in the layout of its models on the hub."""

import json

import open_clip
import safetensors.torch
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = [
    "a",
    "an",
    "photo",
    "of",
    "the",
    "bad",
    "itap",
    "origami",
    "large",
    "small",
    "video",
    "game",
    "in",
    "art",
    "cat",
    "dog",
    "whale",
    "grey",
    "greywhale",
    "missile",
]
CONTEXT = 64
CLIP = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]},
}
SIGLIP = {
    "model_cfg": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": len(WORDS) + 3,
            "hf_tokenizer_name": "tokenizer of the folder",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 32,
            "heads": 2,
            "layers": 1,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    },
    "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
}


def save_tokenizer(folder):
    """Words as tokens, an end, and padding; case and punctuation are left as they come, as SigLIP's own does."""
    vocabulary = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=CONTEXT
    )
    fast.save_pretrained(folder)
    return fast


def save(folder, content, seed=0):
    """A model with random weights: `open_clip_config.json`, safetensors, and a tokenizer if it has one of its own."""
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    if "hf_tokenizer_name" in content["model_cfg"]["text_cfg"]:
        save_tokenizer(folder)
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    state = {name: torch.randn_like(tensor) * 0.3 for name, tensor in model.state_dict().items()}
    state["logit_scale"].fill_(1.5)
    safetensors.torch.save_file(state, folder / "open_clip_model.safetensors")
    return folder
