"""Two studies compared: by a plain computation of what they share, and what they differ in."""

import csv
import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import yaml
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from mllm_classify.__main__ import main
from mllm_classify.bundle import archive
from mllm_classify.compare import differences
from mllm_classify.compare.studies import common_models, opened
from mllm_classify.config.load import load
from mllm_classify.io.files import InputError
from mllm_classify.plan.files import bundled
from mllm_classify.plan.outline import outline
from tests.bundle.made import CATEGORIES, Made, id_of, labels_of, name_of
from tests.tables.ways import scored

pytestmark = pytest.mark.study
OTHER_ANSWERS = {"m1": 7, "m2": 3}
"""In B, every so many-th answer of these models is another class; m0's are as in A."""


def answers(study: Path, model: str) -> dict[str, int]:
    rows = list(csv.DictReader((study / f"{model}.csv").open()))
    return {row["image_id"]: int(row["class_id"]) for row in rows}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A, and B with other answers of two models, one more model, another rule, and four images fewer."""
    with pytest.MonkeyPatch.context() as patch:
        a, b = (tmp_path_factory.mktemp(name) for name in "ab")
        Made(a, patch, regt={"restricted": False}).make()
        other = Made(b, patch, regt={"restricted": False}, tables={"resamples": 100, "n_images": "correct"})
        for model, every in OTHER_ANSWERS.items():
            changed = {
                image: (class_id + (place % every == 0)) % 20
                for place, (image, class_id) in enumerate(answers(b, model).items())
            }
            (b / f"{model}.csv").write_text(
                "\n".join(["image_id,class_id", *(f"{image},{class_id}" for image, class_id in changed.items())]) + "\n"
            )
        for name in ("imgt", "regt", "m0", "m1", "m2"):
            lines = (b / f"{name}.csv").read_text().splitlines()
            (b / f"{name}.csv").write_text("\n".join(lines[:-4]) + "\n")
        config = yaml.safe_load((b / "config.yaml").read_text())
        config["dataset"]["regt"]["label"] = "R, <b>again</b>"
        (b / "config.yaml").write_text(yaml.safe_dump(config))
        other.config = load("config.yaml")
        other.make()
        yield a, b


def compared(folder: Path, *arguments: object) -> dict[str, list[dict]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["mllm_classify", "compare", *map(str, arguments), "--output", "out"])
        assert main() == 0
    return {path.stem: list(csv.DictReader(path.open())) for path in sorted((folder / "out").glob("*.csv"))}


@pytest.fixture(scope="module")
def found(studies, tmp_path_factory):
    return compared(tmp_path_factory.mktemp("out"), *studies)


IMAGES = CATEGORIES[:-4]


def right(predicted: int, image: int, label_set: str) -> bool:
    if label_set == "ImGT":
        return predicted == image % 20
    labels = labels_of(image, CATEGORIES[image])
    return labels == "N" or name_of(predicted) in labels.split("|")


def test_accuracies_differ_by_what_a_plain_count_says(studies, found):
    """Exact p are those of McNemar's test, corrected as statsmodels corrects them."""
    rows = {(row["model"], row["measure"]): row for row in found["differences"]}
    assert rows.keys() == {(model, of) for model in ("m0", "m1", "m2") for of in ("ImGT", "ReGT")}
    for of in ("ImGT", "ReGT"):
        p = {}
        for model in ("m0", "m1", "m2"):
            counts = Counter()
            both = [answers(study, model) for study in studies]
            for image in range(len(IMAGES)):
                counts[tuple(right(it[id_of(image)], image, of) for it in both)] += 1
            row = rows[model, of]
            n = sum(counts.values())
            accuracies = [(counts[True, True] + counts[key]) / n * 100 for key in ((True, False), (False, True))]
            assert [row["A"], row["B"]] == [f"{it:.2f}" for it in accuracies]
            assert row["difference"] == f"{accuracies[1] - accuracies[0]:.2f}"
            assert (row["only_A"], row["only_B"]) == (str(counts[True, False]), str(counts[False, True]))
            assert (row["n"], row["repeats"], row["scoring"], row["variant"]) == (str(len(IMAGES)), "1", "CW", "")
            assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])
            table = [[counts[True, True], counts[True, False]], [counts[False, True], counts[False, False]]]
            p[model] = min(1.0, mcnemar(table, exact=True).pvalue)
            assert float(row["p"]) == pytest.approx(p[model], rel=6e-3)
        corrected = dict(zip(p, multipletests([*p.values()], method="holm")[1], strict=True))
        assert {model: float(rows[model, of]["p_holm"]) for model in p} == pytest.approx(corrected, rel=6e-3)
    assert float(rows["m2", "ImGT"]["difference"]) < 0 == float(rows["m0", "ImGT"]["difference"])


def test_what_is_shared_is_counted(studies, found):
    shared = {row["what"]: [row[it] for it in ("A", "B", "both", "equal")] for row in found["shared"]}
    all_, fewer = str(len(CATEGORIES)), str(len(IMAGES))
    assert shared["images"] == shared["ImGT labels"] == shared["categories"] == [all_, fewer, fewer, fewer]
    assert shared["models"] == ["3", "3", "3", ""]
    assert shared["answers of m0"] == [all_, fewer, fewer, fewer]
    for model, every in OTHER_ANSWERS.items():
        equal = len(IMAGES) - len(range(0, len(IMAGES), every))
        assert shared[f"answers of {model}"] == [all_, fewer, fewer, str(equal)]


def test_each_changed_answer_is_there_and_no_other(studies, found):
    expected = set()
    for model in OTHER_ANSWERS:
        one, other = (answers(study, model) for study in studies)
        expected |= {
            (model, image, name_of(one[image]), name_of(other[image])) for image in other if one[image] != other[image]
        }
    rows = found["answers"]
    assert {(row["model"], row["image_id"], row["classes_A"], row["classes_B"]) for row in rows} == expected
    assert len(rows) == len(expected)
    for row in rows:
        image = int(row["image_id"].split()[1]) - 1000
        for side, study in zip("AB", studies, strict=True):
            predicted = answers(study, row["model"])[row["image_id"]]
            for of in ("ImGT", "ReGT"):
                assert row[f"{of}_{side}"] == str(right(predicted, image, of)).lower()


def test_settings_that_differ_are_there_and_no_others(found):
    settings = {row["setting"]: (row["A"], row["B"]) for row in found["settings"]}
    assert settings.pop("dataset.regt.label") == ("R", "R, <b>again</b>")
    assert settings.keys() == {"dataset.imgt.file", "dataset.regt.file", *(f"models[m{it}].file" for it in range(3))}
    assert all(re.fullmatch(r"SHA-256 [0-9a-f]{12}", it) for pair in settings.values() for it in pair)


def test_a_study_and_itself_differ_in_nothing(studies, tmp_path):
    a, _ = studies
    found = compared(tmp_path, a, a / "results")
    assert found["settings"] == found["answers"] == []
    assert {(row["difference"], row["p_holm"]) for row in found["differences"]} == {("0.00", "1")}
    assert all(row["equal"] in (row["both"], "") for row in found["shared"])


def test_the_page_shows_all_of_it_and_what_others_wrote_as_text(studies, tmp_path):
    found = compared(tmp_path, *studies)
    page = (tmp_path / "out/compare.html").read_text()
    assert "R, &lt;b&gt;again&lt;/b&gt;" in page
    assert "<b>again" not in page
    assert "<script" not in page
    for row in found["differences"]:
        assert f"<small>{row['low']} to {row['high']}</small>" in page
    assert page.count('<th scope="row">image ') == len(found["answers"])


def test_an_archive_is_compared_like_a_folder(studies, tmp_path, monkeypatch):
    a, b = studies
    monkeypatch.chdir(b)
    config = load("config.yaml")
    archive.write(archive.contents("config.yaml", config, bundled([outline(config)])), tmp_path / "b.zip")
    expected = compared(tmp_path, a, b)
    assert compared(tmp_path, a, tmp_path / "b.zip") == expected


def test_of_an_archive_without_labels_answers_are_compared_alone(studies, tmp_path, monkeypatch, caplog):
    a, b = studies
    monkeypatch.chdir(b)
    config = yaml.safe_load(Path("config.yaml").read_text())
    config["dataset"]["regt"]["restricted"] = True
    Path("restricted.yaml").write_text(yaml.safe_dump(config))
    read = load("restricted.yaml")
    archive.write(archive.contents("restricted.yaml", read, bundled([outline(read)])), tmp_path / "b.zip")
    whole = compared(tmp_path, a, b)
    found = compared(tmp_path, a, tmp_path / "b.zip")
    assert found["differences"] == []
    said = ["model", "image_id", "classes_A", "classes_B"]
    assert [[row[it] for it in said] for row in found["answers"]] == [
        [row[it] for it in said] for row in whole["answers"]
    ]
    assert {row["ImGT_A"] for row in found["answers"]} == {""}
    assert "b.zip: does not say which answers are right (no scores)" in caplog.text
    assert {row["setting"]: row["B"] for row in found["settings"]}["dataset.regt.file"] == "regt.csv, not there"


def test_an_archive_that_was_changed_is_refused(studies, tmp_path):
    (tmp_path / "b.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"b\.zip"):
        opened(tmp_path / "b.zip", None, None, tmp_path / "s")


def test_what_is_no_study_is_named(studies, tmp_path):
    with pytest.raises(InputError, match=r"is neither the folder of a study, with results/ in it, nor an archive"):
        opened(tmp_path, None, None, tmp_path / "s")
    (tmp_path / "results").mkdir()
    with pytest.raises(InputError, match=r"config\.yaml: no such file; name the configuration of these results"):
        opened(tmp_path, None, None, tmp_path / "s")
    with pytest.raises(InputError, match=r"--dataset: 'x' is not in the configuration"):
        opened(studies[0], None, "x", tmp_path / "s")


def test_models_of_two_names_are_paired(studies):
    a, b = (load(study / "config.yaml") for study in studies)
    assert common_models(a, b, []) == {"m0": "m0", "m1": "m1", "m2": "m2"}
    assert common_models(a, b, ["m0=m2"]) == {"m0": "m2", "m1": "m1"}
    with pytest.raises(
        InputError, match=r"--models: 'm0=x': 'x' is not among the models, which are m0, m1, m2; write A=B"
    ):
        common_models(a, b, ["m0=x"])


def test_studies_without_a_common_image_are_refused(studies, tmp_path, capsys):
    other = tmp_path / "other"
    (other / "results/dataset/d").mkdir(parents=True)
    (other / "config.yaml").write_text((studies[0] / "config.yaml").read_text())
    for name in ("images", "classes"):
        frame = pl.read_parquet(studies[0] / f"results/dataset/d/{name}.parquet")
        frame = frame.with_columns(image_id=pl.col("image_id") + "x") if name == "images" else frame
        frame.write_parquet(other / f"results/dataset/d/{name}.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "sys.argv", ["mllm_classify", "compare", str(studies[0]), str(other), "--output", str(tmp_path / "o")]
        )
        assert main() == 1
    assert "has none of the images of" in capsys.readouterr().err


def test_pictures_of_one_id_that_differ_are_not_shared():
    images = [
        pl.DataFrame({"image_id": ["a", "b", "c"], "sha256": it}, schema_overrides={"sha256": pl.String})
        for it in (["1", "2", None], ["1", "3", "4"])
    ]
    assert differences.same_pictures((images[0], images[1]))["image_id"].to_list() == ["a", "c"]
    (row,) = differences.shared_images((images[0], images[1]), (None, None))
    assert row == {"what": "images", "A": 3, "B": 3, "both": 3, "equal": 2}


def test_repeats_and_requests_about_several_images_are_paired():
    """Two repeats of four images; the first two of B were asked about in one request."""
    a = pl.concat([scored("MC", "1100", "1100", "v", it) for it in (0, 1)])
    b = pl.concat([scored("MC", "1110", "1110", "v", it, groups="1123") for it in (0, 1)])
    images = pl.DataFrame({"image_id": [f"i{it}" for it in range(4)]})
    found = differences.differences(differences.paired((a, b), images), ("correct", "correct"), 100).to_dicts()
    assert [(it["measure"], it["n"], it["repeats"], it["A"], it["B"], it["only_B"]) for it in found] == [
        ("ImGT", 4, 2, 50.0, 75.0, 2),
        ("ReGT", 4, 2, 50.0, 75.0, 2),
    ]


def test_images_in_n_count_where_they_do_in_both():
    a = scored("CW", "1000", "1011", categories="S+ M- N N")
    b = scored("CW", "1000", "1011", categories="S+ N N N")
    pairs = differences.paired((a, b), a.select("image_id"))
    n = {rules: differences.differences(pairs, rules, 100)["n"].to_list() for rules in
         (("correct", "correct"), ("excluded", "correct"), ("correct", "excluded"))}  # fmt: skip
    assert [*n.values()] == [[4, 4], [4, 2], [4, 1]]
