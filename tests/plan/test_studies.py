"""Lineages of several data sets: those of each are those of its study alone."""

import pytest

from mllm_classify.plan.lineage import WHOLE, Lineages, across, lineage
from tests.config.given import CONSE, ENDPOINT, PICTURED, TIMM, loaded, whole


@pytest.fixture(autouse=True)
def files(folder):
    for name in ("c.txt", "i.csv", "l.csv", "r.csv", "e.csv", "t.txt", "ow.txt", "cw.txt", "ids.txt"):
        (folder / name).write_text(f"content of {name}")


def entry(name):
    return {"dataset": PICTURED[0] | {"name": name, "label": name}}


def study(folder, *names, **more):
    return loaded(folder, whole(datasets=[entry(name) for name in names], models=[TIMM, CONSE, ENDPOINT]) | more)


def every(config):
    return {name: Lineages(it).every() for name, it in config.studies.items()}


def test_the_main_data_sets_jobs_do_not_know_of_the_others(folder):
    assert every(study(folder, "f", "g"))["d"] == every(study(folder))["d"]


def test_the_others_jobs_are_those_of_a_study_of_theirs_alone(folder):
    """But for pages and archives, which are about the main data set."""
    alone = Lineages(study(folder, dataset=entry("f")["dataset"])).every()
    found = every(study(folder, "f", "g"))["f"]
    assert {job for job in alone | found if alone.get(job) != found.get(job)} <= set(WHOLE)


def test_the_order_and_number_of_data_sets_change_no_others_jobs(folder):
    found = every(study(folder, "f", "g"))
    assert every(study(folder, "g", "h", "f")).items() >= found.items()


def test_what_is_about_all_of_them_depends_on_which_there_are_and_what_their_tables_do(folder):
    def table(config):
        return across(config, {name: Lineages(it) for name, it in config.studies.items()}).get("datasets")

    known = table(study(folder, "f", "g"))
    assert table(study(folder)) is None
    assert table(study(folder, "g", "f")) == known
    others = [
        study(folder, "f"),
        study(folder, "f", "h"),
        study(folder, "f", "g", tables={"n_images": "excluded"}),
        study(folder, "f", "g", models=[TIMM, CONSE]),
    ]
    assert len({known, *map(table, others)}) == 5


def test_a_table_of_shifts_and_its_figure_depend_on_which_there_are(folder):
    def found(config):
        each = across(config, {name: Lineages(it) for name, it in config.studies.items()})
        return each.get("effective_robustness"), each.get("shifts"), each["datasets"], each["heatmap"]

    plain = study(folder, "f", "g")
    entries = [entry("f") | {"shifted_from": "d"}, entry("g")]
    one, other = (study(folder, datasets=[entries[0], entries[1] | more]) for more in ({}, {"shifted_from": "f"}))
    assert found(plain)[:2] == (None, None)
    assert len({found(it)[:2] for it in (plain, one, other)}) == 3
    assert len({found(it)[2:] for it in (plain, one, other)}) == 1


def test_a_job_is_told_its_lineage_by_its_data_set(folder):
    config = study(folder, "f")
    known = every(config)
    assert lineage(config, "predict/lite") == known["d"]["predict/lite"]
    assert lineage(config, "predict/lite", "f") == known["f"]["predict/lite"] != known["d"]["predict/lite"]
    assert lineage(config, "datasets") is not None
    assert lineage(config, "predict/nobody") is None
    assert lineage(study(folder), "datasets") is None
