rule bundle:
    input:
        get_bundled,
    output:
        "results/bundle.zip",
    log:
        "logs/bundle.log",
    localrule: True
    params:
        lineage=get_lineage_of_all("bundle"),
        commit=get_commit,
    message:
        "Archiving the study"
    shell:
        "python -m mllm_classify bundle --lineage {params.lineage} --output {output} 2>&1 | tee {log}"
