"""Sending one request: over plain HTTP, or by OpenAI's client."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from mllm_classify.api.replies import PermanentError, Reply, TemporaryError, completion, masked, received
from mllm_classify.io.files import InputError
from mllm_classify.io.limits import BATCH_BYTES, REPLY_BYTES

if TYPE_CHECKING:
    import httpx2

THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
"""Hosts that are reached without the proxies that the environment names."""
BEARER = "Authorization"
"""The header that brings a key as most servers want it."""
UNCOMPRESSED = {"Accept-Encoding": "identity"}
"""A few kB that were compressed may unpack to more than there is memory for."""


def api_key(entry: str, variable: str | None) -> str:
    """The key from the environment variable that an entry names; local servers take any.

    Raises InputError when it is not set.
    """
    if variable is None:
        return "none"
    where = f"{entry}: api_key_env: the environment variable {variable}"
    if not (key := os.environ.get(variable, "").strip()):
        msg = f"{where} is not set; export the key"
        raise InputError(msg)
    if not (key.isascii() and key.isprintable()):
        msg = f"{where} contains characters that no key contains; export it again"
        raise InputError(msg)
    return key


def below(url: str, path: str) -> str:
    """An address below a base URL, whose query stays behind the path."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.rstrip("/") + path).geturl()


class Transport(Protocol):
    """Who carries requests. Raises TemporaryError where no reply came."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, body: dict[str, Any]) -> Reply:
        """Put one request."""

    async def models(self) -> Reply:
        """Ask which models are served."""


class Http:
    """Any OpenAI-compatible server, over aiohttp.

    A quarter of the processor time that OpenAI's client takes, which binds it at some hundred requests a second
    (benchmarks/clients.py).
    """

    def __init__(
        self,
        url: str,
        key: str,
        timeout: float,
        connections: int,
        path: str = "/chat/completions",
        largest: int = REPLY_BYTES,
        key_header: str = BEARER,
    ) -> None:
        self._url = url
        self._path = path
        self._key = key
        self._headers = {key_header: f"Bearer {key}" if key_header == BEARER else key} | UNCOMPRESSED
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._connections = connections
        self._largest = largest

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=self._timeout,
            headers=self._headers,
            auto_decompress=False,
            trust_env=urlsplit(self._url).hostname not in THIS_MACHINE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, body: dict[str, Any]) -> Reply:
        content = json.dumps(body).encode()
        return await self._reply("POST", self._path, content)

    async def models(self) -> Reply:
        return await self.get("/models")

    async def get(self, path: str) -> Reply:
        """What is below the base URL."""
        return await self._reply("GET", path, None)

    async def _reply(self, method: str, path: str, content: bytes | None) -> Reply:
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            # the key goes to no other address
            async with self._session.request(
                method, below(self._url, path), data=content, headers=headers, allow_redirects=False
            ) as response:
                whole = bytearray()
                async for chunk in response.content.iter_any():
                    whole += chunk
                    if len(whole) > self._largest:
                        raise too_large(self._largest)
                return received(response.status, response.headers, bytes(whole), self._key)
        except TimeoutError:
            msg = f"no answer within {self._timeout.total:g} s"
            raise TemporaryError(msg) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TemporaryError(masked(f"{type(error).__name__}: {error}", self._key)[:300]) from None


class OpenAI:
    """OpenAI's API, by its own client, which knows its headers and addresses."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        import openai

        local = urlsplit(url).hostname in THIS_MACHINE
        self._key = key
        self._timeout = timeout
        self.client: openai.AsyncOpenAI = openai.AsyncOpenAI(
            base_url=urlsplit(url)._replace(query="").geturl(),
            default_query=dict(parse_qsl(urlsplit(url).query)),
            api_key=key,
            timeout=timeout,
            max_retries=0,
            default_headers=UNCOMPRESSED,
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=not local, follow_redirects=False, event_hooks={"response": [_limit]}
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    async def send(self, body: dict[str, Any]) -> Reply:
        # whatever the entry names, also what this version of the client has no argument for
        named = {key: body[key] for key in ("model", "messages")}
        others = {key: value for key, value in body.items() if key not in named}
        return await self._reply(self.client.chat.completions.with_raw_response.create(**named, extra_body=others))

    async def models(self) -> Reply:
        return await self._reply(self.client.models.with_raw_response.list())

    def masked(self, said: Any) -> Any:
        """What came another way, without the key."""
        return masked(said, self._key)

    async def _reply(self, request: Any) -> Reply:
        import openai

        try:
            # the client's own limit is for each read: an answer in drops could take for ever
            async with asyncio.timeout(self._timeout):
                raw = await request
        except openai.APIStatusError as error:
            return received(error.status_code, error.response.headers, error.response.content, self._key)
        except (openai.APITimeoutError, TimeoutError):
            msg = f"no answer within {self._timeout:g} s"
            raise TemporaryError(msg) from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, PermanentError):
                raise error.__cause__ from None
            raise TemporaryError(self.masked(f"{error} {error.__cause__ or ''}")[:300]) from None
        return received(raw.status_code, raw.headers, raw.http_response.content, self._key)


def too_large(limit: int) -> PermanentError:
    """That more came than is read."""
    return PermanentError(f"the reply has more than {limit >> 20} MB")


async def _limit(response: "httpx2.Response") -> None:
    """Let httpx read no more of a response than a reply, or a file of them, may have."""
    import httpx2

    limit = BATCH_BYTES if response.request.url.path.endswith("/content") else REPLY_BYTES
    whole = cast("httpx2.AsyncByteStream", response.stream)

    class Limited(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in whole:
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                yield chunk

        async def aclose(self) -> None:
            await whole.aclose()

    response.stream = Limited()


async def ask(
    transport: Transport, body: dict[str, Any], read: Callable[[Reply], dict[str, Any]] = completion
) -> tuple[dict[str, Any], float]:
    """Send one request once. Returns the whole response and the seconds it took; raises FailedError, as `read` does."""
    started = asyncio.get_running_loop().time()
    reply = await transport.send(body)
    return read(reply), asyncio.get_running_loop().time() - started
