rule table2:
    input:
        rules.labels.output,
    output:
        multiext("results/table2", ".csv", ".md", ".html", ".tex"),
    log:
        "logs/tables/table2.log",
    localrule: True
    params:
        lineage=get_lineage("table2"),
    message:
        "Table 2: images per label category"
    shell:
        "python -m mllm_classify tables {rule} --lineage {params.lineage} --labels {input} --output {output[0]}"
        " 2>&1 | tee {log}"


rule table3:
    input:
        rules.score.output,
    output:
        multiext("results/table3", ".csv", ".md", ".html", ".tex"),
    log:
        "logs/tables/table3.log",
    localrule: True
    params:
        lineage=get_lineage("table3"),
    message:
        "Table 3: every model at its best task"
    shell:
        "python -m mllm_classify tables {rule} --lineage {params.lineage} --scores {input} --output {output[0]}"
        " 2>&1 | tee {log}"


use rule table3 as table4 with:
    output:
        multiext("results/table4", ".csv", ".md", ".html", ".tex"),
    log:
        "logs/tables/table4.log",
    params:
        lineage=get_lineage("table4"),
    message:
        "Table 4: models that answer in words, by task"


use rule table3 as table5 with:
    output:
        multiext("results/table5", ".csv", ".md", ".html", ".tex"),
    log:
        "logs/tables/table5.log",
    params:
        lineage=get_lineage("table5"),
    message:
        "Table 5: out-of-prompt answers"
