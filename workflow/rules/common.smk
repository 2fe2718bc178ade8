import re
import shlex
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from mllm_classify.io.files import InputError
from mllm_classify.plan.lineage import TABLES
from mllm_classify.plan.plan import hand_on, plan


def read_plan():
    """What this run makes, from the one configuration file in force."""
    files = workflow.overwrite_configfiles
    if len(files) > 1 or workflow.config_settings.config:
        raise WorkflowError(
            "One file configures a run, so that its figures can be traced to it: give one --configfile, and no --config."
        )
    try:
        return plan(str(Path(files[0] if files else "config.yaml").absolute()))
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


PLAN = read_plan()
require_provenance()
hand_on(PLAN)

# jobs run under this interpreter and read this configuration, whatever is first on PATH
shell.prefix(
    "set -euo pipefail; "
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH MLLM_CLASSIFY_CONFIG={shlex.quote(PLAN.config)}; "
)


def matching(names):
    """A pattern for just these names, of which there may be none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    model=matching(PLAN.models),
    encoder=matching(PLAN.encoders),


def get_lineage(job):
    """Params function: the lineage of a job, whose name may hold wildcards."""

    def lineage(wildcards):
        name = job.format_map(wildcards)
        if name not in PLAN.lineages:
            raise WorkflowError(
                f"{name}: not part of {Path(PLAN.config).name}; docs/configuration.md says what it needs"
            )
        return PLAN.lineages[name]

    return lineage


def get_resource(key):
    """Resource function: what a model's entry asks of the scheduler."""

    def resource(wildcards):
        return PLAN.models[wildcards.model].resources[key]

    return resource


def get_class_embeddings(wildcards):
    """What a model needs of the embed stage: class embeddings for ConSE, nothing for others."""
    return get_main_classes() if PLAN.models[wildcards.model].class_embeddings else []


def get_main(rule, model):
    """What a rule makes of a model with the main encoder."""
    return rule.output[0].format(encoder=PLAN.encoder, model=model)


def get_main_classes():
    """The class embeddings of the main encoder, if there is one."""
    return rules.embed_classes.output[0].format(encoder=PLAN.encoder) if PLAN.encoders else []


def get_choices(wildcards):
    """The options of a model that is asked multiple-choice questions."""
    return f"results/choices/{PLAN.dataset}.parquet" if PLAN.models[wildcards.model].choices else []


def get_labels(wildcards):
    """The labels, for models of which samples or orders of images depend on ImGT."""
    return rules.labels.output if PLAN.models[wildcards.model].labels else []


def get_chat():
    """The predictions of chat models, by model."""
    return {name: rules.predict.output[0].format(model=name) for name in PLAN.chat}


def get_reference():
    """The predictions of the model whose confusions make options; nothing where a file holds them."""
    return rules.predict.output[0].format(model=PLAN.reference) if PLAN.reference else []


def get_shards(wildcards):
    """The parts of a sharded model's predictions."""
    count = PLAN.models[wildcards.model].shards
    return expand(rules.predict_shard.output, model=wildcards.model, shard=range(1, count + 1), shards=count)


def get_scored():
    """By model, in the order of names: the mapping of models that answer in words, the predictions of others."""
    return {
        name: get_main(rules.mapping if PLAN.models[name].worded else rules.predict, name)
        for name in sorted(PLAN.models)
    }


def get_mapped():
    """The mapping of models that answer in words, by model."""
    return {name: get_main(rules.mapping, name) for name, model in PLAN.models.items() if model.worded}


def get_encoded():
    """The mapping of models that answer in words by every encoder: by encoder, in the configuration's order, and model."""
    worded = sorted(name for name, model in PLAN.models.items() if model.worded)
    return {
        (encoder, name): rules.mapping.output[0].format(encoder=encoder, model=name)
        for encoder in PLAN.encoders
        for name in worded
    }


def get_ranked():
    """The predictions of models that rank classes, by model."""
    return {
        name: rules.predict.output[0].format(model=name) for name in sorted(PLAN.models) if not PLAN.models[name].worded
    }


def get_annotated():
    """What is scored of the models whose predictions annotators see, by model."""
    return {name: get_scored()[name] for name in PLAN.annotated}


def get_archived(wildcards):
    """All that tables were made from, and the tables with their renderings."""
    found = [*rules.images.output, *rules.labels.output, *rules.score.output]
    found += expand(rules.predict.output, model=PLAN.models)
    found += expand(rules.embed_classes.output, encoder=PLAN.encoders)
    worded = [name for name, model in PLAN.models.items() if model.worded]
    found += expand([*rules.embed_answers.output, *rules.mapping.output], encoder=PLAN.encoders, model=worded)
    if "choices" in PLAN.lineages:
        found += rules.choices.output
    return found + [file for table in TABLES if table in PLAN.lineages for file in getattr(rules, table).output]


def get_commit(wildcards):
    """Params function: the commit that the bundle's code is of, as far as git knows."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=workflow.basedir, capture_output=True, text=True
    )
    return described.stdout.strip()


def get_tables():
    """The tables that this configuration has."""
    return [f"results/{table}.{suffix}" for table, suffix in TABLES.items() if table in PLAN.lineages]


def shown(file, category, label):
    """An output that the report shows, with the caption of its name."""
    return report(file, caption=f"../report/{Path(file).stem}.rst", category=category, labels={"title": label})


def rendered(table, label, category="Tables"):
    """What people read of a table. The report shows its HTML."""
    return [f"results/{table}.md", shown(f"results/{table}.html", category, label), f"results/{table}.tex"]


def get_reported(wildcards):
    """What the report shows: every table and figure of this configuration, the examples, and where they come from."""
    names = [*(table for table in TABLES if table in PLAN.lineages), "panels", "explorer", "provenance"]
    files = [str(file) for name in names for file in getattr(rules, name).output]
    return [file for file in files if Path(file).suffix in (".html", ".svg")]
