"""OpenAI-compatible `/v1/embeddings`: texts are asked in batches, and every vector is journalled as it comes."""

import asyncio
import base64
import logging
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mllm_classify.api import client, journal, replies
from mllm_classify.api.sending import Sender, until_terminated, within_grace
from mllm_classify.embed.texts import Encode
from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.files import InputError, StoppedError, TerminatedError, digest
from mllm_classify.io.limits import EMBEDDINGS_BYTES

if TYPE_CHECKING:
    from mllm_classify.config.encoders import OpenAIEncoder

log = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 3.0
"""Of English text; tokenizers differ."""

Progress = Callable[[int, str], Callable[[int], None]]
"""Begins reporting on so many of something."""


def encoder(config: "OpenAIEncoder", folder: Path, progress: Progress) -> Encode:
    """The encoder behind an entry's URL, which is asked only for what the journal in `folder` lacks.

    It raises InputError where a text stays without a vector, and says why; what came is in the journal.
    """
    prefix = digest([request(config), config.revision])
    answered = journal.read(folder, sound())

    def encode(texts: list[str]) -> FloatArray:
        nonlocal answered
        keys = {text: f"{prefix}-{digest(text)}" for text in texts}
        missing = [text for text, key in keys.items() if key not in answered]
        if missing:
            log.info("%s lacks %d of %d texts; asking %s", folder, len(missing), len(keys), config.url)
            known = next((key for key in answered if key.startswith(prefix)), None)
            length = config.dimensions if known is None else len(vector(answered[known]))
            asyncio.run(_ask(config, {text: keys[text] for text in missing}, length, folder, progress))
            answered = journal.read(folder, sound())
        return np.stack([vector(answered[keys[text]]) for text in texts])

    return encode


def request(config: "OpenAIEncoder") -> dict[str, Any]:
    """What every request says beside its texts."""
    said = {"model": config.model, "encoding_format": "float", "dimensions": config.dimensions}
    return {key: value for key, value in said.items() if value is not None}


def vector(record: dict[str, Any]) -> FloatArray:
    """The vector of a journal's record: d, float32."""
    embedding: FloatArray = np.frombuffer(base64.b64decode(record["embedding"]), dtype="<f4").astype(np.float32)
    return embedding


def sound() -> journal.Check:
    """Takes of a journal what would be taken of a server: vectors that have a direction, all of one model of one length.

    It raises ValueError, TypeError or LookupError of any other record.
    """
    lengths: dict[str, int] = {}

    def check(record: dict[str, Any]) -> None:
        found = vector(record)
        length = lengths.setdefault(record["key"].rpartition("-")[0], len(found))
        if len(found) != length or not found.any() or not np.isfinite(found).all():
            msg = "a vector without a direction, or of another length"
            raise ValueError(msg)

    return check


async def _ask(
    config: "OpenAIEncoder", keys: dict[str, str], length: int | None, folder: Path, progress: Progress
) -> None:
    """Ask for the vectors of texts, which are journalled under their keys. All must have one length, which may be known."""
    key = client.api_key(f"encoder {config.name!r}", config.api_key_env)
    async with client.Http(
        config.url, key, config.timeout, config.concurrency, "/embeddings", EMBEDDINGS_BYTES
    ) as transport:
        with journal.Writer(folder) as writer:
            asking = _Asking(config, transport, writer, length, progress(len(keys), "texts"))
            with until_terminated(asking.sender):
                await within_grace(asking.sender, asking.ask_all(keys))
    if (stopped := asking.sender.stopped) is not None:
        said = f"encoder {config.name!r}: {stopped}; what came is in {folder}, and another run asks for the rest only"
        raise TerminatedError(said, stopped.number) if isinstance(stopped, TerminatedError) else StoppedError(said)


class _Asking:
    """Asks for batches of texts. The first that stays without an answer ends it: no class or answer may lack its vector."""

    def __init__(
        self,
        config: "OpenAIEncoder",
        transport: client.Transport,
        writer: journal.Writer,
        length: int | None,
        report: Callable[[int], None],
    ) -> None:
        self.sender = Sender(config, transport, response)
        self._config = config
        self._body = request(config)
        self._request = digest(self._body)
        self._writer = writer
        self._length = length
        self._report = report
        self._done = 0

    async def ask_all(self, keys: dict[str, str]) -> None:
        texts = list(keys)
        size = self._config.batch_size
        batches = iter([texts[start : start + size] for start in range(0, len(texts), size)])
        self._report(0)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._config.concurrency):
                group.create_task(self._work(batches, keys))

    async def _work(self, batches: Iterator[list[str]], keys: dict[str, str]) -> None:
        for texts in batches:
            try:
                embeddings = await self._vectors(texts)
            except (replies.FailedError, InputError) as error:
                self.sender.stop(StoppedError(f"{len(texts)} texts, the first {texts[0][:60]!a}: {error}"))
                return
            for text, one in zip(texts, embeddings, strict=True):
                embedding = base64.b64encode(one.astype("<f4").tobytes()).decode()
                self._writer.append({"key": keys[text], "request": self._request, "embedding": embedding}, self._body)
            self._done += len(texts)
            self._report(self._done)
            if self.sender.stopped is not None:
                return

    async def _vectors(self, texts: list[str]) -> FloatArray:
        tokens = round(sum(map(len, texts)) / CHARACTERS_PER_TOKEN)
        said, _ = await self.sender.send(self._body | {"input": texts}, tokens)
        embeddings = vectors(said, len(texts), self._length)
        self._length = embeddings.shape[1]
        return embeddings


def response(reply: replies.Reply) -> dict[str, Any]:
    """The response that a reply holds. Raises the error that says whether to try again."""
    if reply.status != HTTPStatus.OK:
        raise replies.refused(reply)
    said = reply.body
    if not (isinstance(said, dict) and isinstance(said.get("data"), list)):
        msg = f"no embeddings in the response: {reply.excerpt}"
        raise replies.TemporaryError(msg)
    return said


def vectors(said: dict[str, Any], count: int, length: int | None) -> FloatArray:
    """The vectors of a response in the order of the texts: count x d, float32.

    Raises InputError where they are not `count` vectors of that length (if one is known), each of finite numbers that
    are not all 0.
    """
    items = said["data"]
    try:
        places = [item.get("index", place) for place, item in enumerate(items)]
        with np.errstate(over="ignore"):  # too large a number becomes infinite
            unordered = [np.array(item["embedding"], dtype=np.float32) for item in items]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        msg = "the server's answer holds no vectors of numbers (data[].embedding)"
        raise InputError(msg) from None
    if sorted(places, key=str) != sorted(range(count), key=str):
        msg = f"the server sent {len(items)} vectors for {count} texts (data[].index: {str(places[:5])[1:-1]}, ...)"
        raise InputError(msg)
    lengths = {len(one) if one.ndim == 1 else 0 for one in unordered} | ({length} if length else set())
    if len(lengths) > 1 or 0 in lengths:
        msg = (
            f"the server sent vectors of several lengths ({', '.join(map(str, sorted(lengths)))}); if its model has changed, "
            "set revision: in the entry"
        )
        raise InputError(msg)
    ordered = np.stack([unordered[places.index(place)] for place in range(count)])
    if not (np.isfinite(ordered).all() and ordered.any(axis=1).all()):
        msg = "the server sent a vector that has no direction: one of zeros, or with a number that is not finite"
        raise InputError(msg)
    return ordered
