import pytest

from mllm_classify.io.files import PROJECT
from mllm_classify.plan.plan import VARIABLE, hand_on, plan


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


def test_rules_know_who_is_asked_over_a_chat_protocol_and_whose_questions_need_labels(folder):
    content = (PROJECT / "config.yaml").read_text()
    (folder / "config.yaml").write_text(content)
    made = plan(str(folder / "config.yaml"))
    assert made.outlines[made.main].named("chat") == ["conse-chat"]
    assert {name for name, model in made.outlines[made.main].models.items() if model.labels} == set()
    assert {name for name, model in made.outlines[made.main].models.items() if model.choices} == {"conse-chat"}
    content = content.replace("cw.v1.txt\n", "cw.v1.txt\n    sample:\n      per_class: 1\n")
    (folder / "config.yaml").write_text(content)
    made = plan(str(folder / "config.yaml"))
    assert {name for name, model in made.outlines[made.main].models.items() if model.labels} == {"conse-chat"}
    assert "estimate" in made.lineages[made.main]
