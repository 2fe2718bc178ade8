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
            " --class-embeddings {input.class_embeddings} --answer-embeddings {input.answer_embeddings} --choices {input.choices} --output {output} 2>&1 | tee {log}"
