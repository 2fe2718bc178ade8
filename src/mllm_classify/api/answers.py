"""What a chat model's response says: its answer, apart from its reasoning, and what it used.

Servers that call themselves compatible differ in where reasoning stands, how an answer is marked, and what ends it. What is
known of that is listed here. Every text is read in time proportional to its length.
"""

import re
from typing import Any, NamedTuple

CUT = {"length", "max_tokens", "model_length", "max_output_tokens"}
"""Reasons to finish by which an answer was cut off."""
FINISHED = CUT | {"stop", "eos", "eos_token", "stop_sequence", "end_turn", "complete", "completed"}
"""Reasons to finish that servers give with an answer."""
THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""Marks around reasoning that a server has left in the answer. Some chat templates open it in the prompt."""
BOXES = (("<answer>", "</answer>"), ("<|begin_of_box|>", "<|end_of_box|>"), (r"\text{", "}"), (r"\boxed{", "}"))
"""Marks around the answer itself, for models that say more."""
THINKING_PARTS = {"thinking", "reasoning", "redacted_thinking"}
TEXT_PARTS = {"text", "output_text"}
NUMBERED = re.compile(
    r"(?P<before>[*_#>\s-]*)(?:Image\s+)?(?P<number>\d{1,6})\s*[.):](?P<after>[*_]*)\s*(?P<text>.*)", re.IGNORECASE
)
"""An answer to one of several images, in Markdown or not."""
CUT_OFF = "the answer was cut off while the model was reasoning; allow more tokens"
CUT_SHORT = "the answer was cut off before it said anything; allow more tokens"
ONLY_REASONING = "reasoning came, and no answer; does the server take all that the model says for reasoning?"


class UnreadableError(ValueError):
    """A response in a form that is not known."""


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
    return usage if isinstance(usage, int) and not isinstance(usage, bool) and 0 <= usage < 2**31 else None


class Token(NamedTuple):
    """One token of an answer, and the likeliest ones in its place, by their texts: natural logarithms of probabilities."""

    log_probability: float
    likeliest: dict[str, float]


def tokens(response: dict[str, Any]) -> list[Token] | None:
    """The tokens of an answer, as far as the server was asked for their log-probabilities and gives all of them."""
    try:
        listed = response["choices"][0]["logprobs"]["content"]
        return [
            Token(
                _log(it["logprob"]), {str(top["token"]): _log(top["logprob"]) for top in it.get("top_logprobs") or []}
            )
            for it in listed
        ] or None
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _log(value: Any) -> float:
    """The logarithm of a probability. Raises ValueError or TypeError where it is none; rounding may exceed 0."""
    if isinstance(value, bool) or not float(value) <= 1e-3:
        msg = f"{value!r} is no log-probability"
        raise ValueError(msg)
    return float(value)


def finish_of(choice: dict[str, Any]) -> str | None:
    """Why an answer ended, in lower case; None where the server does not say."""
    finish = choice.get("finish_reason")
    return (finish.lower() if isinstance(finish, str) else "no text") if finish else None


def read(response: dict[str, Any]) -> Answer:
    """The answer in a chat completion. Reasoning, a field or part of its own or marked text, is never part of it.

    A refusal in a field of its own is the answer where there is no other. Raises UnreadableError where the content is in a
    form that is not known.
    """
    choice = response["choices"][0]
    message = choice["message"]
    content, thoughts = _content(message.get("content"))
    fields = (message.get(name) for name in ("reasoning_content", "reasoning"))
    apart = reasoning = next((it for it in fields if it and isinstance(it, str)), thoughts)
    open_thought = False
    if marked := _marked(content):
        reasoning, behind = marked
        content, open_thought = behind or "", behind is None
    if boxed := _boxed(content):
        before, content = boxed
        reasoning = "\n".join(filter(None, [reasoning, before])) or None
    refusal = message.get("refusal")
    if isinstance(refusal, str) and not content.strip():
        content = refusal
    finish, counted = finish_of(choice), used(response)
    error = None
    if not content.strip():
        if finish in CUT or open_thought:
            error = CUT_OFF if reasoning or counted.reasoning else CUT_SHORT
        elif apart and not marked:
            error = ONLY_REASONING
    return Answer(
        _valid_unicode(content.strip() if reasoning else content),
        _valid_unicode(reasoning) if reasoning else None,
        error,
        "length" if finish in CUT else _text(choice.get("finish_reason")),
        counted,
        _text(response.get("model")),
        _text(response.get("system_fingerprint")),
    )


def _content(content: Any) -> tuple[str, str | None]:
    """Text, and the reasoning apart from it, of a content that may be a list of parts."""
    if content is None or isinstance(content, str):
        return content or "", None
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            texts.append(part["refusal"])
        elif kind in THINKING_PARTS:
            inner = part.get("thinking") or part.get("reasoning") or part.get("text") or ""
            thoughts.append(inner if isinstance(inner, str) else _content(inner)[0])
        else:
            shown = kind if isinstance(kind, str) else type(part).__name__
            msg = f"content of an unknown form: {shown:.50}"
            raise UnreadableError(msg)
    return "".join(texts), "\n".join(filter(None, thoughts)) or None


def _marked(content: str) -> tuple[str, str | None] | None:
    """Reasoning and the text behind it, None where it never ended; nothing where no reasoning is marked."""
    ends = [(place, mark) for mark in THOUGHTS if (place := content.find(mark[1])) >= 0]
    if ends:
        place, (opening, closing) = min(ends)
        return content[:place].lstrip().removeprefix(opening), content[place + len(closing) :]
    begun = content.lstrip()
    return next(((begun.removeprefix(opening), None) for opening, _ in THOUGHTS if begun.startswith(opening)), None)


def _boxed(content: str) -> tuple[str, str] | None:
    """What stands before the last box, and the answer in it, boxes within it opened."""
    before, inside = "", content
    for opening, closing in BOXES:
        start = inside.rfind(opening)
        end = inside.find(closing, start) if start >= 0 else -1
        if end > start:
            before, inside = before + inside[:start], inside[start + len(opening) : end]
    return None if inside == content else (before.strip(), inside.strip())


def one_each(text: str, images: int) -> list[str] | None:
    """The answers to several images by their numbers (`1. espresso`); None where any is missing, extra or doubled.

    Other lines are no answers.
    """
    answers: dict[int, str] = {}
    for line in text.splitlines():
        if match := NUMBERED.match(line.strip()):
            number = int(match["number"])
            if number in answers:
                return None
            emphasised = set(match["before"] + match["after"] + match["text"][:1]) & set("*_")
            answers[number] = match["text"].strip("*_ ") if emphasised else match["text"]
    if sorted(answers) != list(range(1, images + 1)):
        return None
    return [answers[number] for number in range(1, images + 1)]


def _text(value: Any) -> str | None:
    return _valid_unicode(value[:200]) if isinstance(value, str) else None


def _valid_unicode(text: str) -> str:
    """JSON can carry half of a surrogate pair, which no file encoding can."""
    return text.encode("utf-8", "replace").decode()
