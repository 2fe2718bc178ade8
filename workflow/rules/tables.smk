# tables and figures, each by the row that src/mllm_classify/outputs.py has of it
for output in OUTPUTS.values():

    rule:
        name:
            output.name
        input:
            [it.path for it in output_inputs(OUTLINE, output)],
        output:
            get_written(output),
        log:
            f"logs/tables/{output.name}.log",
        localrule: True
        params:
            lineage=get_lineage(output.name),
            output=output.name,
        message:
            output.doing
        shell:
            "python -m mllm_classify make {params.output} --lineage {params.lineage} 2>&1 | tee {log}"
