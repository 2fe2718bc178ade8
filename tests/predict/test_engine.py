import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest
import yaml
from PIL import Image

from mllm_classify.api import journal
from mllm_classify.api.replies import check_record
from mllm_classify.dataset.classes import CLASSES
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict.chat import engine
from tests.waiting import PATIENCE, wait_until

TESTS = Path(__file__).parents[1]
SERVER = TESTS / "chat_server.py"
N_IMAGES = 40
N_ANSWERS = 2 * N_IMAGES
CONCURRENCY = 4
SLEEP = "import time; time.sleep(600)"


def running_with(mark):
    """Processes that have a text in their command line."""
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if any(str(mark) in part for part in process.info["cmdline"] or [])]


pytestmark = pytest.mark.study


class Study:
    """A folder with a data set and a configuration of one engine, and the job that asks it.

    `log` stands in the engine's command, so that its processes can be told from all others; it counts requests.
    """

    def __init__(self, folder):
        self.folder = folder
        self.log = folder / "asked.log"
        self.output = folder / "predictions.parquet"
        rows = []
        for n in range(N_IMAGES):
            content = io.BytesIO()
            Image.new("RGB", (2, 2), (n, n, n)).save(content, "PNG")
            (folder / f"{n}.png").write_bytes(content.getvalue())
            rows.append({"image_id": f"image{n}", "file": f"{n}.png", "sha256": sha256(content.getvalue())})
        names = ["espresso", "lens cap, lens cover", "tabby", "ox"]
        parquet.write(pl.DataFrame(rows, schema=IMAGES), IMAGES, folder / "images.parquet")
        parquet.write(
            pl.DataFrame({"class_id": range(4), "name": names, "synset": None, "same_name": [[n] for n in range(4)]}),
            CLASSES,
            folder / "classes.parquet",
        )
        (folder / "ow.txt").write_text("What is it?\n")
        (folder / "cw.txt").write_text("Which?\n{classes}\n")

    def server(self, *options):
        return ["{python}", str(SERVER), "--port", "{port}", "--log", str(self.log), *options]

    def configure(self, command, **options):
        entry = {"name": "m", "label": "M", "kind": "engine", "model": "q", "command": command, "retries": 0}
        config = {
            "dataset": {
                "source": "table", "name": "d", "label": "D", "classes": "classes.txt", "images": "images.csv",
                "imgt": {"label": "labels", "file": "imgt.csv"}, "folder": str(self.folder),
            },
            "encoder": {"name": "e", "kind": "sentence-transformers", "path": "e", "templates": "templates.txt"},
            "tasks": {task: {"prompt": str(self.folder / f"{task.lower()}.txt")} for task in ("OW", "CW")},
            "models": [entry | {"concurrency": CONCURRENCY} | options],
        }  # fmt: skip
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def start(self, journal="journal"):
        command = [sys.executable, "-m", "mllm_classify", "predict", "--config=config.yaml", "--model=m"]
        command += ["--images=images.parquet", "--classes=classes.parquet"]
        command += [f"--journal={journal}", f"--output={self.output}"]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def run(self, journal="journal"):
        """Exit status and standard error of the job."""
        with self.start(journal) as process:
            errors = process.communicate(timeout=PATIENCE)[1]
        return process.returncode, errors

    def answers(self):
        return journal.read(self.folder / "journal" / "m", check_record)

    def take_asked(self):
        """Digests of the requests that the engine received since the last call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def study(tmp_path):
    study = Study(tmp_path)
    yield study
    for process in running_with(study.log):
        process.kill()


@pytest.fixture
def start_engine(tmp_path):
    """Starts an engine in this process; its output goes to `tmp_path/m/engine.log`."""

    def start(command, **options):
        return engine.running("m", command, options.get("start_timeout", 600), tmp_path / "m" / "engine.log")

    return start


def test_a_killed_job_goes_on_where_it_was(study):
    study.configure(study.server("--delay=0.05"))
    assert study.run(journal="undisturbed")[0] == 0
    assert running_with(study.log) == []
    undisturbed = pl.read_parquet(study.output).drop("latency")
    study.output.unlink()
    everything = study.take_asked()
    assert len(set(everything)) == len(everything) == N_ANSWERS

    with study.start() as job:
        wait_until(lambda: len(study.answers()) >= N_ANSWERS // 2)
        job.kill()
    wait_until(lambda: running_with(study.log) == [], seconds=30)
    assert not study.output.exists()
    answered = len(study.answers())
    asked = study.take_asked()
    assert N_ANSWERS // 2 <= answered < N_ANSWERS

    assert study.run()[0] == 0
    asked_again = study.take_asked()
    assert len(asked_again) == N_ANSWERS - answered
    assert len(asked) + len(asked_again) <= N_ANSWERS + CONCURRENCY
    assert set(asked) | set(asked_again) == set(everything)
    assert pl.read_parquet(study.output).drop("latency").equals(undisturbed)


def test_the_engine_answers_and_its_rows_stand_in_order(study):
    study.configure(study.server())
    status, errors = study.run()
    assert status == 0, errors
    frame = pl.read_parquet(study.output)
    assert frame["image_id"].to_list() == 2 * [f"image{n}" for n in range(N_IMAGES)]
    assert frame["task"].to_list() == ["OW"] * N_IMAGES + ["CW"] * N_IMAGES
    assert frame["status"].unique().to_list() == ["ok"]
    closed = frame.filter(pl.col("task") == "CW")["text"]
    assert {"lens cap, lens cover", "tabby"} <= set(closed)
    assert {"an unlisted thing", "something else"} & set(closed)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=lambda signum: signum.name)
def test_a_job_that_is_told_to_stop_stops_its_engine_and_keeps_its_answers(study, signum):
    study.configure(study.server("--delay=0.05"))
    with study.start() as job:
        wait_until(lambda: len(study.answers()) >= N_ANSWERS // 4)
        job.send_signal(signum)
        assert job.wait(10) != 0
    wait_until(lambda: running_with(study.log) == [], seconds=30)
    assert not study.output.exists()
    assert N_ANSWERS // 4 <= len(study.answers()) < N_ANSWERS


def test_a_job_that_is_told_to_stop_while_its_engine_starts_stops_the_engine(study):
    study.configure(["{python}", "-c", SLEEP, str(study.log)])
    with study.start() as job:
        wait_until(lambda: running_with(study.log))
        time.sleep(0.3)
        job.terminate()
        assert job.wait(10) != 0
    wait_until(lambda: running_with(study.log) == [], seconds=30)


@pytest.mark.parametrize("prefix", ["", "setsid "], ids=["in its group", "in a session of its own"])
def test_an_engine_is_stopped_with_the_processes_that_it_started(study, start_engine, prefix):
    command = " ".join(study.server())
    others = psutil.Process().children(recursive=True)  # of tests before this one
    with start_engine(["sh", "-c", f"{prefix}{command} & wait"]):
        family = set(psutil.Process().children(recursive=True)).difference(others)
        assert len(family) >= 2
    assert not [process for process in family if process.is_running()]


def test_a_killed_job_leaves_no_process_of_an_engine_that_starts_others(study):
    study.configure(["sh", "-c", " ".join(study.server("--delay=0.05")) + " & wait"])
    with study.start() as job:
        wait_until(lambda: len(study.answers()) >= CONCURRENCY)
        family = psutil.Process(job.pid).children(recursive=True)
        job.kill()
    assert len(family) >= 2
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == []


def test_an_engine_that_does_not_stop_is_killed(study):
    patient = "import sys; from mllm_classify.predict.chat import supervisor; supervisor.STOP_TIMEOUT = 0.3; supervisor.main()"
    stubborn = "trap '' TERM; (trap '' TERM; echo ready; while :; do sleep 0.1; done) & while :; do sleep 0.1; done"
    command = [sys.executable, "-c", patient, "sh", "-c", stubborn, str(study.log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout.readline() == b"ready\n"
        assert len(psutil.Process(supervisor.pid).children(recursive=True)) >= 2
        supervisor.stdin.close()
        supervisor.wait(10)
    assert running_with(study.log) == []


def test_an_error_while_the_engine_runs_stops_it(study, start_engine):
    with pytest.raises(ZeroDivisionError), start_engine(study.server()):
        1 / 0  # noqa: B018
    assert running_with(study.log) == []


def test_a_complete_journal_starts_no_engine(study):
    script = study.folder / "serve.py"
    script.write_text(f"import os, sys\nos.execv(sys.executable, [sys.executable, {str(SERVER)!r}, *sys.argv[1:]])")
    study.configure(["{python}", str(script), "--port={port}", f"--log={study.log}"])
    assert study.run()[0] == 0
    first = pl.read_parquet(study.output)
    script.write_text(f"open({str(study.folder / 'started')!r}, 'w')")
    study.output.unlink()
    study.take_asked()
    status, errors = study.run()
    assert status == 0, errors
    assert not (study.folder / "started").exists()
    assert study.take_asked() == []
    assert pl.read_parquet(study.output).equals(first)


def test_an_engine_that_dies_costs_no_answer_that_came(study):
    mortal = study.folder / "mortal.py"
    mortal.write_text(
        f"import os, runpy, sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "import chat_server\n"
        "def answer(body, left=iter(range(10))):\n"
        "    return chat_server.digested_answer(body) if next(left, None) is not None else os._exit(7)\n"
        "app = chat_server.application(answer, chat_server.ChatServer())\n"
        "chat_server.web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)\n"
    )
    study.configure(["{python}", str(mortal), "{port}", str(study.log)], concurrency=1, retries=5)
    status, errors = study.run()
    assert status == 1
    assert "error: model 'm': the engine has ended with status 7" in errors
    assert len(study.answers()) == 10
    assert not study.output.exists()


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (["no-such-program", "{port}"], {}, "command: 'no-such-program' is not a program on this machine"),
        (
            ["{python}", "-c", r"import sys; print('loading'); sys.exit('no GPU \x1b[31mfound')"],
            {},
            r"command: the engine ended with status 1 before it answered; journal/m/engine.log ends with 'no GPU \x1b",
        ),
        (["{python}", "-c", f"print('still loading', flush=True); {SLEEP}"], {"start_timeout": 5}, "start_timeout: "),
    ],
    ids=["no program", "ends at once", "never answers"],
)
def test_an_engine_that_does_not_serve_is_one_line_of_error(study, command, options, message):
    study.configure([*command, str(study.log)], **options)
    status, errors = study.run()
    assert status == 1
    line = errors.splitlines()[-1]
    assert line.startswith(f"error: model 'm': {message}")
    assert sum(each.startswith("error:") for each in errors.splitlines()) == 1
    assert "Traceback" not in errors
    assert not study.output.exists()
    assert running_with(study.log) == []
    if options:
        assert line.endswith("within 5 s; journal/m/engine.log ends with 'still loading'")


def test_an_engine_without_output_is_said_to_have_written_nothing(start_engine):
    with pytest.raises(InputError, match=r"ended with status 0 before it answered; .* ends with nothing"):
        start_engine(["true"]).__enter__()


def test_a_command_that_cannot_be_executed_is_an_input_error(tmp_path, start_engine):
    (tmp_path / "serve").write_text("no program at all\n")
    (tmp_path / "serve").chmod(0o755)
    with pytest.raises(InputError, match=r"model 'm': command: .*serve"):
        start_engine([str(tmp_path / "serve")]).__enter__()


def test_a_port_that_speaks_no_http_is_an_engine_that_does_not_answer(study, start_engine):
    speaks = (
        "import socket, sys\n"
        "listening = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True:\n"
        "    peer, _ = listening.accept()\n"
        "    peer.recv(1000); peer.sendall(b'220 mail ready\\r\\n'); peer.close()\n"
    )
    with pytest.raises(InputError, match="start_timeout: the engine did not answer"):
        start_engine(["{python}", "-c", speaks, "{port}", str(study.log)], start_timeout=2).__enter__()
    assert running_with(study.log) == []


def test_an_engine_that_is_busy_loading_is_waited_for(study, start_engine):
    slow = (
        "import http.server, sys, threading, time\n"
        "class Loading(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_error(503)\n"
        "loading = http.server.HTTPServer(('127.0.0.1', int(sys.argv[2])), Loading)\n"
        "threading.Thread(target=loading.serve_forever).start()\n"
        "time.sleep(0.6); loading.shutdown(); loading.server_close()\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "import chat_server; chat_server.main()\n"
    )
    started = time.monotonic()
    with start_engine(["{python}", "-c", slow, "--port", "{port}", "--log", str(study.log)]):
        assert time.monotonic() - started > 0.6
    assert running_with(study.log) == []


def test_the_engine_is_reached_past_a_proxy(study, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    study.configure(study.server(), start_timeout=PATIENCE)
    status, errors = study.run()
    assert status == 0, errors
