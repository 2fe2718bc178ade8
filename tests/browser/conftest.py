"""Chromium, without a network, on pages that are opened from disk."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.plain import Plain
from tests.chromium import chromium, requested
from tests.waiting import PATIENCE
from tests.workflow.study import Study

OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9")
FAST = "--disable-ipc-flooding-protection"
"""Links are followed faster than by hand."""


class Page:
    """A page of the explorer, as a user sees it."""

    def __init__(self, driver: webdriver.Chrome, path: Path) -> None:
        self.driver, self.path = driver, path

    def open(self, view: str = "") -> None:
        self.driver.get("about:blank")
        self.driver.get(f"{self.path.as_uri()}{view and '#'}{view}")
        WebDriverWait(self.driver, PATIENCE).until(
            lambda it: it.execute_script("return 'ready' in document.documentElement.dataset")
        )

    def go(self, view: str) -> None:
        """Another view by its link, in the open page."""
        self.driver.execute_async_script(
            "const [view, done] = arguments; if (location.hash.slice(1) === view) return done();"
            "addEventListener('hashchange', () => setTimeout(done, 0), { once: true }); location.hash = view;",
            view,
        )

    @property
    def view(self) -> str:
        return self.driver.execute_script("return location.hash.slice(1)")

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((it) => it.textContent)", selector
        )

    def shown(self) -> list[str]:
        """Ids of the images in the table."""
        return self.texts("#images tbody button.open")

    def count(self) -> int:
        return int(re.match(r"[\d,]+", self.one("#count").text)[0].replace(",", ""))

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
