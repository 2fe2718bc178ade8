rule images:
    output:
        images=pattern("images"),
        classes=pattern("classes"),
    log:
        "logs/dataset/images.log",
    localrule: True
    params:
        lineage=get_lineage("images"),
        replaced=PLAN.replaced,
    message:
        "Checking every image of the data set"
    shell:
        "python -m mllm_classify dataset images --lineage {params.lineage} --images {output.images}"
        " --classes {output.classes} 2>&1 | tee {log}"


rule labels:
    input:
        images=rules.images.output.images,
        classes=rules.images.output.classes,
    output:
        pattern("labels"),
    log:
        "logs/dataset/labels.log",
    localrule: True
    params:
        lineage=get_lineage("labels"),
    message:
        "Reading both label sets"
    shell:
        "python -m mllm_classify dataset labels --lineage {params.lineage} --images {input.images}"
        " --classes {input.classes} --output {output} 2>&1 | tee {log}"
