"""Studies of several data sets: what a change schedules, who is asked what, and how often an engine starts.

The predictions of one model about three data sets are made: that is what an engine is needed for.
"""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.datasets.several import Several, copied
from tests.workflow.study import PROJECT, reconfigure

pytestmark = pytest.mark.study
SERVER = Path(__file__).parents[2] / "chat_server.py"
IMAGES = {"small": 4, "f": 2, "g": 2, "h": 2}
TASKS = 2
CONCURRENCY = 2
PROTOCOLS = ("CW", "CW+", "CW, inclusion", "OW", "OW, inclusion")
STARTING = "starting the engine"


class Studied(Several):
    """Its model has an engine that logs each request."""

    model = "chat"

    def prepare(self, embedder: str) -> None:
        self.shrink(
            embedder=embedder,
            kind="engine",
            tasks=["OW", "CW"],
            min_cached_share=0,
            concurrency=CONCURRENCY,
            command=[sys.executable, str(SERVER), "--port={port}", "--log=asked.log", "--delay=0.1"],
        )
        self.lay_out()

    @property
    def requests(self) -> int:
        """How many requests the engine has seen since its log was removed."""
        log = self.folder / "asked.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def predict(self) -> tuple[int, int]:
        """Make all predictions. How many requests that took, and how often the engine was started."""
        (self.folder / "asked.log").unlink(missing_ok=True)
        said = self.predicted()
        return self.requests, said.count(STARTING)


def questions(*names: str, tasks: int = TASKS) -> int:
    return tasks * sum(IMAGES[name] for name in names)


@pytest.fixture(scope="module")
def prepared(embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Studied:
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    study = Studied(tmp_path_factory.mktemp("datasets") / "study", config)
    study.prepare(embedder)
    return study


@pytest.fixture(scope="module")
def finished(prepared: Studied) -> Studied:
    """All predictions made, in one go."""
    assert prepared.predict() == (questions("small", "f", "g"), 1)
    return prepared


@pytest.fixture
def study(finished: Studied, tmp_path: Path) -> Studied:
    return copied(finished, tmp_path / "study")


def test_an_engine_is_started_once_and_nothing_is_left_to_do(study):
    assert study.jobs() == []
    assert study.predict() == (0, 0)


def test_the_order_changes_nothing(study):
    study.have("g", "f")
    assert study.jobs() == []


def test_an_appended_data_set_makes_its_own_files_only(study):
    before = study.contents()
    study.have("h", "f", "g")
    assert study.jobs() == ["Asking chat", "Checking every image of the data set"]
    assert study.predict() == (questions("h"), 1)
    assert study.contents().items() >= before.items()
    assert study.jobs() == []


def test_a_study_of_one_data_set_gets_others(prepared, tmp_path):
    study = copied(prepared, tmp_path / "study")
    for generated in ("results", "journal", ".snakemake"):
        shutil.rmtree(study.folder / generated, ignore_errors=True)
    study.have()
    assert study.predict() == (questions("small"), 1)
    study.have("f", "g")
    assert (
        study.jobs() == ["Asking chat"] * 2 + ["Asking chat about f g"] + ["Checking every image of the data set"] * 2
    )
    assert study.predict() == (questions("f", "g"), 1)
    assert study.jobs() == []


def test_the_table_across_data_sets_is_all_that_one_more_or_less_makes_of_the_others(study):
    """A run of all stages, as far as this table needs them."""
    table = "results/datasets.csv"
    study.make(table)
    assert [[row[key] for key in ("task", "measure", "n_small", "n_f", "n_g")] for row in study.rows("datasets")] == [
        [task, "ImGT", "4", "2", "2"] for task in PROTOCOLS
    ] + [[task, "ReGT", "4", "", ""] for task in PROTOCOLS]
    assert study.jobs(table) == []
    study.have("f", "g", "h")
    assert study.jobs(table) == [
        "Accuracy on every data set",
        "Asking chat",
        "Checking every image of the data set",
        "Embedding the answers of chat with served",
        "Embedding the class names with served",
        "Every accuracy with its intervals",
        "Mapping the answers of chat to classes with served",
        "Reading both label sets",
        "Scoring all models",
        "The protocols of earlier work",
    ]
    study.have("g")
    assert study.jobs(table) == ["Accuracy on every data set"]
    with study.restored():
        study.edit("config.yaml", "label: G", "label: Gee")
        assert study.jobs(table) == [
            "Accuracy on every data set",
            "Every accuracy with its intervals",
            "The protocols of earlier work",
        ]
    figures = ["results/heatmap.svg", "results/parallel.svg"]
    study.make(table, *figures, "results/start.html")
    page = (study.folder / "results/start.html").read_text()
    assert all(f'href="{Path(path).name}"' in page for path in [*figures, "results/datasets.html"])
    reconfigure(lambda config: config["datasets"][0].update(shifted_from="small"))(study)
    shifts = ["results/effective_robustness.csv", "results/shifts.svg"]
    assert study.jobs(table, *shifts) == [
        "Accuracy lost from base to shifted data sets",
        "Drawing accuracy on shifted data sets against their base",
    ]
    study.make(*shifts)
    assert [
        (row["base"], row["dataset"], row["n_base"], row["n"], row["loss"] != "", row["robustness"])
        for row in study.rows("effective_robustness")
    ] == [("small", "g", "4", "2", True, "")]
    assert study.jobs(table, *shifts) == []


def test_a_data_set_removed_takes_nothing_with_it(study):
    study.have("f")
    assert study.jobs() == []
    reconfigure(lambda config: config.pop("datasets"))(study)
    assert study.jobs() == []


def test_an_appended_model_is_asked_about_every_data_set_by_one_engine(study):
    before = study.contents()
    twin = study.config["models"][0] | {"name": "twin", "label": "Twin"}
    reconfigure(lambda config: config["models"].append(twin))(study)
    assert study.jobs() == []
    study.model = "twin"
    assert study.jobs() == ["Asking twin"] * 3 + ["Asking twin about f g small"]
    assert study.predict() == (questions("small", "f", "g"), 1)
    study.model = "chat"
    assert study.contents() == before


def test_a_deleted_file_is_made_of_the_journal(study):
    before = study.contents()
    for path in study.predictions("small", "g"):
        (study.folder / path).unlink()
    assert study.predict() == (0, 0)
    assert study.contents() == before
    assert study.jobs() == []


def test_a_changed_prompt_is_asked_about_every_data_set_by_one_engine(study):
    study.edit("resources/prompts/cw.v1.txt", "Which of", "Which one of")
    assert study.predict() == (questions("small", "f", "g", tasks=1), 1)
    assert study.jobs() == []


def test_a_changed_prompt_and_an_appended_data_set_at_once(study):
    """What Snakemake says is to run is masked by what runs before it, where inputs are called ancient."""
    study.edit("resources/prompts/cw.v1.txt", "Which of", "Which one of")
    study.have("f", "g", "h")
    for path in study.predictions("f"):
        (study.folder / path).unlink()
    assert study.predict() == (questions("small", "f", "g", tasks=1) + questions("h"), 1)
    assert study.jobs() == []


def test_what_was_killed_asks_for_the_rest(study):
    """All of it: Snakemake, the job that asks, and its engine."""
    study.edit("resources/prompts/cw.v1.txt", "Which of", "Which one of")
    (study.folder / "asked.log").unlink()
    study.killed(lambda: study.requests > CONCURRENCY)  # some of these were answered
    before = study.requests
    asked, started = study.predict()
    assert started == 1
    lacking = questions(*study.names, tasks=1)
    assert lacking - before <= asked <= lacking - before + CONCURRENCY
    assert study.jobs() == []


def test_an_engine_that_does_not_start_is_tried_once_and_all_is_left_to_do(study):
    reconfigure(lambda config: config["models"][0].update(command=["false", "{port}"]))(study)
    done = study.snakemake("--keep-going", *study.predictions())
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert said.count("the engine ended with status 1 before it answered") == 1
    assert study.jobs() == ["Asking chat"] * 3 + ["Asking chat about f g small"]
