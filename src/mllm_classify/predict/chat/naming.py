"""Which tokens a class name is, behind a prompt: as the server's tokenizer makes them of prompt and name together.

A likelihood is of tokens, and those of a text depend on what stands before it. Nothing is assumed of a tokenizer: where a
name, or the beginning of one, is not tokenised as a part of the whole, that is seen and kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Self

from mllm_classify.predict.likelihood.tree import Node, Path, name_tree

log = logging.getLogger(__name__)

TEMPLATE, NONE = "template", "none"
"""Which token ends an answer: the one that the chat template puts behind it, or none, which is not counted."""


class TokensError(Exception):
    """The names have no tokens by which they could be compared."""


class Tokenizer(NamedTuple):
    """What a server says of its tokens."""

    begun: Callable[[str], Awaitable[list[int]]]
    """Tokens of the whole prompt with an answer that is begun by a text; by none, as an answer is asked for."""
    finished: Callable[[str], Awaitable[list[int]]]
    """Tokens of the whole prompt with an answer, and what ends it."""
    text: Callable[[list[int]], Awaitable[str]]
    """The text of tokens."""
    alone: Callable[[str], Awaitable[list[int]]]
    """Tokens of a text by itself."""


class Naming(NamedTuple):
    """The tokens of all names, behind what all prompts with a name share."""

    paths: list[Path]  # of each class; the token that ends the answer among them, where it counts
    texts: dict[Path, str]  # by which each beginning is asked how it goes on; "" is the bare prompt
    sizes: list[int]  # of each class, in bytes: of what the path says, and one for the end, where it counts
    shared: int  # tokens of the prompt that all share; with an image, there are more

    @property
    def tree(self) -> Node:
        return name_tree(self.paths, unsendable(self))

    @property
    def lengths(self) -> list[int]:
        """In tokens, of each class."""
        return [len(path) for path in self.paths]

    def as_json(self) -> dict[str, Any]:
        texts = [[list(path), text] for path, text in self.texts.items()]
        return {
            "paths": [list(path) for path in self.paths],
            "texts": texts,
            "sizes": self.sizes,
            "shared": self.shared,
        }

    @classmethod
    def of_json(cls, said: dict[str, Any]) -> Self:
        """Raises LookupError, TypeError or ValueError where it is none."""
        texts = {tuple(map(int, path)): str(text) for path, text in said["texts"]}
        paths = [tuple(map(int, path)) for path in said["paths"]]
        return cls(paths, texts, list(map(int, said["sizes"])), int(said["shared"]))


def unsendable(naming: Naming) -> set[Path]:
    """Beginnings that no text stands for: as a prompt's end, it is tokenised otherwise."""
    return {path for path in beginnings(naming.paths) if path not in naming.texts}


def beginnings(paths: Iterable[Path]) -> set[Path]:
    """All proper beginnings of paths."""
    return {path[:depth] for path in paths for depth in range(len(path))}


async def tokenised(names: Sequence[str], tokenizer: Tokenizer, end: str = TEMPLATE) -> Naming:
    """The tokens of all names, by class id. `end` is TEMPLATE, NONE, or the text of the token that ends an answer.

    Raises TokensError where no one token ends an answer, and what `tokenizer` raises.
    """
    distinct = list(dict.fromkeys(names))
    prompt = await tokenizer.begun("")
    opened = dict(zip(distinct, await asyncio.gather(*(tokenizer.begun(it) for it in distinct)), strict=True))
    shared = _shared([prompt, *opened.values()])
    ending = [] if end == NONE else [await _end(end, distinct, opened, tokenizer)]
    by_name = {name: (*tokens[shared:], *ending) for name, tokens in opened.items()}
    if any(not path for path in by_name.values()):
        empty = next(name for name, path in by_name.items() if not path)
        msg = f"the class name {empty!r} has no token"
        raise TokensError(msg)
    border = tuple(prompt[shared:])
    texts = {tuple(tokens[shared:]): name for name, tokens in opened.items()} | {border: ""}
    paths = beginnings(by_name.values())  # whole names have a text, whether or not they begin others
    others = sorted(path for path in paths if path not in texts)
    found = await asyncio.gather(*(_text(path, border, prompt[:shared], tokenizer) for path in others))
    texts |= {path: text for path, text in zip(others, found, strict=True) if text is not None}
    if lacking := sum(path not in texts for path in paths):
        log.info("%d of %d beginnings of names are tokenised otherwise as texts; names behind them are asked whole",
                 lacking, len(paths))  # fmt: skip
    before = len((await tokenizer.text(list(border))).encode()) if border else 0
    sizes = {name: before + len(name.encode()) + len(ending) for name in distinct}
    return Naming([by_name[name] for name in names], texts, [max(sizes[name], 1) for name in names], shared)


def _shared(all_tokens: list[list[int]]) -> int:
    """The length of the beginning that all have."""
    first, last = min(all_tokens), max(all_tokens)
    return next((place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))


async def _end(end: str, names: list[str], opened: dict[str, list[int]], tokenizer: Tokenizer) -> int:
    """The token that ends an answer."""
    if end != TEMPLATE:
        tokens = await tokenizer.alone(end)
        if len(tokens) != 1:
            msg = f"likelihood.end: {end!r} is {len(tokens)} tokens; it must be one"
            raise TokensError(msg)
        return tokens[0]
    found = set()
    for name in {min(names, key=len), max(names, key=len)}:
        closed, begun = await tokenizer.finished(name), opened[name]
        found.add(closed[len(begun)] if closed[: len(begun)] == begun and len(closed) > len(begun) else None)
    if len(found) > 1 or None in found:
        msg = (
            "the chat template ends an answer with no token of its own; say which one ends it in likelihood: end: (such as "
            "'</s>'), or end: none"
        )
        raise TokensError(msg)
    return next(it for it in found if it is not None)


async def _text(path: Path, border: Path, shared: list[int], tokenizer: Tokenizer) -> str | None:
    """The text that, as a begun answer, is tokenised as this path; None where there is none."""
    if path[: len(border)] != border:
        return None
    text = await tokenizer.text(list(path[len(border) :]))
    if not text or await tokenizer.begun(text) != [*shared, *path]:
        return None
    return text
