"""A whole study of three data sets: its report, in which one is chosen first, its archive, and what there is for annotators."""

import json
import posixpath
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.workflow.datasets.several import COLOURS, Several
from tests.workflow.study import PROJECT, reconfigure, served_encoder

pytestmark = pytest.mark.study
EACH = 6
"""Pictures of a class."""


class Recorded(Several):
    """Two recorded models, with a file for each data set."""

    model = "one"

    def prepare(self) -> None:
        self.shrink()
        self.lay_out(EACH)
        images = {"small": ["coffee", "cat", "brick", "rocket"]}
        images |= {
            name: [f"{of}/{number}.png" for of in ("cat", "dog") for number in range(1, EACH + 1)] for name in COLOURS
        }
        (self.folder / "answers").mkdir()
        for step, model in enumerate(("one", "two"), 2):
            for name, ids in images.items():
                rows = [f"{image},{(place // EACH + (place % step == 0)) % 2}" for place, image in enumerate(ids)]
                (self.folder / f"answers/{model}-{name}.csv").write_text("\n".join(["image_id,class_id", *rows, ""]))
        reconfigure(self.with_recorded_models)(self)

    @staticmethod
    def with_recorded_models(config: dict) -> None:
        config.pop("encoder")
        config |= {"tasks": {}, "variants": [], "tables": {"resamples": 100}}
        config["models"] = [
            {"name": it, "label": it.title(), "kind": "recorded", "file": f"answers/{it}-{{dataset}}.csv"}
            for it in ("one", "two")
        ]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    study = Recorded(tmp_path_factory.mktemp("whole") / "study", yaml.safe_load((PROJECT / "config.yaml").read_text()))
    study.prepare()
    study.make("results/report.zip", "results/bundle.zip")
    return study


@pytest.fixture(scope="module")
def report(study: Recorded) -> zipfile.ZipFile:
    return zipfile.ZipFile(study.folder / "results/report.zip")


def shown(report: zipfile.ZipFile) -> dict[str, dict]:
    """What the report shows, by path."""
    page = report.read("report/report.html").decode()
    return next(
        json.loads(line.partition("=")[2].strip().rstrip(";"))
        for line in page.splitlines()
        if "=" in line and '"results/start.html": {"name"' in line
    )


def test_every_page_s_links_lead_to_pages_of_the_same_data_set(report):
    places = {path: f"report/{entry['data_uri']}" for path, entry in shown(report).items()}
    paths = {place: path for path, place in places.items()}
    for folder in ("results", "results/f", "results/g"):
        page = f"{folder}/overview.html"
        links = re.findall(r'href="([^"#]+)', report.read(places[page]).decode())
        led = [
            posixpath.normpath(posixpath.join(posixpath.dirname(places[page]), it)) for it in links if it != "data:,"
        ]
        assert {posixpath.dirname(paths[it]) for it in led if paths[it] != "results/start.html"} == {folder}
        assert [paths[it] for it in led].count("results/start.html") == 1
        assert {f"{folder}/{it}.html" for it in ("explorer", "panels", "provenance", "table3")} <= {
            paths[it] for it in led
        }


def test_the_first_page_leads_to_each_data_set_and_what_stands_across(report):
    places = {path: f"report/{entry['data_uri']}" for path, entry in shown(report).items()}
    start = places["results/start.html"]
    text = report.read(start).decode()
    links = [it for it in re.findall(r'href="([^"#]+)', text) if it != "data:,"]
    led = {posixpath.normpath(posixpath.join(posixpath.dirname(start), it)) for it in links}
    pages = [
        f"{folder}{it}.html" for folder in ("", "f/", "g/") for it in ("overview", "explorer", "panels", "provenance")
    ]
    assert led == {places[f"results/{it}"] for it in (*pages, "datasets.html", "heatmap.svg", "parallel.svg")}
    assert 'contentPath: results["results/start.html"]' in report.read("report/report.html").decode()
    assert [text.index(f">{it}<") for it in ("Four photographs", "F", "G")] == sorted(
        text.index(f">{it}<") for it in ("Four photographs", "F", "G")
    )


def test_the_report_has_a_chapter_for_each_data_set(report):
    page = report.read("report/report.html").decode()
    for chapter in ("small", "f", "g", "All data sets"):
        assert re.search(rf'"{chapter}": ?{{', page), chapter


def test_nothing_is_left_to_do_here_or_where_the_archive_is_unpacked(study, tmp_path):
    assert study.jobs("all", "results/report.zip", "results/bundle.zip") == []
    shutil.unpack_archive(study.folder / "results/bundle.zip", tmp_path / "unpacked")
    other = study.at(tmp_path / "unpacked")
    other.__class__ = Recorded
    assert other.jobs("all") == []
    other.edit("config.yaml", "label: G", "label: Gee")
    assert "Accuracy on every data set" in other.jobs("all")


def test_an_appended_data_set_makes_pages_of_its_own_and_those_across(study):
    with study.restored():
        study.have("f", "g", "h")
        jobs = study.jobs("results/report.zip")
        across = ["Accuracy on every data set", "Putting the report together", "Showing the data sets"]
        assert [it for it in jobs if it in across] == across
        for once in (
            "Showing the key figures",
            "Showing every image and answer",
            "Choosing examples",
            "Scoring all models",
        ):
            assert jobs.count(once) == 1


def test_annotators_see_the_data_set_that_asks_for_it(study, embedder, tmp_path):
    """Its entry has a second label set, and says whose answers to look at: those of a model that answers in words."""
    with study.restored():
        images = [f"{of}/{number}.png" for of in ("cat", "dog") for number in range(1, EACH + 1)]
        rows = [f"{image},{'dog' if place % 3 else 'cat'}" for place, image in enumerate(images)]
        (study.folder / "second.csv").write_text("\n".join(["image_id,classes", *rows, ""]))
        config = study.config
        config["datasets"][0]["dataset"]["regt"] = {"label": "second", "file": "second.csv"}
        config["datasets"][0]["annotate"] = {"model": "said", "sources": ["said", "ImGT", "ReGT"], "vision": "two"}
        config["encoder"] = served_encoder(embedder)
        said = {"name": "said", "label": "Said", "kind": "recorded", "column": "text", "file": "answers/{dataset}.csv"}
        config["models"].append(said)
        for name in ("small", "f", "g"):
            texts = "\n".join(["image_id,text", *(f"{image},cat" for image in images), ""])
            (study.folder / f"answers/{name}.csv").write_text(texts)
        study.write_config(config)
        done = study.snakemake("results/f/annotate/tasks.json", "results/f/disputed.csv")
        assert done.returncode == 0, done.stdout + done.stderr
        tasks = json.loads((study.folder / "results/f/annotate/tasks.json").read_text())
        assert tasks
        assert not Path(study.folder / "results/annotate").exists()
        pictures = study.run(
            *(sys.executable, "-m", "mllm_classify", "annotate", "pictures", "--dataset", "f"),
            *("--key", "results/f/annotate/key.parquet", "--folder", str(tmp_path / "pictures")),
        )
        assert pictures.returncode == 0, pictures.stderr
        assert len(list((tmp_path / "pictures").iterdir())) == len(tasks)
