report: "../report/workflow.rst"


rule panels:
    input:
        get_files("images", "labels", "classes", "scores", "predictions", "mappings"),
    output:
        table="results/panels.csv",
        rendering=shown(*PAGES["results/panels.html"]),
        figure=[shown(*PAGES["results/panels.svg"])] if OUTLINE.pictures else [],
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
        "results/provenance.csv",
        "results/provenance.md",
        shown(*PAGES["results/provenance.html"]),
        "results/provenance.tex",
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
        shown(*PAGES["results/explorer.html"]),
    log:
        "logs/report/explorer.log",
    localrule: True
    params:
        lineage=get_lineage("explorer"),
    message:
        "Showing every image and answer"
    shell:
        "python -m mllm_classify report explorer --lineage {params.lineage} --output {output} 2>&1 | tee {log}"


rule overview:
    input:
        get_key_tables(),
        [it.path for it in linked(OUTLINE, PLAN.across)],
    output:
        shown(*PAGES[OVERVIEW]),
    log:
        "logs/report/overview.log",
    localrule: True
    params:
        lineage=get_lineage("overview"),
    message:
        "Showing the key figures"
    shell:
        "python -m mllm_classify report overview --lineage {params.lineage} --output {output} 2>&1 | tee {log}"


rule report:
    input:
        [it.path for it in reported(OUTLINE, PLAN.across)],
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
