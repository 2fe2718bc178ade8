rule mapping:
    input:
        predictions=rules.predict.output,
        classes=rules.images.output.classes,
        class_embeddings=rules.embed_classes.output,
        answer_embeddings=rules.embed_answers.output,
        choices=get_choices,
    output:
        pattern("mapping"),
    log:
        "logs/mapping/{encoder}/{model}.log",
    localrule: True
    params:
        lineage=get_lineage("mapping/{encoder}/{model}"),
    message:
        "Mapping the answers of {wildcards.model} to classes with {wildcards.encoder}"
    shell:
        "python -m mllm_classify mapping --lineage {params.lineage} --encoder {wildcards.encoder}"
        " --model {wildcards.model} --predictions {input.predictions} --classes {input.classes}"
        " --class-embeddings {input.class_embeddings} --answer-embeddings {input.answer_embeddings} --choices {input.choices} --output {output} 2>&1 | tee {log}"
