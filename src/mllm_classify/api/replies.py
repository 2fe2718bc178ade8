"""What a reply is: an answer, or an error that says whether to ask again.

A status alone does not tell: gateways answer 200 with an error inside, and refuse one request with the status of a wrong
key. Nothing is accepted here that `answers` cannot read.
"""

import email.utils
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from mllm_classify.api import answers
from mllm_classify.api.answers import UnreadableError
from mllm_classify.io.limits import JSON_DEPTH
from mllm_classify.io.records import deeper
from mllm_classify.io.text import one_line

HOPELESS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED}
"""Statuses that concern the key and the account."""
DENIED = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
"""Statuses that concern the key, the model or the address, or what one request holds: others tell."""
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
NEVER = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
LONGEST_WAIT = 3600.0
"""Seconds that a server may ask to wait."""
FILTERED = {"content_filter", "content_policy_violation", "safety", "recitation", "blocklist", "prohibited_content"}
"""Codes of errors, and reasons to finish, by which a provider's filter refuses a request."""
NO_MONEY = {"insufficient_quota", "insufficient_balance", "billing_hard_limit_reached"}
EXCERPT = 4096
"""Bytes of a reply that is no JSON that are kept."""
SHORTEST_KEY = 8
"""Characters from which on a key is a secret. Local servers take any word, and an answer may well hold it."""


class Reply(NamedTuple):
    """What came, without the key."""

    status: int
    headers: Mapping[str, str]  # by names in lower case
    body: Any  # its JSON; None where it is none
    text: str = ""  # how it begins, where it is no JSON

    @property
    def excerpt(self) -> str:
        """A line that shows what came."""
        return one_line(json.dumps(self.body) if self.body is not None else self.text)[:300]


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


class NotUnderstoodError(PermanentError):
    """An answer came, and was paid for, in a form that is not known. It is kept: a later version may read it."""

    def __init__(self, reason: str, response: dict[str, Any]) -> None:
        super().__init__(reason)
        self.response = response


class DeniedError(PermanentError):
    """Refused for what it holds, or because no request will be answered: where none is, it is the key, model or address."""


class HopelessError(FailedError):
    """No request will be answered: wrong key, no money."""


def received(status: int, headers: Mapping[str, str], content: bytes, key: str = "") -> Reply:
    """A reply as it came. Raises TemporaryError where it cannot be read without more memory than it has bytes."""
    lowered = {name.lower(): value for name, value in headers.items()}
    if (encoding := lowered.get("content-encoding", "identity").lower()) != "identity":
        msg = f"the reply is compressed ({encoding[:20]!a}), which was not asked for"
        raise TemporaryError(msg)
    body = parsed(content)
    if body is None:
        return Reply(status, lowered, None, masked(content[:EXCERPT].decode("utf-8", "replace"), key))
    # JSON can spell every character as a code; where it has no code, the bytes tell
    spelled = b"\\" in content or key.encode() in content
    return Reply(status, lowered, masked(body, key) if spelled else body)


def parsed(content: bytes) -> Any:
    """JSON, or None where it is none: torn, nested too deep, with numbers of too many digits."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return None if deeper(value, JSON_DEPTH) else value


def masked(said: Any, key: str) -> Any:
    """What a server said, JSON or a text, without the key, should it repeat that: it is written down."""
    if len(key) < SHORTEST_KEY:
        return said
    if isinstance(said, str):
        for spelled in {key, key.replace("/", r"\/"), json.dumps(key)[1:-1]}:
            said = said.replace(spelled, "[key]")
        return said
    if isinstance(said, dict):
        return {masked(name, key): masked(value, key) for name, value in said.items()}
    return [masked(value, key) for value in said] if isinstance(said, list) else said


def completion(reply: Reply) -> dict[str, Any]:
    """The chat completion that a reply holds. Raises the error that says whether to try again."""
    if reply.status != HTTPStatus.OK:
        raise refused(reply)
    response = reply.body if isinstance(reply.body, dict) else {}
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    if error := choice.get("error") or (not choice and response.get("error")):
        raise _inner(error, reply)
    finish = answers.finish_of(choice)
    if finish in FILTERED:
        msg = f"the provider's content filter withheld the answer (finish_reason {finish})"
        raise FilteredError(msg)
    if not (finish is None or finish in answers.FINISHED):
        msg = f"the model did not finish its answer (finish_reason {finish[:50]!a})"
        raise TemporaryError(msg)
    if not isinstance(choice.get("message"), dict):
        msg = f"not a chat completion: {reply.excerpt}"
        raise TemporaryError(msg)
    try:
        answers.read(response)
    except UnreadableError as error:
        raise NotUnderstoodError(str(error), response) from None
    return response


def check_record(record: dict[str, Any]) -> None:
    """Take of a journal what would be taken of a server. Raises TypeError, LookupError, ValueError or NotUnderstoodError."""
    if not (isinstance(record["latency"], int | float | None) and isinstance(record.get("environment", ""), str)):
        msg = "latency or environment"
        raise TypeError(msg)
    try:
        completion(Reply(HTTPStatus.OK, {}, record["response"]))
    except NotUnderstoodError:
        raise
    except FailedError as error:
        raise ValueError(str(error)) from None


def refused(reply: Reply) -> FailedError:
    """What a reply with another status than 200 means."""
    body = reply.body[0] if isinstance(reply.body, list) and reply.body else reply.body  # Gemini's come in a list
    error = body.get("error") if isinstance(body, dict) else None
    code, message = _said(error) if error else (None, reply.excerpt)
    return _meant(reply.status, code, f"HTTP {reply.status}: {message}", wait_of(reply.headers))


def _inner(error: Any, reply: Reply) -> FailedError:
    """What an error inside a reply with status 200 means: what its code would mean as a status."""
    code, message = _said(error)
    status = next((int(it) for it in (code, _text_of(error, "status")) if it and it.isdecimal() and len(it) == 3), 0)
    # one that gives no status has lost its model, as gateways do
    return _meant(
        status or HTTPStatus.BAD_GATEWAY, code, f"an error in place of an answer: {message}", wait_of(reply.headers)
    )


def _meant(status: int, code: str | None, reason: str, wait: float | None) -> FailedError:
    if code in FILTERED:
        return FilteredError(reason)
    if code in NO_MONEY or status in HOPELESS:
        return HopelessError(reason)
    if status in DENIED:
        return DeniedError(reason)
    if status in LATER or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in NEVER):
        return TemporaryError(reason, wait)
    return PermanentError(reason)


def _said(error: Any) -> tuple[str | None, str]:
    """The code and message of an error, in OpenAI's words or any."""
    if not isinstance(error, dict):
        return None, one_line(str(error))
    code = _text_of(error, "code") or _text_of(error, "type")
    message = _text_of(error, "message")
    return code.lower() if code else None, one_line(message or json.dumps(error))


def _text_of(value: Any, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


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
