for scope in SCOPES:

    rule:
        name:
            scope.called("score")
        input:
            labels=scope.pattern("labels"),
            classes=scope.pattern("classes"),
            models=get_files("scored", "worded_predictions", "accepting"),
        output:
            scope.pattern("scores"),
        log:
            scope.log("score"),
        localrule: True
        params:
            lineage=get_lineage("score"),
        message:
            "Scoring all models"
        shell:
            "python -m mllm_classify score --lineage {params.lineage} --output {output} 2>&1 | tee {log}"
