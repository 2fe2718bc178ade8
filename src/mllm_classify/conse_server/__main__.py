"""A chat server that answers from the picture without being a language model.

It is the embedded default's stand-in for an MLLM: an OpenAI-compatible server on this machine, started like any other
engine. It sees the picture with an image classifier, combines the embeddings of the classes' WordNet names by their
probabilities (ConSE, Norouzi et al., ICLR 2014), and answers with the nearest term of its vocabulary: WordNet names
that timm ships, and the names that the prompt lists after "- ". These are preferred, the less the more of them there
are: as with MLLMs, answers outside of a list are rare where it is short. Synonyms, and such answers, are therefore
consequences of the pixels. It understands nothing else of a prompt. At a temperature above 0 it draws among the terms.
Without a picture, all classes are equally probable.
"""

import argparse
import asyncio
import base64
import hashlib
import importlib.metadata
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from aiohttp import web
from timm.data.imagenet_info import ImageNetInfo

from mllm_classify.config.vision import Classifier as ClassifierConfig
from mllm_classify.embed.sentence_transformers import text_encoder
from mllm_classify.io.arrays import FloatArray, normalised
from mllm_classify.io.files import InputError
from mllm_classify.loading.timm import Classifier
from mllm_classify.predict.conse import convex_combination

log = logging.getLogger("conse_server")

LISTED = re.compile(r"^- (.+)$", re.MULTILINE)
NUMBERED = re.compile(r"^Image \d+:$", re.MULTILINE)
"""What stands before each of several pictures that are asked about. Of others the last one is; those before are examples."""
TOP = 10
PREFERENCE = 10.0
"""By how much (in cosine similarity, divided by their number) the listed names are nearer."""
SHARPNESS = 20.0
"""What cosine similarities are multiplied by to be logits. At temperature 1 a third of the demonstration's answers vary."""


class Sampling(NamedTuple):
    """How an answer is drawn. Temperature 0 takes the nearest term."""

    temperature: float = 0.0
    seed: int = 0


def vocabulary() -> list[str]:
    """WordNet names: the first of every ImageNet-1k class, and of the ImageNet-12k classes those of one word."""
    first = {
        name: [description.split(",")[0].strip() for description in ImageNetInfo(name).label_descriptions()]
        for name in ("imagenet-1k", "imagenet-12k")
    }
    words = {term for term in first["imagenet-12k"] if " " not in term}
    return sorted(words.union(first["imagenet-1k"]))


class Responder:
    """Names for pictures."""

    def __init__(self, classifier: ClassifierConfig, encoder: str) -> None:
        self.classifier = Classifier(classifier)
        self.encode = text_encoder(encoder)
        self.terms: list[str] = vocabulary()
        self.term_vectors = self.vectors(self.terms)
        place = {term: index for index, term in enumerate(self.terms)}
        known = ImageNetInfo("imagenet-1k").label_descriptions()
        self.class_vectors = self.term_vectors[[place[name.split(",")[0].strip()] for name in known]]
        self.listed: dict[str, FloatArray] = {}

    def vectors(self, terms: list[str]) -> FloatArray:
        return normalised(self.encode(terms))

    def answer(self, image: bytes | None, prompt: str, sampling: Sampling = Sampling()) -> str:  # noqa: B008 (cannot be changed)
        """The term nearest to what the classifier sees, among the vocabulary and the names that the prompt lists.

        At a temperature, one drawn by the softmax of all similarities. What is drawn depends on the seed and the picture.
        """
        if image is None:
            seen = normalised(self.class_vectors.mean(axis=0, keepdims=True))[0]
        else:
            seen = convex_combination(self.classifier.probabilities([image]), self.class_vectors, TOP)[0]
        names = LISTED.findall(prompt)
        # each once: prompts list the same names in ever new orders
        if unknown := sorted(set(names) - self.listed.keys()):
            self.listed |= dict(zip(unknown, self.vectors(unknown), strict=True))
        terms = [*names, *self.terms]
        vectors = (
            np.concatenate([[self.listed[name] for name in names], self.term_vectors]) if names else self.term_vectors
        )
        nearness = vectors @ seen
        if names:
            nearness[: len(names)] += PREFERENCE / len(names)
        if sampling.temperature:
            # the highest of logits with Gumbel noise is a draw from their softmax
            picture = int.from_bytes(hashlib.sha256(image or b"").digest()[:8], "big")
            noise = np.random.default_rng([sampling.seed, picture]).gumbel(size=len(terms))
            nearness = nearness * SHARPNESS + sampling.temperature * noise
        best: str = terms[int(nearness.argmax())]
        return best


def read_request(body: Any) -> tuple[str, list[bytes]]:
    """Prompt of a chat request, and the images that it asks about. Raises ValueError with what is wrong."""
    try:
        contents = [message["content"] for message in body["messages"]]
        listed = [[{"type": "text", "text": part}] if isinstance(part, str) else part for part in contents]
        parts: list[dict[str, Any]] = [part for content in listed for part in content]
        prompt = "\n".join(part["text"] for part in parts if part["type"] == "text")
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    except (KeyError, TypeError) as error:
        msg = f"not a chat request: {error!r}"
        raise ValueError(msg) from None
    if not all(str(url).startswith("data:image/") for url in urls):
        msg = "an image must be a data URL"
        raise ValueError(msg)
    try:
        shown = urls if NUMBERED.search(prompt) else urls[-1:]
        return prompt, [base64.b64decode(url.partition("base64,")[2], validate=True) for url in shown]
    except ValueError as error:
        msg = f"the image is not base64: {error}"
        raise ValueError(msg) from None


def read_sampling(body: Any) -> Sampling:
    """Temperature and seed of a chat request; 0 where it has none. Raises ValueError with what is wrong."""
    temperature, seed = (body.get(key) or 0 for key in ("temperature", "seed"))
    if not (isinstance(temperature, int | float) and 0 <= temperature <= 2):
        msg = f"temperature: {temperature!r}: a number from 0 to 2 is needed"
        raise ValueError(msg)
    if not (isinstance(seed, int) and seed >= 0):
        msg = f"seed: {seed!r}: a whole number from 0 is needed"
        raise ValueError(msg)
    return Sampling(float(temperature), seed)


def application(name: str, responder: Responder) -> web.Application:
    """`/version`, `/v1/models` and `/v1/chat/completions`. Pictures are answered one after the other, each on its own."""
    thread = ThreadPoolExecutor(max_workers=1)

    def refusal(status: int, message: str) -> web.Response:
        return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=status)

    async def models(_: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "mllm-classify"}]}
        )

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": importlib.metadata.version("mllm-classify")})

    async def chat(request: web.Request) -> web.Response:
        try:
            body = await request.json()
            prompt, images = read_request(body)
            sampling = read_sampling(body)
            if body.get("model") != name:
                return refusal(404, f"the model {body.get('model')!r} is not served here; {name!r} is")
            loop = asyncio.get_running_loop()
            shown: list[bytes | None] = [*images] or [None]
            said = [await loop.run_in_executor(thread, responder.answer, image, prompt, sampling) for image in shown]
            text = said[0] if len(said) == 1 else "\n".join(f"{n}. {name}" for n, name in enumerate(said, start=1))
        except ValueError as error:
            return refusal(400, str(error))
        except InputError as error:
            return refusal(400, f"the image {error}")
        log.info("answered %s", ascii(text))
        return web.json_response(
            {
                "id": f"chatcmpl-{time.time_ns()}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": name,
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            }
        )

    app = web.Application(client_max_size=64 * 2**20)
    app.add_routes(
        [web.get("/version", version), web.get("/v1/models", models), web.post("/v1/chat/completions", chat)]
    )
    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mllm_classify.conse_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", default="conse-chat", help="the model's name in requests")
    parser.add_argument("--architecture", required=True, help="timm model with ImageNet-1k's classes")
    parser.add_argument("--weights", help="checkpoint: a path or package:NAME/FILE")
    parser.add_argument(
        "--encoder", required=True, help="sentence-transformers model: hub id, path or package:NAME/FOLDER"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    responder = Responder(ClassifierConfig(architecture=args.architecture, weights=args.weights), args.encoder)
    log.info("%d terms; serving %s on port %d", len(responder.terms), args.name, args.port)
    web.run_app(application(args.name, responder), host="127.0.0.1", port=args.port, print=None)


if __name__ == "__main__":
    main()
