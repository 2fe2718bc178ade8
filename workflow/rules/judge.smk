for scope in SCOPES if OUTLINE.judges else []:

    rule:
        name:
            scope.called("judge")
        input:
            get_judged,
            asked=get_mark(judge),
        output:
            scope.pattern("judgement"),
        log:
            scope.log("judge/{judge}"),
        wildcard_constraints:
            judge=matching(OUTLINE.judges),
        threads: get_resource("cpus", judge)
        resources:
            gpu=get_resource("gpus", judge),
            mem_mb=get_resource("mem_mb", judge),
            runtime=get_resource("runtime", judge),
        params:
            lineage=get_lineage("judge/{judge}"),
        message:
            "Judging answers by {wildcards.judge}"
        shell:
            "python -m mllm_classify judge --lineage {params.lineage} --judge {wildcards.judge} --output {output}"
            " 2>&1 | tee {log}"


# a judge whose engine is started once for several data sets, as models are asked (predict.smk)
rule ask_judge:
    input:
        get_asked_judged,
    output:
        "results/asked/judges/{judge}/{asking}.json",
    log:
        "logs/ask/judges/{judge}/{asking}.log",
    wildcard_constraints:
        judge=matching(OUTLINE.judges),
        asking=matching(PLAN.asked),
    threads: get_resource("cpus")
    resources:
        gpu=get_resource("gpus"),
        mem_mb=get_resource("mem_mb"),
        runtime=get_resource("runtime"),
    params:
        datasets=get_asked_datasets("answers"),
    message:
        "Judging answers by {wildcards.judge} about {params.datasets}"
    shell:
        "python -m mllm_classify ask-judge --judge {wildcards.judge} --asking {wildcards.asking}"
        " --datasets {params.datasets} --output {output} 2>&1 | tee {log}"
