"""A real Slurm on this machine: munge, a controller, and virtual nodes with GPUs that are only named.

Debian's packages run it without systemd, cgroups or an accounting database. Everything lies in one folder but the link
/etc/slurm/slurm.conf, which Snakemake's jobs need: its job step drops the variables that could name another place.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.waiting import PATIENCE, wait_until

LINK = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
PORT = 17100
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
ReturnToService=2
# finished jobs stay in squeue: it is asked for their state
MinJobAge=3600
KillWait=2
# a dead node is noticed soon
SlurmdTimeout=10
SlurmctldTimeout=30
JobRequeue=0
# a line for every finished job
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.log
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=8 Boards=1 SocketsPerBoard=1 \
CoresPerSocket=8 ThreadsPerCore=1 RealMemory=32000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes=n[1-{nodes}] Default=YES MaxTime=1:00:00 DefaultTime=10 State=UP
PartitionName=gpu Nodes=n[1-{nodes}] MaxTime=1:00:00 DefaultTime=10 State=UP
"""


def missing() -> str | None:
    """Why there can be no cluster here; None where there can."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurmctld slurmd slurm-client munge)"
    if os.geteuid() != 0:
        return "a test cluster needs root"
    if LINK.exists() and not LINK.is_symlink():
        return f"{LINK} belongs to another Slurm"
    return None


class Cluster:
    """Nodes n1, n2, ... on this machine. Commands find it by $SLURM_CONF."""

    def __init__(self, folder: Path, nodes: int = 3, gpus: int = 2) -> None:
        self.folder = folder
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.gpus = gpus
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run("scancel", "--user=root", check=False)
        self._stop()

    def _start(self) -> None:
        # munge wants a path that nobody else can write to, Slurm's socket a short one
        self.folder.mkdir(parents=True, mode=0o755)
        (self.folder / "state").mkdir()
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o400)
        munge = [
            f"--{name}={self.folder}/munge.{name.removesuffix('-file')}"
            for name in ("key-file", "pid-file", "log-file", "seed-file")
        ]
        socket_file = self.folder / "munge.socket"
        self._daemon("munged", "munged", "--foreground", "--force", f"--socket={socket_file}", *munge)
        wait_until(
            lambda: self.run("munge", "-S", str(socket_file), "-n", check=False).returncode == 0,
            f"munged, see {self.folder}",
            every=0.1,
        )
        host = socket.gethostname().partition(".")[0]
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder, host=host, port=PORT, nodes=len(self.nodes), first=PORT + 1,
                last=PORT + len(self.nodes), gpus=self.gpus,
            )
        )  # fmt: skip
        # any device file will do; the number at its end becomes CUDA_VISIBLE_DEVICES
        (self.folder / "gres.conf").write_text(
            f"NodeName=n[1-{len(self.nodes)}] Name=gpu File=/dev/tty[0-{self.gpus - 1}]\n"
        )
        LINK.parent.mkdir(exist_ok=True)
        LINK.unlink(missing_ok=True)
        LINK.symlink_to(self.folder / "slurm.conf")
        self._daemon("slurmctld", "slurmctld", "-D", "-i")
        wait_until(
            lambda: "UP" in self.run("scontrol", "ping", check=False).stdout, f"slurmctld, see {self.folder}", every=0.1
        )
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), f"nodes, see {self.folder}", every=0.1)

    def _stop(self) -> None:
        # the controller first: it would wait for its nodes
        for name in ("slurmctld", *self.nodes, "munged"):
            if name in self.processes:
                daemon = self.processes.pop(name)
                daemon.terminate()
                daemon.wait(timeout=PATIENCE)
        if LINK.is_symlink() and LINK.readlink() == self.folder / "slurm.conf":
            LINK.unlink()

    def _daemon(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env=self.environment,
            )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment, check=check, capture_output=True, text=True, timeout=PATIENCE
        )

    def states(self) -> dict[str, str]:
        """The nodes' states: idle, mixed, down*, ..."""
        listed = self.run("sinfo", "-h", "-N", "-p", "cpu", "-o", "%N %T", check=False).stdout
        return dict(line.split() for line in listed.splitlines())

    def start_node(self, node: str) -> None:
        self._daemon(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """As if its power were cut: the daemon, and the steps of the jobs that run there."""
        running = [job["id"] for job in self.unfinished() if job["node"] == node]
        daemon = self.processes.pop(node)
        steps = [step for job in running for step in _processes("-f", rf"^slurmstepd: \[{job}\.")]
        for process in [daemon.pid, *steps, *(it for step in steps for it in _descendants(step))]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        daemon.wait()

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Slurm's own record of the jobs in these states, or of all: finished ones stay in it."""
        columns = {"id": "JobID", "stage": "Comment", "partition": "Partition", "node": "NodeList", "gpus": "tres-per-job",
                   "state": "State"}  # fmt: skip
        shown = ",".join(f"{column}:|" for column in columns.values())
        listed = self.run("squeue", "-h", "-t", ",".join(states) or "all", "-O", shown).stdout.splitlines()
        jobs = [dict(zip(columns, line.split("|"), strict=False)) for line in listed]
        for job in jobs:
            job["stage"] = job["stage"].removeprefix("rule_")
            job["gpus"] = "".join(re.findall(r"gpu:(\d+)", job["gpus"])) or "0"
        return sorted(jobs, key=lambda job: int(job["id"]))

    def unfinished(self) -> list[dict[str, str]]:
        return self.jobs("PENDING", "RUNNING", "COMPLETING")


def _processes(*arguments: str) -> list[int]:
    return [int(it) for it in subprocess.run(["pgrep", *arguments], check=False, capture_output=True).stdout.split()]


def _descendants(process: int) -> list[int]:
    return [found for child in _processes("-P", str(process)) for found in [*_descendants(child), child]]
