rule score:
    input:
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        models=list(get_scored().values()),
    output:
        "results/scores.parquet",
    log:
        "logs/score.log",
    localrule: True
    params:
        lineage=get_lineage("score"),
        models=list(get_scored()),
    message:
        "Scoring all models"
    shell:
        "python -m mllm_classify score --lineage {params.lineage} --models {params.models} --inputs {input.models}"
        " --labels {input.labels} --classes {input.classes} --output {output} 2>&1 | tee {log}"
