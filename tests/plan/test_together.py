"""Which models are asked about several data sets at once, and which mark each job takes: from Snakemake's records."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from mllm_classify.plan.lineage import Lineages
from mllm_classify.plan.together import idle, marks, together, unit
from tests.config.given import ENGINE, PICTURED, TIMM, loaded, whole

NAMES = ["d", "f", "g"]


@pytest.fixture
def study(folder):
    """A planned study of three data sets with two engines, of one configuration's entry each, and another model."""
    for name in ("c.txt", "i.csv", "l.csv", "r.csv", "e.csv", "t.txt", "ow.txt", "cw.txt"):
        (folder / name).write_text(name)
    return planned(folder)


JUDGE = {key: ENGINE[key] for key in ("kind", "model", "command")} | {"name": "j", "label": "J"}


def planned(folder, names=("f", "g"), probed=(), judge=None, model=None, **engine):
    entries = [{"dataset": PICTURED[0] | {"name": name, "label": name, "folder": str(folder)}} for name in names]
    twin = ENGINE | {"name": "twin", "label": "Twin"}
    models = [TIMM, ENGINE | {"shards": 1} | engine, twin, *([model] if model else [])]
    more = {"probe": {"models": [*probed], "descriptions": "t.txt"}} if probed else {}
    more |= {"judge": judge} if judge else {}
    config = loaded(folder, whole(models=models, datasets=entries, variants=[], **more))
    each = {name: Lineages(study) for name, study in config.studies.items()}
    outlines = {name: it.outline for name, it in each.items()}
    return outlines, {
        name: {job: it[job] for job in it.names() if job.startswith(("predict/", "probe/", "judge/"))}
        for name, it in each.items()
    }


def made(study, *datasets, model="engine", file=None, inputs=(), lineage=None, stage="predict"):
    """Leave predictions, or a probe, and Snakemake's record of them, as a run does."""
    _, lineages = study
    folder = {"predict": "predictions", "probe": "probe", "judge": "judgements"}[stage]
    for name in datasets:
        place = f"{model}/{name}" if stage == "judge" else f"{name}/{file or model}"
        path = Path(f"results/{folder}/{place}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        option = "" if name == "d" else f" --dataset {name}"
        said = f"{lineage or lineages[name][f'{stage}/{model}']}{option}"
        record = Path(".snakemake/metadata") / urlsafe_b64encode(str(path).encode()).decode()
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"params": [repr(""), repr(said)], "input": sorted(inputs)}))
        for mark in inputs:
            Path(mark).parent.mkdir(parents=True, exist_ok=True)
            Path(mark).write_text("{}")


def asked(study, *models):
    """What models, by default the engines, or shards of them, are asked about at once."""
    names = models or ("engine", "twin")
    return {called(it): it.datasets for it in together(*study).values() if it.model in names}


def called(it):
    return unit(it.model, it.shard).removeprefix("predict/")


def by_model(found):
    return {called(it): it.mark for it in found.values()}


def marked(known):
    """The marks of a data set's predictions."""
    return {job.removeprefix("predict/"): mark for job, mark in known.items() if job.startswith("predict/")}


def test_what_has_no_predictions_is_asked_at_once(study):
    assert asked(study) == {"engine": NAMES, "twin": NAMES}
    found = together(*study)
    assert len(found) == len(by_model(found)) == 3  # though two are of one lineage
    assert {name: marked(it) for name, it in marks(study[0], found).items()} == dict.fromkeys(NAMES, by_model(found))


def test_one_data_set_is_asked_about_by_its_own_job(study):
    made(study, "d", "f")
    assert asked(study) == {"twin": NAMES}


def test_predictions_of_another_lineage_are_asked_for_again(study):
    made(study, "d", "f")
    made(study, "g", lineage="0" * 64)
    made(study, *NAMES, model="twin")
    made(study, *NAMES, model="lite")
    assert asked(study) == {}
    made(study, "f", lineage="0" * 64)
    assert asked(study) == {"engine": ["f", "g"]}


def test_predictions_without_a_record_are_asked_for_again(study):
    made(study, *NAMES)
    for record in Path(".snakemake/metadata").iterdir():
        record.unlink()
    assert asked(study)["engine"] == NAMES


def test_what_stands_keeps_the_mark_that_it_was_made_after(study):
    before = "results/asked/engine/0123.json"
    made(study, "d", inputs=["results/dataset/d/images.parquet", before])
    made(study, *NAMES, model="twin")
    made(study, *NAMES, model="lite")
    found = together(*study)
    assert asked(study) == {"engine": ["f", "g"]}
    known = {name: marked(it) for name, it in marks(study[0], found).items()}
    assert known == {"d": {"engine": before}, "f": by_model(found), "g": by_model(found)}
    Path(before).unlink()
    assert marks(study[0], found)["d"] == {}


def test_a_data_set_alone_keeps_its_mark_and_asks_by_its_own_job(folder, study):
    before = "results/asked/engine/0123.json"
    made(study, "d", inputs=[before])
    alone = planned(folder, names=())
    assert asked(alone) == {}
    assert marks(alone[0], {}) == {"d": {"predict/engine": before}}


def test_a_study_that_never_had_others_reads_no_record(folder, study):
    assert marks(planned(folder, names=())[0], {}) == {}


def test_each_shard_is_asked_at_once(folder, study):
    sharded = planned(folder, shards=2)
    assert asked(sharded, "engine") == {"engine/1-of-2": NAMES, "engine/2-of-2": NAMES}
    made(sharded, "d")  # gathered: its shards may be gone
    assert asked(sharded, "engine") == {"engine/1-of-2": ["f", "g"], "engine/2-of-2": ["f", "g"]}


def test_a_shard_that_is_there_is_not_asked_again(folder, study):
    sharded = planned(folder, shards=2)
    before = "results/asked/engine/0123.json"
    made(sharded, *NAMES, file="shards/engine/1-of-2", inputs=[before])
    assert asked(sharded, "engine") == {"engine/2-of-2": NAMES}
    found = together(*sharded)
    known = marked(marks(sharded[0], found)["d"])
    assert known == by_model(found) | {"engine/1-of-2": before}


def test_a_mark_whose_parts_are_gone_is_made_anew(study):
    """A chat model's journal has all answers still; parts of a vision model go when its predictions are written."""
    for it in together(*study).values():
        Path(it.mark).parent.mkdir(parents=True, exist_ok=True)
        Path(it.mark).write_text("{}")
    first, again = by_model(together(*study)), None
    for name in NAMES:
        assert first["lite"].endswith("-2.json")
        Path(f"results/predictions/{name}/.lite.parquet.parts-0123").mkdir(parents=True)
    again = by_model(together(*study))
    assert again == first | {"lite": first["lite"].replace("-2.json", ".json")}
    Path(first["lite"]).write_text("{}")
    Path("results/predictions/d/.lite.parquet.parts-0123").rmdir()
    assert by_model(together(*study))["lite"] == first["lite"].replace("-2", "-3")


def test_a_probe_is_asked_with_the_predictions_of_one_data_set(folder, study):
    alone = planned(folder, names=(), probed=["engine"])
    ((mark, it),) = together(*alone).items()
    assert (it.model, it.datasets, it.probed, it.waits) == ("engine", ["d"], ["d"], True)
    assert marks(alone[0], {mark: it}) == {"d": {"predict/engine": it.mark, "probe/engine": it.mark}}
    made(alone, "d")
    assert together(*alone) == {}  # its own job starts the engine
    made(alone, "d", stage="probe", inputs=[it.mark])
    assert marks(alone[0], {}) == {"d": {"probe/engine": it.mark}}


def test_probes_about_several_data_sets_are_asked_at_once_by_the_first_shard(folder, study):
    several = planned(folder, probed=["engine"], shards=2)
    found = {called(it): (it.datasets, it.probed) for it in together(*several).values() if it.model == "engine"}
    assert found == {"engine/1-of-2": (NAMES, NAMES), "engine/2-of-2": (NAMES, [])}
    made(several, *NAMES)
    made(several, "f", stage="probe")
    found = {called(it): (it.datasets, it.probed) for it in together(*several).values() if it.model == "engine"}
    assert found == {"engine/1-of-2": ([], ["d", "g"])}
    made(several, "f", stage="probe", lineage="0" * 64)
    found = {called(it): (it.datasets, it.probed) for it in together(*several).values() if it.model == "engine"}
    assert found == {"engine/1-of-2": ([], NAMES)}


def test_what_is_done_before_a_job_leaves_it_idle_but_the_search_of_knn(folder, study):
    """Not once the mark is there: what a second run has left to do, its own jobs do."""
    outlines, lineages = planned(folder, names=("f",), probed=["engine"])
    asked_now = together(outlines, lineages)
    jobs = ["predict/engine", "predict/lite", "predict/twin", "probe/engine"]
    assert {name: sorted(it) for name, it in idle(outlines, asked_now).items()} == {"d": jobs, "f": jobs}
    lite = outlines["d"].models["lite"]._replace(keeps_parts=False)
    searching = {name: it._replace(models=it.models | {"lite": lite}) for name, it in outlines.items()}
    assert "predict/lite" not in idle(searching, asked_now)["d"]
    for it in asked_now.values():
        Path(it.mark).parent.mkdir(parents=True, exist_ok=True)
        Path(it.mark).write_text("{}")
    again = {it.model for it in together(outlines, lineages).values() if it.waits}
    assert again == {"lite"}  # whose parts are not there, either
    assert idle(outlines, together(outlines, lineages)) == {"d": ["predict/lite"], "f": ["predict/lite"]}


def judged(study):
    """What the judge is asked about at once, with its mark."""
    return [(it.answers, it.mark) for it in together(*study).values() if it.answers]


def test_a_judge_is_asked_about_several_data_sets_at_once_and_alone_about_one(folder, study):
    several = planned(folder, judge=JUDGE)
    ((names, mark),) = judged(several)
    assert names == NAMES
    assert mark.startswith("results/asked/judges/j/")
    found = marks(several[0], together(*several))
    assert {name: it["judge/j"] for name, it in found.items()} == dict.fromkeys(NAMES, mark)
    assert all("judge/j" in it for it in idle(several[0], together(*several)).values())
    made(several, "d", model="j", stage="judge", inputs=[mark])
    ((names, other),) = judged(several)
    assert names == ["f", "g"]
    assert other != mark
    known = {name: it["judge/j"] for name, it in marks(several[0], together(*several)).items()}
    assert known == {"d": mark, "f": other, "g": other}
    made(several, "f", model="j", stage="judge", inputs=[other])
    assert judged(several) == []
    made(several, "d", model="j", stage="judge", lineage="0" * 64)
    assert [names for names, _ in judged(several)] == [["d", "g"]]
    assert judged(planned(folder, names=(), judge=JUDGE)) == []


@pytest.mark.parametrize("kind", ["endpoint", "openai"])
def test_models_and_judges_behind_a_url_are_asked_in_one_go_too(folder, study, kind):
    """Else each data set's job would spend what the budget leaves."""
    served = {"name": "j", "label": "J", "kind": kind, "model": "m", "url": "http://127.0.0.1:1/v1"}
    several = planned(folder, judge=served, model=served | {"name": "api", "label": "API"})
    assert [names for names, _ in judged(several)] == [NAMES]
    assert asked(several, "api") == {"api": NAMES}


def test_what_a_judge_was_asked_before_is_done_and_its_jobs_ask_for_all_they_may_need(folder, study):
    several = planned(folder, judge=JUDGE)
    ((_, mark),) = judged(several)
    Path(mark).parent.mkdir(parents=True)
    Path(mark).write_text("{}")
    (again,) = (it for it in together(*several).values() if it.answers)
    assert (again.mark, again.waits) == (mark, False)
    assert "judge/j" not in idle(several[0], together(*several))["d"]
