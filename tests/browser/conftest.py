"""Chromium, without a network, on pages that are opened from disk."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from mllm_classify.report.explorer.document import write
from tests.browser.plain import Plain
from tests.chromium import chromium, requested
from tests.report.hostile import many
from tests.waiting import PATIENCE
from tests.workflow.study import Study

OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9")
FAST = "--disable-ipc-flooding-protection"
"""Links are followed faster than by hand."""


def number(text: str) -> int:
    """The number with which a text begins."""
    return int(re.match(r"[\d,]+", text)[0].replace(",", ""))


CARDS = {"grid": "#cards .card", "table": "#images tbody tr"}
"""What an image is shown as."""


class Page:
    """A page of the explorer, as a user sees it, in a layout that its links name; None is the page's own choice."""

    def __init__(self, driver: webdriver.Chrome, path: Path, layout: str | None = "table") -> None:
        self.driver, self.path, self.layout = driver, path, layout

    def link(self, view: str) -> str:
        return "&".join([*filter(None, [view]), *([f"layout={self.layout}"] if self.layout else [])])

    def open(self, view: str = "") -> None:
        self.driver.get("about:blank")
        self.driver.get(f"{self.path.as_uri()}#{self.link(view)}")
        WebDriverWait(self.driver, PATIENCE).until(
            lambda it: it.execute_script("return 'ready' in document.documentElement.dataset")
        )

    def go(self, view: str) -> None:
        """Another view by its link, in the open page."""
        self.driver.execute_async_script(
            "const [view, done] = arguments; if (location.hash.slice(1) === view) return done();"
            "addEventListener('hashchange', () => setTimeout(done, 0), { once: true }); location.hash = view;",
            self.link(view),
        )

    def reach(self, view: str) -> tuple[list[str], int]:
        """What a table shows by a link, and how many images it is said to show."""
        shown, text = self.driver.execute_async_script(
            "const [view, done] = arguments; addEventListener('hashchange', () => setTimeout(() => done(["
            "[...document.querySelectorAll('#images tbody button.open')].map((it) => it.textContent),"
            "document.getElementById('count').textContent]), 0), { once: true }); location.hash = view;",
            self.link(view),
        )
        return shown, number(text)

    @property
    def view(self) -> str:
        """What the address says, but for the layout."""
        parts = self.driver.execute_script("return location.hash.slice(1)").split("&")
        return "&".join(part for part in parts if part != f"layout={self.layout}")

    @property
    def is_grid(self) -> bool:
        return self.one("#grid").is_displayed()

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((it) => it.textContent)", selector
        )

    def shown(self) -> list[str]:
        """Ids of the images that are on the page: of those that pass the filters, the ones in sight and a few beyond."""
        return self.texts(f"{CARDS['grid' if self.is_grid else 'table']} button.open")

    @contextmanager
    def sized(self, width: int, height: int) -> Iterator[None]:
        """A window of another size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    @contextmanager
    def paper(self) -> Iterator[None]:
        """The page as it is printed."""
        self.driver.execute_script("dispatchEvent(new Event('beforeprint'))")
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
            self.driver.execute_script("dispatchEvent(new Event('afterprint'))")

    def fits(self) -> bool:
        """Whether nothing is wider than the window."""
        return self.driver.execute_script(
            "const it = document.getElementById('detail');"
            "return document.documentElement.scrollWidth <= innerWidth && it.scrollWidth <= it.clientWidth"
        )

    def count(self) -> int:
        return number(self.one("#count").text)

    def requests(self) -> list[str]:
        """Addresses that were asked for since the last call, other than the page itself and what it holds."""
        return [
            url
            for url in requested(self.driver)
            if not url.startswith(("data:", "blob:", self.path.as_uri(), "about:"))
        ]


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium(*OFFLINE, FAST) as started:
        yield started


@pytest.fixture(autouse=True)
def quiet(driver: webdriver.Chrome) -> Iterator[None]:
    """The browser has nothing to complain about, a refused script or style least of all."""
    driver.get_log("browser")
    yield
    assert driver.get_log("browser") == []


@pytest.fixture(scope="session")
def plain(demonstration: Study) -> Plain:
    return Plain(demonstration)


@pytest.fixture
def page(driver, demonstration: Study) -> Page:
    opened = Page(driver, demonstration.folder / "results/explorer.html")
    opened.requests()
    opened.open()
    return opened


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 50,000 images without pictures, and without a second label set."""
    path = tmp_path_factory.mktemp("large") / "explorer.html"
    write(many(50_000), path)
    return path
