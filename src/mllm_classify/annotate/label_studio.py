"""Label Studio on this machine: the server, the project with its tasks, and what annotators have said.

Runs in an environment of its own (envs/annotate.lock), as
`PYTHONPATH=src .venv-annotate/bin/python -m mllm_classify.annotate.label_studio serve`.
"""

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from mllm_classify.io.files import InputError, written

HOST = "127.0.0.1"
"""Nobody else reaches the server: whoever can log in can read what it serves."""
USER = "annotator@localhost.localdomain"
TITLE = "Second pass"
FILES = "files"
"""The folder that Label Studio serves files from. Its own database is beside it, not in it."""
PICTURES = "pictures"
START_TIMEOUT = 180.0
BLOCK = 500
"""Tasks in one request."""
QUIET = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "FEATURE_FLAGS_OFFLINE": "true",
}
"""It tells nobody that it runs, or what it does."""


class Login(NamedTuple):
    """Where the server is, and who may use it."""

    url: str
    user: str
    password: str
    token: str


def login(folder: Path, url: str) -> Login:
    """The login in `folder`, drawn at the first start; readable by its owner only."""
    file = folder / "login.json"
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    credentials = Login(
        url,
        known.get("user", USER),
        known.get("password") or secrets.token_urlsafe(9),
        known.get("token") or secrets.token_hex(20),
    )
    with written(file) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(credentials._asdict(), indent=1) + "\n")
    return credentials


def environment(folder: Path, who: Login) -> dict[str, str]:
    """What the server is told. Passwords are no arguments: those are seen by all users of a machine."""
    return (
        dict(os.environ)
        | QUIET
        | {
            "DEBUG": "false",
            "DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "LABEL_STUDIO_USERNAME": who.user,
            "LABEL_STUDIO_PASSWORD": who.password,
            "LABEL_STUDIO_USER_TOKEN": who.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str((folder / FILES).absolute()),
            "ALLOWED_HOSTS": f"{HOST},localhost",
        }
    )


@contextmanager
def server(folder: Path, who: Login, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A running server with its database in `folder`; stopped at the end. Raises InputError where it does not start."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            msg = f"--port: {port} is taken ({error.strerror}); is Label Studio running already? Else choose another"
            raise InputError(msg) from None
    data, logged = folder / "label-studio", folder / "label-studio.log"
    data.mkdir(parents=True, exist_ok=True)
    command = [
        *(str(Path(sys.executable).with_name("label-studio")), "start", "--no-browser", "--internal-host", HOST),
        *("--port", str(port), "--data-dir", str(data.absolute()), "--enable-legacy-api-token"),
    ]
    with logged.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            command, env=environment(folder, who), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait(process, who.url, logged)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, logged: Path) -> None:
    started = time.monotonic()
    while time.monotonic() - started < START_TIMEOUT:
        if process.poll() is not None:
            msg = f"Label Studio ended at once ({process.returncode}): {logged} says why"
            raise InputError(msg)
        try:
            with urlopen(f"{url}/health", timeout=5):  # noqa: S310
                return
        except (URLError, OSError):
            time.sleep(0.5)
    msg = f"Label Studio did not answer within {START_TIMEOUT:.0f} s; {logged} says what it does"
    raise InputError(msg)


def project(client: LabelStudio, labelling: str, folder: Path, annotators: int) -> int:
    """The id of the project of this labelling configuration: the one that is there, or a new one."""
    projects = [it for it in client.projects.list() if it.title == TITLE]
    if projects:
        number: int = projects[0].id
        client.projects.update(id=number, label_config=labelling, maximum_annotations=annotators)
        return number
    number = client.projects.create(
        title=TITLE,
        label_config=labelling,
        maximum_annotations=annotators,
        show_collab_predictions=False,
        enable_empty_annotation=True,
    ).id
    client.import_storage.local.create(
        project=number, title=PICTURES, path=str((folder / FILES / PICTURES).absolute()), use_blob_urls=True
    )
    return number


def add_tasks(client: LabelStudio, number: int, tasks: list[dict[str, Any]]) -> int:
    """Import the tasks that the project does not have; how many those are."""
    known = {task.data.get("task") for task in client.tasks.list(project=number, fields="all", page_size=BLOCK)}
    new = [task for task in tasks if task["data"]["task"] not in known]
    for start in range(0, len(new), BLOCK):
        client.projects.import_tasks(id=number, request=new[start : start + BLOCK])
    return len(new)


def export(folder: Path, output: Path) -> int:
    """Write all tasks with their annotations, as Label Studio's JSON; how many those are.

    Raises InputError where the server does not run.
    """
    file = folder / "login.json"
    if not file.exists():
        msg = f"{file}: no such file; make annotate starts the server, and writes it"
        raise InputError(msg)
    who = Login(**json.loads(file.read_text()))
    client = LabelStudio(base_url=who.url, api_key=who.token)
    try:
        ids = [it.id for it in client.projects.list() if it.title == TITLE]
        if not ids:
            msg = f"{who.url}: no project {TITLE!r}; make annotate makes it"
            raise InputError(msg)
        content = b"".join(client.projects.exports.download_sync(ids[0], export_type="JSON", download_all_tasks=True))
    except (ApiError, httpx.HTTPError) as error:
        msg = f"{who.url}: {error}; make annotate starts the server, and must be running"
        raise InputError(msg) from None
    with written(output) as temporary:
        temporary.write_bytes(content)
    return len(json.loads(content))


def serve(args: argparse.Namespace) -> None:
    """Start the server, bring the tasks in, and wait until it is stopped."""
    tasks, labelling = json.loads(args.tasks.read_text()), args.labelling.read_text()
    who = login(args.folder, f"http://{HOST}:{args.port}")
    print("Starting Label Studio: the first time, half a minute", flush=True)
    with server(args.folder, who, args.port) as process:
        client = LabelStudio(base_url=who.url, api_key=who.token)
        number = project(client, labelling, args.folder, args.annotators)
        new = add_tasks(client, number, tasks)
        print(f"{len(tasks)} tasks, {new} of them new")
        print(f"Label at {who.url}/projects/{number}/data?labeling=1")
        print(f"as       {who.user}\npassword {who.password}")
        print("Ctrl-C stops the server; what was labelled is kept", flush=True)
        process.wait()


def main() -> int:
    top = argparse.ArgumentParser(prog="python -m mllm_classify.annotate.label_studio", description=__doc__)
    parts = top.add_subparsers(required=True, metavar="PART", dest="part")
    serving = parts.add_parser("serve", help="start the server with the tasks")
    serving.add_argument("--tasks", type=Path, required=True, metavar="FILE", help="tasks.json")
    serving.add_argument("--labelling", type=Path, required=True, metavar="FILE", help="labelling.xml")
    serving.add_argument("--port", type=int, default=8080, help="default: 8080")
    serving.add_argument("--annotators", type=int, default=1, help="how many label each task (default: 1)")
    exporting = parts.add_parser("export", help="write what annotators said")
    exporting.add_argument("--output", type=Path, required=True, metavar="FILE", help="the .json to write")
    for part in (serving, exporting):
        part.add_argument("--folder", type=Path, default=Path("annotate"), help="default: annotate")
    args = top.parse_args()
    # make and terminals end a server in several ways; each leaves through `finally`
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if args.part == "serve":
            serve(args)
        else:
            print(f"{args.output}: {export(args.folder, args.output)} tasks")
    except KeyboardInterrupt:
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ApiError as error:
        print(f"error: Label Studio refuses: {error.body}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
