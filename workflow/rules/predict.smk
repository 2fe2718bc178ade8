for scope in SCOPES:

    rule:
        name:
            scope.called("predict")
        input:
            images=scope.pattern("images"),
            classes=scope.pattern("classes"),
            class_embeddings=get_class_embeddings,
            choices=get_choices,
            labels=get_labels,
            asked=get_mark(predictions_of),
        output:
            scope.pattern("predictions"),
        log:
            scope.log("predict/{model}"),
        wildcard_constraints:
            model=matching(name for name, model in MODELS.items() if model.shards == 1),
        threads: get_resource("cpus", predictions_of)
        resources:
            gpu=get_resource("gpus", predictions_of),
            mem_mb=get_resource("mem_mb", predictions_of),
            runtime=get_resource("runtime", predictions_of),
        params:
            lineage=get_lineage("predict/{model}"),
            shard="",
        message:
            "Asking {wildcards.model}"
        shell:
            "python -m mllm_classify predict --lineage {params.lineage} --model {wildcards.model}"
            " {params.shard} --images {input.images} --classes {input.classes} --class-embeddings {input.class_embeddings}"
            " --choices {input.choices} --labels {input.labels} --output {output} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("predict_shard")
        input:
            images=scope.pattern("images"),
            classes=scope.pattern("classes"),
            class_embeddings=get_class_embeddings,
            choices=get_choices,
            labels=get_labels,
            asked=get_mark(predictions_of),
        output:
            scope.pattern("shard"),
        log:
            scope.log("predict/{model}/{shard}-of-{shards}"),
        wildcard_constraints:
            model=matching(MODELS),
            shard="[0-9]+",
            shards="[0-9]+",
        threads: get_resource("cpus", predictions_of)
        resources:
            gpu=get_resource("gpus", predictions_of),
            mem_mb=get_resource("mem_mb", predictions_of),
            runtime=get_resource("runtime", predictions_of),
        params:
            lineage=get_lineage("predict/{model}"),
            shard="--shard {shard}/{shards}",
        message:
            "Asking {wildcards.model}, shard {wildcards.shard} of {wildcards.shards}"
        shell:
            "python -m mllm_classify predict --lineage {params.lineage} --model {wildcards.model}"
            " {params.shard} --images {input.images} --classes {input.classes} --class-embeddings {input.class_embeddings}"
            " --choices {input.choices} --labels {input.labels} --output {output} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("gather")
        input:
            images=scope.pattern("images"),
            shards=get_shards,
        output:
            scope.pattern("predictions"),
        log:
            scope.log("predict/{model}"),
        wildcard_constraints:
            model=matching(name for name, model in MODELS.items() if model.shards > 1),
        localrule: True
        params:
            lineage=get_lineage("predict/{model}"),
        message:
            "Gathering the shards of {wildcards.model}"
        shell:
            "python -m mllm_classify gather --lineage {params.lineage} --model {wildcards.model}"
            " --images {input.images} --inputs {input.shards} --output {output} 2>&1 | tee {log}"


# a model whose engine is started, or whose weights are loaded, once for several jobs; none before one alone
rule ask:
    input:
        get_asked,
    output:
        "results/asked/{model}/{asking}.json",
    log:
        "logs/ask/{model}/{asking}.log",
    wildcard_constraints:
        model=matching(MODELS),
        # earlier ones stay as they are
        asking=matching(PLAN.asked),
    threads: get_resource("cpus")
    resources:
        gpu=get_resource("gpus"),
        mem_mb=get_resource("mem_mb"),
        runtime=get_resource("runtime"),
    params:
        datasets=get_asked_datasets("datasets"),
        probed=get_asked_datasets("probed"),
        shard=get_asked_shard,
        about=get_asked_about,
    message:
        "Asking {wildcards.model} about {params.about}"
    shell:
        "python -m mllm_classify ask --model {wildcards.model} --asking {wildcards.asking} --datasets {params.datasets}"
        " --probed {params.probed} {params.shard} --output {output} 2>&1 | tee {log}"
