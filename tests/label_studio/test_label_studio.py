"""Label Studio itself: tasks brought in, two labelled through its page, read back, and the tables that change."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import polars as pl
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.chromium import chromium, requested
from tests.plain.files import class_names
from tests.plain.second_pass import read_second_pass
from tests.waiting import PATIENCE
from tests.workflow.study import PROJECT, Study

PYTHON = str(PROJECT / ".venv-annotate/bin/python")
TABLES = ["results/table2.csv", "results/disputed.csv"]
TASKS = ["results/annotate/tasks.json", "results/annotate/labelling.xml"]
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Server(NamedTuple):
    """A running Label Studio, and what it printed when it was ready."""

    process: subprocess.Popen[str]
    printed: str
    folder: Path

    @property
    def login(self) -> dict[str, str]:
        return json.loads((self.folder / "annotate/login.json").read_text())

    def status(self, path: str, token: str = "") -> int:
        headers = {"Authorization": f"Token {token}"} if token else {}
        try:
            with urlopen(Request(self.login["url"] + path, headers=headers)) as answer:
                return answer.status
        except HTTPError as error:
            return error.code


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(study: Study, *options: str) -> Server:
    command = [PYTHON, "-m", "mllm_classify.annotate.label_studio", "serve", *options]
    process = subprocess.Popen(
        [*command, "--tasks", TASKS[0], "--labelling", TASKS[1], "--port", str(free_port())],
        cwd=study.folder, env=os.environ | {"PYTHONPATH": str(study.folder / "src")}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed = ""
    assert process.stdout is not None
    while "Ctrl-C" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    return Server(process, printed, study.folder)


def stopped(server: Server) -> None:
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    with pytest.raises(OSError, match="refused"):
        urlopen(server.login["url"])


@pytest.fixture(scope="module")
def study(demonstration: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = demonstration.copy(tmp_path_factory.mktemp("label_studio") / "study")
    done = study.run(
        *(sys.executable, "-m", "mllm_classify", "annotate", "pictures"),
        *("--key", "results/annotate/key.parquet", "--folder", "annotate/files/pictures"),
    )
    assert done.returncode == 0, done.stderr
    return study


@pytest.fixture(scope="module")
def server(study: Study) -> Iterator[Server]:
    server = started(study, "--annotators", "2")
    yield server
    server.process.terminate()
    server.process.wait(30)


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium(OFFLINE) as started:
        yield started


class Page:
    """The page of an annotator."""

    def __init__(self, driver: webdriver.Chrome, server: Server) -> None:
        self.driver, self.server = driver, server

    def wait(self, selector: str) -> WebElement:
        return WebDriverWait(self.driver, PATIENCE).until(lambda it: it.find_elements(By.CSS_SELECTOR, selector))[-1]

    def log_in(self) -> None:
        """With what the server printed."""
        user, password = (
            line.split()[1] for line in self.server.printed.splitlines() if line[:9] in ("as       ", "password ")
        )
        self.driver.get(self.server.login["url"])
        self.wait("[name=email]").send_keys(user)
        self.driver.find_element(By.NAME, "password").send_keys(password)
        self.driver.find_element(By.NAME, "password").submit()
        WebDriverWait(self.driver, PATIENCE).until(lambda it: "/user/login" not in it.current_url)

    def sign_up(self, address: str, user: str) -> None:
        self.driver.get(self.server.login["url"] + address)
        self.wait("[name=email]").send_keys(user)
        self.driver.find_element(By.NAME, "password").send_keys("of their own")
        self.driver.find_element(By.NAME, "password").submit()
        WebDriverWait(self.driver, PATIENCE).until(lambda it: not it.find_elements(By.NAME, "password"))

    def open(self) -> None:
        (address,) = (line.split()[-1] for line in self.server.printed.splitlines() if line.startswith("Label at"))
        self.driver.get(address)
        self.wait("input[type=checkbox][name]")

    def boxes(self) -> dict[str, WebElement]:
        boxes = self.driver.find_elements(By.CSS_SELECTOR, "input[type=checkbox][name]")
        return {it.get_attribute("name") or "": it for it in boxes}

    def search(self, text: str) -> None:
        """Tick the first class that is found."""
        self.wait(".htx-taxonomy").click()
        self.wait(".lsf-taxonomy-search-input").send_keys(text)
        found = WebDriverWait(self.driver, PATIENCE).until(
            lambda it: [
                item for item in it.find_elements(By.CSS_SELECTOR, ".ant-select-tree-title") if item.text == text
            ]
        )
        found[0].click()

    def picture(self) -> tuple[int, int]:
        """The size of the picture, in pixels of its own, once it is there."""
        script = "return [...document.images].map(it => [it.naturalWidth, it.naturalHeight])"
        shown = WebDriverWait(self.driver, PATIENCE).until(
            lambda it: [size for size in it.execute_script(script) if min(size) > 200]
        )
        return tuple(shown[0])

    def submit(self) -> None:
        before = self.boxes()
        self.wait("[data-testid=bottombar-submit-button]").click()
        WebDriverWait(self.driver, PATIENCE).until(lambda _: list(self.boxes()) != list(before))

    def requests(self) -> list[str]:
        """Addresses elsewhere that were asked for since the last call."""
        own = (self.server.login["url"], "data:", "blob:", "about:", "chrome:")
        return [it for it in requested(self.driver) if not it.startswith(own)]


@pytest.fixture(scope="module")
def export(study: Study, server: Server, driver: webdriver.Chrome) -> list[dict]:
    """Two annotators have labelled: one the car and the astronaut, the other the car."""
    page = Page(driver, server)
    page.log_in()
    page.open()
    assert page.picture() == (512, 512)
    assert {"convertible", "jeep", "None of the classes", "I cannot tell"} < page.boxes().keys()
    if kept := os.environ.get("SCREENSHOT"):
        driver.save_screenshot(kept)
    page.boxes()["convertible"].click()
    page.submit()
    assert page.picture() == (512, 512)
    assert "football helmet" in page.boxes()
    page.boxes()["space shuttle"].click()
    page.search("football helmet")
    page.submit()
    assert page.requests() == []

    driver.get(server.login["url"] + "/api/invite")
    address = json.loads(driver.find_element(By.TAG_NAME, "pre").text)["invite_url"]
    # another person, another browser: what is left of a session plays no part
    with chromium(OFFLINE) as theirs:
        other = Page(theirs, server)
        other.sign_up(address, "another@localhost.localdomain")
        other.open()
        other.boxes()["convertible"].click()
        other.boxes()["jeep"].click()
        other.submit()
        assert other.requests() == []

    done = study.run(
        *(PYTHON, "-m", "mllm_classify.annotate.label_studio", "export", "--output", "export.json"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((study.folder / "export.json").read_text())


def test_the_server_is_for_this_machine_and_those_who_can_log_in(server: Server, driver: webdriver.Chrome) -> None:
    login = server.login
    assert login["url"].startswith("http://127.0.0.1:")
    assert (server.folder / "annotate/login.json").stat().st_mode & 0o777 == 0o600
    (picture, *_) = (server.folder / "annotate/files/pictures").iterdir()
    shown = f"/data/local-files/?d=pictures/{picture.name}"
    assert server.status(shown) == 401
    assert server.status(shown, login["token"]) == 200
    for outside in ("../login.json", "pictures/../../login.json", "login.json", "/etc/passwd"):
        assert server.status(f"/data/local-files/?d={outside}", login["token"]) >= 400
    Page(driver, server).sign_up("/user/signup/", "stranger@localhost.localdomain")
    assert "not permitted" in driver.find_element(By.TAG_NAME, "body").text


def test_what_was_labelled_is_read_back_and_the_tables_change(study: Study, export: list[dict]) -> None:
    results, config = study.folder / "results", study.config
    key = pl.read_parquet(results / "annotate/key.parquet").to_dicts()
    assert [len(item["annotations"]) for item in sorted(export, key=lambda it: it["id"])] == [2, 1, 0, 0]
    rows, decided = read_second_pass(results, config["models"], config["annotate"], key, export)
    done = study.run(
        *(sys.executable, "-m", "mllm_classify", "annotate", "read", "--export", "export.json"),
        *("--labels", "labels/second_pass.csv", "--output", "results/second_pass.csv"),
    )
    assert done.returncode == 0, done.stderr
    assert study.differences("second_pass", rows) == []
    names = class_names(results)
    assert {image: {names[it] for it in classes} for image, classes in decided.items()} == {
        "car_on_rocks": {"convertible"}, "astronaut": {"football helmet", "space shuttle"},
    }  # fmt: skip
    whole = study.rows("second_pass")[-1]
    assert [whole[it] for it in ("tasks", "preferred", "combined", "unlabelled")] == ["4", "50.00", "50.00", "2"]
    assert [whole[it] for it in ("annotators", "shared", "exact")] == ["2", "1", "0.00"]

    before = study.rows("table2")[0]
    config["dataset"]["regt"] = {"label": "second pass", "file": "labels/second_pass.csv"}
    study.write_config(config)
    study.make(*TABLES)
    after = study.rows("table2")[0]
    assert [before[it] for it in ("S+", "S-", "M+")] == ["12", "0", "10"]
    assert [after[it] for it in ("S+", "S-", "M+")] == ["11", "1", "10"]
    assert after["regt"] == "second pass"
    assert study.rows("disputed")[-1]["disputed"] == "2"


def test_what_was_labelled_outlives_the_server(study: Study, server: Server, export: list[dict]) -> None:
    assert "4 tasks, 4 of them new" in server.printed
    stopped(server)
    refused = study.run(PYTHON, "-m", "mllm_classify.annotate.label_studio", "export", "--output", "late.json")
    assert refused.returncode == 1
    assert "make annotate starts the server, and must be running" in refused.stderr
    again = started(study)
    assert "4 tasks, 0 of them new" in again.printed
    done = study.run(PYTHON, "-m", "mllm_classify.annotate.label_studio", "export", "--output", "again.json")
    assert done.returncode == 0, done.stderr
    kept = json.loads((study.folder / "again.json").read_text())
    said = [[item["data"]["task"], [it["result"] for it in item["annotations"]]] for item in kept]
    assert said == [[item["data"]["task"], [it["result"] for it in item["annotations"]]] for item in export]
    stopped(again)
