rule bundle:
    input:
        get_archived,
    output:
        "results/bundle.zip",
    log:
        "logs/bundle.log",
    localrule: True
    params:
        lineage=get_lineage("bundle"),
        commit=get_commit,
    message:
        "Archiving the study"
    shell:
        "python -m mllm_classify bundle --lineage {params.lineage} --inputs {input} --output {output} 2>&1 | tee {log}"
