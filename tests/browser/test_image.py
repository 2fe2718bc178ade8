"""One image in the explorer, with all answers, beside a plain computation."""

import hashlib
from pathlib import Path
from urllib.parse import parse_qs

import polars as pl
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from mllm_classify.report.explorer.document import write
from mllm_classify.report.explorer.pictures import with_pictures
from tests.browser.conftest import Page
from tests.browser.plain import Plain, view
from tests.report.hostile import many
from tests.waiting import PATIENCE, wait_until


def test_an_image_is_opened_and_walked_by_keyboard(page: Page, plain: Plain) -> None:
    page.one("#images tbody button.open").send_keys(Keys.ARROW_DOWN)
    ids = list(plain.labels)
    assert page.driver.switch_to.active_element.text == ids[1]
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.texts("#detail-title bdi") == [ids[1]]
    ActionChains(page.driver).send_keys(Keys.ARROW_RIGHT).perform()
    assert page.texts("#detail-title bdi") == [ids[2]]
    assert parse_qs(page.view)["image"] == [ids[2]]
    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    assert not page.one("#detail").is_displayed()
    # the dialog says that it is closed after it has closed
    wait_until(lambda: page.driver.switch_to.active_element.text == ids[2])
    assert page.view == ""


def test_an_image_shows_every_answer(page: Page, plain: Plain) -> None:
    for image, label in plain.labels.items():
        page.go(view(image=image))
        assert page.texts("#detail-title bdi") == [image]
        about = page.texts("#detail dd")
        assert about[:2] == [label["category"], plain.names[label["imgt"]]]
        assert about[2].startswith(" | ".join(plain.names[wanted] for wanted in label["regt"]) or "none of the classes")
        assert sorted(page.texts("#detail .said")) == sorted(filter(str.strip, plain.said[image]))
        found = [rows[image] for rows in plain.scores.values() if image in rows]
        for column, name in {"imgt": "ImGT", "regt": "ReGT"}.items():
            words = page.texts(f"#detail tbody td[data-name={name}]")
            assert sum(word == "✓ right" for word in words) == sum(row[column] for row in found)
            assert len(words) == len(found)
        assert sum("no" in text for text in page.texts("#detail td[data-name='In prompt']")) == sum(
            row["oop"] is True for row in found
        )
        assert page.driver.execute_script(
            "const image = document.querySelector('#detail img'); return image.decode().then(() => image.naturalWidth)"
        )
    assert sorted(page.texts("#detail tbody th")) == sorted(plain.labelled)


def test_rankings_are_shown_with_their_scores(page: Page, plain: Plain) -> None:
    wanted = next(iter(plain.labels))
    page.go(view(image=wanted))
    lists = page.driver.execute_script(
        "return [...document.querySelectorAll('#detail .ranking')].map((it) => [...it.children].map((li) => li.textContent))"
    )
    rows = [plain.rankings[model, image] for model, image in sorted(plain.rankings) if image == wanted]
    assert len(lists) == len(rows) > 0
    shown = [[text.rsplit(" ", 1) for text in ranking] for ranking in lists]
    assert sorted([name for name, _ in ranking] for ranking in shown) == sorted(
        [plain.names[class_id] for class_id in classes[:5]] for classes, _ in rows
    )
    best = sorted(float(ranking[0][1]) for ranking in shown)
    assert best == pytest.approx(sorted(scores[0] for _, scores in rows), rel=6e-3)


def test_pictures_that_the_page_does_not_hold_are_taken_from_the_readers_disk(driver, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for name, colour in {"one/a.png": "#0072b2", "two/a.png": "#d55e00", "b.png": "#009e73"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), colour).save(folder / name)
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("two/a.png", "b.png")}
    data = many(4)
    ids = data.columns["ids"]
    files = ["two/a.png", "b.png", "image 000002.png", "b.jpg"]
    sha256 = [digests["two/a.png"], "0" * 7 + "1" + digests["b.png"][8:], None, None]
    images = pl.DataFrame({"image_id": ids, "file": files, "sha256": sha256})
    path = tmp_path / "explorer.html"
    write(with_pictures(data, images, {}), path)
    page = Page(driver, path)
    page.requests()
    page.open(view(image=ids[0]))
    assert "holds no pictures" in page.one("#detail .own").text
    page.one("#detail .own input").send_keys(str(folder))

    def said(text: str) -> None:
        WebDriverWait(driver, PATIENCE).until(lambda _: text in page.one("#detail .own").text)

    said("the one that models saw")
    pixel = driver.execute_async_script(
        "const done = arguments[0]; const image = document.querySelector('#detail .own img'); image.decode().then(() => {"
        "const canvas = new OffscreenCanvas(1, 1).getContext('2d'); canvas.drawImage(image, 0, 0);"
        "done([...canvas.getImageData(0, 0, 1, 1).data]) }, (error) => done(String(error)))"
    )
    assert pixel == [0xD5, 0x5E, 0, 255]
    page.go(view(image=ids[1]))
    said("another than models saw")
    page.go(view(image=ids[2]))
    said("No file in the folder is image 000002.png")
    page.go(view(image=ids[3]))
    said("Your file, by its name")
    assert page.requests() == []
