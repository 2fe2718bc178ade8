for scope in SCOPES:

    rule:
        name:
            scope.called("rerank")
        input:
            classes=scope.pattern("classes"),
            class_embeddings=scope.pattern("class_embeddings"),
            answer_embeddings=scope.pattern("answer_embeddings"),
        output:
            scope.pattern("reranked"),
        log:
            scope.log("rerank/{encoder}/{model}"),
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            lineage=get_lineage("rerank/{encoder}/{model}"),
        message:
            "Re-ranking the classes nearest to the answers of {wildcards.model} with {wildcards.encoder}"
        shell:
            "python -m mllm_classify rerank --lineage {params.lineage} --encoder {wildcards.encoder}"
            " --model {wildcards.model} --classes {input.classes} --class-embeddings {input.class_embeddings}"
            " --answer-embeddings {input.answer_embeddings} --output {output} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("mapping")
        input:
            predictions=scope.pattern("predictions"),
            classes=scope.pattern("classes"),
            class_embeddings=scope.pattern("class_embeddings"),
            answer_embeddings=scope.pattern("answer_embeddings"),
            choices=get_choices,
            reranked=get_reranked,
        output:
            scope.pattern("mapping"),
        log:
            scope.log("mapping/{encoder}/{model}"),
        localrule: True
        params:
            lineage=get_lineage("mapping/{encoder}/{model}"),
        message:
            "Mapping the answers of {wildcards.model} to classes with {wildcards.encoder}"
        shell:
            "python -m mllm_classify mapping --lineage {params.lineage} --encoder {wildcards.encoder}"
            " --model {wildcards.model} --predictions {input.predictions} --classes {input.classes}"
            " --class-embeddings {input.class_embeddings} --answer-embeddings {input.answer_embeddings} --choices {input.choices}"
            " --reranked {input.reranked} --output {output} 2>&1 | tee {log}"
