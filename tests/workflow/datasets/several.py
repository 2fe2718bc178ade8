"""Studies of several data sets: the small one, and folders of two pictures or more, each a plain colour."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from PIL import Image

from tests.waiting import wait_until
from tests.workflow.study import Study, reconfigure

COLOURS = {"f": 10, "g": 20, "h": 30}
"""Data sets of two classes, and what their pictures' colours begin with."""


def entry(name: str) -> dict:
    return {"dataset": {"source": "folder", "name": name, "label": name.upper(), "folder": name}}


class Several(Study):
    """A study of the small data set and others, about which one model is asked."""

    model: str

    def lay_out(self, count: int = 1, pixels: int = 8) -> None:
        """Write so many pictures of each class of each data set, and configure two of the data sets."""
        for name, first in COLOURS.items():
            for place, of in enumerate(("cat", "dog")):
                folder = self.folder / name / of
                folder.mkdir(parents=True)
                for number in range(count):
                    colour = (first, place, 20 * number)
                    Image.new("RGB", (pixels, pixels), colour).save(folder / f"{number + 1}.png")
        self.have("f", "g")

    def have(self, *names: str) -> None:
        """Configure these data sets beside the small one, in this order."""
        reconfigure(lambda config: config.update(datasets=[entry(name) for name in names], variants=[]))(self)

    @property
    def names(self) -> list[str]:
        return ["small", *(it["dataset"]["name"] for it in self.config.get("datasets", []))]

    def predictions(self, *names: str) -> list[str]:
        """The model's files of these data sets, by default of all."""
        return [f"results/predictions/{name}/{self.model}.parquet" for name in names or self.names]

    def predicted(self) -> str:
        """Make all predictions. What was said while they were."""
        done = self.snakemake(*self.predictions())
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said

    def processes(self) -> list[psutil.Process]:
        """What runs in this study's folder."""
        found = psutil.process_iter(["cwd"])
        return [it for it in found if it.info["cwd"] and Path(it.info["cwd"]).is_relative_to(self.folder)]

    def jobs(self, *targets: str) -> list[str]:
        """What Snakemake would run for all predictions, or these files: messages, sorted."""
        done = self.snakemake("-n", *(targets or self.predictions()))
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return sorted(re.findall(r"^Job \d+: (.+)$", said, re.MULTILINE))

    def contents(self) -> dict[str, bytes]:
        return {path: (self.folder / path).read_bytes() for path in self.predictions()}

    def killed(self, when: Callable[[], object]) -> None:
        """Begin to make all predictions, and kill Snakemake and all that it started."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *self.predictions()]
        running = subprocess.Popen(
            command, cwd=self.folder, env=self.whole_environment, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(when)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        wait_until(lambda: not self.processes())
        self.run(sys.executable, "-m", "snakemake", "--unlock")


def copied(study: Several, folder: Path) -> "Several":
    """The study as it stands, elsewhere."""
    other = study.copy(folder)
    other.__class__ = study.__class__
    return other
