rule annotate:
    input:
        images=rules.images.output.images,
        classes=rules.images.output.classes,
        labels=rules.labels.output,
        models=list(get_annotated().values()),
    output:
        tasks="results/annotate/tasks.json",
        labelling="results/annotate/labelling.xml",
        key="results/annotate/key.parquet",
    log:
        "logs/annotate.log",
    localrule: True
    params:
        lineage=get_lineage("annotate"),
        models=list(get_annotated()),
    message:
        "Choosing what annotators see again"
    shell:
        "python -m mllm_classify annotate tasks --lineage {params.lineage} --models {params.models}"
        " --inputs {input.models} --images {input.images} --classes {input.classes} --labels {input.labels}"
        " --tasks {output.tasks} --labelling {output.labelling} --key {output.key} 2>&1 | tee {log}"
