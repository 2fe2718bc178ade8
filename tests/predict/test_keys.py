"""Which keys a job, and what it starts, can see."""

import argparse
import json
import os

import pytest

from mllm_classify.cli import forget_keys
from tests.predict.test_engine import Study, running_with

ENVIRONMENT = {
    "THE_ENTRYS_OWN": "1", "ANOTHER_ENTRYS": "2", "AN_ENCODERS": "3", "A_JUDGES": "8", "STRANGER_API_KEY": "4", "some_apikey": "5",
    "HF_TOKEN": "6", "CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_ID": "7", "https_proxy": "http://127.0.0.1:9",
}  # fmt: skip
SEEN = {"THE_ENTRYS_OWN", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "https_proxy"}


class Named(argparse.Namespace):
    """An entry, or a configuration of some."""


CONFIG = Named(
    models=[
        Named(name="m", api_key_env="THE_ENTRYS_OWN"),
        Named(name="n", api_key_env="ANOTHER_ENTRYS"),
        Named(name="o"),
    ],
    every_encoder=[Named(name="e", api_key_env="AN_ENCODERS")],
    judges_given=[Named(name="j", api_key_env="A_JUDGES")],
)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"model": "m"}, {"THE_ENTRYS_OWN"}),
        ({"model": "o"}, set()),
        ({"encoder": "e", "model": "n"}, {"AN_ENCODERS", "ANOTHER_ENTRYS"}),
        ({"judge": "j"}, {"A_JUDGES"}),
        ({}, {"THE_ENTRYS_OWN", "ANOTHER_ENTRYS", "AN_ENCODERS", "A_JUDGES", "STRANGER_API_KEY", "some_apikey"}),
    ],
    ids=["its model's", "its model has none", "both of two", "a judge", "no entry runs"],
)
def test_a_job_keeps_the_variables_of_keys_that_its_own_entry_names(monkeypatch, options, kept):
    """A job that runs no entry imports nobody's code, and an archive's looks for all keys."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    forget_keys(Named(**options), CONFIG)
    after = dict(os.environ)
    os.environ.update(before)
    assert ENVIRONMENT.keys() & after.keys() == (SEEN - {"THE_ENTRYS_OWN"}) | kept
    assert {name: value for name, value in before.items() if name not in ENVIRONMENT}.items() <= after.items()


@pytest.mark.study
def test_an_engine_gets_no_key_that_its_entry_does_not_name(tmp_path, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    study = Study(tmp_path)
    told = tmp_path / "environment.json"
    writes = f"import json, os, sys; json.dump(dict(os.environ), open({str(told)!r}, 'w')); os.execv(sys.argv[1], sys.argv[1:])"
    study.configure(["{python}", "-c", writes, *study.server()], api_key_env="THE_ENTRYS_OWN")
    status, errors = study.run()
    assert status == 0, errors
    assert running_with(study.log) == []
    seen = json.loads(told.read_text())
    assert ENVIRONMENT.keys() & seen.keys() == SEEN | {"ANOTHER_ENTRYS", "AN_ENCODERS", "A_JUDGES"}
    assert {
        name: value for name, value in os.environ.items() if name.startswith(("PATH", "HOME", "LANG"))
    }.items() <= seen.items()
