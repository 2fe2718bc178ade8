from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/embed.smk"
include: "workflow/rules/choices.smk"
include: "workflow/rules/estimate.smk"
include: "workflow/rules/mapping.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/annotate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/bundle.smk"


rule all:
    default_target: True
    input:
        get_tables(),
    localrule: True
