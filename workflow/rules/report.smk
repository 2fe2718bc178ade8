report: "../report/workflow.rst"


rule panels:
    input:
        images=rules.images.output.images,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        scores=rules.score.output,
        predictions=expand(rules.predict.output[0], model=sorted(PLAN.models)),
        scored=list(get_scored().values()),
    output:
        table="results/panels.csv",
        rendering=shown("results/panels.html", "Examples", "What every model said"),
        figure=[shown("results/panels.svg", "Examples", "Pictures")] if PLAN.pictures else [],
        pdf="results/panels.pdf" if PLAN.pictures else [],
    log:
        "logs/report/panels.log",
    localrule: True
    params:
        lineage=get_lineage("panels"),
        models=sorted(PLAN.models),
    message:
        "Choosing examples"
    shell:
        "python -m mllm_classify report panels --lineage {params.lineage} --models {params.models}"
        " --images {input.images} --labels {input.labels} --classes {input.classes} --scores {input.scores}"
        " --predictions {input.predictions} --inputs {input.scored} --output {output.table}"
        " --figure {output.figure} 2>&1 | tee {log}"


rule provenance:
    input:
        images=rules.images.output.images,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        predictions=expand(rules.predict.output[0], model=sorted(PLAN.models)),
    output:
        table="results/provenance.csv",
        renderings=rendered("provenance", "Where the figures come from", "Provenance"),
    log:
        "logs/report/provenance.log",
    localrule: True
    params:
        lineage=get_lineage("provenance"),
        models=sorted(PLAN.models),
        commit=get_commit,
    message:
        "Saying where the figures come from"
    shell:
        "python -m mllm_classify report provenance --lineage {params.lineage} --models {params.models}"
        " --images {input.images} --labels {input.labels} --classes {input.classes} --inputs {input.predictions}"
        " --commit={params.commit:q} --output {output.table} 2>&1 | tee {log}"


rule explorer:
    input:
        images=rules.images.output.images,
        classes=rules.images.output.classes,
        labels=rules.labels.output,
        scores=rules.score.output,
        predictions=[rules.predict.output[0].format(model=name) for name in sorted(PLAN.models)],
        mappings=list(get_mapped().values()),
    output:
        shown("results/explorer.html", "Explorer", "Every image and answer"),
    log:
        "logs/report/explorer.log",
    localrule: True
    params:
        lineage=get_lineage("explorer"),
        models=sorted(PLAN.models),
        mapped=list(get_mapped()),
    message:
        "Showing every image and answer"
    shell:
        "python -m mllm_classify report explorer --lineage {params.lineage} --models {params.models}"
        " --predictions {input.predictions} --mapped {params.mapped} --mappings {input.mappings}"
        " --images {input.images} --classes {input.classes} --labels {input.labels} --scores {input.scores}"
        " --output {output} 2>&1 | tee {log}"


rule report:
    input:
        get_reported,
    output:
        "results/report.zip",
    log:
        "logs/report/report.log",
    localrule: True
    params:
        lineage=get_lineage("report"),
    message:
        "Putting the report together"
    shell:
        "python -m mllm_classify report assemble --lineage {params.lineage} --inputs {input} --output {output}"
        " 2>&1 | tee {log}"
