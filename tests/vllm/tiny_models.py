"""Vision-language models with random weights, a megabyte each, made in a few seconds.

    .venv-vllm-cpu/bin/python tests/vllm/tiny_models.py {idefics3,paligemma2} FOLDER [VOCABULARY] < TEXT

Their tokenizers are trained on TEXT. This runs in vLLM's environment, whose transformers must read what it writes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

VOCABULARY = int(sys.argv[3]) if len(sys.argv) > 3 else 1024
TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 16384,
}
VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
BEGIN, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
IN_THE_ORDER_OF_THE_PARTS = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string -%}{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'text' -%}{{ part.text }}{%- else -%}{{ '<image>' }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""


def trained(text: list[str], special: list[str], pre_tokenizer: Any, alphabet: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    return tokenizer


def idefics3(text: list[str]) -> tuple[Any, Any]:
    """One whose image stands where its message has it."""
    marks = {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    special = [PAD, BEGIN, END, *marks.values(), *tiles]
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = trained(text, special, bytewise, pre_tokenizers.ByteLevel.alphabet())
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=TEXT["max_position_embeddings"],
        extra_special_tokens=marks,
    )
    ids = {"eos_token_id": special.index(END), "pad_token_id": special.index(PAD), "bos_token_id": None}
    config = transformers.Idefics3Config(
        vision_config=VISION,
        text_config=transformers.LlamaConfig(**TEXT, **ids, tie_word_embeddings=False),
        image_token_id=special.index("<image>"),
        pad_token_id=ids["pad_token_id"],
        scale_factor=2,
        tie_word_embeddings=False,
    )
    images = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = transformers.Idefics3Processor(images, fast, image_seq_len=4, chat_template=IN_THE_ORDER_OF_THE_PARTS)
    model = transformers.Idefics3ForConditionalGeneration(config)
    model.generation_config.update(**ids)
    return model, processor


def paligemma2(text: list[str]) -> tuple[Any, Any]:
    """PaliGemma 2 in small: its architecture, its tokenizer's rules, its processor; no chat template, as its own."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "\n", "\n\n", *(f"<0x{byte:02X}>" for byte in range(256))]
    spaced = [normalizers.Replace(" ", "▁").normalize_str(line) for line in text]
    lines = pre_tokenizers.Split("\n", "isolated")
    words = pre_tokenizers.Split("▁", "merged_with_next")
    learned = trained(spaced, special, pre_tokenizers.Sequence([lines, words]), [])
    vocabulary = learned.get_vocab()
    merges = [pair for pair in learned_merges(learned) if "".join(pair) in vocabulary]
    tokenizer = transformers.GemmaTokenizer(vocab=vocabulary, merges=[("\n", "\n"), *merges])
    images = SiglipImageProcessorPil(size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    images.image_seq_length = (VISION["image_size"] // VISION["patch_size"]) ** 2
    processor = transformers.PaliGemmaProcessor(images, tokenizer)
    ids = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    text_config = transformers.Gemma2Config(
        **TEXT | {"vocab_size": len(tokenizer)}, **ids, query_pre_attn_scalar=32, sliding_window=4096
    )
    config = transformers.PaliGemmaConfig(
        text_config=text_config,
        vision_config=transformers.SiglipVisionConfig(**VISION, projection_dim=64, vision_use_head=False),
        image_token_index=processor.image_token_id,
        projection_dim=64,
        hidden_size=64,
        **ids,
    )
    model = transformers.PaliGemmaForConditionalGeneration(config)
    model.generation_config.update(**ids)
    return model, processor


def learned_merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def as_published(weights: Path) -> None:
    """Give PaliGemma's vision tower the names that it has in checkpoints; transformers 5 shortens them."""
    tensors = safetensors.torch.load_file(weights)
    renamed = {name.replace("vision_tower.", "vision_tower.vision_model."): tensor for name, tensor in tensors.items()}
    safetensors.torch.save_file(renamed, weights, {"format": "pt"})


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    text = sys.stdin.read().splitlines(keepends=True)
    torch.manual_seed(0)
    model, processor = {"idefics3": idefics3, "paligemma2": paligemma2}[kind](text)
    model.to(torch.float32).save_pretrained(folder)
    processor.save_pretrained(folder)
    if kind == "paligemma2":
        as_published(folder / "model.safetensors")


if __name__ == "__main__":
    main()
