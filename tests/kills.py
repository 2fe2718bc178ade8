"""Jobs of every stage, killed at any moment, and what a second run makes of what they left.

`python -m tests.kills --count 1000 --state FILE` kills so many, and goes on where it was stopped. A small study is made
first, undisturbed (tests/killed_study.py). Then one of its jobs is started without its outputs and without the journal,
gets SIGKILL after a time of chance, and is started again: each kind of job in turn. Every twentieth time it is Snakemake
itself, in the midst of several jobs. Afterwards all files must hold what they held, nothing may lie beside them, no process
may go on, and servers may have been asked twice for what was on its way only.
"""

import argparse
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from base64 import urlsafe_b64decode
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import polars as pl
import psutil

from mllm_classify.bundle.archive import CRATE, ENVIRONMENT, SUMS
from mllm_classify.outputs import ACROSS, OUTPUTS
from tests.killed_study import AFTERWARDS, CONCURRENCY, TARGETS, Servers, killed_study
from tests.waiting import wait_until
from tests.workflow.study import PROJECT, Study

PYTHON = Path(sys.executable)
UNCOMPARED = {"report.zip", "report.html"}
"""Snakemake's own report has the times at which jobs ran, as its records in a bundle have."""
WORKFLOW = 20
"""Of so many kills one is of Snakemake."""
LINGERING = 600
"""Seconds in which what a killed process has started must end, on a busy machine."""
AFTER = {"ask": ("predict", "probe"), "ask-judge": ("judge",)}
"""The commands that find their work done by one that asks about several data sets."""
CHECKING = {"judge", "ask-judge"}
"""What asks one question more whenever it begins to ask: whether the server is held to the verdicts."""
FORMS = {name: output.form for name, output in (OUTPUTS | ACROSS).items()}


def commands() -> set[str]:
    """The commands that rules of the workflow start."""
    rules = "\n".join(path.read_text() for path in sorted((PROJECT / "workflow/rules").glob("*.smk")))
    return set(re.findall(r"python -m mllm_classify ([a-z-]+(?: [a-z]+)*)", rules))


class Job(NamedTuple):
    """A job's command, the files that it and those after it write, and the commands of those after it, which find its work
    done.
    """

    command: list[str]
    files: list[str]
    after: list[list[str]]

    @property
    def stage(self) -> str:
        """The command without its options, as rules have it."""
        words = list(takewhile(lambda word: not word.startswith("--"), self.command[3:]))
        return "make" if words[0] == "make" else " ".join(words)

    @property
    def name(self) -> str:
        return self.files[0]

    @property
    def kind(self) -> str:
        """Jobs of one kind do the same with others' files: by the model that is asked, the encoder, the sort of output."""
        of = {"predict": "--model", "ask": "--model", "embed": "--encoder"}.get(self.command[3])
        if self.stage == "make":
            return f"make {FORMS[self.command[4]]}"
        return f"{self.stage} {option(self.command, of)}" if of else self.stage


class Undisturbed(NamedTuple):
    """What a job takes."""

    seconds: float
    asked: Counter[str]
    """How often it sends each request: questions may have the same words."""


def option(command: list[str], name: str) -> str:
    """What follows an option of a command; nothing where it has none."""
    return command[command.index(name) + 1] if name in command else ""


class Killed:
    """An undisturbed study, and what becomes of it."""

    def __init__(self, study: Study, servers: Servers) -> None:
        self.study, self.servers = study, servers
        study.make(*TARGETS)
        study.make(*AFTERWARDS)
        self.content = {name: self.read(name) for name in self.files()}
        self.alone: dict[str, Undisturbed] = {}
        self.late = 0
        jobs = self.recorded()
        self.kinds = {kind: [job for job in jobs if job.kind == kind] for kind in sorted({job.kind for job in jobs})}
        assert {job.stage for job in jobs} == commands()

    def recorded(self) -> list[Job]:
        """The jobs that Snakemake has records of."""
        written = defaultdict(list)
        for path in sorted((self.study.folder / ".snakemake/metadata").rglob("*")):
            if path.is_file():
                name, record = urlsafe_b64decode(path.name).decode(), json.loads(path.read_bytes())
                written[record["shellcmd"].partition(" 2>&1")[0]].append(name)
        made = [(shlex.split(command), sorted(names)) for command, names in sorted(written.items()) if command]
        jobs = []
        for command, names in made:
            after = [it for it in made if finds_done(it[0], command)]
            jobs.append(Job(command, [*names, *(name for it in after for name in it[1])], [it[0] for it in after]))
        return jobs

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
        if path.suffix == ".parquet" and "latency" in (frame := pl.read_parquet(path)).columns:
            return frame.drop("latency").rows()
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
    def without(self, jobs: list[Job], *, journal: bool) -> Iterator[None]:
        """The files of jobs, and the journal, are taken away; at the end the ones of before are put back, with their times
        and latencies.
        """
        names = [name for job in jobs for name in job.files] + (["journal"] if journal else [])
        with tempfile.TemporaryDirectory(dir=self.study.folder.parent) as kept:
            for place, name in enumerate(names):
                (self.study.folder / name).rename(Path(kept) / str(place))
            yield
            self.remove(names)
            for place, name in enumerate(names):
                (Path(kept) / str(place)).replace(self.study.folder / name)

    def remove(self, names: list[str]) -> None:
        for path in (self.study.folder / name for name in names):
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)

    def undisturbed(self, job: Job) -> list[str]:
        """A job that is run once more: what is wrong. What that takes is kept."""
        with self.without([job], journal=reads_no_journal(job)):
            self.servers.forget()
            started = time.monotonic()
            wrong = self.ends([job.command])
            seconds = time.monotonic() - started
            wrong += self.ends(job.after) + self.faults(job.files)
            self.alone[job.name] = Undisturbed(seconds, self.servers.asked())
        return [f"undisturbed: {it}" for it in wrong]

    def ends(self, run: list[list[str]]) -> list[str]:
        """Commands that are run to their end, one after the other, and fail."""
        return [f"does not run: {shlex.join(it)}" for it in run if self.start(it).wait() != 0]

    def job(self, job: Job, draw: random.Random) -> list[str]:
        """A job killed and run again: what is wrong."""
        wrong = self.undisturbed(job) if job.name not in self.alone else []
        alone = self.alone[job.name]
        with self.without([job], journal=reads_no_journal(job)):
            # most of a short job is its start
            seconds = draw.triangular(0, 1, 1) * alone.seconds
            while not self.interrupted(job.command, seconds):
                self.late += 1
                self.remove([*job.files, *(["journal"] if reads_no_journal(job) else [])])
                seconds *= 0.8
            wrong += self.lingering()
            wrong += [f"after SIGKILL: {name}" for name in self.faults(job.files, all_there=False)]
            wrong += self.ends([job.command, *job.after])
            wrong += self.lingering() + self.faults(job.files)
            asked = self.servers.asked()
            if (again := (asked - alone.asked).total()) > CONCURRENCY + (job.stage in CHECKING):
                wrong.append(f"{again} requests were sent again")
            if lacking := (alone.asked - asked).total():
                wrong.append(f"{lacking} requests were never sent")
        return wrong

    def interrupted(self, command: list[str], seconds: float) -> bool:
        """Start a command, and kill it after so many seconds. Returns whether it was still running."""
        self.servers.forget()
        process = self.start(command)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait() < 0

    def lingering(self) -> list[str]:
        """Processes that go on in the study's folder though nobody waits for them."""

        def left() -> list[psutil.Process]:
            return [it for it in psutil.process_iter(["cwd"]) if it.info["cwd"] == str(self.study.folder)]

        try:
            wait_until(lambda: not left(), every=0.05, seconds=LINGERING)
        except AssertionError:
            return [f"process {it.pid} goes on: {shlex.join(it.cmdline())}" for it in left()]
        return []

    def workflow(self, draw: random.Random) -> list[str]:
        """Snakemake killed in the midst of some jobs; its jobs end, and a second run does the rest."""
        # what other files are made from is not made again where these are there
        jobs = draw.sample([job for kind, of in self.kinds.items() if kind.startswith("make") for job in of], 4)
        with self.without(jobs, journal=False):
            seconds = draw.uniform(0, 3)
            while not self.interrupted_amid_jobs(seconds):
                self.late += 1
                self.remove([name for job in jobs for name in job.files])
                seconds *= 0.8
            wrong = self.lingering()
            self.study.snakemake("--unlock")
            done = self.study.snakemake(*TARGETS[:1])
            if done.returncode != 0:
                wrong.append(done.stderr[-500:])
            wrong += self.faults([name for job in jobs for name in job.files])
        return wrong

    def interrupted_amid_jobs(self, seconds: float) -> bool:
        """Start Snakemake, and kill it so many seconds after its first job. Returns whether it was still running."""
        process = self.start(["snakemake", "--cores", "2", *TARGETS[:1]])
        of_process = psutil.Process(process.pid)
        wait_until(lambda: process.poll() is not None or of_process.children(recursive=True), every=0.05)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait() < 0

    def drawn(self, number: int) -> Job | None:
        """The job of a number: of each kind in turn, and of a kind each. None stands for Snakemake."""
        if number % WORKFLOW == WORKFLOW - 1:
            return None
        turn, place = divmod(number - number // WORKFLOW, len(self.kinds))
        of_kind = list(self.kinds.values())[place]
        return of_kind[turn % len(of_kind)]

    def named(self, number: int) -> str:
        """What is killed, in words."""
        job = self.drawn(number)
        return "snakemake" if job is None else job.kind

    def kill(self, number: int) -> tuple[str, list[str]]:
        """One kill: what was killed, and what is wrong. The same number draws the same job, and the same share of its time."""
        job, draw = self.drawn(number), random.Random(number)
        return self.named(number), self.workflow(draw) if job is None else self.job(job, draw)


def finds_done(command: list[str], asking: list[str]) -> bool:
    """Whether a job's work was done by one that asked before."""
    same = all(option(command, name) == option(asking, name) for name in ("--model", "--shard", "--judge"))
    return command[3] in AFTER.get(asking[3], ()) and same


def reads_no_journal(job: Job) -> bool:
    """Whether a job writes the same without the journal, as it asks again; what an estimate says follows from that alone."""
    return job.stage != "estimate"


@contextmanager
def undisturbed(folder: Path) -> Iterator[Killed]:
    """The small study, with all of its outputs."""
    with killed_study(folder) as (study, servers):
        yield Killed(study, servers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="kills")
    parser.add_argument("--state", type=Path, required=True, help="the file from which the next run goes on")
    args = parser.parse_args()
    state = {"next": 0, "late": 0, "kills": {}, "faults": {}}
    if args.state.exists():
        state = json.loads(args.state.read_text())
    with tempfile.TemporaryDirectory() as folder, undisturbed(Path(folder)) as killed:
        late = state["late"]
        for number in range(state["next"], args.count):
            what, wrong = killed.kill(number)
            state["kills"][what] = state["kills"].get(what, 0) + 1
            if wrong:
                state["faults"][str(number)] = [what, *wrong]
                print(number, what, wrong, flush=True)
            state |= {"next": number + 1, "late": late + killed.late}
            args.state.write_text(json.dumps(state, indent=1))
    print(state["kills"], f"{len(state['faults'])} faults")
    return 1 if state["faults"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
