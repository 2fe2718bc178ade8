"""A folder with many small pictures and one chat model, and the job that asks it: as a process, or in this one."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import yaml
from PIL import Image

from mllm_classify.api import journal
from mllm_classify.api.replies import check_record
from mllm_classify.config.chat import ChatModel
from mllm_classify.config.load import load
from mllm_classify.dataset.classes import CLASSES
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io import parquet
from mllm_classify.io.files import sha256
from mllm_classify.predict import endpoint, engine, openai
from mllm_classify.predict.images import Images
from tests.predict.jobs import job
from tests.waiting import PATIENCE, wait_until

PROJECT = Path(__file__).parents[2]
NAMES = ["espresso", "lens cap, lens cover", "tabby", "ox"]
KINDS = {"endpoint": endpoint, "engine": engine, "openai": openai}
VARYING = ("latency", "batched")
"""Columns that say how an answer came."""


class Job:
    """`ask` is in this process and raises; `start` and `run` are what Snakemake starts."""

    def __init__(self, folder: Path, images: int, url: str = "", different: int | None = None, **options) -> None:
        self.folder = folder
        self.journal = folder / "journal" / "m"
        self.output = folder / "predictions.parquet"
        self.environment = {"PYTHONPATH": str(PROJECT / "src")}
        folder.mkdir(exist_ok=True)
        rows = []
        for number in range(images):
            content = io.BytesIO()
            shown = number % (different or images)
            Image.new("RGB", (1, 1), (shown // 256, shown % 256, 7)).save(content, "PNG")
            (folder / f"{number}.png").write_bytes(content.getvalue())
            digest = sha256(content.getvalue())
            rows.append({"image_id": f"image{number}", "file": f"{number}.png", "sha256": digest})
        parquet.write(pl.DataFrame(rows, schema=IMAGES), IMAGES, folder / "images.parquet")
        classes = {"class_id": range(4), "name": NAMES, "synset": None, "same_name": [[n] for n in range(4)]}
        parquet.write(pl.DataFrame(classes), CLASSES, folder / "classes.parquet")
        (folder / "ow.txt").write_text("What is it?\n")
        (folder / "cw.txt").write_text("Which?\n{classes}\n")
        self.configure(url, **options)

    def configure(self, url: str, **options) -> None:
        """By default: one task, as many retries as entries have, and no hope of a prefix cache."""
        entry = {"name": "m", "label": "M", "kind": "endpoint", "url": url, "model": "q", "tasks": ["OW"]}
        self.entry = entry | {"min_cached_share": 0} | options
        config = {
            "dataset": {
                "source": "table", "name": "d", "label": "D", "classes": "classes.txt", "images": "images.csv",
                "imgt": {"label": "labels", "file": "imgt.csv"}, "folder": str(self.folder),
            },
            "encoder": {"name": "e", "kind": "sentence-transformers", "path": "e", "templates": "templates.txt"},
            "tasks": {
                "OW": {"prompt": str(self.folder / "ow.txt")},
                "CW": {"prompt": str(self.folder / "cw.txt")},
                "CW-constrained": {"prompt": str(self.folder / "cw.txt")},
            },
            "models": [self.entry],
        }  # fmt: skip
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def change(self, **options) -> None:
        self.configure(**(self.entry | options))

    def ask(self, shard: tuple[int, int] = (1, 1)) -> pl.DataFrame:
        """The predictions. Raises InputError where the job would fail."""
        config = load(str(self.folder / "config.yaml"))
        model = config.model("m")
        assert isinstance(model, ChatModel)
        registered = parquet.read(self.folder / "images.parquet")
        images = Images(registered, str(self.folder))
        given = {"tasks": config.tasks, "journal": self.journal, "shard": shard}
        return KINDS[model.kind].predict(job(model, images, NAMES, **given))[0]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mllm_classify", "predict", "--config=config.yaml", "--model=m"]
        command += ["--images=images.parquet", "--classes=classes.parquet"]
        command += ["--journal=journal", f"--output={self.output}", *arguments]
        environment = os.environ | self.environment
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True, env=environment)

    def run(self, *arguments: str, timeout: float = PATIENCE) -> SimpleNamespace:
        """Exit status, what the job said, and how long it took."""
        started = time.monotonic()
        with self.start(*arguments) as process:
            said = process.communicate(timeout=timeout)[1]
        return SimpleNamespace(status=process.returncode, said=said, seconds=time.monotonic() - started)

    def terminated(self, when: Callable[[], object]) -> SimpleNamespace:
        """The job, told to stop once something is the case. `seconds` are those that it went on."""
        with self.start() as process:
            try:
                wait_until(when)
            except AssertionError:
                process.kill()
                raise
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            said = process.communicate(timeout=PATIENCE)[1]
        return SimpleNamespace(status=process.returncode, said=said, seconds=time.monotonic() - started)

    def answers(self) -> journal.Answers:
        return journal.read(self.journal, check_record)

    def questions(self) -> int:
        """How many of the study's questions are answered; the preflight's own have other keys."""
        return sum(not key.startswith("probe ") for key in self.answers())

    def frame(self) -> pl.DataFrame:
        return pl.read_parquet(self.output)
