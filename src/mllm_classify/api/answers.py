"""What a chat model's response says: its answer, apart from its reasoning, and what it used."""

import json
import re
from typing import Any, NamedTuple

THOUGHT = re.compile(r"^\s*(?:<think>)?(?P<reasoning>.*?)</think>(?P<text>.*)$", re.DOTALL)
"""Reasoning that a server has left in the answer. Some chat templates open it in the prompt."""
NUMBERED = re.compile(r"^\s*(?:Image\s+)?(?P<number>\d+)\s*[.):]\s*(?P<text>.*?)\s*$", re.IGNORECASE)


class Used(NamedTuple):
    """Tokens of a response, as far as the server counts them. Reasoning is among those of the answer."""

    prompt: int | None
    completion: int | None
    cached: int | None
    reasoning: int | None


class Answer(NamedTuple):
    """A response, read. `error` says why it is no answer, though it came whole and was paid for."""

    text: str
    reasoning: str | None
    error: str | None
    finish_reason: str | None
    used: Used
    model: str | None  # as the server names it
    fingerprint: str | None


def used(response: dict[str, Any]) -> Used:
    usage = response.get("usage")
    return Used(
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        _count(usage, "prompt_tokens_details", "cached_tokens"),
        _count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def _count(usage: Any, *path: str) -> int | None:
    """A number of tokens, where the server gives one."""
    for key in path:
        usage = usage.get(key) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) and 0 <= usage < 2**31 else None


def read(response: dict[str, Any]) -> Answer:
    """The answer in a chat completion. Reasoning, a field of its own or `<think>` text, is never part of it.

    An answer that ended (`length`) while the model was still reasoning is an error.
    """
    choice = response["choices"][0]
    message = choice["message"]
    content = message.get("content") or ""
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    open_thought = False
    if thought := THOUGHT.match(content):
        reasoning, content = thought["reasoning"], thought["text"]
    elif content.lstrip().startswith("<think>"):
        reasoning, content, open_thought = content.lstrip().removeprefix("<think>"), "", True
    finish = choice.get("finish_reason")
    unfinished = open_thought or (finish == "length" and bool(reasoning) and not content.strip())
    return Answer(
        _valid_unicode(content.strip() if reasoning else content),
        _valid_unicode(str(reasoning)) if reasoning else None,
        "the answer was cut off while the model was reasoning; allow more tokens" if unfinished else None,
        finish if isinstance(finish, str) else None,
        used(response),
        _text(response.get("model")),
        _text(response.get("system_fingerprint")),
    )


def one_each(text: str, images: int) -> list[str] | None:
    """The answers to several images by their numbers (`1. espresso`); None where any is missing, extra or doubled.

    Other lines are no answers.
    """
    answers: dict[int, str] = {}
    for line in text.splitlines():
        if match := NUMBERED.match(line):
            number = int(match["number"])
            if number in answers:
                return None
            answers[number] = match["text"]
    if sorted(answers) != list(range(1, images + 1)):
        return None
    return [answers[number] for number in range(1, images + 1)]


def parse(content: bytes) -> dict[str, Any]:
    """A chat completion. Raises ValueError where it is none, or not a whole one."""
    try:
        response: dict[str, Any] = json.loads(content)
        message = response["choices"][0]["message"]
        if isinstance(message, dict) and isinstance(message.get("content"), str | None):
            return response
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    msg = f"not a chat completion: {content[:200]!r}"
    raise ValueError(msg)


def _text(value: Any) -> str | None:
    return _valid_unicode(value[:200]) if isinstance(value, str) else None


def _valid_unicode(text: str) -> str:
    """JSON can carry half of a surrogate pair, which no file encoding can."""
    return text.encode("utf-8", "replace").decode()
