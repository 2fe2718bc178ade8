rule table2:
    input:
        labels=rules.labels.output,
    output:
        csv="results/table2.csv",
        renderings=multiext("results/table2", ".md", ".html", ".tex"),
    log:
        "logs/tables/table2.log",
    localrule: True
    params:
        lineage=get_lineage("table2"),
    message:
        "Table 2: images per label category"
    shell:
        "python -m mllm_classify tables table2 --lineage {params.lineage} --labels {input.labels}"
        " --output {output.csv} 2>&1 | tee {log}"


rule table3:
    input:
        scores=rules.score.output,
    output:
        csv="results/table3.csv",
        renderings=multiext("results/table3", ".md", ".html", ".tex"),
    log:
        "logs/tables/table3.log",
    localrule: True
    params:
        lineage=get_lineage("table3"),
        table="table3",
    message:
        "Table 3: every model at its best task"
    shell:
        "python -m mllm_classify tables {params.table} --lineage {params.lineage} --scores {input.scores}"
        " --output {output.csv} 2>&1 | tee {log}"


use rule table3 as table4 with:
    output:
        csv="results/table4.csv",
        renderings=multiext("results/table4", ".md", ".html", ".tex"),
    log:
        "logs/tables/table4.log",
    params:
        lineage=get_lineage("table4"),
        table="table4",
    message:
        "Table 4: models that answer in words, by task"


use rule table3 as table5 with:
    output:
        csv="results/table5.csv",
        renderings=multiext("results/table5", ".md", ".html", ".tex"),
    log:
        "logs/tables/table5.log",
    params:
        lineage=get_lineage("table5"),
        table="table5",
    message:
        "Table 5: out-of-prompt answers"
