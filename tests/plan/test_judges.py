"""Jobs of studies with a judge, and which of them a change runs again."""

import pytest

from mllm_classify.bundle.verify import needed
from mllm_classify.config.load import load
from mllm_classify.config.study import Config
from mllm_classify.io.files import PROJECT
from mllm_classify.plan.files import bundled, judged_files
from mllm_classify.plan.lineage import WHOLE, Lineages, lineages
from mllm_classify.plan.outline import outline
from mllm_classify.plan.restricted import influenced
from mllm_classify.plan.values import judging
from tests.workflow.study import made_from

SHIPPED = load(PROJECT / "config.yaml")
JUDGE = {"name": "j", "label": "J", "kind": "endpoint", "url": "http://127.0.0.1:1/v1", "model": "q"}
OTHER = JUDGE | {"name": "k", "label": "K"}
CONTENT = SHIPPED.model_dump(mode="json", exclude_none=True)
RECORDED = {"name": "told", "label": "Told", "kind": "recorded", "file": "README.md", "column": "text"}


def judged(judge=JUDGE, judges=(), **top):
    return Config.model_validate(CONTENT | {"judge": judge, "judges": [*judges]} | top)


def changed(config, before):
    known = lineages(before)
    return {job for job, it in lineages(config).items() if it != known.get(job)} - {*WHOLE}


BEFORE = judged()
EXISTS = outline(BEFORE).outputs
SCORED = {"score", "panels", "explorer", *made_from("scores", exists=EXISTS)}
TOLD = made_from("judgements", exists=EXISTS)
"""What reads verdicts themselves: judges, mapping_quality."""


def test_a_judge_adds_its_jobs_and_makes_scores_and_what_follows_anew_and_no_model():
    assert changed(BEFORE, SHIPPED) == {"judge/j", "judged", "estimate", *TOLD, *SCORED}
    assert not {job for job in lineages(SHIPPED) if "judge" in job}


@pytest.mark.parametrize(
    "change",
    [{"prompt": "resources/prompts/judge.v2.txt"}, {"nearest": 3}, {"repeats": 2}, {"controls": None}, {"revision": "2"},
     {"model": "other"}, {"request": {"temperature": 1}}, {"constrained_by": "regex"}],
    ids=str,
)  # fmt: skip
def test_what_a_judge_is_asked_concerns_the_judge_and_what_uses_its_verdicts(change):
    assert changed(judged(JUDGE | change), BEFORE) == {"judge/j", "estimate", *TOLD, *SCORED}


@pytest.mark.parametrize(
    ("change", "jobs"),
    [({"concurrency": 3}, {"estimate"}), ({"url": "http://x/v1"}, {"estimate"}), ({"retries": 1}, {"estimate"}),
     ({"label": "L"}, {"estimate", "judged", "judges"}), ({"own": ["conse-chat"]}, {"estimate", "judged"})],
    ids=["concurrency", "url", "retries", "label", "own"],
)  # fmt: skip
def test_how_a_judge_is_run_and_shown_asks_nothing(change, jobs):
    assert changed(judged(JUDGE | change), BEFORE) == jobs


def test_a_further_judge_concerns_only_what_compares_judges():
    assert changed(judged(judges=[OTHER]), BEFORE) == {"judge/k", "estimate", *TOLD}


def test_only_a_judge_that_is_asked_about_images_own_classes_depends_on_labels():
    with_labels = judged(JUDGE | {"inclusion": True})
    assert changed(with_labels, BEFORE) == {"judge/j", "estimate", *TOLD, *SCORED}
    assert "labels" in Lineages(with_labels).job("judge/j").inputs
    assert "labels" not in Lineages(BEFORE).job("judge/j").inputs


def test_verdicts_about_labels_that_may_not_be_handed_on_are_no_part_of_an_archive():
    dataset = CONTENT["dataset"] | {"regt": CONTENT["dataset"]["regt"] | {"restricted": True}}
    for judge, left_out in ((JUDGE, False), (JUDGE | {"inclusion": True}, True)):
        config = judged(judge, dataset=dataset, models=[RECORDED], choices=None, annotate=None)
        assert ("judge/j" in influenced(config, Lineages(config))) == left_out


def test_an_appended_model_is_judged_with_the_others_and_no_other_model_is_asked():
    found = changed(judged(models=[*CONTENT["models"], RECORDED]), BEFORE)
    assert "judge/j" in found
    assert not {job for job in found if job.startswith(("predict/", "answers/", "mapping/")) and "told" not in job}


def test_a_judge_reads_all_answers_with_their_embeddings_and_the_bundle_has_what_it_said():
    of = outline(BEFORE)
    read = {it.path for it in judged_files(of, "j")}
    dataset, encoder = of.dataset, of.encoder
    assert read == {
        f"results/embeddings/{encoder}/{dataset}/classes.parquet",
        *(f"results/{place}/{dataset}/conse-chat.parquet"
          for place in ("predictions", f"mapping/{encoder}", f"embeddings/{encoder}")),
    }  # fmt: skip
    said = f"results/judgements/j/{dataset}.parquet"
    assert said in bundled([of])
    assert said in needed(BEFORE)  # nobody is asked where a bundle is checked


@pytest.mark.parametrize(
    ("served", "own", "expected"),
    [("q", [], []), ("Conse-Chat", [], []), ("ConSE-Terms", [], ["conse-chat"]), ("openrouter/CONSE-terms", [], ["conse-chat"]),
     ("q", ["lite0"], ["lite0"])],
)  # fmt: skip
def test_a_model_that_is_its_own_judge_is_known_by_its_name_in_requests_or_is_named(served, own, expected):
    models = [it | ({"model": "conse-terms"} if it["name"] == "conse-chat" else {}) for it in CONTENT["models"]]
    own = [models[0]["name"] for _ in own]
    expected = own or expected
    assert judging(judged(JUDGE | {"model": served, "own": own}, models=models))["own"] == expected
