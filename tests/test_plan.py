import pytest

from mllm_classify.files import PROJECT
from mllm_classify.plan import VARIABLE, hand_on, plan


@pytest.fixture(autouse=True)
def no_plan(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)


def test_a_job_has_the_plan_of_the_run_whatever_became_of_the_configuration(folder):
    (folder / "config.yaml").write_text((PROJECT / "config.yaml").read_text())
    made = plan(str(folder / "config.yaml"))
    hand_on(made)
    (folder / "config.yaml").write_text("broken: [")
    assert plan(str(folder / "config.yaml")) == made
