"""What every job depends on, as one digest: the only thing besides its input files that makes Snakemake rerun it.

A job's lineage covers the part of the configuration that it uses, its code, and the lineages of all its inputs,
recursively. A stage that failed and was repaired therefore reruns everything below it, whatever Snakemake remembers of
the failure.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mllm_classify.config.identity import identity
from mllm_classify.config.kinds import AnyModel
from mllm_classify.config.study import Config
from mllm_classify.io.files import PROJECT, digest, sha256
from mllm_classify.outputs import ACROSS, DERIVED, OUTPUTS, Output, parts
from mllm_classify.plan.across import before, concerns, existing, files_of_each, of_each, told
from mllm_classify.plan.code import PACKAGE, code_digest
from mllm_classify.plan.files import File, inputs, judged_files, linked, output_inputs
from mllm_classify.plan.outline import outline
from mllm_classify.plan.restricted import sources
from mllm_classify.plan.values import VALUES, about, entries, judges_inclusion, mapping_values

CAPTIONS = "workflow/report"
FORMS = {"table": "tables.render", "figure": "figures.style"}
"""What writes the files of an output, by its form."""
WHOLE = ("provenance", "overview", "report", "bundle")
"""Jobs that hold the configuration itself and depend on all others, in the order of their lineages."""
OF_ALL = ("start", "report", "bundle")
"""Those of them that are about all data sets, where there are several."""

CHANGED = (
    "%s: the configuration, a file that it names, or the code has changed since this run was started; let the other jobs "
    "end and start Snakemake again"
)
"""Why a job stops that does not depend on what Snakemake planned and will record."""


class Job(NamedTuple):
    """What a job depends on."""

    spec: Any
    """What it uses of the configuration, as JSON."""
    modules: list[str]
    """Its code; what these import of the package counts, too."""
    inputs: list[str]
    """The jobs that make its inputs."""


class Lineages:
    """The lineages of a configuration's jobs, by the job's name: a stage, and what it is for (`predict/MODEL`).

    Each is computed when it is asked for, with those that it depends on. Raises InputError where a file that the
    configuration names cannot be read.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.outline = outline(config)
        self._known: dict[str, str] = {}
        self._names = {*self.names(), *WHOLE}

    def names(self) -> list[str]:
        """All jobs of the configuration, but those of WHOLE."""
        of, worded = self.outline, self.outline.named("worded")
        jobs = ["images", "labels", *(f"classes/{encoder}" for encoder in of.encoders)]
        jobs += [f"predict/{model}" for model in of.models]
        jobs += [f"probe/{model}" for model in of.named("probed")]
        jobs += ["hierarchy"] if of.hierarchy else []
        jobs += [f"synonyms/{encoder}" for encoder in of.encoders if of.synonyms]
        jobs += ["choices"] if of.choices else []
        jobs += [f"{stage}/{it}/{model}" for stage in ("answers", "mapping") for it in of.encoders for model in worded]
        jobs += [f"rerank/{it}/{model}" for it in of.reranked for model in worded]
        jobs += [f"judge/{judge}" for judge in of.judges]
        jobs += [f"concepts/{of.similarity}/{model}" for model in worded if of.similarity]
        jobs += ["score", *of.outputs, "panels", "explorer"]
        jobs += ["estimate"] if of.named("chat") or of.judges else []
        return jobs + (["annotate"] if of.examined and of.pictures else [])

    def every(self) -> dict[str, str]:
        """The lineages of all jobs."""
        return {job: self[job] for job in [*self.names(), *WHOLE]}

    def __contains__(self, job: str) -> bool:
        return job in self._names

    def __getitem__(self, job: str) -> str:
        """The lineage of one job. Raises KeyError where the configuration has no such job."""
        if job not in self._known:
            if job not in self:
                raise KeyError(job)
            spec, modules, before = self.job(job)
            lineages = [self[it] for it in before]
            self._known[job] = digest({"spec": spec, "code": code_digest(*modules), "inputs": lineages})
        return self._known[job]

    def job(self, name: str) -> Job:
        """What a job of the configuration depends on."""
        if name in OUTPUTS:
            return self._output(name)
        stage, *about = name.split("/")
        job: Job = getattr(self, f"_{stage}")(*about)
        return job

    def _images(self) -> Job:
        return Job(self.config.dataset.identities()[0], ["dataset.images"], [])

    def _labels(self) -> Job:
        return Job(self.config.dataset.identities()[1], ["dataset.labels"], ["images"])

    def _hierarchy(self) -> Job:
        dataset = self.config.dataset
        assert dataset.hierarchy is not None
        spec = {"hierarchy": identity(dataset.hierarchy), "synsets": dataset.synsets_file}
        return Job(spec, ["dataset.hierarchy"], ["images"])

    def _classes(self, encoder: str) -> Job:
        spec, modules = self._encoder(encoder)
        del spec["answers"], spec["query_prompt"]
        return Job(spec, modules, ["images"])

    def _answers(self, encoder: str, model: str) -> Job:
        spec, modules = self._encoder(encoder)
        del spec["document_prompt"]
        return Job(spec, modules, [f"predict/{model}"])

    def _concepts(self, encoder: str, model: str) -> Job:
        spec, modules = self._encoder(encoder)
        del spec["document_prompt"]
        return Job(spec, ["embed.concepts", *modules], [f"predict/{model}"])

    def _synonyms(self, encoder: str) -> Job:
        spec, modules = self._encoder(encoder)
        del spec["document_prompt"]
        return Job(spec, ["embed.synonyms", *modules], ["images", "hierarchy"])

    def _encoder(self, name: str) -> tuple[dict[str, Any], list[str]]:
        """What an encoder's vectors depend on: its entry, and its code."""
        encoder = self.config.named_encoder(name)
        spec = identity(encoder)
        del spec["reranker"]
        return spec, ["embed.texts", f"embed.{encoder.kind.replace('-', '_')}"]

    def _predict(self, name: str) -> Job:
        model = self.config.model(name)
        spec = identity(model)
        del spec["name"]
        if model.prompted_tasks:
            spec["prompts"] = {task: identity(self.config.tasks[task]) for task in model.prompted_tasks}
            spec["variants"] = [identity(variant) for variant in self.config.asked_variants(model)]
        if neighbours := self.config.neighbours(model):
            spec["neighbours"] = [identity(it) for it in neighbours.values()]
        if model.asks_choices and self.config.choices is not None:
            spec["answer"] = self.config.choices.answer
        return Job(spec, [f"predict.{model.kind}"], ["images", *self._asked_with(model)])

    def _asked_with(self, model: AnyModel) -> list[str]:
        """What decides, beside the images, what a model is asked, or may lack."""
        needed = {
            f"classes/{self.outline.encoder}": model.needs_class_embeddings,
            "labels": self.config.needs_labels(model),
            "choices": model.asks_choices,
        }
        return [job for job, applies in needed.items() if applies]

    def _probe(self, name: str) -> Job:
        assert self.config.probe is not None
        model = self.config.model(name)
        spec = [
            {key: value for key, value in identity(it).items() if key not in ("models", "name")}
            for it in (self.config.probe, model)
        ]
        return Job(spec, [f"predict.{model.kind}", "predict.chat.probing"], ["images", f"predict/{name}"])

    def _rerank(self, encoder: str, name: str) -> Job:
        reranker = self.config.named_encoder(encoder).reranker
        assert reranker is not None
        return Job(
            identity(reranker), ["mapping.cross_encoder"], ["images", f"classes/{encoder}", f"answers/{encoder}/{name}"]
        )

    def _mapping(self, encoder: str, name: str) -> Job:
        model = self.config.model(name)
        before = ["images", f"classes/{encoder}", f"predict/{name}", f"answers/{encoder}/{name}"]
        before += [f"rerank/{encoder}/{name}"] if encoder in self.outline.reranked else []
        spec = mapping_values(self.config, encoder, name)
        return Job(spec, ["mapping.mapping"], [*before, *(["choices"] if model.asks_choices else [])])

    def _judge(self, name: str) -> Job:
        judge = self.config.named_judge(name)
        spec = identity(judge)
        del spec["name"]
        return Job(
            spec, ["judge.asking", f"predict.{judge.kind}"], ["images", *_jobs(judged_files(self.outline, name))]
        )

    def _choices(self) -> Job:
        assert self.config.choices is not None
        spec = identity(self.config.choices)
        del spec["answer"]
        reference = spec.pop("reference")
        before = ["labels", *([f"classes/{self.outline.encoder}"] if self.outline.encoders else [])]
        return Job(spec, ["choices.options"], [*before, *([f"predict/{reference}"] if reference else [])])

    def _score(self) -> Job:
        # by name: the order of the models in the file changes nothing
        models = inputs(self.outline, "scored")
        others = [it for name in ("worded_predictions", "accepting") for it in inputs(self.outline, name).values()]
        spec = [list(models), "inclusion"] if judges_inclusion(self.config) else list(models)
        return Job(spec, ["score.score"], ["labels", *_jobs([*models.values(), *others])])

    def _output(self, name: str) -> Job:
        output = OUTPUTS[name]
        values = {part: VALUES[part](self.config) for part in parts(output) if part in VALUES}
        return Job(values, _modules(output), _jobs(output_inputs(self.outline, output)))

    def _estimate(self) -> Job:
        chat = [it.model_dump(mode="json") for it in (*self.config.chat_models, *self.config.every_judge)]
        modules = ["predict.chat.estimate", *(["judge.estimate"] if self.outline.judges else [])]
        return Job(chat, modules, [f"predict/{model}" for model in self.outline.named("chat")])

    def _annotate(self) -> Job:
        assert self.config.annotate is not None
        annotated = inputs(self.outline, "annotated").values()
        return Job(identity(self.config.annotate), ["annotate.tasks"], ["images", "labels", *_jobs(annotated)])

    def _panels(self) -> Job:
        spec = [about(self.config), entries(self.config), self.config.dataset.has_files]
        return Job(spec, ["report.panels", "tables.given"], ["score", "images", "labels"])

    def _explorer(self) -> Job:
        # scores know predictions, mappings and labels
        spec = [about(self.config), entries(self.config), _pieces("report/explorer/*", "report/explorer/js/*")]
        return Job(
            spec,
            [*(f"report.explorer.{it}" for it in ("columns", "pictures", "document")), "tables.given"],
            ["images", "score"],
        )

    def _provenance(self) -> Job:
        return Job(self.config.model_dump(mode="json"), ["report.provenance"], sorted(self.names()))

    def _overview(self) -> Job:
        shown = [tuple(it) for it in linked(self.outline)]
        return Job(
            [about(self.config), shown, _pieces("report/*")],
            ["report.overview", "tables.given"],
            [*sorted(self.names()), "provenance"],
        )

    def _report(self) -> Job:
        captions = [sha256(path.read_bytes()) for path in sorted((PROJECT / CAPTIONS).glob("*.rst"))]
        restricted = sorted({*sources(self.config)})
        return Job(
            [captions, restricted],
            ["report.assemble", "report.published"],
            [*sorted(self.names()), "provenance", "overview"],
        )

    def _bundle(self) -> Job:
        return Job(self.config.model_dump(mode="json"), ["bundle.archive"], sorted(self.names()))


def lineage(config: Config, job: str, dataset: str | None = None) -> str | None:
    """The lineage of a job: of one data set (the main one), or of all. None where the configuration has no such job."""
    if job in ACROSS or (job in OF_ALL and len(config.studies) > 1):
        return across(config, {name: Lineages(study) for name, study in config.studies.items()}).get(job)
    try:
        return Lineages(config.study(dataset or config.dataset.name))[job]
    except KeyError:
        return None


def across(config: Config, each: dict[str, Lineages]) -> dict[str, str]:
    """The lineages of the jobs that are about all data sets, from those of each by its name. None of one data set alone."""
    if len(each) == 1:
        return {}
    outputs: dict[str, str] = {}
    for name in existing(config):
        output = ACROSS[name]
        outputs[name] = digest(
            {
                "spec": [
                    told(output, config),
                    {name: _of_one(output, of) for name, of in sorted(each.items()) if concerns(output, of.outline)},
                ],
                "code": code_digest(*_modules(output)),
                "inputs": [outputs[it] for it in before(output)],
            }
        )
    labels = {name: of.config.dataset.label for name, of in sorted(each.items())}
    start = {
        "spec": [labels, next(iter(each)), _pieces("report/*")],
        "code": code_digest("report.start"),
        "inputs": [*outputs.values(), *(of["overview"] for _, of in sorted(each.items()))],
    }
    outputs["start"] = digest(start)
    whole = {job: [*outputs.values(), *(of[job] for _, of in sorted(each.items()))] for job in ("report", "bundle")}
    return outputs | {job: digest(lineages) for job, lineages in whole.items()}


def _of_one(output: Output, of: Lineages) -> list[Any]:
    """What an output about all data sets depends on of one of them: values, and lineages of jobs."""
    values = {part: VALUES[part](of.config) for part in of_each(output) if part in VALUES}
    return [values, [of[job] for job in _jobs(files_of_each(output, of.outline))]]


def _modules(output: Output) -> list[str]:
    """The code of an output."""
    modules = [output.module, "io.parquet", *(["tables.given"] if set(output.takes) & DERIVED.keys() else [])]
    return modules + ([FORMS[output.form]] if output.form in FORMS else [])


def lineages(config: Config) -> dict[str, str]:
    """The lineages of all jobs of a configuration."""
    return Lineages(config).every()


def _pieces(*patterns: str) -> list[list[str]]:
    """Names and SHA-256s of what pages are made of beside code: templates, styles and scripts."""
    paths = sorted(path for pattern in patterns for path in PACKAGE.glob(pattern))
    return [[path.name, sha256(path.read_bytes())] for path in paths if path.suffix in (".html", ".css", ".js")]


def _jobs(files: Iterable[File]) -> list[str]:
    return list(dict.fromkeys(it.job for it in files))
