"""One request to a chat model, and the key under which its answer is kept."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.io.files import portable_values, read_bytes, sha256
from mllm_classify.predict.chat.prompts import Template

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.config.tasks import Pixels
    from mllm_classify.predict.chat.examples import Example


class Question(NamedTuple):
    """One request that may have to be sent. `images` are places in the data set."""

    key: str
    task: str
    images: tuple[int, ...]
    template: Template
    variant: str = ""
    repeat: int = 0
    group: int | None = None  # which of a variant's groups in one repeat; None where images are asked about alone
    pixels: "Pixels" = "own"  # what is shown of the image
    seed: int = 0  # of what is drawn
    examples: "tuple[Example, ...]" = ()  # before the image
    texts: tuple[str, ...] = ()  # what a judge is asked about: an answer and a class


def answer_identity(model: "ChatModel") -> dict[str, Any]:
    """What besides the request decides an answer: who is asked, and how images are sent.

    Neither URL nor port, concurrency, or number of GPUs.
    """
    file = getattr(model, "chat_template", None)
    return {
        "revision": model.revision,
        "command": portable_values(getattr(model, "command", [])),
        "flags": portable_values(getattr(model, "flags", {})),
        "chat_template": file and sha256(read_bytes(file)),
        "picture": model.picture.model_dump(exclude={"formats"}),  # each image's key says how it is sent
    }


def question_key(put: Template, images: list[str], repeat: int, identity: dict[str, Any]) -> str:
    """The digest of the request's body, what tells its images apart as they are sent, the repeat's number and the entry's identity."""
    return sha256(json.dumps([put.digest, images, repeat, identity], sort_keys=True).encode())
