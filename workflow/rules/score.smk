rule score:
    input:
        labels=pattern("labels"),
        classes=pattern("classes"),
        models=get_files("scored", "worded_predictions"),
    output:
        pattern("scores"),
    log:
        "logs/score.log",
    localrule: True
    params:
        lineage=get_lineage("score"),
    message:
        "Scoring all models"
    shell:
        "python -m mllm_classify score --lineage {params.lineage} --output {output} 2>&1 | tee {log}"
