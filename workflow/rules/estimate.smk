rule estimate:
    input:
        images=rules.images.output.images,
        classes=rules.images.output.classes,
        labels=rules.labels.output,
    output:
        "results/estimate.csv",
    log:
        "logs/estimate.log",
    localrule: True
    params:
        lineage=get_lineage("estimate"),
        # they need the reference's predictions; an estimate does not wait for these
        choices=rules.choices.output.choices,
    message:
        "Estimating what chat models cost"
    shell:
        "python -m mllm_classify estimate --lineage {params.lineage} --images {input.images} --classes {input.classes}"
        " --labels {input.labels} --choices {params.choices} --output {output} 2>&1 | tee {log}"
