"""An archive's metadata, by a validator of its own."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mllm_classify.bundle.archive import CRATE, SUMS, digest
from tests.workflow.bundle.archived import Archived
from tests.workflow.study import PROJECT

VALIDATOR = PROJECT / ".venv-validator/bin/rocrate-validator"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
CACHED = """
import io, sys
import requests, requests_cache, urllib3

class Packaged(requests.adapters.HTTPAdapter):
    def send(self, request, **_):
        body = io.BytesIO(open(sys.argv[2], "rb").read())
        headers = {"Content-Type": "application/ld+json"}
        return self.build_response(request, urllib3.HTTPResponse(body, headers, 200, preload_content=False))

session = requests_cache.CachedSession(sys.argv[1], backend="sqlite", expire_after=-1)
session.mount("https://", Packaged())
session.get(sys.argv[3], headers={"Accept": "application/ld+json, application/json, */*;q=0.1"})
"""
"""Fills the validator's cache: it reads the vocabulary from the web."""


def findings(folder: Path, cache: Path, severity: str) -> dict[str, str]:
    """Checks of the Workflow Run profile, and those that it extends, that a folder fails: their ids and names."""
    report = cache.with_suffix(".json")
    done = subprocess.run(
        [VALIDATOR, "-y", "validate", "--offline", "--cache-path", cache, "--profile-identifier", "workflow-run-crate",
         "--requirement-severity", severity, "--output-format", "json", "--output-file", report, folder],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["meta"]["version"]
    return {issue["check"]["identifier"]: issue["check"]["name"] for issue in found["issues"]}


def test_its_metadata_are_a_workflow_run_crate(archived: Archived, unpacked: Path, tmp_path: Path) -> None:
    if not VALIDATOR.exists():
        pytest.skip("no .venv-validator here; make test has one")
    import rocrate

    # the library has the terms of a later version, whose names for two of them differ
    vocabulary = (Path(rocrate.__path__[0]) / "data/ro-crate.jsonld").read_text()
    (tmp_path / "context.json").write_text(
        vocabulary.replace('"https://bioschemas.org/terms/', '"https://bioschemas.org/')
    )
    cache = tmp_path / "cache"
    filling = [VALIDATOR.with_name("python"), "-c", CACHED, cache, tmp_path / "context.json", CONTEXT]
    subprocess.run(filling, check=True)
    assert findings(unpacked, cache, "required") == {}
    # the workflow is a file of the archive, its publisher is not known yet, and an affiliation is a name
    assert findings(unpacked, cache, "recommended") == {
        "process-run-crate-0.5_3.2": "Application url",
        "process-run-crate-0.5_5.1": "SoftwareApplication id",
        "ro-crate-1.1_22.3": "Root Data Entity: `publisher` property",
        "ro-crate-1.1_31.2": "Organization: RECOMMENDED url property",
    }
    # a validator that finds nothing would find nothing here
    described = json.loads((unpacked / CRATE).read_text())
    root = next(entity for entity in described["@graph"] if entity["@id"] == "./")
    del root["license"]
    shutil.copytree(unpacked, tmp_path / "worse")
    (tmp_path / "worse" / CRATE).write_text(json.dumps(described))
    assert "ro-crate-1.1_8.3" in findings(tmp_path / "worse", cache, "required")


def test_its_metadata_list_every_file_with_its_sum(unpacked: Path) -> None:
    graph = {entity["@id"]: entity for entity in json.loads((unpacked / CRATE).read_text())["@graph"]}
    records = ".snakemake/metadata/"
    listed = {line.partition("  ")[2] for line in (unpacked / SUMS).read_text().splitlines()}
    described = {name for name in listed if not name.startswith(records) and name != CRATE}
    assert {name: graph[name]["sha256"] for name in described} == {name: digest(unpacked / name) for name in described}
    assert records in graph
    run = graph["#run"]
    assert {it["@id"] for it in run["result"]} == {name for name in listed if name.startswith("results/")}
    assert run["agent"] == [{"@id": "https://orcid.org/0000-0002-1825-0097"}, {"@id": "#B. B."}]
    ends = {json.loads(path.read_text())["endtime"] for path in (unpacked / records).iterdir()}
    assert len(ends) == 1
    assert {base64.b64decode(path.name).decode() for path in (unpacked / records).iterdir()} == {
        it["@id"] for it in run["result"]
    }
