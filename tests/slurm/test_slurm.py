"""The literal command on a real Slurm: stages are jobs, and what disturbs them costs no answer and changes no table."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tabulate import tabulate

from tests.chat_server import ChatServer, chat_server
from tests.slurm.cluster import Cluster
from tests.waiting import PATIENCE, wait_until
from tests.workflow.datasets.several import Several, entry
from tests.workflow.study import Study

COMMAND = ["snakemake", "--cores", "8", "--profile", "slurm", "results/table3.csv"]
POLLING = """
# this site has no accounting database, and its jobs are short
slurm-status-command: squeue
slurm-init-seconds-before-status-checks: 1
seconds-between-status-checks: 1
"""
IMAGES = 4
QUESTIONS = 2 * IMAGES
SERVER = Path(__file__).parents[1] / "chat_server.py"
READY = "the engine has been started"
DELAY = 1.5
"""Seconds that an answer takes: asked one at a time, all take twelve."""


def on_slurm(study: Study, cluster: Cluster) -> Study:
    """The study on the test's cluster: what a site would edit."""
    with (study.folder / "slurm/profile.yaml").open("a") as profile:
        profile.write(POLLING)
    study.environment |= cluster.environment
    study.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return study


def start(study: Study, *targets: str) -> subprocess.Popen[str]:
    """The command, or that for other files, in the background."""
    with (study.folder / "run.log").open("a") as log:
        return subprocess.Popen(
            [*COMMAND[:-1], *(targets or COMMAND[-1:])],
            cwd=study.folder,
            env=os.environ | study.environment,
            stdout=log,
            stderr=log,
            text=True,
        )


def printed(study: Study) -> str:
    return (study.folder / "run.log").read_text()


def finish(study: Study, process: subprocess.Popen[str]) -> None:
    assert process.wait(timeout=PATIENCE) == 0, printed(study)


class Small:
    """A study of one chat model, whose server says what it was asked."""

    def __init__(self, folder: Path, cluster: Cluster, server: ChatServer, embedder: str, **model: object) -> None:
        self.server = server
        self.cluster = cluster
        self.study = on_slurm(Study(folder / "study"), cluster)
        self.study.shrink(embedder=embedder, kind="endpoint", url=server.url, concurrency=1, **model)

    def wait_for_answers(self, count: int) -> None:
        wait_until(lambda: len(self.server.requests) >= count, "the chat model was never asked")

    def ends_as(self, undisturbed: dict[str, bytes]) -> None:
        """The same tables, and nothing was asked twice but what was on its way when its job ended."""
        assert tables(self.study) == undisturbed
        assert QUESTIONS <= len(self.server.requests) <= QUESTIONS + 1

    def job(self, stage: str) -> dict[str, str]:
        """The running Slurm job of a stage."""
        found: list[dict[str, str]] = []

        def running() -> bool:
            found[:] = [job for job in self.cluster.jobs("RUNNING") if stage in job["stage"]]
            return bool(found)

        wait_until(running, f"no {stage} job runs: {self.cluster.unfinished()}", every=0.2)
        return found[0]


@pytest.fixture(scope="module")
def undisturbed(embedder: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Tables of the small study, made on this machine without Slurm."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with chat_server() as server:
        study = Study(folder / "study")
        study.shrink(embedder=embedder, kind="endpoint", url=server.url)
        study.make(COMMAND[-1])
        return tables(study)


def tables(study: Study) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((study.folder / "results").glob("table3.*"))}


@pytest.fixture
def small(tmp_path: Path, cluster: Cluster, embedder: str) -> Iterator[Small]:
    with chat_server(delay=DELAY) as server:
        yield Small(tmp_path, cluster, server, embedder)


def test_the_demonstrations_stages_run_as_jobs(tmp_path: Path, cluster: Cluster, capsys) -> None:
    study = on_slurm(Study(tmp_path / "study"), cluster)
    config = study.config
    for model in config["models"]:
        # they do not use them, but are given them
        model["resources"] = {"gpus": 2 if model["name"] == "conse-chat" else 1, "mem_mb": 3000, "runtime": 10}
    config["models"][0].pop("resources")
    study.write_config(config)
    before = {job["id"] for job in cluster.jobs()}
    finish(study, start(study))
    jobs = [job for job in cluster.jobs() if job["id"] not in before]
    with capsys.disabled():
        print(f"\n{tabulate([list(job.values()) for job in jobs], list(jobs[0]), tablefmt='pipe')}")
    assert len(study.rows("table3")) == len(config["models"])
    assert {job["state"] for job in jobs} == {"COMPLETED"}
    gpus = {job["stage"]: (job["partition"], job["gpus"]) for job in jobs}
    names = [model["name"] for model in config["models"]]
    expected = {f"predict_wildcards_{name}": ("gpu", "1") for name in names}
    expected["predict_wildcards_conse-chat"] = ("gpu", "2")
    expected[f"predict_wildcards_{names[0]}"] = ("cpu", "0")
    main = config["encoder"]["name"]
    expected[f"embed_classes_wildcards_{main}"] = ("cpu", "0")
    expected[f"embed_answers_wildcards_{main}_conse-chat"] = ("cpu", "0")
    assert gpus == expected


def test_a_cancelled_job_is_submitted_again(small: Small, undisturbed: dict[str, bytes]) -> None:
    running = start(small.study)
    small.wait_for_answers(3)
    small.cluster.run("scancel", small.job("predict")["id"])
    finish(small.study, running)
    small.ends_as(undisturbed)


def test_a_killed_nodes_job_goes_to_another(small: Small, undisturbed: dict[str, bytes]) -> None:
    running = start(small.study)
    small.wait_for_answers(3)
    node = small.job("predict")["node"]
    small.cluster.kill_node(node)
    try:
        finish(small.study, running)
    finally:
        small.cluster.start_node(node)
    small.ends_as(undisturbed)


def test_a_killed_snakemake_is_started_again(small: Small, undisturbed: dict[str, bytes]) -> None:
    """As docs/slurm.md says: its jobs are cancelled, the folder unlocked, the command given again."""
    running = start(small.study)
    small.wait_for_answers(3)
    running.kill()
    running.wait()
    small.cluster.run("scancel", small.job("predict")["id"])
    wait_until(lambda: not small.cluster.unfinished(), "a cancelled job stays", every=0.2)
    unlocked = small.study.run("snakemake", "--unlock")
    assert unlocked.returncode == 0, unlocked.stderr
    finish(small.study, start(small.study))
    small.ends_as(undisturbed)


def test_a_job_at_its_time_limit_goes_on_where_it_was(
    tmp_path: Path, cluster: Cluster, embedder: str, undisturbed: dict[str, bytes]
) -> None:
    """A minute is the shortest limit: the answers take a minute and a half."""
    with chat_server(delay=11) as server:
        small = Small(tmp_path, cluster, server, embedder, resources={"runtime": 1})
        finish(small.study, start(small.study))
        small.ends_as(undisturbed)
    states = [job["state"] for job in cluster.jobs() if "predict" in job["stage"]]
    assert states[-2:] == ["TIMEOUT", "COMPLETED"]


def test_a_configuration_edited_while_jobs_wait_stops_them(small: Small, undisturbed: dict[str, bytes]) -> None:
    """The job that Slurm starts later would read the edited file, and its results pass for those of the first."""
    small.study.edit("slurm/profile.yaml", "retries: 2", "retries: 0")
    small.cluster.run("scontrol", "update", "PartitionName=cpu", "State=DOWN")
    try:
        running = start(small.study)
        wait_until(
            lambda: any("predict" in job["stage"] for job in small.cluster.unfinished()),
            "nothing was submitted",
            every=0.2,
        )
        small.study.edit("config.yaml", "model: chat", "model: chat\n  request: {temperature: 0.5}")
    finally:
        small.cluster.run("scontrol", "update", "PartitionName=cpu", "State=UP")
    assert running.wait(timeout=PATIENCE) != 0
    message = "has changed since this run was started"
    assert message in (small.study.folder / "logs/predict/chat.log").read_text()
    assert message in printed(small.study)
    assert small.server.requests == []
    small.study.edit("config.yaml", "  request: {temperature: 0.5}\n", "")
    finish(small.study, start(small.study))
    small.ends_as(undisturbed)


def test_shards_are_jobs_of_their_own(
    tmp_path: Path, cluster: Cluster, embedder: str, undisturbed: dict[str, bytes]
) -> None:
    with chat_server(delay=DELAY) as server:
        small = Small(tmp_path, cluster, server, embedder, shards=3)
        before = {job["id"] for job in cluster.jobs()}
        finish(small.study, start(small.study))
        small.ends_as(undisturbed)
    stages = [job["stage"] for job in cluster.jobs() if job["id"] not in before]
    assert sum("predict_shard" in stage for stage in stages) == 3
    assert len(list((small.study.folder / "journal/chat").glob("*.jsonl"))) == 3


def test_one_start_for_all_data_sets_and_no_gpu_for_those_that_find_their_answers(
    tmp_path: Path, cluster: Cluster
) -> None:
    """The engine's own log counts its starts. What it knows of classes is asked then, too."""
    study = on_slurm(Several(tmp_path / "study"), cluster)
    command = ["sh", "-c", f"echo {READY}; exec {sys.executable} {SERVER} --port={{port}} --log=asked.log"]
    resources = {"gpus": 1, "mem_mb": 4000, "runtime": 10}
    study.shrink(kind="engine", tasks=["OW", "CW"], min_cached_share=0, command=command, resources=resources)
    study.lay_out()
    study.have("f")
    config = study.config
    config.update(config["datasets"][0], datasets=[entry("g")])
    config["probe"] = {"models": ["chat"], "descriptions": "descriptions.csv", "n": 2}
    (study.folder / "descriptions.csv").write_text("class,description\ndog,it barks\ncat,it purrs\n")
    study.write_config(config)
    before = {job["id"] for job in cluster.jobs()}
    files = [f"results/{stage}/{name}/chat.parquet" for stage in ("predictions", "probe") for name in "fg"]
    finish(study, start(study, *files))
    jobs = {job["stage"]: (job["partition"], job["gpus"]) for job in cluster.jobs() if job["id"] not in before}
    (asking,) = (stage for stage in jobs if stage.startswith("ask"))
    assert jobs.pop(asking) == ("gpu", "1")
    assert len(jobs) == 4
    assert set(jobs.values()) == {("cpu", "0")}
    started = (study.folder / "journal/chat/engine.log").read_text()
    assert started.count(READY) == 1
    assert len((study.folder / "asked.log").read_text().splitlines()) == 2 * 2 * 2 + 2
    assert all((study.folder / path).exists() for path in files)
