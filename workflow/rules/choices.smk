for scope in SCOPES:

    rule:
        name:
            scope.called("choices")
        input:
            labels=scope.pattern("labels"),
            classes=scope.pattern("classes"),
            predictions=get_reference,
            class_embeddings=get_encoded_classes,
        output:
            choices=scope.pattern("choices"),
            confusions=scope.pattern("confusions"),
        log:
            scope.log("choices"),
        localrule: True
        params:
            lineage=get_lineage("choices"),
        message:
            "Choosing the options of every question"
        shell:
            "python -m mllm_classify choices --lineage {params.lineage} --labels {input.labels} --classes {input.classes}"
            " --predictions {input.predictions} --class-embeddings {input.class_embeddings} --choices {output.choices}"
            " --confusions {output.confusions} 2>&1 | tee {log}"
