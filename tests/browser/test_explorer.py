"""The explorer of the demonstration in a browser, beside a plain computation from the files that it was made from."""

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import polars as pl
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from mllm_classify.config.load import load
from mllm_classify.report import explorer
from tests.browser.conftest import Page
from tests.report.hostile import HOSTILE, IDS, many, study
from tests.workflow.study import Study

MEMBERS = {"N": {"N"}, "S": {"S+", "S-"}, "M": {"M+", "M-"}, "S+": {"S+"}, "S-": {"S-"}, "M+": {"M+"}, "M-": {"M-"}}
OUTCOMES = ["right", "wrong", "oop", "error", "unasked"]
Row = tuple[str, str, str, int]


class Plain:
    """What the demonstration's files say, image by image."""

    def __init__(self, made: Study) -> None:
        results = made.folder / "results"
        labels = pl.read_parquet(results / "dataset/photos/labels.parquet")
        self.labels = {row["image_id"]: row for row in labels.iter_rows(named=True) if row["excluded"] is None}
        classes = pl.read_parquet(results / "dataset/photos/classes.parquet").sort("class_id")
        self.names = classes["name"].to_list()
        self.same_name = classes["same_name"].to_list()
        self.scores: dict[Row, dict[str, dict]] = defaultdict(dict)
        for row in pl.read_parquet(results / "scores.parquet").iter_rows(named=True):
            self.scores[row["model"], row["scoring"], row["variant"], row["repeat"]][row["image_id"]] = row
        config = load(str(made.folder / "config.yaml"))
        self.labelled = {model.label: model.name for model in config.models}
        # by which task each model is compared: table 3 says it
        tasks = {self.labelled[row["model"]]: row["task"] for row in made.rows("table3")}
        self.compared = [
            (model.name, tasks[model.name], "", 0) for model in sorted(config.models, key=lambda it: it.label)
        ]
        self.said: dict[str, list[str]] = defaultdict(list)
        self.rankings: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        self.mapped: dict[tuple[str, str, str, str, int], dict] = {}
        for model in self.labelled.values():
            for row in pl.read_parquet(results / f"predictions/photos/{model}.parquet").iter_rows(named=True):
                if row["text"] is not None:
                    self.said[row["image_id"]].append(row["text"])
                if row["class_ids"]:
                    self.rankings[model, row["image_id"]] = row["class_ids"], row["scores"]
        for path in (results / "mapping/minilm/photos").glob("*.parquet"):
            for row in pl.read_parquet(path).iter_rows(named=True):
                self.mapped[path.stem, row["image_id"], row["task"], row["variant"], row["repeat"]] = row

    def images(self, test) -> list[str]:
        return [image for image in self.labels if test(image)]

    def has(self, image: str, row: Row, outcome: str, label_set: str) -> bool:
        found = self.scores[row].get(image)
        if outcome == "unasked":
            return found is None or found["status"] == "unasked"
        if found is None:
            return False
        return {
            "right": found[label_set],
            "wrong": not found[label_set],
            "oop": found["oop"] is True,
            "error": found["status"] == "error",
        }[outcome]

    def predicted(self, image: str, row: Row) -> set[int]:
        """The classes that an answer was taken for, by the rules of the paper."""
        model, scoring, variant, repeat = row
        if (model, image) in self.rankings:
            return set(self.rankings[model, image][0][:1])
        mapped = self.mapped[model, image, scoring.removesuffix("+").removesuffix(" inclusion"), variant, repeat]
        near = set() if mapped["nearest_class"] is None else set(self.same_name[mapped["nearest_class"]])
        exact = set(mapped["exact_classes"])
        if scoring.endswith("inclusion"):
            return set(mapped["included_classes"])
        return {"OW": near, "CW+": exact or near}.get(scoring, exact)

    def right(self, image: str, label_set: str) -> int:
        return sum(self.has(image, row, "right", label_set) for row in self.compared)

    def different(self, image: str) -> int:
        return len({frozenset(self.predicted(image, row)) for row in self.compared} - {frozenset()})


@pytest.fixture(scope="module")
def plain(demonstration: Study) -> Plain:
    demonstration.make("results/table3.csv")
    return Plain(demonstration)


@pytest.fixture
def page(driver, demonstration: Study) -> Page:
    opened = Page(driver, demonstration.folder / "results/explorer.html")
    opened.requests()
    opened.open()
    return opened


def view(**parts: object) -> str:
    return urlencode([(key.rstrip("_"), str(value)) for key, value in parts.items()])


def test_it_asks_nobody_and_shows_all_images(page: Page, plain: Plain) -> None:
    assert page.shown() == list(plain.labels)
    assert page.count() == len(plain.labels)
    assert page.requests() == []
    assert page.driver.execute_script("return performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("category", MEMBERS)
def test_category(page: Page, plain: Plain, category: str) -> None:
    Select(page.one("#category")).select_by_value(category)
    assert page.shown() == plain.images(lambda image: plain.labels[image]["category"] in MEMBERS[category])


def test_class_by_labels_and_by_predictions(page: Page, plain: Plain) -> None:
    shown = plain.compared[0]
    tests = {
        "imgt": lambda image, wanted: wanted == plain.labels[image]["imgt"],
        "regt": lambda image, wanted: wanted in plain.labels[image]["regt"],
        "shown": lambda image, wanted: wanted in plain.predicted(image, shown),
        "any": lambda image, wanted: any(wanted in plain.predicted(image, row) for row in plain.compared),
    }
    for where, test in tests.items():
        for wanted in range(0, len(plain.names), 1 if where == "regt" else 7):
            expected = plain.images(lambda image, wanted=wanted, test=test: test(image, wanted))
            if expected or wanted % 97 == 0:
                page.go(view(class_=wanted, is_=where))
                assert page.shown() == expected, (where, wanted)


def test_class_is_typed_by_name(page: Page, plain: Plain) -> None:
    field = page.one("#class")
    field.send_keys("no such class", Keys.TAB)
    assert "No class has this name" in page.one("#class-problem").text
    field.clear()
    field.send_keys("Espresso", Keys.TAB)
    assert page.one("#class-problem").text == ""
    Select(page.one("#where")).select_by_value("regt")
    espresso = plain.names.index("espresso")
    assert page.shown() == plain.images(lambda image: espresso in plain.labels[image]["regt"])


def test_every_condition_on_one_model(page: Page, plain: Plain) -> None:
    assert len(plain.scores) > 20
    for row in plain.scores:
        for outcome in OUTCOMES:
            for label_set in ["imgt", "regt"] if outcome in ("right", "wrong") else ["imgt"]:
                page.go(view(if_=json.dumps([*row, outcome, label_set])))
                expected = plain.images(
                    lambda image, row=row, outcome=outcome, label_set=label_set: plain.has(
                        image, row, outcome, label_set
                    )
                )
                assert page.shown() == expected, (row, outcome, label_set)
                assert page.count() == len(expected)


def test_one_model_right_and_another_wrong(page: Page, plain: Plain) -> None:
    for _ in range(2):
        page.one("#add").click()
    first, second = page.all("#conditions li")
    places = {option.text: option for option in first.find_elements(By.CSS_SELECTOR, "[data-key=row] option")}
    assert any(name.startswith("conse-chat (not an LLM)") for name in places)
    Select(first.find_element(By.CSS_SELECTOR, "[data-key=row]")).select_by_visible_text("EfficientNet-Lite0: CW")
    Select(first.find_element(By.CSS_SELECTOR, "[data-key=outcome]")).select_by_value("right")
    Select(second.find_element(By.CSS_SELECTOR, "[data-key=row]")).select_by_visible_text(
        "conse-chat (not an LLM): CW+"
    )
    Select(second.find_element(By.CSS_SELECTOR, "[data-key=outcome]")).select_by_value("wrong")
    for item in (first, second):
        Select(item.find_element(By.CSS_SELECTOR, "[data-key=set]")).select_by_value("regt")
    expected = plain.images(
        lambda image: (
            plain.has(image, ("efficientnet-lite0", "CW", "", 0), "right", "regt")
            and plain.has(image, ("conse-chat", "CW+", "", 0), "wrong", "regt")
        )
    )
    assert page.shown() == expected
    assert expected
    page.all("#conditions button")[1].click()
    assert page.shown() == plain.images(
        lambda image: plain.has(image, ("efficientnet-lite0", "CW", "", 0), "right", "regt")
    )


@pytest.mark.parametrize("label_set", ["imgt", "regt"])
def test_agreement(page: Page, plain: Plain, label_set: str) -> None:
    Select(page.one("#under")).select_by_value(label_set)
    for least in range(6):
        for most in range(least, 6):
            page.go(view(right=f"{least}-{most}", under=label_set))
            assert page.shown() == plain.images(lambda image, a=least, b=most: a <= plain.right(image, label_set) <= b)
            page.go(view(distinct=f"{least}-{most}", under=label_set))
            assert page.shown() == plain.images(lambda image, a=least, b=most: a <= plain.different(image) <= b)


@pytest.mark.parametrize("text", ["coffee", "ESPRESSO", "a", "ea", " ", "<", "zzz", "."])
def test_text(page: Page, plain: Plain, text: str) -> None:
    page.go(view(text=text))
    wanted = text.lower()
    assert page.shown() == plain.images(
        lambda image: wanted in image.lower() or any(wanted in said.lower() for said in plain.said[image])
    )


def test_filters_go_together_and_are_reset(page: Page, plain: Plain) -> None:
    page.one("#text").send_keys("e")
    Select(page.one("#category")).select_by_value("M-")
    page.one("#right-least").send_keys("2", Keys.TAB)
    expected = plain.images(
        lambda image: plain.labels[image]["category"] == "M-" and plain.right(image, "regt") >= 2
        and any("e" in text.lower() for text in [image, *plain.said[image]])
    )  # fmt: skip
    page.driver.execute_async_script("setTimeout(arguments[0], 300)")
    assert page.shown() == expected
    page.one("#reset").click()
    assert page.shown() == list(plain.labels)
    assert page.view == ""


def test_sorting_by_header(page: Page, plain: Plain) -> None:
    header = page.all("div.dt-scroll-head thead th")[5]
    header.click()
    by_right = sorted(plain.labels, key=lambda image: plain.right(image, "regt"))
    assert page.shown() == by_right
    assert "order=right-asc" in page.view
    page.go("order=imgt-desc")
    order = {image: place for place, image in enumerate(plain.labels)}
    names = {image: plain.names[label["imgt"]] for image, label in plain.labels.items()}
    assert page.shown() == sorted(sorted(plain.labels, key=order.get), key=names.get, reverse=True)


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
    assert page.view == ""
    assert page.driver.switch_to.active_element.text == ids[2]


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
    assert "conse-chat (not an LLM)" in page.texts("#detail tbody th")


def test_rankings_are_shown_with_their_scores(page: Page, plain: Plain) -> None:
    page.go(view(image="coffee"))
    lists = page.driver.execute_script(
        "return [...document.querySelectorAll('#detail .ranking')].map((it) => [...it.children].map((li) => li.textContent))"
    )
    assert len(lists) == 4
    shown = [[text.rsplit(" ", 1) for text in ranking] for ranking in lists]
    rows = [plain.rankings[model, "coffee"] for model, image in sorted(plain.rankings) if image == "coffee"]
    assert sorted([name for name, _ in ranking] for ranking in shown) == sorted(
        [plain.names[class_id] for class_id in classes[:5]] for classes, _ in rows
    )
    best = sorted(float(ranking[0][1]) for ranking in shown)
    assert best == pytest.approx(sorted(scores[0] for _, scores in rows), rel=2e-3)


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
    explorer.write(explorer.with_pictures(data, images, {}), path)
    page = Page(driver, path)
    page.requests()
    page.open(view(image=ids[0]))
    assert "holds no pictures" in page.one("#detail .own").text
    page.one("#detail .own input").send_keys(str(folder))

    def said(text: str) -> None:
        WebDriverWait(driver, 10).until(lambda _: text in page.one("#detail .own").text)

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
    explorer.write(data, path)
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
    explorer.write(many(5000), path)
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
