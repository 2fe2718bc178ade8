"""The report of the demonstration, unzipped and read from disk: everything in it appears."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.conftest import Page
from tests.waiting import PATIENCE
from tests.workflow.study import Study

SECTIONS = ["At a glance", "Examples", "Explorer", "Figures", "Provenance", "Tables"]


@pytest.fixture(scope="module")
def report(demonstration: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    with zipfile.ZipFile(demonstration.folder / "results/report.zip") as archive:
        archive.extractall(folder)
    return folder / "report/report.html"


@pytest.fixture
def page(driver: webdriver.Chrome, report: Path) -> Iterator[Page]:
    opened = Page(driver, report)
    opened.requests()
    driver.get(report.as_uri())
    yield opened
    # the page of Snakemake's own speaks of what it is made with
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def appears(page: Page, find):
    ignored = [NoSuchElementException, StaleElementReferenceException]
    return WebDriverWait(page.driver, PATIENCE, ignored_exceptions=ignored).until(lambda _: find())


def press(page: Page, link: WebElement) -> None:
    """By script: while the page moves its parts, a mouse may hit another."""
    page.driver.execute_script("arguments[0].click()", link)


def click(page: Page, text: str) -> None:
    press(page, appears(page, lambda: next((link for link in page.all("a") if link.text.strip() == text), None)))


def signs(page: Page, kind: str) -> list[WebElement]:
    return appears(page, lambda: page.all(f"a[iconname={kind}]"))


def entry(page: Page, before: dict[str, str]) -> WebElement:
    """What is shown now: one that was not shown before."""
    (found,) = appears(
        page,
        lambda: [
            it
            for it in page.all("img[src^='data/'], iframe[src^='data/']")
            if it.get_dom_attribute("src") not in before
        ],
    )
    return found


def caption(page: Page, name: str) -> str:
    text = appears(page, lambda: text if f"results/{name}" in (text := page.one("body").text) else "")
    return text.partition("DESCRIPTION")[2].partition("SIZE")[0].strip()


def drawn(page: Page, element: WebElement) -> bool:
    """Whether a figure has a size, and a page its rows."""
    if element.tag_name == "img":
        size = "return arguments[0].decode().then(() => arguments[0].naturalWidth * arguments[0].naturalHeight)"
        return page.driver.execute_script(size, element) > 10_000
    page.driver.switch_to.frame(element)
    found = appears(page, lambda: page.all("div#table tbody tr, .cards li"))
    page.driver.switch_to.default_content()
    return bool(found)


def test_it_opens_on_the_key_figures_whose_links_lead_on(page: Page, report: Path) -> None:
    frame = entry(page, {})
    assert frame.get_dom_attribute("src").endswith("/overview.html")
    page.driver.switch_to.frame(frame)
    assert appears(page, lambda: page.one("h1")).text == "Key figures"
    assert len(page.all(".cards li")) >= 5
    sizes = page.driver.execute_script("return [...document.images].map((it) => it.naturalWidth)")
    assert sizes
    assert all(sizes)
    for link in {it.get_attribute("href") for it in page.all("a")}:
        assert Path(unquote(urlsplit(link).path)).exists(), link
    press(page, page.one("a[href*='explorer.html#category=']"))
    assert appears(page, lambda: page.one("#category")).get_attribute("value")
    page.driver.switch_to.default_content()
    assert [url for url in page.requests() if not url.startswith((report.parent.as_uri(), "data:", "blob:"))] == []


def test_the_key_figures_fit_beside_the_menu_of_a_narrow_window(page: Page) -> None:
    with page.sized(400, 900):
        page.driver.switch_to.frame(entry(page, {}))
        appears(page, lambda: page.one(".cards li"))
        fits = "return innerWidth < 200 && document.documentElement.scrollWidth <= innerWidth"
        assert page.driver.execute_script(fits)
        page.driver.switch_to.default_content()


def test_everything_appears_without_a_network(page: Page, report: Path) -> None:
    shown: dict[str, str] = {}
    for section in SECTIONS:
        click(page, section)
        for place in range(len(signs(page, "eye"))):
            press(page, signs(page, "eye")[place])
            element = entry(page, shown)
            name = element.get_dom_attribute("src")
            assert drawn(page, element), name
            press(page, signs(page, "information-circle")[place])
            shown[name] = caption(page, Path(name).name)
            click(page, section)
        click(page, "Results")
    assert set(shown) == {str(path.relative_to(report.parent)) for path in (report.parent / "data/raw").rglob("*.*")}
    assert len(shown) >= 20
    assert [name for name, caption in shown.items() if len(caption) < 30] == []
    assert [url for url in page.requests() if not url.startswith(report.parent.as_uri())] == []
