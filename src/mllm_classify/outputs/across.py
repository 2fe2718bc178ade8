"""The tables and figures about all data sets of a study, one row each: data only."""

from typing import Final

from mllm_classify.outputs.rows import output_row

ACROSS: Final = {
    output.name: output._replace(across=True)
    for output in (
        output_row(
            "datasets", "accuracy protocols models n_images", "Accuracy on every data set", "Accuracy on every data set"
        ),
        output_row(
            "heatmap",
            "datasets dataset_labels",
            "Drawing accuracy on every data set",
            "Accuracy on every data set, as a heat map",
            form="figure",
        ),
        output_row(
            "parallel",
            "datasets dataset_labels",
            "Drawing models over data sets",
            "Accuracy on every data set, in parallel coordinates",
            form="figure",
        ),
        output_row(
            "hard_classes",
            "per_class compared dataset_labels",
            "Classes that one model fails and another solves",
            "Hard classes",
            "compared",
            reveals=True,
        ),
        output_row(
            "benchmarks",
            "datasets dataset_labels benchmark_scores",
            "Accuracy and scores on other benchmarks",
            "Accuracy and other benchmarks",
            "benchmarks",
        ),
        output_row(
            "effective_robustness",
            "scores images models study dataset_labels shifted_pairs resamples",
            "Accuracy lost from base to shifted data sets",
            "Effective robustness",
            "shifted",
        ),
        output_row(
            "languages",
            "scores images models study labels classes class_embeddings worded_predictions mappings answer_vectors language_labels "
            "resamples",
            "Accuracy by language",
            "Accuracy by language",
            "languages",
        ),
        output_row(
            "shifts",
            "effective_robustness",
            "Drawing accuracy on shifted data sets against their base",
            "Accuracy on shifted data sets and their base",
            "shifted",
            "figure",
        ),
    )
}
"""Those of studies of several data sets that are about all of them.

What they take: `plan.across`.
"""
