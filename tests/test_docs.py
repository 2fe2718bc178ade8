"""The configurations that docs/ shows, and the presets, are configurations."""

import re
from pathlib import Path

import pytest
import yaml

from mllm_classify.config.chat import ChatModel
from mllm_classify.config.load import load
from mllm_classify.config.tasks import Variant
from mllm_classify.io.files import PROJECT
from mllm_classify.plan.plan import plan
from mllm_classify.predict.chat.prompts import read_prompt

BASE = yaml.safe_load((PROJECT / "config.yaml").read_text())
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in [PROJECT / f"docs/{name}.md" for name in ("mllms", "providers", "encoders", "likelihood")]
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL))
]


def completed(block):
    """A block of a page with what it leaves out: the rest of the demonstration, or of a model's entry."""
    if block.startswith("    "):
        entry = {"name": "m", "label": "M", "kind": "endpoint", "url": "http://127.0.0.1/v1", "model": "m"}
        return BASE | {"models": [*BASE["models"], entry | yaml.safe_load(block)]}
    shown = yaml.safe_load(block)
    encoding = {key: shown[key] for key in ("encoder", "encoders") if key in shown}
    # a key that names an encoder of the demonstration
    encoding |= {"similarity": None} if "encoders" in shown else {}
    whole = BASE | encoding | {"tasks": BASE["tasks"] | shown.get("tasks", {}), "variants": shown.get("variants", [])}
    whole["models"] = [model | {"variants": []} for model in BASE["models"] if model["kind"] == "engine"]
    whole["models"] += [model for model in BASE["models"] if model["kind"] != "engine"] + shown.get("models", [])
    if "variants" in shown:
        whole["models"][0]["variants"] = [variant["name"] for variant in shown["variants"]]
    return whole


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_of_pages_are_valid(tmp_path, block):
    path = tmp_path / "config.yaml"
    content = completed(block)
    for model in content["models"]:
        if model["kind"] not in ("engine", "endpoint"):
            model.pop("variants", None)
    path.write_text(yaml.safe_dump(content))
    load(path)


@pytest.mark.parametrize(
    "block", re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs/datasets.md").read_text(), re.DOTALL)
)
def test_data_sets_of_the_page_are_valid(tmp_path, block):
    path = tmp_path / "config.yaml"
    models = [model for model in BASE["models"] if model["kind"] == "timm"]
    path.write_text(yaml.safe_dump({"models": models} | yaml.safe_load(block)))
    assert load(path).dataset.has_files


@pytest.mark.parametrize(
    "block", re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs/studies.md").read_text(), re.DOTALL)
)
def test_studies_of_the_page_are_valid(tmp_path, block):
    path = tmp_path / "config.yaml"
    shown = yaml.safe_load(block)
    compared = shown.get("tables", {}).get("compared", [])
    named = [{"name": name, "label": name, "kind": "recorded", "file": "p.csv"} for name in compared]
    whole = (
        {key: BASE[key] for key in ("dataset", "encoder", "tasks")} | {"models": named or BASE["models"][1:2]} | shown
    )
    path.write_text(yaml.safe_dump(whole))
    load(path)


@pytest.mark.parametrize("path", sorted((PROJECT / "presets").glob("*.yaml")), ids=lambda path: path.name)
def test_presets_are_valid_and_their_prompts_exist(path):
    loaded = load(path)
    for asked in [*loaded.tasks.values(), *(variant for variant in loaded.variants if variant.prompt)]:
        assert read_prompt(asked.prompt).text


def test_the_preset_of_design_choices_varies_every_one_of_them():
    """Its plan can be made, and every field of a variant differs somewhere, but examples: their records are the user's."""
    made = plan(str(PROJECT / "presets/sensitivity.yaml"))
    assert {"sensitivity", "agreement", "estimate", "usage"} <= made.lineages[made.main].keys()
    loaded = load(PROJECT / "presets/sensitivity.yaml")
    (model,) = loaded.models
    assert sorted(model.variants) == sorted(variant.name for variant in loaded.variants)
    fields = {
        name: field.default for name, field in Variant.model_fields.items() if name not in ("name", "task", "examples")
    }
    for name, default in fields.items():
        assert any(getattr(variant, name) != default for variant in loaded.variants), name
    words = [words for *_, words in loaded.differing()]
    assert words.count("nothing: asked again") == 1
    for choice in ("temperature 1", "prompt cw.v2", "prompt ow.v2", "layout image_first", "layout system", "answered by id",
                   "class list shuffled", "2 images a request", "8 images a request, by class"):  # fmt: skip
        assert any(choice in said for said in words), choice


def test_the_papers_preset_has_its_mllms():
    loaded = load(PROJECT / "presets/paper.yaml")
    published = {model.published for model in loaded.models if isinstance(model, ChatModel)}
    rows = (PROJECT / "resources/published/table4.csv").read_text().splitlines()
    assert published == {line.split(",")[0] for line in rows if not line.startswith("#")} - {"model"}
    paligemma = loaded.model("paligemma2-28b")
    assert paligemma.tasks == ["OW"]
    assert Path(paligemma.chat_template).parts[:2] == ("resources", "chat_templates")


PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "CHANGELOG.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        target = page.parent / file if file else page
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


def test_the_index_has_every_page():
    linked = set(re.findall(r"\]\(([\w-]+\.md)", (PROJECT / "docs/README.md").read_text()))
    assert linked == {page.name for page in (PROJECT / "docs").glob("*.md")} - {"README.md"}


def test_the_version_is_the_same_everywhere():
    version = re.search(r'^version = "(.+)"$', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert yaml.safe_load((PROJECT / "CITATION.cff").read_text())["version"] == version
    assert re.search(r"^## (\S+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
