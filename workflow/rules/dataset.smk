for scope in SCOPES:

    rule:
        name:
            scope.called("images")
        output:
            images=scope.pattern("images"),
            classes=scope.pattern("classes"),
        log:
            scope.log("dataset/images"),
        localrule: True
        params:
            lineage=get_lineage("images"),
            replaced=get_replaced,
        message:
            "Checking every image of the data set"
        shell:
            "python -m mllm_classify dataset images --lineage {params.lineage} --images {output.images}"
            " --classes {output.classes} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("labels")
        input:
            images=scope.pattern("images"),
            classes=scope.pattern("classes"),
        output:
            scope.pattern("labels"),
        log:
            scope.log("dataset/labels"),
        localrule: True
        params:
            lineage=get_lineage("labels"),
        message:
            "Reading both label sets"
        shell:
            "python -m mllm_classify dataset labels --lineage {params.lineage} --images {input.images}"
            " --classes {input.classes} --output {output} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("hierarchy")
        input:
            scope.pattern("classes"),
        output:
            scope.pattern("hierarchy"),
        log:
            scope.log("dataset/hierarchy"),
        localrule: True
        params:
            lineage=get_lineage("hierarchy"),
        message:
            "Reading what the classes are kinds of"
        shell:
            "python -m mllm_classify dataset hierarchy --lineage {params.lineage} --classes {input}"
            " --output {output} 2>&1 | tee {log}"
