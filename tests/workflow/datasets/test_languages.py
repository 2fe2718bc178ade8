"""A data set in two languages: who is asked what in which, and the table by language beside a plain computation."""

import csv
import re
from pathlib import Path

import polars as pl
import pytest

from tests.chat_server import chat_server, prompt_of
from tests.plain.languages import Name, Said, other_language
from tests.workflow.study import Study

pytestmark = pytest.mark.study
GERMAN = ["Espresso", "Teetasse", "Tigerkatze", "Steinmauer", "Rakete", "Raumfähre", "Labyrinth", "Gänseblümchen"]
PROMPTS = {
    "ow": "Was ist auf dem Bild zu sehen? Antworte nur mit dem Namen.",
    "cw": "Was ist auf dem Bild? Klassen:\n{classes}",
}
IMAGES = ["coffee", "cat", "brick", "rocket"]
ANSWERS = {
    "small": {"OW": ["tea cup", "tabby cat", "a wall", "missile"], "CW": ["tea cup", "tabby cat", "Steinmauer", "maze"]},
    "small-de": {"OW": ["Teetasse", "tabby cat", "maze", "Rakete"], "CW": ["Espresso", "Tigerkatze", "stone wall", "Raumschiff"]},
}  # fmt: skip
RIGHT = {"coffee": {1}, "cat": {2}, "brick": {3}, "rocket": {4, 5}}
TABLE = "results/languages.csv"


def says(body: dict) -> str:
    """The first class that is listed, or a word of the prompt's language."""
    prompt = prompt_of(body)
    listed = re.findall(r"^- (.+)$", prompt, re.MULTILINE)
    return listed[0] if listed else "Tigerkatze" if "Antworte" in prompt else "tabby cat"


@pytest.fixture
def study(embedder: str, tmp_path: Path):
    with chat_server(says) as chat:
        study = Study(tmp_path / "study")
        study.shrink(embedder=embedder)
        (study.folder / "small/de.txt").write_text("\n".join(GERMAN))
        for name, prompt in PROMPTS.items():
            (study.folder / f"small/{name}.de.txt").write_text(prompt)
        for dataset, of in ANSWERS.items():
            with (study.folder / f"small/{dataset}.csv").open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["image_id", "task", "text"])
                rows.writerows(
                    (image, task, text) for task, texts in of.items() for image, text in zip(IMAGES, texts, strict=True)
                )
        config = study.config
        config |= {
            "language": "English",
            "languages": [
                {"name": "de", "label": "German", "names": "small/de.txt",
                 "tasks": {"OW": {"prompt": "small/ow.de.txt"}, "CW": {"prompt": "small/cw.de.txt"}}}
            ],
            "models": [
                {"name": "asked", "label": "Asked", "kind": "endpoint", "model": "test", "url": chat.url, "tasks": ["OW", "CW"],
                 "min_cached_share": 0},
                {"name": "said", "label": "Said", "kind": "recorded", "column": "text", "file": "small/{dataset}.csv"},
                {"name": "once", "label": "Once", "kind": "recorded", "column": "text", "file": "small/small.csv"},
            ],
            "variants": [],
        }  # fmt: skip
        study.write_config(config)
        yield study, chat


def names(study: Study, dataset: str) -> list[Name]:
    classes = pl.read_parquet(study.folder / f"results/dataset/{dataset}/classes.parquet").sort("class_id")
    vectors = pl.read_parquet(study.folder / f"results/embeddings/served/{dataset}/classes.parquet").sort("class_id")
    return [Name(*row) for row in zip(classes["name"], vectors["embedding"].to_list(), strict=True)]


def said(study: Study, dataset: str) -> list[Said]:
    vectors = dict(pl.read_parquet(study.folder / f"results/embeddings/served/{dataset}/said.parquet").iter_rows())
    return [
        Said(task, text, ok=True, right=RIGHT[image], vector=vectors[text])
        for task, texts in ANSWERS[dataset].items()
        for image, text in zip(IMAGES, texts, strict=True)
    ]


def test_a_data_set_in_two_languages(study) -> None:
    study, chat = study
    study.make(TABLE)

    prompts = {prompt_of(body) for body in chat.requests}
    german = {it for it in prompts if "Was ist" in it}
    assert {PROMPTS["ow"], PROMPTS["cw"].format(classes="\n".join(f"- {name}" for name in GERMAN))} <= german
    assert not [it for it in prompts - german if any(name in it for name in GERMAN)]

    table = study.rows("languages")
    rows = {(row["model"], row["task"], row["language"]): row for row in table}
    assert {(model, language) for model, _, language in rows} == {
        (model, language) for model in ("Asked", "Said") for language in ("English", "German")
    } | {("Once", "English")}
    shown = ("ImGT_A", "ImGT_change", "OOP", "other_named", "other_right", "n")
    assert {key: [row[it] for it in shown] for key, row in rows.items() if key[0] == "Said" and key[1].startswith("CW")} == {
        ("Said", "CW", "English"): ["50.00", "", "25.00", "25.00", "25.00", "4"],
        ("Said", "CW", "German"): ["25.00", "-25.00", "50.00", "25.00", "25.00", "4"],
    } | {("Said", "CW+", it): [rows["Said", "CW+", it][name] for name in shown] for it in ("English", "German")}  # fmt: skip
    assert rows["Asked", "OW", "German"]["ImGT_A"] == rows["Asked", "OW", "English"]["ImGT_A"] == "25.00"

    lists = {dataset: names(study, dataset) for dataset in ANSWERS}
    for dataset, language in (("small", "English"), ("small-de", "German")):
        (other,) = ANSWERS.keys() - {dataset}
        for task, shares in other_language(said(study, dataset), lists[dataset], [lists[other]]).items():
            row = rows["Said", task, language]
            assert [row[it] for it in ("other_named", "other_right", "other_nearest")] == [f"{it:.2f}" for it in shares]

    # labels name classes as the list does; an edited list of names asks again in its language only
    labels = [pl.read_parquet(study.folder / f"results/dataset/{it}/labels.parquet") for it in ANSWERS]
    assert labels[0].equals(labels[1])
    assert study.scheduled(TABLE) == set()
    study.edit("small/de.txt", "Teetasse", "Teeschale")
    done = study.snakemake("-n", TABLE)
    assert sorted(re.findall(r"^Job \d+: (.+)$", done.stdout + done.stderr, re.MULTILINE)) == sorted(
        [
            "Checking every image of the data set",
            "Reading both label sets",
            "Embedding the class names with served",
            *(f"Asking {it}" for it in ("asked", "said")),
            *(f"Embedding the answers of {it} with served" for it in ("asked", "said")),
            *(f"Mapping the answers of {it} to classes with served" for it in ("asked", "said")),
            "Scoring all models",
            "Accuracy by language",
        ]
    )
