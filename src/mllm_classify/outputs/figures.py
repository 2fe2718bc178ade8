"""The figures about one data set, one row each: data only."""

from typing import Final

from mllm_classify.outputs.rows import output_row

FIGURES: Final = (
    output_row(
        "confusions",
        "classes confusions reference reference_model",
        "Drawing the reference's confusions",
        "Confusions of the reference",
        "choices",
        "figure",
        reveals=True,
    ),
    output_row(
        "difficulty",
        "table6",
        "Drawing accuracy against difficulty",
        "Accuracy against difficulty",
        "choices asks_choices",
        "figure",
    ),
    output_row("change", "table3", "Drawing the change of accuracy", "Change from ImGT to ReGT", "regt", "figure"),
    output_row("tasks", "table4", "Drawing accuracy by task", "OW, CW+ and CW", "worded", "figure"),
    output_row("oop", "table5", "Drawing the out-of-prompt rate", "Out-of-prompt rate", "worded", "figure"),
    output_row(
        "coverage",
        "abstention",
        "Drawing risk against coverage",
        "Risk and coverage of out-of-prompt answers",
        "worded",
        "figure",
        reveals=True,
    ),
    output_row(
        "class_differences",
        "per_class compared",
        "Drawing the classes on which two models differ most",
        "Classes on which two models differ most",
        "several_models",
        "figure",
        reveals=True,
    ),
    output_row("ranks", "ranking", "Drawing the ranks", "Ranks under both label sets", "regt", "figure"),
    output_row(
        "reliability_diagrams",
        "reliability",
        "Drawing accuracy against confidence",
        "Accuracy against confidence",
        "calibrated",
        "figure",
        reveals=True,
    ),
    output_row(
        "label_counts",
        "labels_per_image",
        "Drawing numbers of labels and boxes",
        "Labels and boxes per image",
        "boxes",
        "figure",
    ),
    output_row(
        "severity",
        "granularity",
        "Drawing the granularity of answers",
        "Granularity of answers",
        "hierarchy",
        "figure",
    ),
    output_row(
        "flows", "corrections", "Drawing earlier corrections", "Earlier corrections, as flows", "earlier", "figure"
    ),
    output_row("costs", "usage", "Drawing what chat models used", "Requests, tokens and dollars", "chat", "figure"),
    output_row(
        "variants",
        "sensitivity",
        "Drawing the tasks asked in other ways",
        "Sensitivity to how tasks are put",
        "ways",
        "figure",
    ),
)
"""In the order in which the report shows them."""
