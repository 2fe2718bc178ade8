rule choices:
    input:
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        predictions=get_reference(),
        class_embeddings=get_files("class_embeddings") if OUTLINE.encoders else [],
    output:
        choices=pattern("choices"),
        confusions=pattern("confusions"),
    log:
        "logs/choices.log",
    localrule: True
    params:
        lineage=get_lineage("choices"),
    message:
        "Choosing the options of every question"
    shell:
        "python -m mllm_classify choices --lineage {params.lineage} --labels {input.labels} --classes {input.classes}"
        " --predictions {input.predictions} --class-embeddings {input.class_embeddings} --choices {output.choices}"
        " --confusions {output.confusions} 2>&1 | tee {log}"
