"""A stage that fails on its rerun never leaves an old table behind, however it failed and was repaired."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mllm_classify.io.files import locate
from tests.chat_server import chat_server
from tests.workflow.study import SMALL, Study

TARGETS = ["results/table2.csv", "results/table3.csv"]


def answer(body: dict) -> str:
    """Some name that follows from the whole request: another prompt or parameter gives other answers."""
    content = body["messages"][0]["content"]
    asked = f"{body['max_tokens']}{content[0]['text']}{content[1]['image_url']['url']}"
    names = ["maze", "daisy", "an espresso", "tabby cat", "space shuttle", "a wall", "missile"]
    return names[hashlib.sha256(asked.encode()).digest()[0] % len(names)]


@pytest.fixture(scope="module")
def finished(embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A finished study with one chat model and one encoder, which servers in this process answer for."""
    with chat_server(answer) as server:
        study = Study(tmp_path_factory.mktemp("failed_stage") / "study")
        study.shrink(embedder=embedder, kind="endpoint", url=server.url, retries=0)
        (study.folder / "small/fewer.txt").write_text(SMALL["classes.txt"].removesuffix("daisy\n"))
        study.environment["PYTHONPATH"] = str(Path(__file__).parent / "faults")
        study.make(*TARGETS)
        yield study


def configure(section: str, key: str, value: object) -> Callable[[Study], None]:
    def apply(study: Study) -> None:
        config = study.config
        part = config["models"][0] if section == "model" else config[section]
        assert part.get(key) != value
        part[key] = value
        study.write_config(config)

    return apply


def edit(file: str, old: str, new: str) -> Callable[[Study], None]:
    return lambda study: study.edit(file, old, new)


labels = edit("small/regt.csv", "brick,N", "brick,maze")
prompt = edit("resources/prompts/cw.v1.txt", "Which of", "Which one of")
tokens = configure("model", "request", {"max_tokens": 99})
bare = configure("encoder", "answers", "bare")
unpaired = configure("dataset", "equivalences", None)
BY_PARAMETER = {
    "dataset images": configure("dataset", "classes", "small/fewer.txt"),
    "dataset labels": unpaired,
    "embed classes": configure("encoder", "model", "other words"),
    "predict": tokens,
    "embed answers": bare,
    "mapping": bare,
    "score": unpaired,
    "make table3": configure("model", "label", "Renamed"),
}
BY_CONTENT = {
    "dataset images": edit("small/images.csv", "data/brick.png", "data/gravel.png"),
    "dataset labels": labels,
    "embed classes": edit("small/templates.txt", "art of", "a drawing of"),
    "predict": prompt,
    "embed answers": prompt,
    "mapping": prompt,
    "score": labels,
    "make table3": labels,
}
JOBS = {
    "dataset images": "images",
    "dataset labels": "labels",
    "embed classes": "classes/served",
    "predict": "predict/chat",
    "embed answers": "answers/served/chat",
    "mapping": "mapping/served/chat",
    "score": "score",
    "make table3": "table3",
}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [(BY_PARAMETER, "exit"), (BY_CONTENT, "exit"), (BY_PARAMETER, "kill")],
    ids=["parameter", "content", "SIGKILL"],
)
@pytest.mark.parametrize("stage", JOBS)
def test_a_failed_stage_leaves_no_old_table(
    finished: Study, tmp_path: Path, stage: str, changes: dict[str, Callable[[Study], None]], fault: str
) -> None:
    study = finished.copy(tmp_path / "study")
    changes[stage](study)
    study.environment["FAULT"] = f"{stage}:{fault}"
    failed = study.snakemake(*TARGETS)
    assert failed.returncode != 0, failed.stdout
    study.environment["FAULT"] = ""
    assert {JOBS[stage], "table3"} <= study.scheduled(*TARGETS)


@pytest.mark.parametrize("stage", ["predict", "score"])
def test_a_repaired_study_has_the_tables_of_an_undisturbed_one(finished: Study, tmp_path: Path, stage: str) -> None:
    study, undisturbed = finished.copy(tmp_path / "study"), finished.copy(tmp_path / "undisturbed")
    BY_PARAMETER[stage](study)
    study.environment["FAULT"] = f"{stage}:kill"
    assert study.snakemake(*TARGETS).returncode != 0
    study.environment["FAULT"] = ""
    BY_CONTENT[stage](study)
    study.make(*TARGETS)
    BY_PARAMETER[stage](undisturbed)
    BY_CONTENT[stage](undisturbed)
    undisturbed.make(*TARGETS)
    for target in TARGETS:
        assert (study.folder / target).read_bytes() == (undisturbed.folder / target).read_bytes()
    assert (study.folder / TARGETS[1]).read_bytes() != (finished.folder / TARGETS[1]).read_bytes()
    assert study.scheduled(*TARGETS) == set()
    assert not list((study.folder / "results").rglob("*.tmp"))


def test_a_change_that_is_taken_back_after_a_failure_restores_the_old_tables(finished: Study, tmp_path: Path) -> None:
    study = finished.copy(tmp_path / "study")
    original = study.config
    tokens(study)
    study.environment["FAULT"] = "predict:kill"
    assert study.snakemake(*TARGETS).returncode != 0
    study.environment["FAULT"] = ""
    study.write_config(original)
    study.make(*TARGETS)
    for target in TARGETS:
        assert (study.folder / target).read_bytes() == (finished.folder / target).read_bytes()


def test_a_changed_picture_is_registered_anew_unless_the_manifest_demands_the_old_one(
    finished: Study, tmp_path: Path
) -> None:
    """A new file under an old name is noticed though nothing else has changed."""
    study = finished.copy(tmp_path / "study")
    (study.folder / "picture.png").write_bytes(locate("package:skimage/data/brick.png").read_bytes())
    study.edit("small/images.csv", "package:skimage/data/brick.png", "picture.png")
    study.make(*TARGETS)

    (study.folder / "picture.png").touch()
    assert study.scheduled(*TARGETS) == set()
    before = study.rows("table3")

    shutil.copy(locate("package:skimage/data/gravel.png"), study.folder / "picture.png")
    assert {"images", "predict/chat", "table3"} <= study.scheduled(*TARGETS)
    study.make(*TARGETS)
    assert study.scheduled(*TARGETS) == set()

    table = (study.folder / "small/images.csv").read_text().replace("\n", ",\n").replace("file,", "file,sha256")
    digest = hashlib.sha256((study.folder / "picture.png").read_bytes()).hexdigest()
    (study.folder / "small/images.csv").write_text(table.replace("picture.png,", f"picture.png,{digest}"))
    study.make(*TARGETS)
    shutil.copy(locate("package:skimage/data/brick.png"), study.folder / "picture.png")
    done = study.snakemake(*TARGETS)
    assert done.returncode != 0
    assert "picture.png has the SHA-256" in done.stdout + done.stderr
    (study.folder / "small/images.csv").write_text(table)
    study.make(*TARGETS)
    assert study.rows("table3") == before
