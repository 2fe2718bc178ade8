"""How a task is put to a chat model: prompt files, how they list classes, and requests without their images."""

import json
import string
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.io.files import read_bytes, read_text, sha256
from mllm_classify.predict.chat import constraining

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.config.tasks import Examples, Layout, Pixels, Sample

IMAGE = "{image}"
"""Stands in a template's body where an image's data URL will."""
NAME = "{name}"
"""Stands in a template's body where the name of an example will."""


class Prompt(NamedTuple):
    """A prompt file: its text without comments, and the SHA-256 of all of it."""

    text: str
    digest: str


class Template(NamedTuple):
    """A request without its images, for which IMAGE stands. What many requests share exists once."""

    digest: str
    body: dict[str, Any]
    prompt: str  # SHA-256 of the prompt file
    numbered: bool = False  # whether it asks for answers behind the images' numbers
    in_json: bool = False  # whether the answer's name comes in JSON

    def with_images(self, urls: list[str], names: Iterable[str] = ()) -> dict[str, Any]:
        """The request's body: the examples' pictures and names first, then the images."""
        waiting, named = iter(urls), iter(names)

        def filled(part: dict[str, Any]) -> dict[str, Any]:
            if part["type"] != "image_url":
                return {"type": "text", "text": next(named)} if part["text"] == NAME else part
            return part | {"image_url": part["image_url"] | {"url": next(waiting)}}

        messages = [
            message
            if isinstance(message["content"], str)
            else message | {"content": [filled(part) for part in message["content"]]}
            for message in self.body["messages"]
        ]
        return self.body | {"messages": messages}

    @property
    def characters(self) -> int:
        """Length of all text."""
        contents = [message["content"] for message in self.body["messages"]]
        parts = [[{"type": "text", "text": part}] if isinstance(part, str) else part for part in contents]
        return sum(len(part["text"]) for content in parts for part in content if part["type"] == "text")

    @property
    def pictures(self) -> int:
        """The number of its pictures."""
        contents = [message["content"] for message in self.body["messages"]]
        return sum(part["type"] == "image_url" for it in contents if not isinstance(it, str) for part in it)


class Way(NamedTuple):
    """How a task is put: the main one, or a variant of it."""

    task: str
    prompt: Prompt
    layout: "Layout"
    variant: str = ""
    ids: bool = False  # whether classes are answered by id
    temperature: float | None = None  # in place of the entry's
    repeats: int = 1
    images: int = 1  # in one request
    order: str = "listed"
    seed: int = 0
    sample: "Sample | None" = None
    classes: str = "listed"  # or shuffled
    pixels: "Pixels" = "own"  # what is shown of an image
    examples: "Examples | None" = None  # labelled pictures before it


def read_prompt(file: str) -> Prompt:
    """A prompt file. Lines that begin with # are comments."""
    lines = (line for line in read_text(file).splitlines() if not line.startswith("#"))
    return Prompt("\n".join(lines).strip(), sha256(read_bytes(file)))


def listed(names: Iterable[str]) -> str:
    """Names as prompts list them."""
    return "\n".join(f"- {name}" for name in names)


def numbered(names: Mapping[int, str]) -> str:
    """Names behind the ids by which they are answered."""
    return "\n".join(f"{number}: {name}" for number, name in names.items())


def lettered(names: Iterable[str]) -> str:
    """Names behind the letters by which they may be answered."""
    return "\n".join(f"{letter}. {name}" for letter, name in zip(string.ascii_uppercase, names, strict=False))


def messages(
    layout: "Layout", text: str, images: int, detail: str | None = None, examples: int = 0
) -> list[dict[str, Any]]:
    """The messages of a request. What all images share stands first, unless the layout is image_first.

    Each of so many examples is a picture with its name behind it; they stand before the images. One of several images stands behind its number. Without an image, the text is what the user says, in every layout.
    """
    url = {"url": IMAGE} if detail is None else {"url": IMAGE, "detail": detail}
    image = {"type": "image_url", "image_url": url}
    pictures: list[dict[str, Any]] = [image] * images
    if images > 1:
        pictures = [part for n in range(images) for part in ({"type": "text", "text": f"Image {n + 1}:"}, image)]
    name: dict[str, Any] = {"type": "text", "text": NAME}
    pictures = [image, name] * examples + pictures
    words: dict[str, Any] = {"type": "text", "text": text}
    match layout if pictures else "image_last":
        case "image_last":
            return [{"role": "user", "content": [words, *pictures]}]
        case "image_first":
            return [{"role": "user", "content": [*pictures, words]}]
        case "system":
            return [{"role": "system", "content": text}, {"role": "user", "content": pictures}]


def template(
    model: "ChatModel",
    way: Way,
    text: str,
    images: int = 1,
    seed: int | None = None,
    choice: list[str] | None = None,
    examples: int = 0,
    key: str = constraining.KEY,
) -> Template:
    """The request that puts `text`, so many examples and so many images to a model; `choice` are the only answers that it
    may give, where they come in JSON, under `key`.
    """
    sent = model.request.model_dump(exclude_none=True, exclude={"detail", "seed"})
    if way.temperature is not None:
        sent["temperature"] = way.temperature
    if seed is None and isinstance(model.request.seed, int):
        seed = model.request.seed
    if seed is not None:
        sent["seed"] = seed
    for limit in ("max_tokens", "max_completion_tokens"):
        if limit in sent:
            sent[limit] *= max(1, images)
    body = {
        "model": model.served,
        "messages": messages(way.layout, text, images, model.request.detail, examples),
        **sent,
        **model.extra_body,
    }
    in_json = False
    if choice is not None:
        body |= constraining.FIELDS[model.constrained_by](choice, key)
        in_json = model.constrained_by in constraining.IN_JSON
    digest = sha256(json.dumps(body, sort_keys=True).encode())
    return Template(digest, body, way.prompt.digest, "{n}" in way.prompt.text, in_json)
