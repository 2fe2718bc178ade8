# tables and figures, each by the row that src/mllm_classify/outputs/ has of it
for scope in SCOPES:
    for output in OUTPUTS.values():

        rule:
            name:
                scope.called(output.name)
            input:
                get_output_inputs(output),
            output:
                get_written(scope, output),
            log:
                scope.log(f"tables/{output.name}"),
            localrule: True
            params:
                lineage=get_lineage(output.name),
                output=output.name,
            message:
                output.doing
            shell:
                "python -m mllm_classify make {params.output} --lineage {params.lineage} 2>&1 | tee {log}"


# those about all data sets
for output in OUTPUTS_ACROSS:

    rule:
        name:
            output.name
        input:
            get_across(output),
        output:
            get_written_across(output),
        log:
            f"logs/tables/{output.name}.log",
        localrule: True
        params:
            lineage=PLAN.across[output.name],
            output=output.name,
        message:
            output.doing
        shell:
            "python -m mllm_classify make {params.output} --lineage {params.lineage} 2>&1 | tee {log}"
