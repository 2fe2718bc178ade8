"""Questions without images, behind examples, and about descriptions, on four photographs: files, tables, and what runs again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from mllm_classify.config.load import load
from mllm_classify.io.files import sha256
from mllm_classify.plan.lineage import Lineages
from tests import plain
from tests.chat_server import ChatServer, chat_server, images_of, prompt_of
from tests.workflow.study import Study, made_from, outputs_of, reconfigure

BLIND = ["nothing", "grey", "mixed"]
DESCRIPTIONS = (
    "class,description\nespresso,strong black coffee\ntea cup,it holds a hot drink\ntabby cat,a striped pet\n"
    "missile,it is launched\nmissile,a missile that flies\ndaisy,a white flower\n"
)


def first_or_strong(body: dict) -> str:
    """The first name on the list; of the black coffee, the right one."""
    names = re.findall("^- (.+)$", prompt_of(body), re.MULTILINE)
    return "espresso" if "espresso" in names and "black coffee" in prompt_of(body) else (names or ["a cup"])[0]


def set_up(folder: Path, url: str, embedder: str) -> Study:
    study = Study(folder)
    variants = [
        {"name": "nothing", "task": "CW", "pixels": "none", "classes": "shuffled", "repeats": 3},
        {"name": "grey", "task": "CW", "pixels": "grey"},
        {"name": "mixed", "task": "CW", "pixels": "shuffled"},
        {"name": "shots", "task": "CW", "prompt": "resources/prompts/cw-examples.v1.txt",
         "examples": {"train": {"folder": "train", "images": "train.csv"}, "choose": "random", "n": 2}},
    ]  # fmt: skip
    names = [variant["name"] for variant in variants]
    study.shrink(embedder=embedder, kind="endpoint", url=url, tasks=["OW", "CW"], retries=0, variants=names)
    (folder / "train").mkdir()
    lines = ["image_id,class,sha256"]
    for number, (name, picture) in enumerate({"tea cup": data.coffee(), "tabby cat": data.chelsea()}.items()):
        Image.fromarray(picture[:, ::-1]).save(folder / f"train/{number}.png")
        lines.append(f"{number}.png,{name},{sha256((folder / f'train/{number}.png').read_bytes())}")
    (folder / "train.csv").write_text("\n".join([*lines, ""]))
    (folder / "descriptions.csv").write_text(DESCRIPTIONS)
    config = study.config | {"variants": variants, "tables": {"resamples": 100}}
    config["probe"] = {"models": ["chat"], "descriptions": "descriptions.csv", "n": 3, "repeats": 2}
    study.write_config(config)
    return study


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server(first_or_strong) as found:
        yield found


@pytest.fixture(scope="module")
def finished(server: ChatServer, embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = set_up(tmp_path_factory.mktemp("questions") / "study", server.url, embedder)
    study.make("all", "results/estimate.csv")
    return study


@pytest.fixture
def study(server: ChatServer, finished: Study, tmp_path: Path) -> Study:
    server.requests.clear()
    return finished.copy(tmp_path / "study")


def test_each_request_is_sent_once_with_as_many_pictures_as_it_shows(finished: Study, server: ChatServer) -> None:
    """OW, CW, mixed: one a photograph; nothing: one a repeat; grey: one a size, of which there are four; probes: five, twice."""
    counts = [len(images_of(body)) for body in server.requests]
    assert {count: counts.count(count) for count in set(counts)} == {0: 3 + 2 * 5, 1: 4 * 4, 3: 4}
    rows = {(row["task"], row["variant"]): row["requests"] for row in finished.rows("estimate")}
    assert {key: int(rows["CW", key]) for key in ("", *BLIND, "shots")} == {
        "": 4, "nothing": 3, "grey": 4, "mixed": 4, "shots": 4,
    }  # fmt: skip
    assert int(rows["probe", ""]) == 10


def test_the_table_of_priors_equals_an_independent_computation(finished: Study) -> None:
    pairs = finished.folder / "small/ids.csv"
    pairs.write_text("classes,admits,source\n4|5,,both fly\n")
    config = finished.config
    expected = plain.tables(
        finished.folder / "results", config["models"], pairs, variants=config["variants"], blind=BLIND
    )["priors"]
    found = finished.rows("priors")
    assert len(found) == len(expected) == 6
    for row, wanted in zip(found, expected, strict=True):
        assert {key: row[key] for key in wanted} == wanted


def test_what_is_known_of_each_class_is_told(finished: Study) -> None:
    rows = {row["class"]: row for row in finished.rows("class_knowledge")}
    assert rows.keys() == {"espresso", "tea cup", "tabby cat", "missile", "daisy"}
    assert (rows["espresso"]["questions"], rows["espresso"]["knowledge"]) == ("2", "100.00")
    (row,) = finished.rows("knowledge")
    assert (row["n_classes"], row["questions"], row["chance"]) == ("5", "10", "33.33")


def test_another_seed_of_the_probe_asks_about_descriptions_only(study: Study, server: ChatServer) -> None:
    assert study.scheduled() == set()
    reconfigure(lambda c: c["probe"].update(repeats=3))(study)
    tables = made_from("probes", exists=outputs_of(study.folder / "config.yaml"))
    assert tables == {"knowledge", "class_knowledge"}
    assert study.scheduled() == {"probe/chat", *tables}
    study.make("results/knowledge.csv")
    assert len(server.requests) == 5
    assert not any(images_of(body) for body in server.requests)


def test_other_records_of_examples_and_descriptions_are_in_the_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which questions are asked again, the journal's keys say."""
    study = set_up(tmp_path / "study", "http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1")
    monkeypatch.chdir(study.folder)

    def lineages() -> list[str]:
        known = Lineages(load("config.yaml"))
        return [known["predict/chat"], known["probe/chat"], known["images"]]

    first = lineages()
    study.edit("train.csv", "tea cup", "espresso")
    second = lineages()
    study.edit("descriptions.csv", "striped", "furry")
    third = lineages()
    assert len({it[0] for it in (first, second, third)}) == 2
    assert len({it[1] for it in (first, second, third)}) == 3
    assert first[2] == second[2] == third[2]
