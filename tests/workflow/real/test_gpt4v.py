"""GPT-4V's published answers: the answers out of prompt are those that its recorders count."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mllm_classify.config.load import load
from mllm_classify.dataset.classes import classes
from mllm_classify.dataset.images import images
from mllm_classify.embed.texts import distinct_answers
from mllm_classify.mapping.mapping import map_answers
from mllm_classify.plan.lineage import Lineages
from mllm_classify.predict.recorded import recorded
from tests.workflow.study import PROJECT

RECORDED = PROJECT.parent / "shared/real/gpt4v_outputs"
GUIDE = (PROJECT / "docs/gpt4v.md").read_text()


@pytest.mark.skipif(not RECORDED.is_dir(), reason="needs ../shared/real/gpt4v_outputs")
def test_both_data_sets_in_one_study_have_the_figures_of_each_alone(folder: Path) -> None:
    """Their scores and accuracies depend on the same."""
    (folder / "gpt4v_outputs").symlink_to(RECORDED)
    exec(re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1], {})
    both = load(PROJECT / "presets/gpt4v.yaml").studies
    assert list(both) == ["dtd", "sun397"]
    for name, study in both.items():
        alone = Lineages(load(PROJECT / f"presets/gpt4v-{name}.yaml"))
        assert {job: alone[job] for job in ("score", "accuracy", "table4")} == {
            job: Lineages(study)[job] for job in ("score", "accuracy", "table4")
        }


@pytest.mark.skipif(not RECORDED.is_dir(), reason="needs ../shared/real/gpt4v_outputs")
@pytest.mark.parametrize(("name", "count", "total"), [("dtd", 82, 1688), ("sun397", 1521, 19836)])
def test_answers_out_of_prompt(folder: Path, name: str, count: int, total: int) -> None:
    """By the Python of docs/gpt4v.md and its preset; which class is nearest does not matter here."""
    (folder / "gpt4v_outputs").symlink_to(RECORDED)
    exec(re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1], {})
    config = load(PROJECT / f"presets/gpt4v-{name}.yaml")
    names = classes(config.dataset)
    image_ids = images(config.dataset, names)["image_id"].to_list()
    answers = recorded(config.models[0], config.dataset, image_ids, names.height)
    texts = distinct_answers(answers)

    def vectors(count: int) -> pl.Series:
        return pl.Series("embedding", np.ones((count, 1), np.float32), dtype=pl.Array(pl.Float32, 1))

    mapped = map_answers(
        answers,
        names,
        pl.DataFrame({"class_id": names["class_id"], "embedding": vectors(names.height)}),
        pl.DataFrame({"text": texts, "embedding": vectors(len(texts))}),
        "none",
    )
    assert (mapped.height, (~mapped["in_prompt"]).sum()) == (total, count)
    assert f"{count:,}" in GUIDE
