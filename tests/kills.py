"""Jobs of every stage, killed at any moment, and what a second run makes of what they left.

`python -m tests.kills --count 1000 --state FILE` kills so many, and goes on where it was stopped. A small study is made
first, undisturbed. Then one of its jobs is started without its outputs, gets SIGKILL after a time of chance, and is started
again; every twentieth time it is Snakemake itself, in the midst of several jobs. Afterwards all files must hold what they
held, nothing may lie beside them, and a server may have been asked twice for what was on its way only.
"""

import argparse
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import polars as pl
import psutil

from mllm_classify.bundle.archive import CRATE, ENVIRONMENT, SUMS
from tests.chat_server import ChatServer, chat_server, digest
from tests.workflow.study import Study

PYTHON = Path(sys.executable)
CONCURRENCY = 4
DELAY = 0.03
"""Seconds that the server takes for an answer."""
TARGETS = ["all", "results/report.zip", "results/bundle.zip", "results/explorer.html"]
UNCOMPARED = {"report.zip", "report.html"}
"""Snakemake's own report has the times at which jobs ran, as its records in a bundle have."""
WORKFLOW = 20
"""Of so many kills one is of Snakemake."""


class Job(NamedTuple):
    """A job's command, the files that it writes, by their names below the study, and the seconds that it takes."""

    command: list[str]
    files: list[str]
    seconds: float

    @property
    def asks(self) -> bool:
        return "predict" in self.command


class Killed:
    """An undisturbed study, and what becomes of it."""

    def __init__(self, study: Study, server: ChatServer) -> None:
        self.study, self.server = study, server
        study.make(*TARGETS)
        self.content = {name: self.read(name) for name in self.files()}
        printed = study.snakemake("--dry-run", "--forceall", "--printshellcmds", *TARGETS)
        commands = re.findall(
            r"^(?:Shell command: |\s*)(python -m mllm_classify .+?)(?: 2>&1.*)?$",
            printed.stdout + printed.stderr,
            re.MULTILINE,
        )
        self.jobs = [self.timed(shlex.split(command)) for command in dict.fromkeys(commands)]
        stages = {"dataset", "embed", "predict", "mapping", "score", "make", "report", "bundle"}
        assert {job.command[3] for job in self.jobs} == stages

    def files(self) -> Iterator[str]:
        for path in sorted((self.study.folder / "results").rglob("*")):
            if path.is_file():
                yield str(path.relative_to(self.study.folder))

    def read(self, name: str) -> object:
        """What a file holds, as far as that is the same in every run."""
        path = self.study.folder / name
        if path.name in UNCOMPARED:
            return zipfile.is_zipfile(path) or path.suffix == ".html"
        if path.name == "bundle.zip":
            with zipfile.ZipFile(path) as archive:
                names = [
                    it
                    for it in archive.namelist()
                    if not it.startswith(".snakemake/") and it not in (SUMS, ENVIRONMENT, CRATE)
                ]
                return {it: archive.read(it) for it in names}
        if "/predictions/" in name:
            return pl.read_parquet(path).drop("latency").rows()
        return path.read_bytes()

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self.study.folder,
            # the interpreter that runs this is the jobs'
            env=self.study.whole_environment | {"PATH": os.pathsep.join([str(PYTHON.parent), os.environ["PATH"]])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )

    def timed(self, command: list[str]) -> Job:
        """A job that is run once more, and must write what stands there."""
        before = {name: (self.study.folder / name).stat().st_mtime_ns for name in self.content}
        started = time.monotonic()
        assert self.start(command).wait() == 0, command
        seconds = time.monotonic() - started
        written = [name for name, when in before.items() if (self.study.folder / name).stat().st_mtime_ns != when]
        assert written, command
        job = Job(command, written, seconds)
        assert self.faults(job.files) == [], command
        return job

    def faults(self, names: list[str], *, all_there: bool = True) -> list[str]:
        """The files that do not hold what they should, and those that nobody should have left."""
        wrong = [
            name for name in names if (self.study.folder / name).exists() and self.read(name) != self.content[name]
        ]
        if all_there:
            wrong += [f"{name} is not there" for name in names if not (self.study.folder / name).exists()]
            wrong += [f"{name} was left" for name in self.files() if name not in self.content]
        return wrong

    @contextmanager
    def without(self, jobs: list[Job]) -> Iterator[None]:
        """The files of jobs are taken away; at the end the ones of before are put back, with their times and latencies."""
        names = [name for job in jobs for name in job.files]
        with tempfile.TemporaryDirectory(dir=self.study.folder.parent) as kept:
            for place, name in enumerate(names):
                (self.study.folder / name).rename(Path(kept) / str(place))
            yield
            for place, name in enumerate(names):
                (Path(kept) / str(place)).replace(self.study.folder / name)

    def job(self, draw: random.Random) -> tuple[str, list[str]]:
        """A job killed and run again: which it was, and what is wrong."""
        job = draw.choice(self.jobs)
        journal = self.study.folder / "journal"
        with self.without([job]), tempfile.TemporaryDirectory(dir=self.study.folder.parent) as kept:
            if job.asks:
                journal.rename(Path(kept) / "journal")
            del self.server.requests[:]
            process = self.start(job.command)
            time.sleep(draw.random() * job.seconds)
            process.kill()
            process.wait()
            wrong = [f"after SIGKILL: {name}" for name in self.faults(job.files, all_there=False)]
            if self.start(job.command).wait() != 0:
                wrong.append("does not run again")
            wrong += self.faults(job.files)
            if job.asks:
                wrong += self.asked_too_often()
                (Path(kept) / "rest").mkdir()
                journal.rename(Path(kept) / "rest/journal")
                (Path(kept) / "journal").rename(journal)
        return " ".join(job.command[3:5]), wrong

    def asked_too_often(self) -> list[str]:
        times = Counter(
            digest(body) + str(body.get("temperature")) + str(body.get("seed")) for body in self.server.requests
        )
        again = sum(times.values()) - len(times)
        return [f"{again} requests were sent again"] if again > CONCURRENCY else []

    def workflow(self, draw: random.Random) -> tuple[str, list[str]]:
        """Snakemake killed in the midst of some jobs; its jobs end, and a second run does the rest."""
        # what other files are made from is not made again where these are there
        jobs = draw.sample([job for job in self.jobs if job.command[3] == "make"], 4)
        with self.without(jobs):
            process = self.start(["snakemake", "--cores", "2", *TARGETS[:1]])
            time.sleep(draw.uniform(2, 8))
            family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.kill()
            process.wait()
            _, alive = psutil.wait_procs(family, timeout=60)
            wrong = [f"process {it.pid} goes on" for it in alive]
            self.study.snakemake("--unlock")
            done = self.study.snakemake(*TARGETS[:1])
            if done.returncode != 0:
                wrong.append(done.stderr[-500:])
            wrong += self.faults([name for job in jobs for name in job.files])
        return "snakemake", wrong

    def kill(self, number: int) -> tuple[str, list[str]]:
        """One kill; the same number draws the same job, and the same share of its time."""
        draw = random.Random(number)
        return self.workflow(draw) if number % WORKFLOW == WORKFLOW - 1 else self.job(draw)


@contextmanager
def undisturbed(folder: Path) -> Iterator[Killed]:
    """A small study of one chat model, with all of its outputs."""
    with chat_server(delay=DELAY) as server:
        study = Study(folder / "study")
        study.shrink(
            kind="endpoint", url=server.url, concurrency=CONCURRENCY, variants=["temperature 1"], min_cached_share=0
        )
        yield Killed(study, server)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="kills")
    parser.add_argument("--state", type=Path, required=True, help="the file from which the next run goes on")
    args = parser.parse_args()
    state = json.loads(args.state.read_text()) if args.state.exists() else {"next": 0, "kills": {}, "faults": {}}
    with tempfile.TemporaryDirectory() as folder, undisturbed(Path(folder)) as killed:
        for number in range(state["next"], args.count):
            what, wrong = killed.kill(number)
            state["kills"][what] = state["kills"].get(what, 0) + 1
            if wrong:
                state["faults"][str(number)] = [what, *wrong]
                print(number, what, wrong, flush=True)
            state["next"] = number + 1
            args.state.write_text(json.dumps(state, indent=1))
    print(state["kills"], f"{len(state['faults'])} faults")
    return 1 if state["faults"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
