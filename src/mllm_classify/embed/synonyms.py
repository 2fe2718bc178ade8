"""What else classes are called in their hierarchy, as unit vectors."""

from collections.abc import Callable

import polars as pl

from mllm_classify.dataset.hierarchy import synonyms
from mllm_classify.embed.texts import Encode, embed_texts


def embed_synonyms(
    encoder: Callable[[], Encode], templates: list[str], hierarchy: pl.DataFrame, classes: pl.DataFrame
) -> pl.DataFrame:
    """Vectors of the other names, put to the encoder as answers are. Columns text and embedding, sorted by text."""
    return embed_texts(encoder, templates, synonyms(hierarchy, classes)["text"].to_list())
