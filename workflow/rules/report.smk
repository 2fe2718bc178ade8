report: "../report/workflow.rst"


rule panels:
    input:
        get_files("images", "labels", "classes", "scores", "predictions", "mappings"),
    output:
        table="results/panels.csv",
        rendering=shown("results/panels.html", "Examples", "What every model said"),
        figure=[shown("results/panels.svg", "Examples", "Pictures")] if OUTLINE.pictures else [],
        pdf="results/panels.pdf" if OUTLINE.pictures else [],
    log:
        "logs/report/panels.log",
    localrule: True
    params:
        lineage=get_lineage("panels"),
    message:
        "Choosing examples"
    shell:
        "python -m mllm_classify report panels --lineage {params.lineage} --output {output.table}"
        " --figure {output.figure} 2>&1 | tee {log}"


rule provenance:
    input:
        get_files("images", "labels", "classes", "predictions"),
    output:
        rendered("provenance", "Where the figures come from", "Provenance"),
    log:
        "logs/report/provenance.log",
    localrule: True
    params:
        lineage=get_lineage("provenance"),
        commit=get_commit,
    message:
        "Saying where the figures come from"
    shell:
        "python -m mllm_classify report provenance --lineage {params.lineage} --commit={params.commit:q}"
        " --output results/provenance.csv 2>&1 | tee {log}"


rule explorer:
    input:
        get_files("images", "classes", "labels", "scores", "predictions", "mappings"),
    output:
        shown("results/explorer.html", "Explorer", "Every image and answer"),
    log:
        "logs/report/explorer.log",
    localrule: True
    params:
        lineage=get_lineage("explorer"),
    message:
        "Showing every image and answer"
    shell:
        "python -m mllm_classify report explorer --lineage {params.lineage} --output {output} 2>&1 | tee {log}"


rule report:
    input:
        reported(OUTLINE),
    output:
        "results/report.zip",
    log:
        "logs/report/report.log",
    localrule: True
    params:
        lineage=get_lineage("report"),
    message:
        "Putting the report together"
    shell:
        "python -m mllm_classify report assemble --lineage {params.lineage} --output {output} 2>&1 | tee {log}"
