"""The explorer as a page: its links, its controls, paper, and texts that try to be more than text."""

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from mllm_classify.report.explorer.document import write
from tests.browser.conftest import Page
from tests.browser.plain import Plain, view
from tests.report.hostile import HOSTILE, IDS, many, study


def test_it_asks_nobody_and_shows_all_images(page: Page, plain: Plain) -> None:
    assert page.shown() == list(plain.labels)
    assert page.count() == len(plain.labels)
    assert page.requests() == []
    assert page.driver.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_a_link_restores_its_view(page: Page, plain: Plain) -> None:
    Select(page.one("#category")).select_by_value("N")
    page.one("#add").click()
    page.one("#distinct-least").send_keys("2", Keys.TAB)
    Select(page.one("#shown")).select_by_visible_text("conse-chat (not an LLM): CW+")
    page.all("div.dt-scroll-head thead th")[6].click()
    page.one("#images tbody button.open").click()
    link, seen = (
        page.view,
        (page.shown(), page.one("#count").text, page.texts("#detail-title"), page.texts("#images th")),
    )
    assert seen[0]
    page.open(link)
    assert page.view == link
    assert (page.shown(), page.one("#count").text, page.texts("#detail-title"), page.texts("#images th")) == seen
    assert Select(page.one("#category")).first_selected_option.text == "N"


@pytest.mark.parametrize(
    "link",
    ["category=X&class=9999999&is=q&under=x&right=a-b&if=[&if=[1]&if=%22%22&shown=x&order=toString&image=nobody"],
)
def test_a_link_of_another_study_is_reported(page: Page, plain: Plain, link: str) -> None:
    page.open(link)
    assert page.shown() == list(plain.labels)
    for name in ("category", "class", "is", "under", "right", "if", "shown", "order", "image"):
        assert name in page.one("#count").text.partition("does not have")[2]


def test_every_control_has_a_name(page: Page) -> None:
    page.one("#add").click()
    controls = page.all("main input, main select, main button, dialog button")
    assert len(controls) > 15
    assert [it.get_attribute("outerHTML") for it in controls if it.is_displayed() and not it.accessible_name] == []


def test_narrow_windows_and_paper(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        for link in ("", "image=coffee"):
            page.open(link)
            assert page.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            assert page.driver.execute_script(
                "const it = document.getElementById('detail'); return it.scrollWidth <= it.clientWidth"
            )
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.open("category=N")
    count = page.count()
    page.driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert "category N" in page.one("#printed").text
        assert len(page.all("#printed tbody tr")) == count
        assert not page.one("#filters").is_displayed()
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def visible(text: str) -> str:
    """Text as the page shows it, where it holds what cannot be seen."""
    hidden = {"\u202e", "\u202c", "\x1b", "\x00", "\ufeff"}
    return "".join(f"⟦U+{ord(it):04X}⟧" if it in hidden else it for it in text)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    long = "<b>1 MB</b> \u202e" + "x" * 2**20
    texts = [*HOSTILE[:-2], long, HOSTILE[-1]]
    data, _ = study(texts, [3] * len(texts), [[3]] * len(texts))
    path = tmp_path_factory.mktemp("hostile") / "explorer.html"
    write(data, path)
    return path


def test_hostile_answers_are_text(driver, hostile: Path) -> None:
    page = Page(driver, hostile)
    page.requests()
    page.open()
    tags = "return [...document.querySelectorAll('script, img, a, iframe, link, style, base, b')].map((it) => it.outerHTML.slice(0, 60))"
    before = driver.execute_script(tags)
    assert page.shown() == [visible(image) for image in IDS[1:]]
    for image, text in zip(IDS[1:-2], HOSTILE[1:-2], strict=True):
        page.go(view(image=image))
        assert visible(text) in page.texts("#detail .said")
        assert driver.execute_script(tags) == before
    assert page.texts("#study bdi")[0].startswith("ImGT")
    page.go(view(text="1 mb"))
    assert page.shown() == [visible(IDS[-2])]
    page.one("#images tbody button.open").click()
    assert page.texts("#detail .said")[-1].startswith("<b>1 MB</b> ⟦U+202E⟧xxx")
    more = page.one("#detail td button")
    assert "280 of 1,048,589 characters" in more.text
    more.click()
    assert len(page.texts("#detail .said")[-1]) == 20_280 + len("⟦U+202E⟧") - 1
    assert driver.execute_script(tags) == before
    assert page.requests() == []
    page.go(view(text="</SCRIPT>"))
    assert page.count() >= 1


def test_rows_are_walked_by_keyboard_though_they_come_as_they_are_seen(driver, tmp_path: Path) -> None:
    """Of 5,000 images without a second label set."""
    path = tmp_path / "explorer.html"
    write(many(5000), path)
    page = Page(driver, path)
    page.open()
    assert 10 < len(page.shown()) < 500
    page.one("#images tbody button.open").send_keys(Keys.ARROW_DOWN)
    for number in range(2, 202):
        ActionChains(driver).send_keys(Keys.ARROW_DOWN).perform()
        assert driver.execute_script("return document.activeElement.textContent") == f"image {number:06}"
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    assert page.texts("#detail-title bdi") == ["image 000201"]
    assert page.texts("#detail thead th")[-1] == "ImGT"
    page.go('if=["ranks","CW","",0,"right","imgt"]')
    assert page.count() == 1250
    assert not page.one("#category").is_enabled()
    page.go("order=image-desc")
    assert page.shown()[0] == "image 004999"
