rule annotate:
    input:
        get_files("images", "classes", "labels", "annotated"),
    output:
        tasks="results/annotate/tasks.json",
        labelling="results/annotate/labelling.xml",
        key="results/annotate/key.parquet",
    log:
        "logs/annotate.log",
    localrule: True
    params:
        lineage=get_lineage("annotate"),
    message:
        "Choosing what annotators see again"
    shell:
        "python -m mllm_classify annotate tasks --lineage {params.lineage} --tasks {output.tasks}"
        " --labelling {output.labelling} --key {output.key} 2>&1 | tee {log}"
