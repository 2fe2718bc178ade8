for scope in SCOPES if OUTLINE.judges else []:

    rule:
        name:
            scope.called("judge")
        input:
            get_judged,
        output:
            scope.pattern("judgement"),
        log:
            scope.log("judge/{judge}"),
        wildcard_constraints:
            judge=matching(OUTLINE.judges),
        threads: get_judge_resource("cpus")
        resources:
            gpu=get_judge_resource("gpus"),
            mem_mb=get_judge_resource("mem_mb"),
            runtime=get_judge_resource("runtime"),
        params:
            lineage=get_lineage("judge/{judge}"),
        message:
            "Judging answers by {wildcards.judge}"
        shell:
            "python -m mllm_classify judge --lineage {params.lineage} --judge {wildcards.judge} --output {output}"
            " 2>&1 | tee {log}"
