rule table2:
    input:
        labels=rules.labels.output,
        classes=rules.images.output.classes,
    output:
        table="results/table2.csv",
        renderings=rendered("table2", "Table 2: images per category"),
    log:
        "logs/tables/table2.log",
    localrule: True
    params:
        lineage=get_lineage("table2"),
    message:
        "Table 2: images per label category"
    shell:
        "python -m mllm_classify tables table2 --lineage {params.lineage} --labels {input.labels}"
        " --classes {input.classes} --output {output.table} 2>&1 | tee {log}"


rule table3:
    input:
        scores=rules.score.output,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
    output:
        table="results/table3.csv",
        renderings=rendered("table3", "Table 3: models at their best task"),
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
        " --labels {input.labels} --classes {input.classes} --output {output.table} 2>&1 | tee {log}"


use rule table3 as table4 with:
    output:
        table="results/table4.csv",
        renderings=rendered("table4", "Table 4: OW, CW+ and CW"),
    log:
        "logs/tables/table4.log",
    params:
        lineage=get_lineage("table4"),
        table="table4",
    message:
        "Table 4: models that answer in words, by task"


use rule table3 as table5 with:
    output:
        table="results/table5.csv",
        renderings=rendered("table5", "Table 5: out-of-prompt answers"),
    log:
        "logs/tables/table5.log",
    params:
        lineage=get_lineage("table5"),
        table="table5",
    message:
        "Table 5: out-of-prompt answers"


use rule table3 as accuracy with:
    output:
        table="results/accuracy.parquet",
    log:
        "logs/tables/accuracy.log",
    params:
        lineage=get_lineage("accuracy"),
        table="accuracy",
    message:
        "Every accuracy with its intervals"


use rule table3 as ranking with:
    output:
        table="results/ranking.csv",
        renderings=rendered("ranking", "Ranking under both label sets"),
    log:
        "logs/tables/ranking.log",
    params:
        lineage=get_lineage("ranking"),
        table="ranking",
    message:
        "Ranking under both label sets"


use rule table3 as mcnemar with:
    output:
        table="results/mcnemar.csv",
    log:
        "logs/tables/mcnemar.log",
    params:
        lineage=get_lineage("mcnemar"),
        table="mcnemar",
    message:
        "Comparing every two rows"


rule encoders:
    input:
        mappings=list(get_encoded().values()),
        labels=rules.labels.output,
        classes=rules.images.output.classes,
    output:
        table="results/encoders.csv",
        renderings=rendered("encoders", "Text encoders"),
    log:
        "logs/tables/encoders.log",
    localrule: True
    params:
        lineage=get_lineage("encoders"),
        table="encoders",
        encoders=[encoder for encoder, _ in get_encoded()],
        models=[model for _, model in get_encoded()],
    message:
        "Comparing text encoders"
    shell:
        "python -m mllm_classify tables {params.table} --lineage {params.lineage} --encoders {params.encoders}"
        " --models {params.models} --inputs {input.mappings} --labels {input.labels} --classes {input.classes}"
        " --output {output.table} 2>&1 | tee {log}"


use rule encoders as encoder_pairs with:
    output:
        table="results/encoder_pairs.csv",
    log:
        "logs/tables/encoder_pairs.log",
    params:
        lineage=get_lineage("encoder_pairs"),
        table="encoder_pairs",
        encoders=[encoder for encoder, _ in get_encoded()],
        models=[model for _, model in get_encoded()],
    message:
        "Comparing every two text encoders"


use rule table3 as mustelidae with:
    output:
        table="results/mustelidae.csv",
        renderings=rendered("mustelidae", "Weasel family"),
    log:
        "logs/tables/mustelidae.log",
    params:
        lineage=get_lineage("mustelidae"),
        table="mustelidae",
    message:
        "The weasel family under the expert labels"


use rule table3 as protocols with:
    output:
        table="results/protocols.csv",
        renderings=rendered("protocols", "Protocols of earlier work"),
    log:
        "logs/tables/protocols.log",
    params:
        lineage=get_lineage("protocols"),
        table="protocols",
    message:
        "The protocols of earlier work"


rule table6:
    input:
        scores=rules.score.output,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        choices=rules.choices.output.choices,
        confusions=rules.choices.output.confusions,
    output:
        table="results/table6.csv",
        renderings=rendered("table6", "Table 6: multiple choice"),
    log:
        "logs/tables/table6.log",
    localrule: True
    params:
        lineage=get_lineage("table6"),
    message:
        "Table 6: multiple choice"
    shell:
        "python -m mllm_classify tables table6 --lineage {params.lineage} --scores {input.scores}"
        " --labels {input.labels} --classes {input.classes} --choices {input.choices}"
        " --confusions {input.confusions} --output {output.table} 2>&1 | tee {log}"


rule confusions:
    input:
        classes=rules.images.output.classes,
        confusions=rules.choices.output.confusions,
    output:
        figure=shown("results/confusions.svg", "Figures", "Confusions of the reference"),
        renderings="results/confusions.pdf",
    log:
        "logs/tables/confusions.log",
    localrule: True
    params:
        lineage=get_lineage("confusions"),
    message:
        "Drawing the reference's confusions"
    shell:
        "python -m mllm_classify tables confusions --lineage {params.lineage} --classes {input.classes}"
        " --confusions {input.confusions} --output {output.figure} 2>&1 | tee {log}"


rule difficulty:
    input:
        rules.table6.output.table,
    output:
        figure=shown("results/difficulty.svg", "Figures", "Accuracy against difficulty"),
        renderings="results/difficulty.pdf",
    log:
        "logs/tables/difficulty.log",
    localrule: True
    params:
        lineage=get_lineage("difficulty"),
        figure="difficulty",
    message:
        "Drawing accuracy against difficulty"
    shell:
        "python -m mllm_classify tables {params.figure} --lineage {params.lineage} --rows {input}"
        " --output {output.figure} 2>&1 | tee {log}"


rule scorecard:
    input:
        table2=rules.table2.output.table,
        table3=rules.table3.output.table,
        table4=rules.table4.output.table,
        table5=rules.table5.output.table,
    output:
        "results/scorecard.csv",
    log:
        "logs/tables/scorecard.log",
    localrule: True
    params:
        lineage=get_lineage("scorecard"),
    message:
        "The paper's figures beside ours"
    shell:
        "python -m mllm_classify tables scorecard --lineage {params.lineage} --table2 {input.table2}"
        " --table3 {input.table3} --table4 {input.table4} --table5 {input.table5} --output {output} 2>&1 | tee {log}"


rule disputed:
    input:
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        mapping=get_scored().get(PLAN.examined, []),
    output:
        table="results/disputed.csv",
        renderings=rendered("disputed", "Valid answers that disagree with ReGT"),
    log:
        "logs/tables/disputed.log",
    localrule: True
    params:
        lineage=get_lineage("disputed"),
    message:
        "Counting valid answers that disagree with ReGT"
    shell:
        "python -m mllm_classify tables disputed --lineage {params.lineage} --labels {input.labels}"
        " --classes {input.classes} --mapping {input.mapping} --output {output.table} 2>&1 | tee {log}"


rule sensitivity:
    input:
        scores=rules.score.output,
        predictions=list(get_chat().values()),
        labels=rules.labels.output,
        classes=rules.images.output.classes,
    output:
        table="results/sensitivity.csv",
        renderings=rendered("sensitivity", "Sensitivity to how tasks are put"),
        figure=shown("results/variants.svg", "Figures", "Sensitivity to how tasks are put"),
        pdf="results/variants.pdf",
    log:
        "logs/tables/sensitivity.log",
    localrule: True
    params:
        lineage=get_lineage("sensitivity"),
        models=list(get_chat()),
    message:
        "Tasks asked in other ways"
    shell:
        "python -m mllm_classify tables sensitivity --lineage {params.lineage} --scores {input.scores}"
        " --models {params.models} --inputs {input.predictions} --labels {input.labels} --classes {input.classes}"
        " --output {output.table} 2>&1 | tee {log}"


rule agreement:
    input:
        scores=rules.score.output,
        predictions=list(get_chat().values()),
        mappings=[get_mapped()[model] for model in get_chat()],
        labels=rules.labels.output,
        classes=rules.images.output.classes,
    output:
        table="results/agreement.csv",
        renderings=rendered("agreement", "Agreement between repeats"),
    log:
        "logs/tables/agreement.log",
    localrule: True
    params:
        lineage=get_lineage("agreement"),
        models=list(get_chat()),
    message:
        "Agreement between repeats"
    shell:
        "python -m mllm_classify tables agreement --lineage {params.lineage} --scores {input.scores}"
        " --models {params.models} --inputs {input.predictions} --mappings {input.mappings} --labels {input.labels}"
        " --classes {input.classes} --output {output.table} 2>&1 | tee {log}"


rule usage:
    input:
        predictions=list(get_chat().values()),
        labels=rules.labels.output,
        classes=rules.images.output.classes,
    output:
        table="results/usage.csv",
        renderings=rendered("usage", "What chat models used"),
    log:
        "logs/tables/usage.log",
    localrule: True
    params:
        lineage=get_lineage("usage"),
        models=list(get_chat()),
    message:
        "What chat models used"
    shell:
        "python -m mllm_classify tables usage --lineage {params.lineage} --models {params.models}"
        " --inputs {input.predictions} --labels {input.labels} --classes {input.classes}"
        " --output {output.table} 2>&1 | tee {log}"


use rule difficulty as change with:
    input:
        rules.table3.output.table,
    output:
        figure=shown("results/change.svg", "Figures", "Change from ImGT to ReGT"),
        renderings="results/change.pdf",
    log:
        "logs/tables/change.log",
    params:
        lineage=get_lineage("change"),
        figure="change",
    message:
        "Drawing the change of accuracy"


use rule difficulty as tasks with:
    input:
        rules.table4.output.table,
    output:
        figure=shown("results/tasks.svg", "Figures", "OW, CW+ and CW"),
        renderings="results/tasks.pdf",
    log:
        "logs/tables/tasks.log",
    params:
        lineage=get_lineage("tasks"),
        figure="tasks",
    message:
        "Drawing accuracy by task"


use rule difficulty as oop with:
    input:
        rules.table5.output.table,
    output:
        figure=shown("results/oop.svg", "Figures", "Out-of-prompt rate"),
        renderings="results/oop.pdf",
    log:
        "logs/tables/oop.log",
    params:
        lineage=get_lineage("oop"),
        figure="oop",
    message:
        "Drawing the out-of-prompt rate"


use rule difficulty as ranks with:
    input:
        rules.ranking.output.table,
    output:
        figure=shown("results/ranks.svg", "Figures", "Ranks under both label sets"),
        renderings="results/ranks.pdf",
    log:
        "logs/tables/ranks.log",
    params:
        lineage=get_lineage("ranks"),
        figure="ranks",
    message:
        "Drawing the ranks"


use rule difficulty as costs with:
    input:
        rules.usage.output.table,
    output:
        figure=shown("results/costs.svg", "Figures", "Requests, tokens and dollars"),
        renderings="results/costs.pdf",
    log:
        "logs/tables/costs.log",
    params:
        lineage=get_lineage("costs"),
        figure="costs",
    message:
        "Drawing what chat models used"


use rule table3 as breakdown with:
    output:
        table="results/breakdown.csv",
        renderings=rendered("breakdown", "Breakdown of out-of-prompt answers"),
    log:
        "logs/tables/breakdown.log",
    params:
        lineage=get_lineage("breakdown"),
        table="breakdown",
    message:
        "What the nearest class makes of out-of-prompt answers"


rule oop_texts:
    input:
        scores=rules.score.output,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        predictions=[rules.predict.output[0].format(model=name) for name in get_mapped()],
        mappings=list(get_mapped().values()),
    output:
        table="results/oop_texts.csv",
        renderings=rendered("oop_texts", "The most frequent out-of-prompt answers"),
    log:
        "logs/tables/oop_texts.log",
    localrule: True
    params:
        lineage=get_lineage("oop_texts"),
        mapped=list(get_mapped()),
    message:
        "The most frequent out-of-prompt answers"
    shell:
        "python -m mllm_classify tables oop_texts --lineage {params.lineage} --scores {input.scores}"
        " --labels {input.labels} --classes {input.classes} --mapped {params.mapped} --mappings {input.mappings}"
        " --predictions {input.predictions} --output {output.table} 2>&1 | tee {log}"


rule abstention:
    input:
        scores=rules.score.output,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        mappings=list(get_mapped().values()),
    output:
        table="results/abstention.csv",
        renderings=rendered("abstention", "Thresholds for out-of-prompt answers"),
    log:
        "logs/tables/abstention.log",
    localrule: True
    params:
        lineage=get_lineage("abstention"),
        mapped=list(get_mapped()),
    message:
        "What a threshold for out-of-prompt answers would do"
    shell:
        "python -m mllm_classify tables abstention --lineage {params.lineage} --scores {input.scores}"
        " --labels {input.labels} --classes {input.classes} --mapped {params.mapped} --mappings {input.mappings}"
        " --output {output.table} 2>&1 | tee {log}"


use rule difficulty as coverage with:
    input:
        rules.abstention.output.table,
    output:
        figure=shown("results/coverage.svg", "Figures", "Risk and coverage of out-of-prompt answers"),
        renderings="results/coverage.pdf",
    log:
        "logs/tables/coverage.log",
    params:
        lineage=get_lineage("coverage"),
        figure="coverage",
    message:
        "Drawing risk against coverage"


use rule table3 as gains with:
    output:
        table="results/gains.csv",
        renderings=rendered("gains", "Gain from ImGT to ReGT by paradigm"),
    log:
        "logs/tables/gains.log",
    params:
        lineage=get_lineage("gains"),
        table="gains",
    message:
        "What the second label set does to each paradigm"


rule suspects:
    input:
        scores=rules.score.output,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
        predictions=list(get_ranked().values()),
        mappings=list(get_mapped().values()),
    output:
        table="results/suspects.csv",
        renderings=rendered("suspects", "Labels that deserve a second look"),
    log:
        "logs/tables/suspects.log",
    localrule: True
    params:
        lineage=get_lineage("suspects"),
        ranked=list(get_ranked()),
        mapped=list(get_mapped()),
    message:
        "Ranking labels that deserve a second look"
    shell:
        "python -m mllm_classify tables suspects --lineage {params.lineage} --scores {input.scores}"
        " --labels {input.labels} --classes {input.classes} --ranked {params.ranked} --predictions {input.predictions}"
        " --mapped {params.mapped} --mappings {input.mappings} --output {output.table} 2>&1 | tee {log}"


rule precision:
    input:
        suspects=rules.suspects.output.table,
        labels=rules.labels.output,
        classes=rules.images.output.classes,
    output:
        table="results/precision.csv",
        renderings=rendered("precision", "How many suspects have another label"),
    log:
        "logs/tables/precision.log",
    localrule: True
    params:
        lineage=get_lineage("precision"),
    message:
        "Looking at the suspects' second labels"
    shell:
        "python -m mllm_classify tables precision --lineage {params.lineage} --rows {input.suspects}"
        " --labels {input.labels} --classes {input.classes} --output {output.table} 2>&1 | tee {log}"
