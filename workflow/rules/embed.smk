rule embed_classes:
    input:
        rules.images.output.classes,
    output:
        f"results/embeddings/{PLAN.encoder}/{PLAN.dataset}/classes.parquet",
    log:
        "logs/embed/classes.log",
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        lineage=get_lineage("classes"),
    message:
        "Embedding the class names"
    shell:
        "python -m mllm_classify embed classes --lineage {params.lineage} --classes {input} --output {output}"
        " 2>&1 | tee {log}"


rule embed_answers:
    input:
        rules.predict.output,
    output:
        f"results/embeddings/{PLAN.encoder}/{PLAN.dataset}/{{model}}.parquet",
    log:
        "logs/embed/{model}.log",
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        lineage=get_lineage("answers/{model}"),
    message:
        "Embedding the answers of {wildcards.model}"
    shell:
        "python -m mllm_classify embed answers --lineage {params.lineage} --model {wildcards.model}"
        " --predictions {input} --output {output} 2>&1 | tee {log}"
