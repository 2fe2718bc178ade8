for scope in SCOPES:

    rule:
        name:
            scope.called("estimate")
        input:
            images=scope.pattern("images"),
            classes=scope.pattern("classes"),
            labels=scope.pattern("labels"),
        output:
            scope.pattern("estimate"),
        log:
            scope.log("estimate"),
        localrule: True
        params:
            lineage=get_lineage("estimate"),
            # they need the reference's predictions; an estimate does not wait for these
            choices=scope.pattern("choices"),
        message:
            "Estimating what chat models cost"
        shell:
            "python -m mllm_classify estimate --lineage {params.lineage} --images {input.images} --classes {input.classes}"
            " --labels {input.labels} --choices {params.choices} --output {output} 2>&1 | tee {log}"
