"""The second annotation pass of the embedded default, without a server: tasks, the share of disputed answers, an export."""

import json
import random
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify.annotate import second_pass
from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.equivalences import admits
from mllm_classify.io import parquet
from mllm_classify.tables.table import Study as Said
from tests.annotate.exports import annotation, task
from tests.plain.files import class_names, records
from tests.plain.second_pass import class_of, disputed, examined, read_second_pass
from tests.workflow.study import Study

DISPUTED = ["car_on_rocks", "astronaut", "motorcycle", "grace_hopper"]


@pytest.fixture(scope="module")
def key(demonstration: Study) -> list[dict]:
    return pl.read_parquet(demonstration.folder / "results/annotate/key.parquet").to_dicts()


def read_back(study: Study, export: list[dict], folder: Path) -> Path:
    """The label file of an export; the table goes to the study's results."""
    (folder / "export.json").write_text(json.dumps(export))
    done = study.run(
        *(sys.executable, "-m", "mllm_classify", "annotate", "read", "--export", str(folder / "export.json")),
        *("--labels", str(folder / "labels.csv"), "--output", "results/second_pass.csv"),
    )
    assert done.returncode == 0, done.stderr
    return folder / "labels.csv"


def test_the_share_of_disputed_answers_equals_an_independent_computation(demonstration: Study) -> None:
    config = demonstration.config
    rows = disputed(demonstration.folder / "results", config["models"], config["annotate"])
    assert demonstration.differences("disputed", rows) == []
    assert rows[-1]["disputed"] == str(len(DISPUTED))


def test_tasks_are_the_disputed_images_with_all_that_was_proposed(demonstration: Study, key: list[dict]) -> None:
    results, annotate = demonstration.folder / "results", demonstration.config["annotate"]
    names = class_names(results)
    tasks = json.loads((results / "annotate/tasks.json").read_text())
    assert [row["image_id"] for row in key] == DISPUTED
    labels = {row["image_id"]: row for row in records(results / "dataset/photos/labels.parquet")}
    answers = {it.image_id: it.classes for it in examined(results, annotate)}

    def ranking(model: str, image: str) -> list[int]:
        (ranked,) = [
            row["class_ids"]
            for row in records(results / f"predictions/photos/{model}.parquet")
            if row["image_id"] == image
        ]
        return ranked

    for made, row in zip(tasks, key, strict=True):
        image = row["image_id"]
        expected = {
            labels[image]["imgt"],
            *labels[image]["regt"],
            *answers[image],
            ranking("efficientnet-lite1", image)[0],
        }
        likely = ranking("efficientnet-lite2", image)
        assert len(likely) == 20
        assert made["data"].keys() == {"task", "image", "proposed", "likely"}
        assert {class_of(it["value"], names) for it in made["data"]["proposed"]} == expected
        shown = [class_of(it["value"], names) for it in made["data"]["likely"]]
        assert shown == [it for it in likely if it not in expected]
        assert row["sha256"] in made["data"]["image"]
    written = (results / "annotate/tasks.json").read_text() + (results / "annotate/labelling.xml").read_text()
    assert not [model["name"] for model in demonstration.config["models"] if model["name"] + '"' in written]


def random_export(draw: random.Random, key: list[dict], names: list[str]) -> list[dict]:
    """Tasks left out, doubled and foreign, annotated by up to three in every way."""

    def chosen() -> dict[str, list[str]]:
        said = {control: [draw.choice(names)] for control in ("likely", "other") if draw.random() < 0.2}
        said["proposed"] = [name for name in proposed if draw.random() < 0.5]
        if draw.random() < 0.2:
            said = {"none": [draw.choice(["None of the classes", "I cannot tell"])]}
        if draw.random() < 0.1:
            said["other"] = ["no such class"]
        return said if draw.random() < 0.9 else {}

    items = []
    for row in [*key, *draw.sample(key, draw.randint(0, 2)), {"task": "foreign", "candidates": [0]}]:
        proposed = [names[class_id] for class_id in row["candidates"]]
        said = [
            annotation(draw.randint(1, 3), at=moment, cancelled=draw.random() < 0.1, **chosen())
            for moment in draw.sample(range(60), draw.randint(0, 5))
        ]
        if draw.random() < 0.85:
            items.append(task(row["task"], *said))
    return items


def test_what_becomes_of_exports_equals_an_independent_computation(
    demonstration: Study, key: list[dict], tmp_path: Path
) -> None:
    from mllm_classify.config.load import load

    results, config = demonstration.folder / "results", demonstration.config
    names = class_names(results)
    frame = parquet.read(results / "annotate/key.parquet")
    lookup = Lookup(parquet.read(results / "dataset/photos/classes.parquet"))
    equal = admits(load(demonstration.folder / "config.yaml").dataset.equivalences, lookup)
    states = set()
    for seed in range(200):
        export = random_export(random.Random(seed), key, names)
        rows, decided = read_second_pass(results, config["models"], config["annotate"], key, export)
        read = second_pass.read(export, "export.json", names)
        found = second_pass.decisions(frame, read, equal)
        said = Said("d", "i", "r", None, "c")
        table = second_pass.second_pass(frame, read, found, rows[0]["model"], said).rows
        figures = [{name: "" if it is None else str(it) for name, it in row.items()} for row in table.to_dicts()]
        assert [{name: row[name] for name in wanted} for row, wanted in zip(figures, rows, strict=True)] == rows
        labelled = found.filter(pl.col("labels").is_not_null())
        assert dict(labelled.select("image_id", "labels").iter_rows()) == decided
        states |= set(found["state"])
    assert states == {*second_pass.OUTCOMES, *second_pass.OPEN}


def test_an_export_becomes_labels_and_with_them_the_tables_change(
    demonstration_copy: Study, key: list[dict], tmp_path: Path
) -> None:
    """The astronaut's label goes, the car gets one more, and two images are not annotated."""
    study = demonstration_copy
    config = study.config
    results = study.folder / "results"
    names = class_names(results)
    car, astronaut, *others = key
    both = [names[class_id] for class_id in (*car["regt"], *car["predicted"])]
    export = [
        task(astronaut["task"], annotation(proposed=["football helmet"])),
        task(car["task"], annotation(other=both)),
        *(task(other["task"]) for other in others),
    ]
    file = read_back(study, export, tmp_path)
    drawn = [results / f"second_pass{of}.{ending}" for of in ("", "_examples") for ending in ("svg", "pdf")]
    assert all(path.stat().st_size for path in drawn)
    rows, decided = read_second_pass(results, config["models"], config["annotate"], key, export)
    assert study.differences("second_pass", rows) == []
    assert [(row["category"], row["preferred"], row["combined"], row["unlabelled"]) for row in rows] == [
        ("M+", "0.00", "100.00", "0"), ("M-", "", "", "1"), ("S+", "100.00", "0.00", "1"), ("all", "50.00", "50.00", "2"),
    ]  # fmt: skip
    assert decided == {"astronaut": [560], "car_on_rocks": sorted([*car["regt"], *car["predicted"]])}

    config["dataset"]["regt"] = {"label": "second pass", "file": str(file)}
    (study.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    study.make("results/table2.csv", "results/disputed.csv")
    labels = pl.read_parquet(results / "dataset/photos/labels.parquet")
    now = dict(labels.select("image_id", "regt").iter_rows())
    assert now["astronaut"] == decided["astronaut"]
    assert now["car_on_rocks"] == decided["car_on_rocks"]
    assert now["camera"] == [538, 872]
    # the astronaut was S+
    assert study.rows("table2")[0]["S+"] == "11"
    assert study.rows("table2")[0]["S-"] == "1"
    assert {row["category"]: row["disputed"] for row in study.rows("disputed")} == {
        "S+": "1", "S-": "0", "M+": "0", "M-": "1", "all": "2",
    }  # fmt: skip
    stale = study.run(
        *(sys.executable, "-m", "mllm_classify", "annotate", "read", "--export", str(tmp_path / "export.json")),
        *("--labels", str(tmp_path / "again.csv"), "--output", "results/again.csv"),
    )
    assert stale.returncode == 1
    assert "2 of 4 tasks were made under another ReGT" in stale.stderr
    assert not (tmp_path / "again.csv").exists()
