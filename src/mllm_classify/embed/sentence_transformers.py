"""Text encoders of sentence-transformers."""

from typing import TYPE_CHECKING

from mllm_classify.embed.texts import Encode
from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.files import locate

if TYPE_CHECKING:
    from pathlib import Path

    from mllm_classify.config.encoders import Encoder


def encoder(config: "Encoder", _journal: "Path", _progress: object) -> Encode:
    """The encoder of a configuration."""
    return text_encoder(config.path, config.device, config.batch_size)


def text_encoder(path: str, device: str = "cpu", batch_size: int = 256) -> Encode:
    """The sentence-transformers model at a path, or of a hub id, as a function from k texts to k x d."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # weights load in a moment
    model = SentenceTransformer(str(locate(path)) if path.startswith("package:") else path, device=device)

    def encode(texts: list[str]) -> FloatArray:
        vectors: FloatArray = model.encode(texts, batch_size=batch_size, show_progress_bar=False)
        return vectors

    return encode
