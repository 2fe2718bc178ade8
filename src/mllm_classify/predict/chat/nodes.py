"""How a node of the tree of names is asked: requests for one token, and what their replies say.

A beginning of a name stands as the begun answer (`continue_final_message`), and the server says the log-probabilities of
the tokens that may follow (`logprob_token_ids`, of vLLM). These are the model's own, before temperature. Requests with
`prompt_logprobs` read no prefix cache in vLLM: only where a beginning cannot be asked, names are asked whole by them.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.api import answers
from mllm_classify.api.replies import PermanentError
from mllm_classify.io.files import sha256
from mllm_classify.predict.chat.prompts import Template, messages

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.chat.naming import Naming
    from mllm_classify.predict.chat.prompts import Way
    from mllm_classify.predict.likelihood.tree import Node, Path

MOST_IDS = 128
"""Tokens that one request can name (vLLM's MAX_LOGPROB_TOKEN_IDS)."""
SLACK = 1e-3
"""By what a log-probability may exceed 0, of rounding."""
TOKEN = "token_id:"  # noqa: S105 (no password)


class Put(NamedTuple):
    """The prompt behind which names stand, and how it is called."""

    body: dict[str, Any]  # without an answer
    prompt: str  # SHA-256 of the prompt file


class Request(NamedTuple):
    """One request: the log-probabilities of some tokens behind a text, or of the text's last tokens."""

    template: Template
    children: tuple[
        "Path", ...
    ]  # of which it says the log-probabilities; of several tokens each, it is one, asked whole
    behind: int  # tokens of the text that are not shared by all prompts
    whole: bool = False


class UnsaidError(PermanentError):
    """The server does not give the log-probabilities that were asked for."""


def put(model: "ChatModel", way: "Way", text: str, *, image: bool) -> Put:
    """How a task's prompt is put for likelihoods, with an image or without."""
    said = messages(way.layout, text, 1, model.request.detail)
    if not image:
        kept = [[part for part in _parts(it) if part["type"] != "image_url"] for it in said]
        said = [it | {"content": parts or ""} for it, parts in zip(said, kept, strict=True)]
    body = {"model": model.served, "messages": said, **model.extra_body}
    return Put(body, way.prompt.digest)


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def begun(body: dict[str, Any], text: str, *, finished: bool = False) -> dict[str, Any]:
    """A request whose answer is begun by a text; or finished with it; or, without one, only asked for."""
    if not text:
        return body | {"add_generation_prompt": True, "continue_final_message": False}
    said = [*body["messages"], {"role": "assistant", "content": text}]
    return body | {"messages": said, "add_generation_prompt": False, "continue_final_message": not finished}


def requests(node: "Node", naming: "Naming", of: Put) -> Iterator[Request]:
    """The requests that say how a node goes on: one for every MOST_IDS children, or, asked whole, one for each child."""
    if not node.sendable:
        for tokens, child in node.children.items():
            yield whole(child.path, naming, of, tokens)
        return
    children = list(node.children)
    for start in range(0, len(children), MOST_IDS):
        some = children[start : start + MOST_IDS]
        wanted = {
            "max_tokens": 1, "temperature": 0, "logprobs": True, "return_tokens_as_token_ids": True,
            "logprob_token_ids": [token for (token,) in some],
        }  # fmt: skip
        yield Request(_template(of, naming.texts[node.path], wanted), tuple(some), len(node.path))


def whole(path: "Path", naming: "Naming", of: Put, last: "Path | None" = None) -> Request:
    """The request that says the log-probability of a path's last tokens at once; by default of all of them."""
    last = path if last is None else last
    wanted = {"prompt_logprobs": 0, "max_tokens": 1, "temperature": 0}
    return Request(_template(of, naming.texts[path], wanted, len(last)), (last,), len(path), whole=True)


def _template(of: Put, text: str, wanted: dict[str, Any], last: int = 0) -> Template:
    body = begun(of.body, text) | wanted
    return Template(sha256(json.dumps([body, last], sort_keys=True).encode()), body, of.prompt)


def log_probabilities(request: Request, response: dict[str, Any]) -> list[float]:
    """The log-probability of each child, of a chat completion; all in the order of the request's children.

    Raises UnsaidError where the response has them not.
    """
    said = _last_of_prompt(request, response) if request.whole else _of_tokens(request, response)
    if any(not (math.isfinite(value) and value <= SLACK) for value in said):
        msg = f"log-probabilities above 0, or none: {[value for value in said if not value <= 0][:3]}"
        raise UnsaidError(msg)
    return said


def _of_tokens(request: Request, response: dict[str, Any]) -> list[float]:
    try:
        listed = response["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        known = {it["token"]: float(it["logprob"]) for it in listed}
        return [known[f"{TOKEN}{token}"] for (token,) in request.children]
    except (LookupError, TypeError, ValueError):
        msg = (
            "the server gives no log-probabilities of named tokens (logprob_token_ids, return_tokens_as_token_ids); of the n "
            "likeliest alone, all others are only known to be below the last, and no ranking is certain"
        )
        raise UnsaidError(msg) from None


def _last_of_prompt(request: Request, response: dict[str, Any]) -> list[float]:
    (tokens,) = request.children
    try:
        listed = response["prompt_logprobs"][-len(tokens) :]
        return [sum(float(it[str(token)]["logprob"]) for token, it in zip(tokens, listed, strict=True))]
    except (LookupError, TypeError, ValueError):
        msg = "the server gives no log-probabilities of a prompt's tokens (prompt_logprobs), or tokenises it otherwise"
        raise UnsaidError(msg) from None


def kept(response: dict[str, Any], said: Sequence[float]) -> dict[str, Any]:
    """What the journal keeps of a response."""
    about = {name: response.get(name) for name in ("model", "system_fingerprint", "usage")}
    return about | {"log_probabilities": list(said)}


def check_record(record: dict[str, Any]) -> None:
    """Take of a journal what would be taken of a server. Raises TypeError, LookupError or ValueError."""
    if not (isinstance(record["key"], str) and isinstance(record["latency"], int | float | None)):
        msg = "key or latency"
        raise TypeError(msg)
    response = record["response"]
    if "paths" in response:
        return
    answers.used(response)
    if not all(float(value) <= SLACK and math.isfinite(value) for value in response["log_probabilities"]):
        msg = "log_probabilities"
        raise ValueError(msg)
