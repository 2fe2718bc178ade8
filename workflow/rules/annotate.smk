for scope in SCOPES:

    rule:
        name:
            scope.called("annotate")
        input:
            get_files("images", "classes", "labels", "annotated"),
        output:
            tasks=f"{scope.results}/annotate/tasks.json",
            labelling=f"{scope.results}/annotate/labelling.xml",
            key=f"{scope.results}/annotate/key.parquet",
        log:
            scope.log("annotate"),
        localrule: True
        params:
            lineage=get_lineage("annotate"),
        message:
            "Choosing what annotators see again"
        shell:
            "python -m mllm_classify annotate tasks --lineage {params.lineage} --tasks {output.tasks}"
            " --labelling {output.labelling} --key {output.key} 2>&1 | tee {log}"
