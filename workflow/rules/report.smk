report: "../report/workflow.rst"


for scope in SCOPES:
    for pictures, names in scope.by_pictures():

        rule:
            name:
                scope.called("panels" if pictures or not scope.further else "panels_without_pictures")
            input:
                get_files("images", "labels", "classes", "scores", "predictions", "mappings"),
            output:
                table=f"{scope.results}/panels.csv",
                rendering=get_page(scope, "panels.html"),
                figure=[get_page(scope, "panels.svg")] if pictures else [],
                pdf=f"{scope.results}/panels.pdf" if pictures else [],
            log:
                scope.log("report/panels"),
            wildcard_constraints:
                dataset=matching(names),
            localrule: True
            params:
                lineage=get_lineage("panels"),
            message:
                "Choosing examples"
            shell:
                "python -m mllm_classify report panels --lineage {params.lineage} --output {output.table}"
                " --figure {output.figure} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("provenance")
        input:
            get_files("images", "labels", "classes", "predictions"),
        output:
            csv=f"{scope.results}/provenance.csv",
            others=[f"{scope.results}/provenance.md", f"{scope.results}/provenance.tex"],
            rendering=get_page(scope, "provenance.html"),
        log:
            scope.log("report/provenance"),
        localrule: True
        params:
            lineage=get_lineage("provenance"),
            commit=get_commit,
        message:
            "Saying where the figures come from"
        shell:
            "python -m mllm_classify report provenance --lineage {params.lineage} --commit={params.commit:q}"
            " --output {output.csv} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("explorer")
        input:
            get_files("images", "classes", "labels", "scores", "predictions", "mappings"),
        output:
            get_page(scope, "explorer.html"),
        log:
            scope.log("report/explorer"),
        localrule: True
        params:
            lineage=get_lineage("explorer"),
        message:
            "Showing every image and answer"
        shell:
            "python -m mllm_classify report explorer --lineage {params.lineage} --output {output} 2>&1 | tee {log}"


for scope in SCOPES:

    rule:
        name:
            scope.called("overview")
        input:
            get_key_tables,
            get_linked,
        output:
            get_page(scope, OVERVIEW),
        log:
            scope.log("report/overview"),
        localrule: True
        params:
            lineage=get_lineage("overview"),
            several="--several" if FURTHER else "",
        message:
            "Showing the key figures"
        shell:
            "python -m mllm_classify report overview --lineage {params.lineage} {params.several} --output {output} 2>&1 | tee {log}"


if FURTHER:

    rule start:
        input:
            [it.path for it in reported_across(PLAN.outlines, [it.name for it in OUTPUTS_ACROSS]) if it != START],
            [
                it.path
                for it in whole_report(PLAN.outlines, [it.name for it in OUTPUTS_ACROSS])
                if Path(it.path).name == OVERVIEW
            ],
        output:
            shown(START.path, START.category, START.title),
        log:
            "logs/report/start.log",
        localrule: True
        params:
            lineage=PLAN.across["start"],
        message:
            "Showing the data sets"
        shell:
            "python -m mllm_classify report start --lineage {params.lineage} --output {output} 2>&1 | tee {log}"


rule report:
    input:
        [it.path for it in whole_report(PLAN.outlines, [it.name for it in OUTPUTS_ACROSS])],
    output:
        "results/report.zip",
    log:
        "logs/report/report.log",
    localrule: True
    params:
        lineage=get_lineage_of_all("report"),
    message:
        "Putting the report together"
    shell:
        "python -m mllm_classify report assemble --lineage {params.lineage} --output {output} 2>&1 | tee {log}"
