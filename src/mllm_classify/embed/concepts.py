"""The concepts that answers speak of: noun chunks, for Conti et al.'s concept similarity (2025).

Their code takes the noun chunks and named entities of spaCy's large English model, which no package registry has. Here the chunker
of TextBlob, whose lexicon comes with it, finds noun chunks, and there are no entities beside these. What is done with a chunk is as
theirs: it is lower-cased, stands without an article or possessive before it, and is left out where it is in UNSAID.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from mllm_classify.embed.texts import LONGEST, Encode, averaged

BEFORE = ("a", "an", "the", "his", "her", "its", "their")
"""What may stand before a chunk and is no part of the concept."""
UNSAID = frozenset(
    [
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "9",
        "10",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "*",
        "a",
        "the",
        "image",
        "object",
        "photo",
        "type",
        "it",
        "they",
        "them",
        "that",
        "this",
        "those",
        "which",
        "who",
        "whom",
        "whose",
        "where",
        "when",
        "what",
        "why",
        "how",
        "some",
    ]
) | {"this photo"}
"""Chunks that are no concepts."""
BEGINS, GOES_ON = "B-NP", "I-NP"
"""Tags of the words of a noun chunk."""


def concepts(answer: str) -> list[str]:
    """The noun chunks of an answer, each once, in their order."""
    from textblob.en import parse

    chunks: list[list[str]] = []
    for sentence in parse(answer[:LONGEST], tags=True, chunks=True).split():
        before = ""
        for word, _, tag, *_ in sentence:
            if tag == BEGINS or (tag == GOES_ON and before not in (BEGINS, GOES_ON)):
                chunks.append([])
            if tag in (BEGINS, GOES_ON):
                chunks[-1].append(word.replace("&slash;", "/").lower())
            before = tag
    named = [" ".join(words[1:] if words[0] in BEFORE and len(words) > 1 else words) for words in chunks]
    return list(dict.fromkeys(it for it in named if it not in UNSAID))


def embed_concepts(encoder: Callable[[], Encode], templates: list[str], answers: list[str]) -> pl.DataFrame:
    """Unit vectors of the concepts of distinct answers: columns text, the answer, concept, and embedding.

    The encoder is loaded only where there is a concept.
    """
    spoken = {answer: concepts(answer) for answer in answers}
    distinct = sorted({it for listed in spoken.values() for it in listed})
    vectors = averaged(encoder(), distinct, templates) if distinct else np.zeros((0, 1), dtype=np.float32)
    schema = {"concept": pl.String(), "embedding": pl.Array(pl.Float32, vectors.shape[1])}
    pairs = pl.DataFrame(
        [(answer, it) for answer, listed in spoken.items() for it in listed],
        schema={"text": pl.String, "concept": pl.String},
        orient="row",
    )
    return pairs.join(
        pl.DataFrame({"concept": distinct, "embedding": vectors}, schema=schema), on="concept", how="left"
    )
