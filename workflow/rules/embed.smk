rule embed_classes:
    input:
        rules.images.output.classes,
    output:
        pattern("class_embeddings"),
    log:
        "logs/embed/{encoder}/classes.log",
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        lineage=get_lineage("classes/{encoder}"),
    message:
        "Embedding the class names with {wildcards.encoder}"
    shell:
        "python -m mllm_classify embed classes --lineage {params.lineage} --encoder {wildcards.encoder}"
        " --classes {input} --output {output} 2>&1 | tee {log}"


rule embed_answers:
    input:
        rules.predict.output,
    output:
        pattern("answer_embeddings"),
    log:
        "logs/embed/{encoder}/{model}.log",
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        lineage=get_lineage("answers/{encoder}/{model}"),
    message:
        "Embedding the answers of {wildcards.model} with {wildcards.encoder}"
    shell:
        "python -m mllm_classify embed answers --lineage {params.lineage} --encoder {wildcards.encoder}"
        " --model {wildcards.model} --predictions {input} --output {output} 2>&1 | tee {log}"
