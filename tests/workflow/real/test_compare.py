"""GPT-4V's recorded answers under two text encoders, compared."""

import csv
import re
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.workflow.study import PROJECT, Study

RECORDED = PROJECT.parent / "shared/real/gpt4v_outputs"


@pytest.mark.skipif(not RECORDED.is_dir(), reason="needs ../shared/real/gpt4v_outputs")
def test_gpt4v_under_two_encoders(tmp_path: Path) -> None:
    """By docs/gpt4v.md and its preset, and with the names of the classes alone: answers are the same, classes are not."""
    study = Study(tmp_path / "study")
    (study.folder / "gpt4v_outputs").symlink_to(RECORDED)
    (block,) = re.findall(r"```python\n(.*?)```", (study.folder / "docs/gpt4v.md").read_text(), re.DOTALL)
    assert study.run(sys.executable, "-c", block).returncode == 0
    preset = yaml.safe_load((study.folder / "presets/gpt4v-dtd.yaml").read_text())
    other = preset | {"encoder": preset["encoders"][0], "encoders": []}
    for name, config in {"a": preset | {"encoders": []}, "b": other}.items():
        (study.folder / name).mkdir()
        (study.folder / name / "recorded").symlink_to(study.folder / "recorded")
        (study.folder / name / "resources").symlink_to(study.folder / "resources")
        (study.folder / name / "config.yaml").write_text(yaml.safe_dump(config))
        study.make("results/table4.csv", "--directory", name, "--configfile", f"{name}/config.yaml")
    done = study.run(sys.executable, "-m", "mllm_classify", "compare", "a", "b")
    assert done.returncode == 0, done.stderr
    found = {it.stem: list(csv.DictReader(it.open())) for it in (study.folder / "compare").glob("*.csv")}
    settings = {row["setting"] for row in found["settings"]}
    assert {it for it in settings if not it.startswith("answers[")} == {"encoder.name", "encoder.templates"}
    shared = {row["what"]: row for row in found["shared"]}["answers of gpt-4v"]
    assert [shared[it] for it in ("A", "B", "both", "equal")] == ["1688"] * 4

    # plainly: the nearest class of each answer out of prompt, from both mappings
    nearest = [
        {
            row["image_id"]: row["nearest_class"]
            for row in pl.read_parquet(study.folder / name / f"results/mapping/{encoder}/dtd/gpt-4v.parquet").to_dicts()
            if not row["in_prompt"]
        }
        for name, encoder in (("a", "minilm"), ("b", "minilm-bare"))
    ]
    moved = {image for image in nearest[0] if nearest[0][image] != nearest[1][image]}
    changed = [row for row in found["answers"] if row["scoring"] == "CW+"]
    assert {row["image_id"] for row in changed} == moved
    assert moved
    assert {(row["text_A"] == row["text_B"]) for row in changed} == {True}
    rows = {(row["scoring"], row["measure"]): row for row in found["differences"]}
    right = [sum(row[f"ImGT_{side}"] == "true" for row in changed) for side in "AB"]
    assert rows["CW", "ImGT"]["difference"] == "0.00"
    assert rows["CW+", "ImGT"]["difference"] == f"{(right[1] - right[0]) / 1688 * 100:.2f}"
    assert rows["CW+", "ImGT"]["A"] == "58.18"
    print(rows["CW+", "ImGT"], len(moved))
