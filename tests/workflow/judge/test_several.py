"""A judge with an engine, about several data sets: how often it starts, what it is asked, and what a change schedules."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify.judge.verdicts import of_pairs
from tests.fake_judge import verdict_of
from tests.workflow.datasets.several import Several, copied
from tests.workflow.study import PROJECT, reconfigure

pytestmark = pytest.mark.study
ANSWERS = {
    "small": {"coffee": "teacup", "cat": "a tabby", "brick": "wall", "rocket": "a rocket"},
    "f": {"cat/1.png": "kitten", "dog/1.png": "big dog"},
    "g": {"cat/1.png": "kitten", "dog/1.png": "hound"},
    "h": {"cat/1.png": "tomcat", "dog/1.png": "a wolf"},
}
"""No answer is a class's name. One is given twice, about classes of the same names: it is put once."""
NEAREST, CONTROLS, AT_ONCE = 2, 29, 4
STARTING = "starting the engine"
JUDGING, UPSTREAM = "Judging answers by rules", ["Asking told", "Checking every image of the data set",
    "Embedding the answers of told with served", "Embedding the class names with served",
    "Mapping the answers of told to classes with served"]  # fmt: skip


def pairs(*names: str) -> int:
    """How many pairs the answers to data sets make together."""
    return NEAREST * len({(text, name == "small") for name in names for text in ANSWERS[name].values()})


class Judged(Several):
    """Recorded answers to each data set, which a judge by rules is asked about; its engine logs each pair."""

    model = "told"

    def predictions(self, *names: str) -> list[str]:
        """The judgements, which are what is made here."""
        return [f"results/judgements/rules/{name}.parquet" for name in names or self.names]

    def prepare(self, embedder: str) -> None:
        self.shrink(embedder=embedder)
        self.lay_out()
        for model in ("told", "twin"):
            for name, answers in ANSWERS.items():
                more = "" if model == "told" or name != "f" else "y"
                rows = [f"{image},OW,{text}{more}" for image, text in answers.items()]
                (self.folder / f"{model}-{name}.csv").write_text("\n".join(["image_id,task,text", *rows, ""]))
        server = [
            sys.executable,
            str(PROJECT / "tests/fake_judge.py"),
            "--port={port}",
            "--log=asked.txt",
            "--delay=0.1",
        ]
        judge = {"name": "rules", "label": "Rules", "kind": "engine", "model": "rules", "command": server,
                 "nearest": NEAREST, "concurrency": AT_ONCE}  # fmt: skip
        more = {"judge": judge, "tasks": {}, "models": [recorded("told")]}
        reconfigure(lambda config: config.update(more))(self)

    @property
    def asked(self) -> int:
        """How many pairs the judge has received: what it is asked beforehand is none."""
        log = self.folder / "asked.txt"
        return sum(line != "null" for line in log.read_text().splitlines()) if log.exists() else 0

    def judge(self) -> tuple[int, int]:
        """Make all judgements. How many pairs the judge received, and how often its engine was started."""
        (self.folder / "asked.txt").unlink(missing_ok=True)
        said = self.predicted()
        return self.asked, said.count(STARTING)


def recorded(name: str) -> dict:
    return {
        "name": name,
        "label": name.title(),
        "kind": "recorded",
        "file": f"{name}-{{dataset}}.csv",
        "column": "text",
    }


@pytest.fixture(scope="module")
def finished(embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """All judgements made, in one go: of the pairs of all data sets, each once."""
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    study = Judged(tmp_path_factory.mktemp("judged") / "study", config)
    study.prepare(embedder)
    assert study.jobs() == sorted([*UPSTREAM * 3, *[JUDGING] * 3, f"{JUDGING} about f g small"])
    assert study.judge() == (CONTROLS + pairs("small", "f", "g"), 1)
    return study


@pytest.fixture
def study(finished: Judged, tmp_path: Path) -> Judged:
    return copied(finished, tmp_path / "study")


def test_one_start_judges_the_answers_to_all_data_sets_and_nothing_is_left(study: Judged) -> None:
    for name in study.names:
        frame = of_pairs(pl.scan_parquet(study.folder / study.predictions(name)[0])).collect()
        assert {*frame["answer"]} == {*ANSWERS[name].values()}
        assert frame.height == NEAREST * frame["answer"].n_unique()
        assert frame["verdict"].to_list() == [verdict_of(*pair) for pair in frame.select("answer", "name").rows()]
    (mark,) = (study.folder / "results/asked/judges/rules").iterdir()
    assert sorted(json.loads(mark.read_text())) == ["f", "g", "small"]
    assert study.jobs() == []
    study.have("g", "f")  # in another order
    assert study.jobs() == []
    before = study.contents()
    for path in study.predictions("small", "g"):
        (study.folder / path).unlink()
    assert study.judge() == (0, 0)  # they are made of the journal
    assert study.contents() == before
    assert study.jobs() == []


def test_an_appended_data_set_is_judged_alone(study: Judged) -> None:
    before = study.contents()
    study.have("f", "h", "g")
    assert study.jobs() == sorted([*UPSTREAM, JUDGING])
    assert study.judge() == (pairs("h"), 1)
    assert study.contents().items() >= before.items()
    assert study.jobs() == []
    study.have("h")
    assert study.jobs() == []


def test_a_study_of_one_data_set_gets_others(study: Judged) -> None:
    """Two of them at once: they have one start, and the first one's judgements stand."""
    study.have()
    study.edit("resources/prompts/judge.v1.txt", "Judge by", "Go by")
    assert study.jobs() == [JUDGING]
    assert study.judge() == (CONTROLS + pairs("small"), 1)
    written = (study.folder / study.predictions("small")[0]).stat().st_mtime_ns
    study.have("f", "g")
    assert study.jobs() == [JUDGING, JUDGING, f"{JUDGING} about f g"]
    assert study.judge() == (pairs("f", "g"), 1)
    assert (study.folder / study.predictions("small")[0]).stat().st_mtime_ns == written
    assert study.jobs() == []


def test_a_changed_prompt_and_an_appended_data_set_have_one_start(study: Judged) -> None:
    study.edit("resources/prompts/judge.v1.txt", "Judge by", "Go by")
    assert study.jobs() == [*[JUDGING] * 3, f"{JUDGING} about f g small"]
    study.have("f", "g", "h")
    (study.folder / study.predictions("f")[0]).unlink()
    assert study.jobs() == sorted([*UPSTREAM, *[JUDGING] * 4, f"{JUDGING} about f g h small"])
    assert study.judge() == (CONTROLS + pairs("small", "f", "g", "h"), 1)
    assert study.jobs() == []


def test_an_appended_model_adds_new_pairs_by_one_start(study: Judged) -> None:
    """It answers as the other one does, but to one data set: all judgements are made again, of the journal."""
    reconfigure(lambda config: config["models"].append(recorded("twin")))(study)
    jobs = study.jobs()
    assert [it for it in jobs if it.startswith(JUDGING)] == [*[JUDGING] * 3, f"{JUDGING} about f g small"]
    assert not [it for it in jobs if "told" in it]
    assert study.judge() == (pairs("f"), 1)
    assert study.jobs() == []


def test_what_was_killed_asks_for_the_rest(study: Judged) -> None:
    study.edit("resources/prompts/judge.v1.txt", "Judge by", "Go by")
    (study.folder / "asked.txt").unlink()
    study.killed(lambda: study.asked > 2 * AT_ONCE)
    before = study.asked
    asked, started = study.judge()
    assert started == 1
    lacking = CONTROLS + pairs(*study.names)
    assert lacking - before <= asked <= lacking - before + AT_ONCE
    assert study.jobs() == []


def test_an_engine_that_does_not_start_is_tried_once_and_all_is_left_to_do(study: Judged) -> None:
    reconfigure(lambda config: config["judge"].update(command=["false", "{port}"]))(study)
    done = study.snakemake("--keep-going", *study.predictions())
    assert done.returncode != 0
    assert (done.stdout + done.stderr).count("the engine ended with status 1 before it answered") == 1
    assert study.jobs() == [*[JUDGING] * 3, f"{JUDGING} about f g small"]
