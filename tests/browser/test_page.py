"""The explorer as a page: its links, its controls, paper, and texts that try to be more than text."""

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from mllm_classify.report.explorer.document import write
from tests.browser.conftest import Page
from tests.browser.plain import Plain, key, view
from tests.report.hostile import HOSTILE, IDS, study
from tests.waiting import wait_until


def test_it_asks_nobody_and_shows_all_images(page: Page, plain: Plain) -> None:
    assert page.shown() == list(plain.labels)
    assert page.count() == len(plain.labels)
    assert page.requests() == []
    assert page.driver.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_a_link_restores_its_view(page: Page, plain: Plain) -> None:
    # the condition that is added is that the first model is right under ReGT
    image = next(image for image in plain.labels if plain.has(image, plain.compared[0], "right", "regt"))
    category = plain.labels[image]["category"]
    Select(page.one("#category")).select_by_value(category)
    page.one("#add").click()
    page.one("#distinct-least").send_keys("1", Keys.TAB)
    Select(page.one("#shown")).select_by_visible_text(plain.option(plain.compared[-1]))
    Select(page.one("#other")).select_by_visible_text(plain.option(plain.compared[0]))
    next(button for button in page.all("#splits button") if not button.text.endswith(": 0")).click()
    page.all("div.dt-scroll-head thead th")[7].click()
    # DataTables sorts after the click has returned, and makes its rows anew
    wait_until(lambda: "order=distinct" in page.view)
    page.one("#images tbody button.open").click()
    link, seen = (
        page.view,
        (page.shown(), page.one("#count").text, page.texts("#detail-title"), page.texts("#images th")),
    )
    assert seen[0]
    page.open(link)
    assert page.view == link
    assert (page.shown(), page.one("#count").text, page.texts("#detail-title"), page.texts("#images th")) == seen
    assert Select(page.one("#category")).first_selected_option.text == category


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


def test_which_model_a_mark_is_of_is_said_where_the_marks_are(page: Page, plain: Plain) -> None:
    page.layout = "table"
    page.open()
    marks = len(page.all("#images tbody tr:first-child .strip .sign"))
    assert marks == len(plain.compared)
    assert page.one("#strip").text.count("(") >= marks
    with page.sized(400, 800):
        assert not page.one("#strip").is_displayed()
        assert not any(it.is_displayed() for it in page.all("#images .strip"))
    page.layout = "grid"
    page.open()
    assert not page.one("#strip").is_displayed()


def test_narrow_windows_and_paper(page: Page, plain: Plain) -> None:
    two = view(with_=key(plain.compared[1]))
    with page.sized(400, 800):
        for page.layout in ("table", "grid", "confusions"):
            for link in ("", two, view(image=next(iter(plain.labels)))):
                page.open(link)
                assert page.fits(), (page.layout, link)
    for page.layout, printed in {"table": "tbody tr", "grid": ".card"}.items():
        page.open("category=S")
        count = page.count()
        assert count
        with page.paper():
            text = page.one("#printed").text
            assert "category S" in text
            assert [
                image for image in plain.images(lambda it: plain.labels[it]["category"][0] == "S") if image not in text
            ] == []
            # the heading of a column, or what is said above pictures
            label, scoring = plain.option(plain.compared[0]).rsplit(": ", 1)
            assert f"{label}: {scoring}" in text or f"Answers of {label} ({scoring})" in text
            assert len(page.all(f"#printed {printed}")) == count
            assert not page.one("#filters").is_displayed()
            assert not page.one("#grid").is_displayed()
    page.layout = "confusions"
    page.open()
    with page.paper():
        assert len(page.all("#printed .pairs tbody tr")) > 0


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
    ranks, chat = '["ranks","CW","",0]', '["chat","CW+","",0]'
    for page.layout in ("grid", "confusions"):
        page.open(view(shown=chat, with_=ranks))
        assert driver.execute_script(tags) == before
        assert any("</script><script>alert(1)</script>" in text for text in page.texts(f"#{page.layout} bdi"))
    page.layout = "grid"
    page.open(view(shown=chat))
    assert page.shown() == [visible(image) for image in IDS[1:]]
    assert any(text.startswith("<b>1 MB</b> ⟦U+202E⟧xxx") for text in page.texts("#cards .words bdi"))


def test_rows_are_walked_by_keyboard_though_they_come_as_they_are_seen(driver, large: Path) -> None:
    page = Page(driver, large)
    page.open()
    assert 10 < len(page.shown()) < 500
    page.one("#images tbody button.open").send_keys(Keys.ARROW_DOWN)
    for number in range(2, 102):
        ActionChains(driver).send_keys(Keys.ARROW_DOWN).perform()
        assert driver.execute_script("return document.activeElement.textContent") == f"image {number:06}"
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    assert page.texts("#detail-title bdi") == ["image 000101"]
    assert page.texts("#detail thead th")[-1] == "ImGT"
    page.go('if=["ranks","CW","",0,"right","imgt"]')
    assert page.count() == 12_500
    assert not page.one("#category").is_enabled()
    page.go("order=image-desc")
    assert page.shown()[0] == "image 049999"
