"""The report of a study whose folder, configuration and checkout lie apart, and whose names are markup."""

import copy
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import yaml

from mllm_classify.io.files import locate
from mllm_classify.outputs import OUTPUTS
from tests.workflow.study import SMALL, Study, existing, made_from

CLASSES = ["<script>alert(1)</script>", "=1+1", "$x_1$ & co", "stone wall", "missile"]
ALWAYS = {"provenance", "overview", "report"}
EXISTING = existing("regt", "several_models", "ranks")
SHOWN = {
    *("overview.html", "provenance.html", "panels.svg", "panels.html", "explorer.html"),
    *(f"{name}.{'svg' if OUTPUTS[name].form == 'figure' else 'html'}" for name in EXISTING if OUTPUTS[name].title),
}


class Reported(Study):
    """Snakemake runs in `work`, and reads `mine.yaml`, which names files of `data`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "checkout")
        self.checkout, self.data, self.mine = self.folder, folder / "data", folder / "mine.yaml"
        self.folder = folder / "work"
        self.folder.mkdir()
        self.data.mkdir()
        for name in ("coffee.png", "chelsea.png", "brick.png", "rocket.jpg"):
            shutil.copy(locate(f"package:skimage/data/{name}"), self.data / name)
        (self.data / "images.csv").write_text(SMALL["images.csv"].replace("package:skimage/data/", ""))
        (self.data / "classes.txt").write_text("\n".join(CLASSES) + "\n")
        (self.data / "imgt.csv").write_text("image_id,class\ncoffee,0\ncat,1\nbrick,3\nrocket,4\n")
        (self.data / "regt.csv").write_text("image_id,classes\ncoffee,0|1\ncat,2\nbrick,N\nrocket,4\n")
        models = {"ids": "<b>Ids</b> $x$", "others": "@others"}
        for name, ids in {"ids": (1, 2, 0, 4), "others": (0, 0, 1, 3)}.items():
            rows = "".join(
                f"{image},{number}\n" for image, number in zip(("coffee", "cat", "brick", "rocket"), ids, strict=True)
            )
            (self.data / f"{name}.csv").write_text("image_id,class_id\n" + rows)
        self.configuration = {
            "dataset": {
                "source": "table",
                "name": "small",
                "label": "Four & <i>more</i>",
                "folder": str(self.data),
                "classes": str(self.data / "classes.txt"),
                "images": str(self.data / "images.csv"),
                "imgt": {"label": "one", "file": str(self.data / "imgt.csv")},
                "regt": {"label": "all", "file": str(self.data / "regt.csv")},
            },
            "tables": {"resamples": 100},
            "models": [
                {"name": name, "label": label, "kind": "recorded", "file": str(self.data / f"{name}.csv")}
                for name, label in models.items()
            ],
        }
        self.mine.write_text(yaml.safe_dump(self.configuration))

    def run(self, *command: str, **options) -> subprocess.CompletedProcess[str]:
        self.environment["PYTHONPATH"] = str(self.checkout / "src")
        return super().run(*command, **options)

    def snakemake(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        where = ["--snakefile", str(self.checkout / "Snakefile"), "--configfile", str(self.mine)]
        return super().snakemake(*arguments, *where, **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    study = Reported(tmp_path_factory.mktemp("reported"))
    study.make("all", "results/report.zip")
    return study


@pytest.fixture(scope="module")
def archive(study: Reported) -> zipfile.ZipFile:
    return zipfile.ZipFile(study.folder / "results/report.zip")


def test_it_holds_the_tables_and_figures_that_the_study_has(archive: zipfile.ZipFile) -> None:
    """No model answers in words here: nothing says anything of tasks, and tables of them are empty."""
    names = [name.split("/") for name in archive.namelist()]
    assert {name[-1] for name in names} == {"report.html", *SHOWN}
    assert ["report", "report.html"] in names


def test_everything_has_a_caption_a_category_and_a_title(archive: zipfile.ZipFile) -> None:
    page = archive.read("report/report.html").decode()
    results = next(json.loads(line.partition("=")[2].strip().rstrip(";")) for line in page.splitlines()
                   if "=" in line and '"results/change.svg": {"name"' in line)  # fmt: skip
    assert {Path(name).name for name in results} == SHOWN
    for entry in results.values():
        assert entry["labels"]["title"]
        assert entry["caption"].startswith("<p>")
    assert "ImGT" in page
    for category in ("At a glance", "Examples", "Figures", "Provenance", "Tables"):
        assert f'"{category}"' in page


def test_the_overview_leads_to_all_that_the_report_shows(archive: zipfile.ZipFile, study: Reported) -> None:
    """In results/ to the files beside it, in the archive to those in other folders."""
    names = {Path(name).name: name for name in archive.namelist()}
    inside = PurePosixPath(names["overview.html"])
    beside = (study.folder / "results/overview.html").read_text()
    for page, above in ((beside, False), (archive.read(str(inside)).decode(), True)):
        links = {it.partition("#")[0] for it in re.findall(r'<a href="([^"]+)"', page)}
        assert {Path(link).name for link in links} == SHOWN - {"overview.html"}
        assert all(link.startswith("../") == above for link in links)
    for link in links:
        assert str(inside.parents[1] / link.removeprefix("../")) in names.values()


def test_names_and_answers_are_text_and_no_file_tells_of_this_machine(
    archive: zipfile.ZipFile, study: Reported
) -> None:
    for name in archive.namelist():
        content = archive.read(name).decode()
        assert "<script>alert" not in content, name
        assert "<b>Ids" not in content, name
        assert "<i>more" not in content, name
        assert str(study.folder.parent) not in content, name
    csv = (study.folder / "results/panels.csv").read_text()
    assert "'=1+1" in csv
    assert "'@others" in csv


def test_nothing_is_left_to_do_and_the_report_ran_no_job(study: Reported) -> None:
    assert study.scheduled("results/report.zip") == set()
    log = (study.folder / "logs/report/report.log").read_text()
    assert log.count("\n") == 1
    assert not list((study.folder / "results").glob(".*"))


def test_it_is_not_among_what_is_made_anyway(study: Reported) -> None:
    assert "report" not in study.scheduled("all", "--forcerun", "score")


CHANGES = {
    "nothing": (lambda _: None, set()),
    "label of a model": (lambda c: c["models"][0].update(label="Renamed"), {"panels", "explorer", *made_from("entries", exists=EXISTING), *ALWAYS}),
    "resources of a model": (lambda c: c["models"][0].update(resources={"mem_mb": 4000}), ALWAYS),
    "order of the models": (lambda c: c["models"].reverse(), ALWAYS),
    "resamples": (
        lambda c: c["tables"].update(resamples=110), {*made_from("resamples", exists=EXISTING), *ALWAYS},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_schedules(study: Reported, change: str) -> None:
    """Provenance tells of the whole configuration."""
    apply, expected = CHANGES[change]
    config = copy.deepcopy(study.configuration)
    apply(config)
    before = study.mine.read_text()
    study.mine.write_text(yaml.safe_dump(config))
    scheduled = study.scheduled("all", "results/report.zip")
    study.mine.write_text(before)
    assert scheduled == expected


def test_a_caption_reruns_the_report_only_and_a_wrong_one_is_one_line(study: Reported) -> None:
    caption = study.checkout / "workflow/report/change.rst"
    before = caption.read_text()
    caption.write_text("{{ nothing.at.all }}")
    assert study.scheduled("results/report.zip") == {"report"}
    done = study.snakemake("results/report.zip")
    assert done.returncode != 0
    (line,) = (study.folder / "logs/report/report.log").read_text().splitlines()
    assert line.startswith("error: results/report.zip: Snakemake cannot make the report: ")
    assert "change.rst" in line
    caption.write_text(before)


def test_without_the_pictures_there_are_fields(study: Reported) -> None:
    """As in an archive that somebody unpacked."""
    (study.data / "coffee.png").rename(study.data / "elsewhere.png")
    study.make("results/panels.svg", "--forcerun", "panels")
    assert "1 of 4 pictures are not here" in (study.folder / "logs/report/panels.log").read_text()
    assert (study.folder / "results/panels.svg").read_text().count("no picture here") == 1
    (study.data / "elsewhere.png").rename(study.data / "coffee.png")
