"""The explorer's grid of pictures, beside a plain computation, with the keyboard, and of 50,000 images."""

from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Page
from tests.browser.plain import Plain, key, view
from tests.waiting import wait_until

READ = """
return [...document.querySelectorAll('#cards .card')].map((card) => ({
  image: card.querySelector('button.open').textContent,
  category: card.querySelector('.name .none').textContent.trim(),
  lines: [...card.querySelectorAll(':scope > p:not(.name)')].map((it) => it.textContent),
  answers: [...card.querySelectorAll('.answer')].map((it) => ({
    colour: it.className.replace('answer ', ''),
    marks: [...it.querySelectorAll('.sign')].map((sign) => sign.getAttribute('aria-label')),
    text: it.textContent,
  })),
}))
"""
DECODED = """
const done = arguments[0];
Promise.all([...document.querySelectorAll('#cards img')].map((it) => it.decode().then(() => it.naturalWidth)))
  .then(done, (error) => done(String(error)))
"""


@pytest.fixture
def grid(page: Page) -> Page:
    page.layout = "grid"
    return page


def test_cards_show_pictures_labels_and_answers(grid: Page, plain: Plain) -> None:
    """All of them, in a window that is high enough, by the page's own choice of layout."""
    grid.layout = None
    worded = next(row for row in plain.scores if row[1] == "CW+" and not row[2])
    with grid.sized(1400, 12_000):
        for row in (worded, plain.compared[0]):
            grid.open(view(shown=key(row)))
            assert grid.is_grid
            cards = grid.driver.execute_script(READ)
            assert [card["image"] for card in cards] == list(plain.labels)
            for card in cards:
                label, score = plain.labels[card["image"]], plain.scores[row][card["image"]]
                regt = " | ".join(plain.names[it] for it in label["regt"]) or "none of the classes"
                assert card["category"] == label["category"]
                assert card["lines"] == [f"ImGT {plain.names[label['imgt']]}", f"ReGT {regt}"]
                (answer,) = card["answers"]
                assert (answer["colour"] == "right") is score["regt"]
                for words, label_set in zip(answer["marks"], ("imgt", "regt"), strict=True):
                    assert words.endswith(": right") is score[label_set]
                for predicted in plain.predicted(card["image"], row):
                    assert plain.names[predicted] in answer["text"]
                if row == worded:
                    assert ("OOP" in answer["text"]) is score["oop"]
        widths = grid.driver.execute_async_script(DECODED)
        assert len(widths) == len(plain.labels)
        assert min(widths) > 100
    assert grid.requests() == []


def test_grid_and_table_show_the_same_images(grid: Page, plain: Plain) -> None:
    link = view(right="1-", order="right-desc")
    with grid.sized(1400, 12_000):
        grid.open(link)
        shown = grid.shown()
        assert shown
        grid.one("[data-layout=table]").click()
        assert not grid.is_grid
        assert grid.shown() == shown
        grid.one("[data-layout=grid]").click()
        assert grid.is_grid
        assert grid.shown() == shown
    assert grid.view == link


def test_the_grid_is_walked_by_keyboard(grid: Page, plain: Plain) -> None:
    grid.open()
    ids = list(plain.labels)
    columns = grid.driver.execute_script(
        "return getComputedStyle(document.getElementById('cards')).gridTemplateColumns.split(' ').length"
    )
    assert columns >= 4
    focused = "return document.activeElement.textContent"
    grid.driver.execute_script("document.querySelector('#cards button.open').focus()")
    for pressed, place in (
        (Keys.ARROW_RIGHT, 1),
        (Keys.ARROW_DOWN, columns + 1),
        (Keys.ARROW_LEFT, columns),
        (Keys.END, len(ids) - 1),
        (Keys.HOME, 0),
        (Keys.ARROW_DOWN, columns),
    ):
        ActionChains(grid.driver).send_keys(pressed).perform()
        assert grid.driver.execute_script(focused) == ids[place]
    ActionChains(grid.driver).send_keys(Keys.ENTER).perform()
    assert grid.texts("#detail-title bdi") == [ids[columns]]
    assert grid.driver.execute_async_script(
        "const [done] = arguments; const image = document.querySelector('#detail .large img');"
        "image.decode().then(() => done(image.clientWidth > 400 && image.naturalWidth > 320), done)"
    )
    ActionChains(grid.driver).send_keys(Keys.ARROW_RIGHT, Keys.ESCAPE).perform()
    # the dialog says that it is closed after it has closed
    wait_until(lambda: grid.driver.execute_script(focused) == ids[columns + 1])


def test_fifty_thousand_images_make_the_cards_that_are_seen(driver, large: Path, tmp_path: Path) -> None:
    page = Page(driver, large, "grid")
    page.requests()
    page.open()
    place = "return Number(document.querySelectorAll('#cards button.open')[arguments[0]].textContent.split(' ')[1])"
    most = 120
    assert 10 < len(page.shown()) < most
    driver.execute_script("document.querySelector('#cards button.open').focus()")
    ActionChains(driver).send_keys(Keys.END).perform()
    assert driver.execute_script("return document.activeElement.textContent") == "image 049999"
    for share in (0.25, 0.5, 0.9, 0.1):
        driver.execute_script("scrollTo(0, document.documentElement.scrollHeight * arguments[0])", share)
        wait_until(lambda share=share: abs(driver.execute_script(place, 0) / 50_000 - share) < 0.01)
        shown = page.shown()
        assert len(shown) < most
        assert shown == [f"image {int(shown[0].split()[1]) + number:06}" for number in range(len(shown))]
        sight = "return document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('.card') !== null"
        assert driver.execute_script(sight)
    # those in sight have pictures from a folder as soon as there is one
    first = driver.execute_script(place, 0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (first + 15, 1):
        Image.new("RGB", (40, 30), "#0072b2").save(folder / f"image {number:06}.png")
    page.one("#grid-folder input").send_keys(str(folder))
    wait_until(lambda: len(page.all("#cards img")) == 1)
    assert driver.execute_async_script(DECODED) == [40]
    assert page.requests() == []
