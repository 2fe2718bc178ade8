import gc
import re
import shlex
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from mllm_classify.config.load import load
from mllm_classify.io.files import InputError
from mllm_classify.outputs import KEY_TABLES, OUTPUTS, SHOWN
from mllm_classify.outputs import ACROSS
from mllm_classify.plan import across
from mllm_classify.plan.files import (
    OVERVIEW,
    PAGES,
    PATTERNS,
    START,
    bundled,
    file,
    inputs,
    judged_files,
    linked,
    output_inputs,
    reported_across,
    whole_report,
    written,
)
from mllm_classify.plan.plan import hand_on, plan
from mllm_classify.plan.together import READING, judge_of, probe_of, unit
from mllm_classify.plan.values import unmet


def read_plan():
    """What this run makes, from the one configuration file in force."""
    files = workflow.overwrite_configfiles
    if len(files) > 1 or workflow.config_settings.config:
        raise WorkflowError(
            "One file configures a run, so that its figures can be traced to it: give one --configfile, and no --config. "
            "Snakemake takes all that follows --configfile for such files: name what it shall make before it."
        )
    try:
        return plan(str(Path(files[0] if files else "config.yaml").absolute()))
    except InputError as error:
        raise WorkflowError(str(error)) from None


def require_provenance():
    """Without its records, Snakemake takes old tables for new: an appended model would be ignored."""
    tables = [path for output in OUTPUTS.values() if (path := Path("results", output.files[0])).exists()]
    metadata = Path(".snakemake/metadata")
    if tables and not (metadata.is_dir() and any(metadata.iterdir())):
        raise WorkflowError(
            f"{tables[0]} is there, but .snakemake/metadata is not: Snakemake cannot tell what made it, and would "
            "ignore changes. Put .snakemake/metadata back beside results/, or move results/ away. Answers of chat "
            "models are in journal/ and are not asked for again."
        )


PLAN = read_plan()
OUTLINE = PLAN.outlines[PLAN.main]
FURTHER = [name for name in PLAN.outlines if name != PLAN.main]
OUTPUTS_ACROSS = [ACROSS[name] for name in PLAN.across if name in ACROSS]
MODELS = OUTLINE.models
require_provenance()
hand_on(PLAN)
# what is there now stays: it is neither searched for garbage from now on, nor freed at the end
gc.freeze()

# jobs run under this interpreter and read this configuration, whatever is first on PATH
shell.prefix(
    "set -euo pipefail; "
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH MLLM_CLASSIFY_CONFIG={shlex.quote(PLAN.config)}; "
)


def matching(names):
    """A pattern for just these names, of which there may be none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=matching(FURTHER),
    model=matching(MODELS),
    encoder=matching(OUTLINE.encoders),


class Scope:
    """The data sets of a stage's rule, which are the main one, or, with a wildcard, the others."""

    def __init__(self, further):
        self.further = further
        self.results = "results/{dataset}" if further else OUTLINE.results
        self.dataset = "{dataset}" if further else OUTLINE.dataset

    def called(self, name):
        """The name of the rule that a stage or an output has."""
        return f"{name}_further" if self.further else name

    def pattern(self, name):
        """Where a file of a stage lies, with the rule's wildcards."""
        return PATTERNS[name].replace("{dataset}", self.dataset).replace("{results}", self.results)

    def log(self, name):
        """Where a rule's log lies, with the rule's wildcards."""
        return f"logs/datasets/{{dataset}}/{name}.log" if self.further else f"logs/{name}.log"

    def by_pictures(self):
        """Whether data sets have picture files, with the names of those that have, or have not, as far as there are some."""
        names = FURTHER if self.further else [PLAN.main]
        by_fact = {fact: [it for it in names if PLAN.outlines[it].pictures == fact] for fact in (True, False)}
        return [(fact, found) for fact, found in by_fact.items() if found]


SCOPES = [Scope(further=False), *([Scope(further=True)] if FURTHER else [])]


def outline_of(wildcards):
    """The outline of the data set that a job is about."""
    return PLAN.outlines[getattr(wildcards, "dataset", PLAN.main)]


def get_lineage(job):
    """Params function: the lineage of a job, whose name may hold wildcards, and --dataset for one of the others.

    Both are one parameter: the main data set's jobs have the same parameters whether or not there are others.
    """

    def lineage(wildcards):
        name, dataset = job.format_map(wildcards), outline_of(wildcards).dataset
        if name not in PLAN.lineages[dataset]:
            study = load(PLAN.config).study(dataset)
            needs = unmet(study, OUTPUTS[name]) if name in OUTPUTS else ["what bears that name"]
            raise WorkflowError(
                f"{name}: not part of {Path(PLAN.config).name}, which would need {' and '.join(needs)}: "
                "docs/configuration.md"
            )
        option = "" if dataset == PLAN.main else f" --dataset {dataset}"
        return PLAN.lineages[dataset][name] + option

    return lineage


def get_lineage_of_all(job):
    """The lineage of a job that is about all data sets."""
    return PLAN.across.get(job) or PLAN.lineages[PLAN.main][job]


def get_replaced(wildcards):
    """Params function: which pictures were replaced so far."""
    return PLAN.replaced[outline_of(wildcards).dataset]


def predictions_of(wildcards):
    """What the plan calls the job of a model's predictions, or of a shard of them."""
    shard = f"{wildcards.shard}-of-{wildcards.shards}" if "shard" in wildcards.keys() else ""
    return unit(wildcards.model, shard)


def probe(wildcards):
    """What the plan calls the job of a model's probe."""
    return probe_of(wildcards.model)


def judge(wildcards):
    """What the plan calls the job of a judge."""
    return judge_of(wildcards.judge)


def get_resource(key, job=None):
    """Resource function: what the entry of a model, or of a judge, asks of the scheduler.

    A job whose work is done before it asks for no more than reading takes. If something is left to do, its second attempt
    asks for all.
    """

    def resource(wildcards, attempt):
        judged = "judge" in wildcards.keys()
        of = (OUTLINE.judges[wildcards.judge] if judged else MODELS[wildcards.model].resources)[key]
        idle = job is not None and job(wildcards) in PLAN.idle[outline_of(wildcards).dataset]
        return min(of, READING[key]) if idle and attempt == 1 else of

    return resource


def get_judged(wildcards):
    """What the pairs of a judge follow from."""
    return judged_by(wildcards.judge, outline_of(wildcards))


def judged_by(name, outline):
    """The files of one data set from which a judge's pairs follow."""
    return files_of(outline, "classes") + [it.path for it in judged_files(outline, name)]


def files_of(outline, *names):
    """The files behind names of PATTERNS, GROUPS or OUTPUTS: of a stage, of several models, or of other outputs."""
    return [it.path for name in names for it in inputs(outline, name).values()]


def get_files(*names):
    """Input function: the files behind these names, of the data set that the job is about."""
    return lambda wildcards: files_of(outline_of(wildcards), *names)


def get_encoded_classes(wildcards):
    """The class embeddings of the main encoder, where there is one."""
    of = outline_of(wildcards)
    return files_of(of, "class_embeddings") if of.encoders else []


def get_class_embeddings(wildcards):
    """What a model needs of the embed stage: class embeddings for ConSE, nothing for others."""
    of = outline_of(wildcards)
    return files_of(of, "class_embeddings") if of.models[wildcards.model].class_embeddings else []


def get_choices(wildcards):
    """The options of a model that is asked multiple-choice questions."""
    of = outline_of(wildcards)
    return files_of(of, "choices") if of.models[wildcards.model].choices else []


def get_reranked(wildcards):
    """The scores of a cross-encoder, where one decides among the nearest classes."""
    of = outline_of(wildcards)
    return file(of, "reranked", wildcards.model, wildcards.encoder).path if wildcards.encoder in of.reranked else []


def get_labels(wildcards):
    """The labels, for models of which the predictions depend on them."""
    of = outline_of(wildcards)
    return files_of(of, "labels") if of.models[wildcards.model].labels else []


def get_asked_datasets(key):
    """Params function: the data sets that a model is asked about at once (datasets), or about their classes (probed), or
    a judge about their answers (answers).
    """
    return lambda wildcards: getattr(PLAN.asked[wildcards.asking], key)


def get_asked_shard(wildcards):
    """Params function: the shard of a model that is asked about them, as an option."""
    shard = PLAN.asked[wildcards.asking].shard
    return f"--shard {shard.replace('-of-', '/')}" if shard else ""


def get_asked_about(wildcards):
    """Params function: the same in words."""
    it = PLAN.asked[wildcards.asking]
    about = [" ".join(names) for names in (it.datasets, ["the classes of", *it.probed] if it.probed else []) if names]
    return " and ".join(about) + (f", shard {it.shard.replace('-of-', ' of ')}" if it.shard else "")


def get_asked(wildcards):
    """What a model that is asked about several data sets at once is asked with."""
    it = PLAN.asked[wildcards.asking]
    names = sorted({*it.datasets, *it.probed})
    return [path for name in names for path in asked_with(PLAN.outlines[name], wildcards.model)]


def get_asked_judged(wildcards):
    """What the pairs follow from that a judge is asked about several data sets at once."""
    names = PLAN.asked[wildcards.asking].answers
    return [path for name in names for path in judged_by(wildcards.judge, PLAN.outlines[name])]


def asked_with(outline, name):
    """The files of one data set that a job needs to ask a model about it."""
    model = outline.models[name]
    needed = {
        "images": True,
        "classes": True,
        "class_embeddings": model.class_embeddings,
        "choices": model.choices,
        "labels": model.labels,
    }
    return files_of(outline, *(it for it, needs in needed.items() if needs))


def get_mark(job):
    """Input function: the mark of a model or a judge that was asked in one go, for jobs that come after it."""
    return lambda wildcards: PLAN.marks.get(outline_of(wildcards).dataset, {}).get(job(wildcards), [])


def get_reference(wildcards):
    """The predictions of the model whose confusions make options; nothing where a file holds them."""
    of = outline_of(wildcards)
    return inputs(of, "predictions")[of.reference].path if of.reference else []


def get_shards(wildcards):
    """The parts of a sharded model's predictions."""
    of, count = outline_of(wildcards), MODELS[wildcards.model].shards
    names = {"dataset": of.dataset, "model": wildcards.model, "shards": count}
    return [PATTERNS["shard"].format(shard=shard, **names) for shard in range(1, count + 1)]


def get_output_inputs(output):
    """Input function: what an output is made from."""
    return lambda wildcards: [it.path for it in output_inputs(outline_of(wildcards), output)]


def get_across(output):
    """What an output about all data sets is made from."""
    return across.files(output, PLAN.outlines, OUTLINE)


def get_commit(wildcards):
    """Params function: the commit that the bundle's code is of, as far as git knows."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=workflow.basedir, capture_output=True, text=True
    )
    return described.stdout.strip()


def get_bundled(wildcards):
    """What the archive holds of results/."""
    return bundled(PLAN.outlines.values(), [it.name for it in OUTPUTS_ACROSS])


def get_written_across(output):
    """The files of a table or figure about all data sets; the report shows those that people look at."""
    return [
        shown(file, START.category, output.title) if output.title and file.endswith(SHOWN) else file
        for file in written(OUTLINE, output)
    ]


def get_tables():
    """The tables and figures that this configuration has, of all data sets."""
    each = [written(of, OUTPUTS[name])[0] for of in PLAN.outlines.values() for name in of.outputs]
    return each + [written(OUTLINE, output)[0] for output in OUTPUTS_ACROSS]


def get_key_tables(wildcards):
    """The tables that an overview reads, as far as its data set has them."""
    of = outline_of(wildcards)
    return files_of(of, *(name for name in KEY_TABLES if name in of.outputs))


def get_linked(wildcards):
    """What an overview links to."""
    return [it.path for it in linked(outline_of(wildcards))]


def shown(file, category, title, **options):
    """A file that the report shows, with the caption of its name."""
    return report(
        file, caption=f"../report/{Path(file).stem}.rst", category=category, labels={"title": title}, **options
    )


def shown_of(scope, file, category, title):
    """The same of a data set: a reader of several chooses one first."""
    return shown(file, scope.dataset, title, subcategory=category) if FURTHER else shown(file, category, title)


def get_page(scope, name):
    """A page about a data set."""
    page = PAGES[name]
    return shown_of(scope, f"{scope.results}/{name}", page.category, page.title)


def get_written(scope, output):
    """The files of a table or figure; the report shows those that people look at."""
    return [
        shown_of(scope, file, output.category, output.title) if output.title and file.endswith(SHOWN) else file
        for file in (f"{scope.results}/{name}" for name in output.files)
    ]
