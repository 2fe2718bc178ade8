"""A judge behind the real vLLM. Its weights are random: its verdicts mean nothing, and are verdicts all the same."""

import json
import os

import pytest

from mllm_classify.config.judge import VLLMJudge
from mllm_classify.judge.asking import judgements
from mllm_classify.judge.questions import Pairs
from mllm_classify.judge.verdicts import VERDICTS
from mllm_classify.predict import vllm
from tests.judge.test_asking import FEW
from tests.vllm.conftest import ENVIRONMENT, SETTINGS


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    assert "OPENAI_API_KEY" not in os.environ


def test_vllm_is_held_to_the_verdicts_and_a_full_journal_starts_none(tmp_path, idefics3):
    entry = VLLMJudge(
        name="j", label="J", kind="vllm", model=str(idefics3), environment=str(ENVIRONMENT),
        flags={"dtype": "float32", "max-model-len": 8192, "enforce-eager": True, "limit-mm-per-prompt": {"image": 1}},
        request={"max_tokens": 40, "temperature": 1, "seed": 7}, repeats=2, concurrency=4, start_timeout=600,
    )  # fmt: skip
    questions = Pairs(entry, FEW)

    def ask():
        return judgements(questions, tmp_path, lambda *_: lambda *_: None, vllm.means(entry, tmp_path, questions))

    found, environments = ask()
    assert all(it["server"] for it in environments)
    assert found["status"].unique().to_list() == ["ok"]
    assert set(found["verdict"]) <= {*VERDICTS}
    assert len(found) == 2 * (len(FEW) + 29)
    assert found["verdict"].n_unique() > 1  # at random
    assert found["prompt_tokens"].min() > 100
    assert found["completion_tokens"].min() > 0
    log = (tmp_path / "engine.log").read_bytes()
    records = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.open()]
    assert {record["request"] for record in records if "sent" in record}
    assert ask()[0].equals(found)
    assert (tmp_path / "engine.log").read_bytes() == log
