import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from mllm_classify.config import ConseModel, load
from mllm_classify.files import InputError
from mllm_classify.lineage import lineages

TABLES = {
    **dict.fromkeys(["table2", "table3", "table4", "table5", "ranking", "mustelidae"], "csv"),
    "accuracy": "parquet",
    "mcnemar": "csv",
    "scorecard": "csv",
}


def read_config():
    """The configuration and the lineage of every job, from the one file in force."""
    files = workflow.overwrite_configfiles
    if len(files) > 1 or workflow.config_settings.config:
        raise WorkflowError(
            "One file configures a run, so that its figures can be traced to it: give one --configfile, and no --config."
        )
    path = Path(files[0] if files else "config.yaml").absolute()
    try:
        loaded = load(path)
        return path, loaded, lineages(loaded)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def require_provenance():
    """Without its records, Snakemake takes old tables for new: an appended model would be ignored."""
    tables = [path for path in Path("results").glob("*.*") if path.name == f"{path.stem}.{TABLES.get(path.stem)}"]
    metadata = Path(".snakemake/metadata")
    if tables and not (metadata.is_dir() and any(metadata.iterdir())):
        raise WorkflowError(
            f"{tables[0]} is there, but .snakemake/metadata is not: Snakemake cannot tell what made it, and would "
            "ignore changes. Put .snakemake/metadata back beside results/, or move results/ away. Answers of chat "
            "models are in journal/ and are not asked for again."
        )


CONFIG_FILE, CONFIG, LINEAGES = read_config()
require_provenance()
DATASET = CONFIG.dataset.name
ENCODER = CONFIG.encoder.name if CONFIG.encoder else "none"
MODELS = {model.name: model for model in CONFIG.models}

# jobs run under this interpreter and read this configuration, whatever is first on PATH
shell.prefix(
    "set -euo pipefail; "
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH "
    f"MLLM_CLASSIFY_CONFIG={shlex.quote(str(CONFIG_FILE))}; "
)


wildcard_constraints:
    model="|".join(map(re.escape, MODELS)),


def get_lineage(job):
    """Params function: the lineage of a job, whose name may hold wildcards."""

    def lineage(wildcards):
        name = job.format_map(wildcards)
        if name not in LINEAGES:
            raise WorkflowError(f"{name}: not part of {CONFIG_FILE.name}; docs/configuration.md says what it needs")
        return LINEAGES[name]

    return lineage


def get_resource(key):
    """Resource function: what a model's entry asks of the scheduler."""

    def resource(wildcards):
        return getattr(MODELS[wildcards.model].resources, key)

    return resource


def get_class_embeddings(wildcards):
    """What a model needs of the embed stage: class embeddings for ConSE, nothing for others."""
    return rules.embed_classes.output if isinstance(MODELS[wildcards.model], ConseModel) else []


def get_scored():
    """By model, in the order of names: the mapping of chat models, the predictions of others."""
    return {
        name: (rules.mapping if MODELS[name].worded else rules.predict).output[0].format(model=name)
        for name in sorted(MODELS)
    }


def get_tables():
    """The tables that this configuration has."""
    return [f"results/{table}.{suffix}" for table, suffix in TABLES.items() if table in LINEAGES]
