"""Sending one request: over plain HTTP, or by OpenAI's client; and telling what may succeed later from what never will."""

import asyncio
import email.utils
import json
import os
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

import aiohttp

from mllm_classify.api.answers import parse
from mllm_classify.io.files import InputError

THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
"""Hosts that are reached without the proxies that the environment names."""
HOPELESS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
            HTTPStatus.METHOD_NOT_ALLOWED}  # fmt: skip
"""Statuses that concern the key, the model or the address: no other request will fare better."""
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
NEVER = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
LONGEST_WAIT = 3600.0
"""Seconds that a server may ask to wait."""
FILTERED = {"content_filter", "content_policy_violation"}
"""Codes of errors by which a provider's filter refuses a request."""
SHORTEST_KEY = 8
"""Characters from which on a key is a secret. Local servers take any word, and an answer may well hold it."""


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
        msg = f"{where} holds characters that no key has; export it again"
        raise InputError(msg)
    return key


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]  # by names in lower case
    content: bytes


class FailedError(Exception):
    """A request without an answer."""


class TemporaryError(FailedError):
    """It may be answered later: after `wait` seconds, if the server says so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class PermanentError(FailedError):
    """The same request will never be answered: refused as it is, filtered, or too long."""


class FilteredError(PermanentError):
    """Withheld by the provider's content filter. That says nothing of other requests."""


class HopelessError(FailedError):
    """No request will be answered: wrong key, wrong model, no money."""


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


def masked(said: bytes, key: str) -> bytes:
    """What a server said, without the key, should it repeat that: it is written down. JSON may escape a slash."""
    if len(key) >= SHORTEST_KEY:
        for spelled in (key, key.replace("/", r"\/"), json.dumps(key)[1:-1]):
            said = said.replace(spelled.encode(), b"[key]")
    return said


class Http:
    """Any OpenAI-compatible server, over aiohttp.

    A quarter of the processor time that OpenAI's client takes, which binds it at some hundred requests a second
    (benchmarks/clients.py).
    """

    def __init__(self, url: str, key: str, timeout: float, connections: int, path: str = "/chat/completions") -> None:
        self._url = url.rstrip("/")
        self._path = path
        self._key = key
        self._headers = {"Authorization": f"Bearer {key}"}
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._connections = connections

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=self._timeout,
            headers=self._headers,
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
        return await self._reply("GET", "/models", None)

    async def _reply(self, method: str, path: str, content: bytes | None) -> Reply:
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            # the key goes to no other address
            async with self._session.request(
                method, self._url + path, data=content, headers=headers, allow_redirects=False
            ) as response:
                received = masked(await response.read(), self._key)
                return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, received)
        except TimeoutError:
            msg = f"no answer within {self._timeout.total:g} s"
            raise TemporaryError(msg) from None
        except (aiohttp.ClientError, OSError) as error:
            reason = masked(f"{type(error).__name__}: {error}".encode(), self._key).decode()
            raise TemporaryError(reason[:300]) from None


class OpenAI:
    """OpenAI's API, by its own client, which knows its headers and addresses."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        import openai

        local = urlsplit(url).hostname in THIS_MACHINE
        self._key = key
        self._timeout = timeout
        self.client: openai.AsyncOpenAI = openai.AsyncOpenAI(
            base_url=url,
            api_key=key,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=not local, follow_redirects=False),
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

    def masked(self, said: bytes) -> bytes:
        return masked(said, self._key)

    async def _reply(self, request: Any) -> Reply:
        import openai

        try:
            # the client's own limit is for each read: an answer in drops could take for ever
            async with asyncio.timeout(self._timeout):
                raw = await request
        except openai.APIStatusError as error:
            return Reply(error.status_code, dict(error.response.headers), self.masked(error.response.content))
        except (openai.APITimeoutError, TimeoutError):
            msg = f"no answer within {self._timeout:g} s"
            raise TemporaryError(msg) from None
        except openai.APIConnectionError as error:
            reason = self.masked(f"{error} {error.__cause__ or ''}".encode()).decode()
            raise TemporaryError(reason[:300]) from None
        return Reply(raw.status_code, dict(raw.headers), self.masked(raw.http_response.content))


def completion(reply: Reply) -> dict[str, Any]:
    """The chat completion that a reply holds. Raises the error that says whether to try again."""
    if reply.status != HTTPStatus.OK:
        raise refused(reply)
    try:
        response = parse(reply.content)
    except ValueError as error:
        raise TemporaryError(str(error)) from None
    if response["choices"][0].get("finish_reason") == "content_filter":
        raise FilteredError("the provider's content filter withheld the answer (finish_reason content_filter)")
    return response


def refused(reply: Reply) -> FailedError:
    """What a status means."""
    code, message = _said(reply.content)
    reason = f"HTTP {reply.status}: {message}"
    if code == "insufficient_quota" or reply.status in HOPELESS:
        return HopelessError(reason)
    if reply.status in LATER or (reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR and reply.status not in NEVER):
        return TemporaryError(reason, wait_of(reply.headers))
    return FilteredError(reason) if code in FILTERED else PermanentError(reason)


def _said(content: bytes) -> tuple[str | None, str]:
    """The code and message of an error, in OpenAI's words or any."""
    try:
        error = json.loads(content)["error"]
        return error.get("code"), str(error["message"])[:500]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, content[:300].decode("utf-8", "replace")


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: Retry-After, a number or a date, or OpenAI's retry-after-ms."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            said = headers["retry-after"]
            try:
                seconds = float(said)
            except ValueError:
                seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
    except (KeyError, ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None  # noqa: PLR0124 (not a number)


async def ask(
    transport: Transport, body: dict[str, Any], read: Callable[[Reply], dict[str, Any]] = completion
) -> tuple[dict[str, Any], float]:
    """Send one request once. Returns the whole response and the seconds it took; raises FailedError, as `read` does."""
    started = asyncio.get_running_loop().time()
    reply = await transport.send(body)
    return read(reply), asyncio.get_running_loop().time() - started
