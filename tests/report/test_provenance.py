import csv
import json

import polars as pl
import pytest

from mllm_classify.config.every_dataset import Equivalences
from mllm_classify.config.load import load
from mllm_classify.dataset.images import IMAGES
from mllm_classify.dataset.labels import LABELS
from mllm_classify.io.files import InputError, file_sha256, sha256
from mllm_classify.predict.rows import answer_rows
from mllm_classify.report.provenance import Predicted, named_files, provenance
from mllm_classify.tables.render import write
from mllm_classify.tables.table import Study

STUDY = Study("two <i>pictures</i>", "old", "new", None, "names.txt (3)")
ENVIRONMENT = {
    "python": "3.11.9", "platform": "Linux x86_64", "gpus": ["NVIDIA H200"], "packages": {"torch": "2.9", "zlib": "1"},
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    for name, content in {"imgt.csv": "image_id,class\na,0\n", "words.csv": "image_id,text\na,tea\n"}.items():
        (tmp_path / name).write_text(content)
    models = [
        {
            "name": "words",
            "label": "=Words\u202e (not an LLM)",
            "kind": "recorded",
            "file": str(tmp_path / "words.csv"),
        },
    ]
    content = {
        "dataset": {"source": "table", "name": "d", "label": "D", "classes": str(tmp_path / "imgt.csv"),
                    "imgt": {"label": "old", "file": str(tmp_path / "imgt.csv")}},
        "models": models,
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(json.dumps(content))
    return load(tmp_path / "mine.yaml")


def table_of(config, tmp_path, **changes):
    images = pl.DataFrame(
        {"image_id": ["a", "b"], "file": ["a.png", None], "sha256": ["0" * 64, None]},
        schema={k: IMAGES[k] for k in ("image_id", "file", "sha256")},
    )
    labels = pl.DataFrame(
        {"image_id": ["a", "b"], "imgt": [0, None], "excluded": [None, "no ImGT label"]},
        schema={k: LABELS[k] for k in ("image_id", "imgt", "excluded")},
    )
    answers = answer_rows(["a"], ["CW"], ["tea"]).with_columns(pl.lit("served/<b>").alias("served_model"))
    given = {"commit": "abc-dirty", "images": images, "labels": labels} | changes
    files = {"words": Predicted(answers, "f" * 64, [ENVIRONMENT, ENVIRONMENT])}
    return provenance(str(tmp_path / "mine.yaml"), config, predicted=files, study=STUDY, **given)


def rows(table):
    return {(row["part"], row["item"]): (row["value"], row["sha256"]) for row in table.rows.iter_rows(named=True)}


def test_it_tells_what_everything_comes_from(config, tmp_path):
    found = rows(table_of(config, tmp_path))
    assert found["Configuration", "mine.yaml"] == ("as it was written", file_sha256(str(tmp_path / "mine.yaml")))
    assert found["Code", "mllm-classify"][0].endswith(", commit abc-dirty")
    assert found["Data set", "images"][0] == "2, 1 with picture files"
    assert found["Data set", "labels"][0] == "of 1 evaluated images"
    assert found["Files", "dataset.imgt.file"][1] == sha256((tmp_path / "imgt.csv").read_bytes())
    assert found["Files", "models.words.file"][1] == sha256((tmp_path / "words.csv").read_bytes())
    told = table_of(config, tmp_path).rows.filter(pl.col("part") == "Environments")["value"].to_list()
    assert told == ["Python 3.11.9; Linux x86_64; NVIDIA H200", "torch 2.9", "made: words"]


def test_other_pictures_labels_and_code_are_seen(config, tmp_path):
    before = rows(table_of(config, tmp_path))
    images = pl.DataFrame(
        {"image_id": ["a", "b"], "file": ["a.png", None], "sha256": ["1" * 64, None]},
        schema={k: IMAGES[k] for k in ("image_id", "file", "sha256")},
    )
    assert {key for key, value in rows(table_of(config, tmp_path, images=images)).items() if before[key] != value} == {
        ("Data set", "images")
    }
    assert rows(table_of(config, tmp_path, commit=""))["Code", "mllm-classify"][0].endswith("no commit known")


def test_it_tells_nothing_of_this_machine_and_shows_text(config, tmp_path):
    write(table_of(config, tmp_path), tmp_path / "out/p.csv")
    for suffix in ("csv", "md", "html", "tex"):
        content = (tmp_path / f"out/p.{suffix}").read_text()
        assert str(tmp_path) not in content
        assert "\u202e" not in content
        assert "(not an LLM)" in content
    page = (tmp_path / "out/p.html").read_text()
    assert "served/<b>" not in page
    assert "served/&lt;b&gt;" in page
    with (tmp_path / "out/p.csv").open(newline="") as file:
        cells = [cell for row in csv.DictReader(file) for cell in row.values()]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)


def test_a_file_that_is_gone_is_named(config, tmp_path):
    (tmp_path / "words.csv").unlink()
    with pytest.raises(InputError, match=r"words\.csv: cannot be read"):
        list(named_files(config))


def test_what_changes_nothing_in_a_file_of_equivalences_is_counted(config, tmp_path):
    """Of ReImageNet's file only the groups are obeyed."""
    file = tmp_path / "class_update_config.json"
    content = {"eq_classes": {"g": [0, 1]}, "hier_classes": {"dog": [1, 2]}, "image_overrides": {"x": "a", "y": "b"}}
    told = {"equivalences: hier_classes": "1 entries, which change nothing",
            "equivalences: image_overrides": "2 entries, which change nothing"}  # fmt: skip

    def counted(content):
        file.write_text(json.dumps(content))
        dataset = config.dataset.model_copy(update={"equivalences": Equivalences(label="E", file=str(file))})
        found = rows(table_of(config.model_copy(update={"dataset": dataset}), tmp_path))
        return {item: value for (part, item), (value, _) in found.items() if item.startswith("equivalences: ")}

    assert counted(content) == told
    assert counted(content | {"hier_classes": {}}).keys() == {"equivalences: image_overrides"}
    assert counted({"eq_classes": {"g": [0, 1]}}) == {}
