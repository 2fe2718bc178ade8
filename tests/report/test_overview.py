"""The overview: all that is inserted is text, every link leads to a file of the study, and nothing is loaded."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from mllm_classify.report.assemble import linked
from mllm_classify.report.overview import Entry, overview
from tests.report.summed import tables_of
from tests.tables.studies import MODELS, ONE_LABEL_SET, STUDY, random_frames, scored

EVIL = "<script>alert(1)</script>\u202e\x1b[31m{{ 7 * 7 }}"
ENTRIES = {
    "Tables": [Entry(f"{name}.html", f"The {name}") for name in ("table2", "table3", "table4", "table5", "ranking")],
    "Figures": [Entry("change.svg", "Change & <i>more</i>")],
    "Pages": [Entry("panels.html", "Examples"), Entry("panels.svg", "Pictures"), Entry("explorer.html", "Explorer"),
              Entry("provenance.html", "Sources")],
}  # fmt: skip
DRAWING = {"change": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"}


class Parts(HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def every(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def made(*frames, models=MODELS, study=STUDY, drawings=DRAWING):
    return overview(tables_of(*frames, models=models, study=study), drawings, ENTRIES, study)


def test_names_are_text_and_visible():
    models = MODELS.with_columns(label=pl.col("label") + f" {EVIL}")
    study = STUDY._replace(dataset=EVIL, imgt="<b>one</b>", regt='"two" onload=alert(1)', classes="names & (4)")
    parts = Parts(made(*random_frames(0), models=models, study=study))
    assert {tag for tag, _ in parts.tags}.isdisjoint({"script", "b onload", "iframe", "object", "form"})
    text = "".join(parts.words)
    assert "<script>alert(1)</script>\\u202e\\x1b[31m{{ 7 * 7 }}" in text
    assert "\u202e" not in text
    assert not [name for _, attributes in parts.tags for name in attributes if name.startswith("on")]


def test_nothing_but_its_own_style_and_pictures_is_allowed():
    page = made(*random_frames(1))
    parts = Parts(page)
    (policy,) = (it["content"] for tag, it in parts.tags if it.get("http-equiv") == "Content-Security-Policy")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(html.unescape(style).encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; img-src data:; style-src 'sha256-{allowed}'")
    assert all(source.startswith("data:image/svg+xml;base64,") for source in parts.every("src"))
    assert not parts.every("style")
    assert "http" not in re.sub(r"base64,[\w+/=]+", "", page).replace("http-equiv", "")


def test_links_lead_to_files_of_the_study_and_nowhere_else():
    parts = Parts(made(*random_frames(2)))
    links = {
        it.partition("#")[0] for tag, it in ((tag, them.get("href", "")) for tag, them in parts.tags) if tag == "a"
    }
    assert links == {entry.file for group in ENTRIES.values() for entry in group}
    anchors = {it for it in parts.every("href") if "#" in it}
    assert "explorer.html#category=S%2B" in anchors


def test_the_drawing_is_shown_as_a_picture_which_runs_nothing():
    parts = Parts(made(*random_frames(3)))
    (picture,) = (attributes for tag, attributes in parts.tags if tag == "img")
    assert base64.b64decode(picture["src"].partition(",")[2]) == DRAWING["change"]
    assert picture["alt"] == "Change & <i>more</i>"


def test_the_same_tables_give_the_same_bytes():
    assert made(*random_frames(4)) == made(*random_frames(4))


@pytest.mark.parametrize("regt", [True, False])
def test_nothing_is_said_of_what_a_study_lacks(regt):
    frames = [scored("v", "CW", "1100", "1111" if regt else None, "S+ S+ S+ N" if regt else None)]
    text = "".join(Parts(made(*frames, study=STUDY if regt else ONE_LABEL_SET, drawings={})).words)
    assert "None" not in text
    assert "nan" not in text
    assert ("What the labels hide" in text) == regt
    assert "nearest class (CW+)" not in text
    assert ("no second label set" in text) != regt


def test_in_the_report_links_lead_from_folder_to_folder():
    places = {
        "results/overview.html": "report/data/raw/aa/overview.html",
        "results/table3.html": "report/data/raw/bb/table3.html",
        "results/explorer.html": "report/data/raw/cc/explorer.html",
        "results/f/overview.html": "report/data/raw/dd/overview.html",
        "results/f/table3.html": "report/data/raw/ee/table3.html",
    }
    page = '<a href="table3.html">t</a><a href="explorer.html#category=N">e</a><a href="data:,">d</a><a href="gone.html">g</a>'
    assert linked(page, "results/overview.html", places) == (
        '<a href="../bb/table3.html">t</a><a href="../cc/explorer.html#category=N">e</a><a href="data:,">d</a><a href="gone.html">g</a>'
    )
    other = '<a href="table3.html">t</a><a href="../overview.html">o</a>'
    assert linked(other, "results/f/overview.html", places) == (
        '<a href="../ee/table3.html">t</a><a href="../aa/overview.html">o</a>'
    )
