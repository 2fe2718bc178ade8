"""The explorer's filters and orders, beside a plain computation."""

import json
from itertools import permutations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.browser.conftest import Page
from tests.browser.plain import Plain, view
from tests.waiting import wait_until

MEMBERS = {"N": {"N"}, "S": {"S+", "S-"}, "M": {"M+", "M-"}, "S+": {"S+"}, "S-": {"S-"}, "M+": {"M+"}, "M-": {"M-"}}
OUTCOMES = ["right", "wrong", "oop", "error", "unasked"]


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
    # of a name that no other class has
    wanted = next(it for label in plain.labels.values() for it in label["regt"] if len(plain.same_name[it]) == 1)
    field.send_keys(plain.names[wanted].upper(), Keys.TAB)
    assert page.one("#class-problem").text == ""
    Select(page.one("#where")).select_by_value("regt")
    expected = plain.images(lambda image: wanted in plain.labels[image]["regt"])
    assert expected
    assert page.shown() == expected


def test_every_condition_on_one_model(page: Page, plain: Plain) -> None:
    assert len(plain.scores) > 20
    for row in plain.scores:
        for outcome in OUTCOMES:
            for label_set in ["imgt", "regt"] if outcome in ("right", "wrong") else ["imgt"]:
                link = view(if_=json.dumps([*row, outcome, label_set]))
                expected = plain.images(
                    lambda image, row=row, outcome=outcome, label_set=label_set: plain.has(
                        image, row, outcome, label_set
                    )
                )
                assert page.reach(link) == (expected, len(expected)), (row, outcome, label_set)


def test_one_model_right_and_another_wrong(page: Page, plain: Plain) -> None:
    rows = [*plain.compared, *(row for row in plain.scores if row[1] == "CW+" and not row[2])]
    one, other = next(
        pair for pair in permutations(rows, 2) if any(plain.tells_apart(image, *pair) for image in plain.labels)
    )
    for _ in range(2):
        page.one("#add").click()
    items = page.all("#conditions li")
    for item, row, outcome in zip(items, (one, other), ("right", "wrong"), strict=True):
        for key, value in {"outcome": outcome, "set": "regt"}.items():
            Select(item.find_element(By.CSS_SELECTOR, f"[data-key={key}]")).select_by_value(value)
        choice = Select(item.find_element(By.CSS_SELECTOR, "[data-key=row]"))
        choice.select_by_visible_text(plain.option(row))
    assert page.shown() == plain.images(lambda image: plain.tells_apart(image, one, other))
    page.all("#conditions button")[1].click()
    assert page.shown() == plain.images(lambda image: plain.has(image, one, "right", "regt"))


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
    # DataTables sorts after the click has returned
    wait_until(lambda: "order=right-asc" in page.view, "the order is not in the link")
    by_right = sorted(plain.labels, key=lambda image: plain.right(image, "regt"))
    assert page.shown() == by_right
    page.go("order=imgt-desc")
    order = {image: place for place, image in enumerate(plain.labels)}
    names = {image: plain.names[label["imgt"]] for image, label in plain.labels.items()}
    assert page.shown() == sorted(sorted(plain.labels, key=order.get), key=names.get, reverse=True)
