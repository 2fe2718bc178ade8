rule predict:
    input:
        images=rules.images.output.images,
        classes=rules.images.output.classes,
        class_embeddings=get_class_embeddings,
        choices=get_choices,
        labels=get_labels,
    output:
        pattern("predictions"),
    log:
        "logs/predict/{model}.log",
    wildcard_constraints:
        model=matching(name for name, model in MODELS.items() if model.shards == 1),
    threads: get_resource("cpus")
    resources:
        gpu=get_resource("gpus"),
        mem_mb=get_resource("mem_mb"),
        runtime=get_resource("runtime"),
    params:
        lineage=get_lineage("predict/{model}"),
        shard="",
    message:
        "Asking {wildcards.model}"
    shell:
        "python -m mllm_classify predict --lineage {params.lineage} --model {wildcards.model} {params.shard}"
        " --images {input.images} --classes {input.classes} --class-embeddings {input.class_embeddings}"
        " --choices {input.choices} --labels {input.labels} --output {output} 2>&1 | tee {log}"


use rule predict as predict_shard with:
    output:
        pattern("shard"),
    log:
        "logs/predict/{model}/{shard}-of-{shards}.log",
    wildcard_constraints:
        model=matching(MODELS),
        shard="[0-9]+",
        shards="[0-9]+",
    params:
        lineage=get_lineage("predict/{model}"),
        shard="--shard {shard}/{shards}",
    message:
        "Asking {wildcards.model}, shard {wildcards.shard} of {wildcards.shards}"


rule gather:
    input:
        images=rules.images.output.images,
        shards=get_shards,
    output:
        pattern("predictions"),
    log:
        "logs/predict/{model}.log",
    wildcard_constraints:
        model=matching(name for name, model in MODELS.items() if model.shards > 1),
    localrule: True
    params:
        lineage=get_lineage("predict/{model}"),
    message:
        "Gathering the shards of {wildcards.model}"
    shell:
        "python -m mllm_classify gather --lineage {params.lineage} --model {wildcards.model} --images {input.images}"
        " --inputs {input.shards} --output {output} 2>&1 | tee {log}"
