"""Jobs that ask a server for embeddings, and are killed or told to stop: another run goes on where they were."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify.dataset.classes import CLASSES
from mllm_classify.io import parquet
from mllm_classify.io.files import PROJECT
from tests.fault_server import always, fault_server
from tests.waiting import PATIENCE, wait_until

COUNT = 400


class Job:
    """`embed classes` of so many names, two texts a request."""

    def __init__(self, folder: Path, url: str, **options) -> None:
        self.folder, self.output = folder, folder / "classes-embedded.parquet"
        folder.mkdir(exist_ok=True)
        names = [f"thing {number}" for number in range(COUNT)]
        classes = {"class_id": range(COUNT), "name": names, "synset": None, "same_name": [[n] for n in range(COUNT)]}
        parquet.write(pl.DataFrame(classes, schema=CLASSES), CLASSES, folder / "classes.parquet")
        (folder / "t.txt").write_text("a {}\n")
        entry = {"name": "served", "kind": "openai", "model": "m", "templates": "t.txt", "url": url, "batch_size": 2}
        local = {"name": "local", "kind": "sentence-transformers", "path": "nowhere", "templates": "t.txt"}
        labels = {"label": "L", "file": "labels.csv"}
        dataset = {"source": "table", "name": "d", "label": "D", "classes": "classes.txt", "imgt": labels}
        recorded = {"name": "r", "label": "R", "kind": "recorded", "file": "r.csv"}
        config = {"dataset": dataset, "encoder": local, "encoders": [entry | options], "models": [recorded]}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))

    def start(self) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "mllm_classify",
            "embed",
            "classes",
            "--config=config.yaml",
            "--encoder=served",
        ]
        command += ["--classes=classes.parquet", f"--output={self.output}"]
        environment = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True, env=environment)

    def run(self) -> tuple[int, str]:
        with self.start() as process:
            said = process.communicate(timeout=PATIENCE)[1]
        return process.returncode, said

    def answered(self) -> int:
        files = (self.folder / "journal/embeddings/served").glob("*.jsonl")
        return sum(line.count('"embedding"') for file in files for line in file.read_text().splitlines())


@pytest.fixture
def undisturbed(tmp_path: Path) -> pl.DataFrame:
    with fault_server(always("good")) as server:
        job = Job(tmp_path / "undisturbed", server.url)
        assert job.run()[0] == 0
        assert len(server.received) == COUNT / 2
    return pl.read_parquet(job.output)


def test_kills_change_nothing_and_cost_no_more_than_what_was_on_its_way(
    tmp_path: Path, undisturbed: pl.DataFrame
) -> None:
    kills, concurrency = 6, 4
    with fault_server(always("good"), delay=0.05) as server:
        job = Job(tmp_path / "killed", server.url, concurrency=concurrency)
        for _ in range(kills):
            before = len(server.received)
            with job.start() as process:
                wait_until(lambda before=before: len(server.received) > before + 9)
                process.kill()
            assert not job.output.exists()
        assert 0 < job.answered() < COUNT
        assert job.run()[0] == 0
        assert len(server.received) <= COUNT / 2 + kills * concurrency
    assert pl.read_parquet(job.output).equals(undisturbed)


def test_sigterm_keeps_what_arrives_and_leaves_the_rest(tmp_path: Path, undisturbed: pl.DataFrame) -> None:
    with fault_server(always("good"), delay=0.5) as server:
        job = Job(tmp_path / "stopped", server.url, concurrency=4)
        with job.start() as process:
            wait_until(lambda: len(server.received) == 8)
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 143
        assert "encoder 'served': SIGTERM: asking has stopped; what came is in journal/embeddings/served" in said
        answered = job.answered()
        assert 16 <= answered == 2 * len(server.received) < COUNT
    with fault_server(always("good")) as server:
        job.folder.joinpath("config.yaml").write_text(
            job.folder.joinpath("config.yaml").read_text().replace("url: http", f"url: {server.url}  # http")
        )
        assert job.run()[0] == 0
        assert len(server.received) == (COUNT - answered) / 2
    assert pl.read_parquet(job.output).equals(undisturbed)


def test_a_torn_line_is_asked_again(tmp_path: Path, undisturbed: pl.DataFrame) -> None:
    with fault_server(always("good")) as server:
        job = Job(tmp_path / "torn", server.url)
        assert job.run()[0] == 0
        (file,) = (job.folder / "journal/embeddings/served").glob("*.jsonl")
        file.write_bytes(file.read_bytes()[:-30])
        server.received.clear()
        status, said = job.run()
        assert (status, len(server.received)) == (0, 1)
        assert "1 unreadable line(s)" in said
    assert pl.read_parquet(job.output).equals(undisturbed)
