rule predict:
    input:
        images=rules.images.output.images,
        classes=rules.images.output.classes,
        class_embeddings=get_class_embeddings,
    output:
        f"results/predictions/{DATASET}/{{model}}.parquet",
    log:
        "logs/predict/{model}.log",
    resources:
        gpu=get_resource("gpus"),
        mem_mb=get_resource("mem_mb"),
        runtime=get_resource("runtime"),
    params:
        lineage=get_lineage("predict/{model}"),
    message:
        "Asking {wildcards.model}"
    shell:
        "python -m mllm_classify predict --lineage {params.lineage} --model {wildcards.model} --images {input.images}"
        " --classes {input.classes} --class-embeddings {input.class_embeddings} --output {output} 2>&1 | tee {log}"
