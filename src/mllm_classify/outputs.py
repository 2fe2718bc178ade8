"""All tables and figures that there may be, one row each: data only. Those about all data sets: `outputs_across`.

Rules, the command for one (`python -m mllm_classify make gains`), lineage, report, bundle and tests read this list. To add
an output, write its module, `tables/NAME.py` or `figures/NAME.py` with a function NAME, its row here, and its caption,
workflow/report/NAME.rst.
"""

from typing import Final, Literal, NamedTuple

Form = Literal["table", "csv", "parquet", "figure"]
ENDINGS: Final[dict[Form, tuple[str, ...]]] = {
    "table": ("csv", "md", "html", "tex"),
    "csv": ("csv",),
    "parquet": ("parquet",),
    "figure": ("svg", "pdf"),
}
"""The files of an output, by its form: the first is what other outputs read, and what people ask Snakemake for."""
SHOWN: Final = ("html", "svg")
"""What the report shows of them."""


class Output(NamedTuple):
    """One table or figure."""

    name: str
    takes: tuple[str, ...]
    """What its function is given, by the names of its parameters: frames, values, and nothing else."""
    doing: str
    """What Snakemake says while it is made."""
    title: str = ""
    """In the report, which does not show what has none."""
    exists: tuple[str, ...] = ()
    """What a configuration must have (`plan.values.CONDITIONS`); all of it."""
    form: Form = "table"
    reveals: bool = False
    """Whether it tells of single images' labels, or of so few that it follows from what else is known."""
    across: bool = False
    """Whether it is about all data sets of a study (`outputs_across`)."""

    @property
    def module(self) -> str:
        """Its module in the package."""
        return f"{'figures' if self.form == 'figure' else 'tables'}.{self.name}"

    @property
    def category(self) -> str:
        """Under which heading the report shows it."""
        if self.across:
            return "All data sets"
        return "Figures" if self.form == "figure" else "Tables"

    @property
    def files(self) -> list[str]:
        """The names of its files, the first one first."""
        return [f"{self.name}.{ending}" for ending in ENDINGS[self.form]]


def output_row(
    name: str, takes: str, doing: str, title: str = "", exists: str = "", form: Form = "table", *, reveals: bool = False
) -> Output:
    return Output(name, tuple(takes.split()), doing, title, tuple(exists.split()), form, reveals)


OUTPUTS: Final = {
    output.name: output
    for output in (
        output_row("table2", "images study", "Table 2: images per label category", "Table 2: images per category"),
        output_row(
            "table3",
            "scores models study",
            "Table 3: every model at its best task",
            "Table 3: models at their best task",
        ),
        output_row(
            "table4",
            "scores models study",
            "Table 4: models that answer in words, by task",
            "Table 4: OW, CW+ and CW",
        ),
        output_row(
            "top_k",
            "rankings mappings labels classes models study k",
            "Accuracy of the first k classes",
            "Top-k accuracy",
            "ranks",
        ),
        output_row("table5", "scores models study", "Table 5: out-of-prompt answers", "Table 5: out-of-prompt answers"),
        output_row(
            "table6",
            "scores labels classes choices confusions models study resamples reference",
            "Table 6: multiple choice",
            "Table 6: multiple choice",
            "choices asks_choices",
        ),
        output_row(
            "protocols",
            "scores images models study resamples options chat_predictions labels worded_predictions similar similarity",
            "The protocols of earlier work",
            "Protocols of earlier work",
            "worded",
        ),
        output_row(
            "usage", "chat_predictions prices models study", "What chat models used", "What chat models used", "chat"
        ),
        output_row(
            "ranking",
            "scores images models study resamples",
            "Ranking under both label sets",
            "Ranking under both label sets",
        ),
        output_row(
            "mustelidae",
            "scores labels classes models study",
            "The weasel family under the expert labels",
            "Weasel family",
            "mustelidae",
        ),
        output_row(
            "breakdown",
            "scores models study",
            "What the nearest class makes of out-of-prompt answers",
            "Breakdown of out-of-prompt answers",
            "worded",
        ),
        output_row(
            "oop_texts",
            "scores worded_predictions mappings classes models study",
            "The most frequent out-of-prompt answers",
            "The most frequent out-of-prompt answers",
            "worded",
            reveals=True,
        ),
        output_row(
            "abstention",
            "scores mappings models study",
            "What a threshold for out-of-prompt answers would do",
            "Thresholds for out-of-prompt answers",
            "worded",
            reveals=True,
        ),
        output_row(
            "gains",
            "scores images models study resamples",
            "What the second label set does to each paradigm",
            "Gain from ImGT to ReGT by paradigm",
            "regt",
        ),
        output_row(
            "suspects",
            "scores labels classes probable_rankings study",
            "Ranking labels that deserve a second look",
            "Labels that deserve a second look",
            "several_models",
            reveals=True,
        ),
        output_row(
            "precision",
            "suspects study",
            "Looking at the suspects' second labels",
            "How many suspects have another label",
            "several_models regt",
            reveals=True,
        ),
        output_row(
            "label_quality",
            "confident_rankings labels classes models study",
            "Each model's doubts of each label",
            exists="confident",
            form="parquet",
            reveals=True,
        ),
        output_row(
            "quality_precision",
            "label_quality study",
            "Looking at the second labels of what models doubt",
            "How many of the labels that models doubt are others",
            "confident regt",
            reveals=True,
        ),
        output_row(
            "calibration",
            "confident_rankings labels models study resamples",
            "Calibration of models that give probabilities",
            "Calibration",
            "confident",
        ),
        output_row(
            "reliability",
            "confident_rankings labels models study",
            "Accuracy by confidence",
            exists="confident",
            form="csv",
            reveals=True,
        ),
        output_row(
            "sensitivity",
            "scores ways models study resamples",
            "Tasks asked in other ways",
            "Sensitivity to how tasks are put",
            "ways",
        ),
        output_row(
            "agreement",
            "scores chat_predictions repeated models study resamples",
            "Agreement between repeats",
            "Agreement between repeats",
            "repeated",
        ),
        output_row(
            "priors",
            "scores classes blind models study resamples",
            "What models answer from the prompt alone",
            "Answers from the prompt alone",
            "blind",
        ),
        output_row(
            "class_priors",
            "scores classes blind models study",
            "How often models say each class from the prompt alone",
            exists="blind",
            form="csv",
        ),
        output_row(
            "knowledge",
            "probes scores labels models study resamples",
            "What models know of classes that they do, or do not, recognise",
            "Knowledge of classes and accuracy on them",
            "probe",
        ),
        output_row(
            "class_knowledge",
            "probes scores labels classes models study",
            "What models know of each class",
            exists="probe",
            form="csv",
            reveals=True,
        ),
        output_row(
            "accuracy",
            "scores images models study resamples",
            "Every accuracy with its intervals",
            form="parquet",
        ),
        output_row(
            "per_class",
            "scores labels classes models study",
            "Accuracy of every model for every class",
            "Accuracy by class",
            reveals=True,
        ),
        output_row(
            "factors",
            "scores images models study resamples factor_pairs",
            "Gains by factors of models",
            "Gains by factors of models",
            "factors",
        ),
        output_row(
            "exposure",
            "per_class classes study frequencies",
            "Accuracy by class and how often classes are named elsewhere",
            "Accuracy by class and exposure",
            "exposure",
        ),
        output_row("mcnemar", "scores images models study", "Comparing every two rows", form="csv", reveals=True),
        output_row(
            "encoders",
            "encoded labels classes models study encodings",
            "Comparing text encoders",
            "Text encoders",
            "encoders worded",
        ),
        output_row(
            "encoder_pairs",
            "encoded labels classes models study",
            "Comparing every two text encoders",
            exists="encoders worded",
            form="csv",
            reveals=True,
        ),
        output_row(
            "scorecard",
            "table2 table3 table4 table5 table6 published other_names official_pairs paper reimagenet",
            "The paper's figures beside ours",
            exists="published",
            form="csv",
        ),
        output_row(
            "disputed",
            "examined labels study examination",
            "Counting valid answers that disagree with ReGT",
            "Valid answers that disagree with ReGT",
            "annotate",
            reveals=True,
        ),
        output_row(
            "attributes",
            "scores labels models study",
            "Accuracy by attributes and boxes",
            "Accuracy by attributes, labels and boxes",
            "boxes",
        ),
        output_row(
            "labels_per_image",
            "labels study",
            "Counting labels and boxes",
            "Labels and boxes per image",
            "boxes",
        ),
        output_row(
            "crops",
            "scores labels models study",
            "Accuracy on crops",
            "Accuracy on crops",
            "crops",
        ),
        output_row(
            "granularity",
            "scores labels worded_predictions hierarchy models study resamples hierarchy_label",
            "Granularity of answers, and severity of mistakes",
            "Granularity and severity",
            "hierarchy",
        ),
        output_row(
            "levels",
            "scores labels worded_predictions hierarchy models study hierarchy_label",
            "Accuracy at levels of the hierarchy",
            "Accuracy at levels of the hierarchy",
            "levels",
        ),
        output_row(
            "corrections",
            "labels study",
            "Comparing earlier corrections with the second labels",
            "Earlier corrections, by category",
            "earlier",
        ),
        output_row(
            "corrected_accuracy",
            "scores labels models study",
            "Accuracy under earlier corrections",
            "Accuracy under earlier corrections",
            "earlier",
        ),
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
            "confident",
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
}
"""By name, in the order in which the report shows them."""

OPTIONAL: Final = {"scorecard": ("table6",)}
"""Other outputs that one takes where the study has them; else it is given None."""

KEY_TABLES: Final = ("table2", "table3", "table4", "table5", "ranking", "mcnemar", "gains")
KEY_FIGURES: Final = ("change", "ranks", "tasks", "oop")
"""What the overview shows of them, as far as a study has it."""

DERIVED: Final = {"study": ("about", "labels", "classes"), "images": ("labels",), "models": ("entries",)}
"""Parameters that functions of `tables.given` make of files and values, by the names of theirs."""


def parts(output: Output) -> list[str]:
    """The files, values and other outputs that an output is made of: what it takes, with DERIVED taken apart."""
    return list(dict.fromkeys(part for name in output.takes for part in DERIVED.get(name, (name,))))
