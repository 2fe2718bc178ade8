"""docs/promises.md: each promise stands in its page, and each test that it names exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from mllm_classify.io.files import PROJECT

DOCS = PROJECT / "docs"
HEADING = re.compile(r"^## \[(.+)\]\((.+)\)$")
ROW = re.compile(r"^\| (.+) \| ((?:`[\w/]+\.py::\w+` ?)+)\|$")
WHOLE = {
    "mllms.md": "When something fails",
    "bundle.md": "What is run",
    "pictures.md": "What models see",
    "limits.md": "How large files may be",
}
"""Sections of which every item of a list, and every row of a table, is a promise."""


def promises() -> Iterator[tuple[str, str, list[str]]]:
    """The page of each promise, its words, and its tests."""
    page = ""
    for line in (DOCS / "promises.md").read_text().splitlines():
        if heading := HEADING.match(line):
            page = heading[2]
        elif row := ROW.match(line):
            yield page, row[1].replace("\\|", "|"), re.findall(r"`(.+?)`", row[2])
        else:
            assert not line.startswith("| ") or line == "| promise | held by |", line


PROMISES = list(promises())
PAGES = sorted({page for page, _, _ in PROMISES})


def plain(text: str) -> str:
    return " ".join(text.split())


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((PROJECT / file).read_bytes())
    functions = (it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef))
    return {it.name for it in functions if it.name.startswith("test_")}


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_stands_in_its_page_once_in_the_list_and_is_held_by_tests_that_exist(page: str) -> None:
    text = plain((DOCS / page).read_text())
    of_page = [(said, tests) for where, said, tests in PROMISES if where == page]
    assert [said for said, _ in of_page if plain(said) not in text] == []
    assert len({said for said, _ in of_page}) == len(of_page)
    named = {test for _, tests in of_page for test in tests}
    assert [it for it in sorted(named) if it.partition("::")[2] not in names_in(it.partition("::")[0])] == []


def items(section: str) -> list[str]:
    """Items of lists, and rows of tables without their head."""
    found = re.split(r"\n(?=- )|\n\n", section)
    rows = re.findall(r"^\|(?!:| *\|)(.*)\|$", section, re.MULTILINE)
    return [plain(it) for it in [*(it for it in found if it.startswith("- ")), *rows]]


@pytest.mark.parametrize("page", WHOLE)
def test_every_item_of_a_section_of_promises_has_one_in_the_list(page: str) -> None:
    text = (DOCS / page).read_text()
    section = re.split(r"\n#+ ", text.partition(f"# {WHOLE[page]}\n")[2])[0]
    found = items(section)
    assert len(found) > 3
    said = [plain(words) for where, words, _ in PROMISES if where == page]
    assert [it for it in found if not any(words in it for words in said)] == []


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_the_list_names_pages_that_promise_something(page: str) -> None:
    """One without a row says nothing of errors, answers, archives or pictures that a test could hold."""
    silent = {
        "README.md",
        "gpt4v.md",
        "house.md",
        "granularity.md",
        "label-noise.md",
        "performance.md",
        "platforms.md",
        "promises.md",
    }
    assert (page in silent) != (page in PAGES)
