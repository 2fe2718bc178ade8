"""What an archive holds, said for machines: RO-Crate 1.1 metadata by the Workflow Run RO-Crate profile.

https://www.researchobject.org/workflow-run-crate/profiles/workflow_run_crate/
"""

import json
import mimetypes
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from rocrate.model import ContextEntity, Person
from rocrate.rocrate import ROCrate

if TYPE_CHECKING:
    from mllm_classify.config.study import Author, Config

CRATE = "ro-crate-metadata.json"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
    ".toml": "application/toml",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".tex": "application/x-tex",
}
WORKFLOW = "Snakefile"
RECORDS = ".snakemake/metadata/"
UNLICENSED = "No licence is stated: the rights stay with the authors."


class Entry(NamedTuple):
    """A file of the archive: bytes, and SHA-256."""

    size: int
    sha256: str


def crate(config: "Config", files: dict[str, Entry], results: list[str], ended: float) -> bytes:
    """The metadata of an archive of these files, of which `results` came out of the workflow, by the time `ended`.

    Snakemake's records are described together, and every other file by itself.
    """
    about = config.bundle
    datasets = [study.dataset.label for study in config.studies.values()]
    time = datetime.fromtimestamp(ended, UTC)
    ro_crate = ROCrate(version="1.1")
    # RO-Crate 1.1 has no term for it
    ro_crate.metadata.extra_terms = {"sha256": "http://schema.org/sha256"}
    authors = [_person(ro_crate, author) for author in about.authors]
    entities = {}
    for name, entry in sorted(files.items()):
        if name.startswith(RECORDS):
            continue
        properties: dict[str, Any] = {
            "name": name,
            "contentSize": str(entry.size),
            "sha256": entry.sha256,
            "encodingFormat": _format(name),
        }
        if name == WORKFLOW:
            properties |= {"version": version("mllm-classify"), "conformsTo": BIOSCHEMAS}
            entities[name] = ro_crate.add_workflow(None, name, main=True, lang="snakemake", properties=properties)
        else:
            entities[name] = ro_crate.add_file(None, name, properties=properties)
    # after the workflow, whose own profile the library sets
    root: Any = ro_crate.root_dataset
    root["name"] = about.title or f"mllm-classify: {', '.join(datasets)}"
    root["description"] = (
        "Models evaluated as image classifiers: their answers and predictions, the labels, the tables, and the workflow "
        f"that made them. Data set{'s' * (len(datasets) > 1)}: {', '.join(datasets)}. Models: {', '.join(it.label for it in config.models)}."
    )
    licence = about.license or UNLICENSED
    root["license"] = ro_crate.add(
        ContextEntity(
            ro_crate,
            licence if licence.startswith(("http://", "https://")) else "#licence",
            {"@type": "CreativeWork", "name": licence, "description": "How this archive may be used."},
        )
    )
    root["datePublished"] = time.date().isoformat()
    root["conformsTo"] = [
        ro_crate.add(
            ContextEntity(ro_crate, url, {"@type": "CreativeWork", "name": name, "version": url.rpartition("/")[2]})
        )
        for url, name in PROFILES.items()
    ]
    if "README.md" in entities:
        entities["README.md"]["about"] = root
    ro_crate.add_directory(
        None, RECORDS, properties={"name": "Snakemake's records", "description": "What made each file of results/."}
    )
    action = ro_crate.add_action(
        entities[WORKFLOW],
        identifier="#run",
        object=[entity for name, entity in entities.items() if name == "config.yaml" or name.startswith("resources/")],
        result=[entities[name] for name in results],
        properties={
            "name": "Making the tables",
            "description": "Every model asked, its answers mapped, scored, and counted, as config.yaml says.",
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "endTime": time.isoformat(timespec="seconds"),
        },
    )
    if authors:
        root["author"] = action["agent"] = authors
    root["mentions"] = action
    return (json.dumps(ro_crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _person(crate: ROCrate, author: "Author") -> Person:
    person = crate.add(
        Person(crate, f"https://orcid.org/{author.orcid}" if author.orcid else f"#{author.name}", {"name": author.name})
    )
    if author.affiliation:
        about = {"@type": "Organization", "name": author.affiliation}
        person["affiliation"] = crate.add(ContextEntity(crate, f"#{author.affiliation}", about))
    return person


def _format(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return FORMATS.get(suffix) or mimetypes.types_map.get(suffix, "text/plain")
