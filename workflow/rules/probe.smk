for scope in SCOPES:

    rule:
        name:
            scope.called("probe")
        input:
            images=scope.pattern("images"),
            classes=scope.pattern("classes"),
            # the same model is asked by one job at a time, and its budget is kept
            predictions=scope.pattern("predictions"),
            asked=get_mark(probe),
        output:
            scope.pattern("probe"),
        log:
            scope.log("probe/{model}"),
        threads: get_resource("cpus", probe)
        resources:
            gpu=get_resource("gpus", probe),
            mem_mb=get_resource("mem_mb", probe),
            runtime=get_resource("runtime", probe),
        params:
            lineage=get_lineage("probe/{model}"),
        message:
            "Describing classes to {wildcards.model}"
        shell:
            "python -m mllm_classify probe --lineage {params.lineage} --model {wildcards.model}"
            " --images {input.images} --classes {input.classes} --output {output} 2>&1 | tee {log}"
