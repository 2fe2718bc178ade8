"""Two models side by side, and confusions that lead to their images, beside a plain computation."""

from collections import defaultdict
from itertools import combinations

from selenium.webdriver.support.select import Select

from tests.browser.conftest import Page, number
from tests.browser.plain import Plain, Row, key, view


def test_two_models_are_compared(page: Page, plain: Plain) -> None:
    rows = [*plain.compared, *(row for row in plain.scores if row[1] == "CW" and not row[2])]
    for label_set, (one, other) in zip(("imgt", "regt"), combinations(rows[-3:], 2), strict=False):
        right = {
            image: tuple(plain.has(image, row, "right", label_set) for row in (one, other)) for image in plain.labels
        }
        page.open(view(shown=key(one), with_=key(other), under=label_set))
        for split, both in {
            "both": (True, True),
            "first": (True, False),
            "second": (False, True),
            "neither": (False, False),
        }.items():
            expected = plain.images(lambda image, both=both, right=right: right[image] == both)
            button = page.one(f"[data-split={split}]")
            assert int(button.text.rpartition(": ")[2]) == len(expected)
            button.click()
            assert page.shown() == expected
            page.one(f"[data-split={split}]").click()
        assert page.shown() == list(plain.labels)
    heads = page.texts("#images th")
    assert {plain.option(one), plain.option(other)} <= set(heads)
    Select(page.one("#other")).select_by_value("")
    assert len(page.texts("#images th")) == len(heads) - 1
    assert not page.one("#splits").is_displayed()


def test_the_opened_image_shows_both_paths_from_words_to_class(page: Page, plain: Plain) -> None:
    row = next(row for row in plain.scores if row[1] == "CW+" and not row[2])
    image = next((image for image in plain.labels if plain.scores[row][image]["oop"]), next(iter(plain.labels)))
    page.open(view(shown=key(row), with_=key(plain.compared[0]), image=image))
    path, other = page.all("#detail .path")
    mapped = plain.mapped[row[0], image, "CW", *row[2:]]
    score = plain.scores[row][image]
    steps = dict(line.text.split("\n", 1) for line in path.find_elements("css selector", "li"))
    assert steps["Answer"] in plain.said[image]
    assert ("OOP" in steps["In prompt"]) is score["oop"]
    name, similarity = steps["Nearest class"].split(" · similarity ")
    assert name == plain.names[mapped["nearest_class"]]
    assert abs(float(similarity) - mapped["similarity"]) < 0.001
    assert steps["ImGT"].endswith("right") is score["imgt"]
    assert steps["ReGT"].endswith("right") is score["regt"]
    assert other.text.startswith(plain.option(plain.compared[0]).partition(": ")[0])


def confused(plain: Plain, row: Row) -> dict[tuple[int, int], list[str]]:
    """Images by the class that labels them, and another that they were taken for."""
    found = defaultdict(list)
    for image, label in plain.labels.items():
        taken = plain.taken(image, row)
        if taken not in (None, label["imgt"]):
            found[label["imgt"], taken].append(image)
    return dict(found)


def test_confusions_lead_to_their_images(page: Page, plain: Plain) -> None:
    page.layout = "confusions"
    for row in plain.compared[:2]:
        page.layout = "confusions"
        page.open(view(shown=key(row)))
        expected = confused(plain, row)
        cells = page.driver.execute_script(
            "return [...document.querySelectorAll('.pairs [data-confused]')].map((it) => [it.dataset.confused, it.textContent])"
        )
        assert {pair: number(text) for pair, text in cells} == {
            f"{label}-{taken}": len(images) for (label, taken), images in expected.items()
        }
        within = page.driver.execute_script(
            "return [...document.querySelectorAll('.matrix [data-confused]')].map((it) => it.dataset.confused)"
        )
        assert {f"{label}-{taken}" for label, taken in expected} & set(within)
        for selector in (".pairs", ".matrix .other"):
            page.layout = "confusions"
            button = page.one(f"{selector} [data-confused]")
            pair = tuple(map(int, button.get_attribute("data-confused").split("-")))
            button.click()
            page.layout = None
            assert page.is_grid
            assert page.shown() == expected[pair]
            assert plain.names[pair[1]] in page.one("#confused").text
            assert f"confused={pair[0]}-{pair[1]}" in page.view
            page.one("#confused-clear").click()
            assert page.count() == len(plain.labels)
            assert page.one("#confusions").is_displayed()


def test_a_link_names_a_confusion_of_a_model(page: Page, plain: Plain) -> None:
    row = plain.compared[-1]
    (label, taken), images = next(iter(confused(plain, row).items()))
    page.open(view(confused=f"{label}-{taken}", model=row[0]))
    assert page.shown() == images
    assert page.one("#shown option:checked").text == plain.option(row)
