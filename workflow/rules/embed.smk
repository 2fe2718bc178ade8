for scope in SCOPES:

    rule:
        name:
            scope.called("embed_classes")
        input:
            scope.pattern("classes"),
        output:
            scope.pattern("class_embeddings"),
        log:
            scope.log("embed/{encoder}/classes"),
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


for scope in SCOPES:

    rule:
        name:
            scope.called("embed_answers")
        input:
            scope.pattern("predictions"),
        output:
            scope.pattern("answer_embeddings"),
        log:
            scope.log("embed/{encoder}/{model}"),
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


for scope in SCOPES:

    rule:
        name:
            scope.called("embed_concepts")
        input:
            scope.pattern("predictions"),
        output:
            scope.pattern("concept_embeddings"),
        log:
            scope.log("concepts/{encoder}/{model}"),
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            lineage=get_lineage("concepts/{encoder}/{model}"),
        message:
            "Embedding the concepts of the answers of {wildcards.model} with {wildcards.encoder}"
        shell:
            "python -m mllm_classify embed concepts --lineage {params.lineage} --encoder {wildcards.encoder}"
            " --model {wildcards.model} --predictions {input} --output {output} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("embed_synonyms")
        input:
            hierarchy=scope.pattern("hierarchy"),
            classes=scope.pattern("classes"),
        output:
            scope.pattern("synonym_embeddings"),
        log:
            scope.log("synonyms/{encoder}"),
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            lineage=get_lineage("synonyms/{encoder}"),
        message:
            "Embedding other names of the classes with {wildcards.encoder}"
        shell:
            "python -m mllm_classify embed synonyms --lineage {params.lineage} --encoder {wildcards.encoder}"
            " --hierarchy {input.hierarchy} --classes {input.classes} --output {output} 2>&1 | tee {log}"
