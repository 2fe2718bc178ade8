"""All tables and figures that there may be, one row each: data only.

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

    @property
    def module(self) -> str:
        """Its module in the package."""
        return f"{'figures' if self.form == 'figure' else 'tables'}.{self.name}"

    @property
    def category(self) -> str:
        """Under which heading the report shows it."""
        return "Figures" if self.form == "figure" else "Tables"

    @property
    def files(self) -> list[str]:
        """The names of its files, the first one first."""
        return [f"{self.name}.{ending}" for ending in ENDINGS[self.form]]


def _output(
    name: str, takes: str, doing: str, title: str = "", exists: str = "", form: Form = "table", *, reveals: bool = False
) -> Output:
    return Output(name, tuple(takes.split()), doing, title, tuple(exists.split()), form, reveals)


OUTPUTS: Final = {
    output.name: output
    for output in (
        _output("table2", "images study", "Table 2: images per label category", "Table 2: images per category"),
        _output(
            "table3",
            "scores models study",
            "Table 3: every model at its best task",
            "Table 3: models at their best task",
        ),
        _output(
            "table4",
            "scores models study",
            "Table 4: models that answer in words, by task",
            "Table 4: OW, CW+ and CW",
        ),
        _output("table5", "scores models study", "Table 5: out-of-prompt answers", "Table 5: out-of-prompt answers"),
        _output(
            "table6",
            "scores labels classes choices confusions models study resamples reference",
            "Table 6: multiple choice",
            "Table 6: multiple choice",
            "choices asks_choices",
        ),
        _output(
            "protocols",
            "scores images models study resamples options",
            "The protocols of earlier work",
            "Protocols of earlier work",
            "worded",
        ),
        _output(
            "usage", "chat_predictions prices models study", "What chat models used", "What chat models used", "chat"
        ),
        _output(
            "ranking",
            "scores images models study resamples",
            "Ranking under both label sets",
            "Ranking under both label sets",
        ),
        _output(
            "mustelidae",
            "scores labels classes models study",
            "The weasel family under the expert labels",
            "Weasel family",
            "mustelidae",
        ),
        _output(
            "breakdown",
            "scores models study",
            "What the nearest class makes of out-of-prompt answers",
            "Breakdown of out-of-prompt answers",
            "worded",
        ),
        _output(
            "oop_texts",
            "scores worded_predictions mappings classes models study",
            "The most frequent out-of-prompt answers",
            "The most frequent out-of-prompt answers",
            "worded",
            reveals=True,
        ),
        _output(
            "abstention",
            "scores mappings models study",
            "What a threshold for out-of-prompt answers would do",
            "Thresholds for out-of-prompt answers",
            "worded",
            reveals=True,
        ),
        _output(
            "gains",
            "scores images models study resamples",
            "What the second label set does to each paradigm",
            "Gain from ImGT to ReGT by paradigm",
            "regt",
        ),
        _output(
            "suspects",
            "scores labels classes probable_rankings study",
            "Ranking labels that deserve a second look",
            "Labels that deserve a second look",
            "several_models",
            reveals=True,
        ),
        _output(
            "precision",
            "suspects study",
            "Looking at the suspects' second labels",
            "How many suspects have another label",
            "several_models regt",
            reveals=True,
        ),
        _output(
            "sensitivity",
            "scores ways models study resamples",
            "Tasks asked in other ways",
            "Sensitivity to how tasks are put",
            "ways",
        ),
        _output(
            "agreement",
            "scores chat_predictions repeated models study resamples",
            "Agreement between repeats",
            "Agreement between repeats",
            "repeated",
        ),
        _output(
            "accuracy",
            "scores images models study resamples",
            "Every accuracy with its intervals",
            form="parquet",
        ),
        _output(
            "per_class",
            "scores labels classes models study",
            "Accuracy of every model for every class",
            "Accuracy by class",
            reveals=True,
        ),
        _output("mcnemar", "scores images models study", "Comparing every two rows", form="csv", reveals=True),
        _output(
            "encoders",
            "encoded labels classes models study encodings",
            "Comparing text encoders",
            "Text encoders",
            "encoders worded",
        ),
        _output(
            "encoder_pairs",
            "encoded labels classes models study",
            "Comparing every two text encoders",
            exists="encoders worded",
            form="csv",
            reveals=True,
        ),
        _output(
            "judged",
            "scores images models study resamples judging",
            "Judged mapping beside the nearest class",
            "Judged mapping",
            "judge",
        ),
        _output(
            "judges",
            "judgements judge_entries study",
            "Comparing judges",
            "Judges",
            "judge",
        ),
        _output(
            "scorecard",
            "table2 table3 table4 table5 published other_names official_pairs paper",
            "The paper's figures beside ours",
            exists="published",
            form="csv",
        ),
        _output(
            "disputed",
            "examined labels study examination",
            "Counting valid answers that disagree with ReGT",
            "Valid answers that disagree with ReGT",
            "annotate",
            reveals=True,
        ),
        _output(
            "attributes",
            "scores labels models study",
            "Accuracy by attributes and boxes",
            "Accuracy by attributes, labels and boxes",
            "boxes",
        ),
        _output(
            "labels_per_image",
            "labels study",
            "Counting labels and boxes",
            "Labels and boxes per image",
            "boxes",
        ),
        _output(
            "crops",
            "scores labels models study",
            "Accuracy on crops",
            "Accuracy on crops",
            "crops",
        ),
        _output(
            "corrections",
            "labels study",
            "Comparing earlier corrections with the second labels",
            "Earlier corrections, by category",
            "earlier",
        ),
        _output(
            "corrected_accuracy",
            "scores labels models study",
            "Accuracy under earlier corrections",
            "Accuracy under earlier corrections",
            "earlier",
        ),
        _output(
            "confusions",
            "classes confusions reference reference_model",
            "Drawing the reference's confusions",
            "Confusions of the reference",
            "choices",
            "figure",
            reveals=True,
        ),
        _output(
            "difficulty",
            "table6",
            "Drawing accuracy against difficulty",
            "Accuracy against difficulty",
            "choices asks_choices",
            "figure",
        ),
        _output("change", "table3", "Drawing the change of accuracy", "Change from ImGT to ReGT", "regt", "figure"),
        _output("tasks", "table4", "Drawing accuracy by task", "OW, CW+ and CW", "worded", "figure"),
        _output("oop", "table5", "Drawing the out-of-prompt rate", "Out-of-prompt rate", "worded", "figure"),
        _output(
            "coverage",
            "abstention",
            "Drawing risk against coverage",
            "Risk and coverage of out-of-prompt answers",
            "worded",
            "figure",
            reveals=True,
        ),
        _output(
            "class_differences",
            "per_class compared",
            "Drawing the classes on which two models differ most",
            "Classes on which two models differ most",
            "several_models",
            "figure",
            reveals=True,
        ),
        _output("ranks", "ranking", "Drawing the ranks", "Ranks under both label sets", "regt", "figure"),
        _output(
            "label_counts",
            "labels_per_image",
            "Drawing numbers of labels and boxes",
            "Labels and boxes per image",
            "boxes",
            "figure",
        ),
        _output(
            "flows", "corrections", "Drawing earlier corrections", "Earlier corrections, as flows", "earlier", "figure"
        ),
        _output("costs", "usage", "Drawing what chat models used", "Requests, tokens and dollars", "chat", "figure"),
        _output(
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

ACROSS: Final = {
    output.name: output
    for output in (
        _output("datasets", "accuracy n_images", "Accuracy on every data set", "Accuracy on every data set"),
    )
}
"""Those of studies of several data sets that are about all of them.

They take other outputs' tables, each as one of every data set by its name, and rules of tables (`tables:`).
"""

KEY_TABLES: Final = ("table2", "table3", "table4", "table5", "ranking", "mcnemar", "gains")
KEY_FIGURES: Final = ("change", "ranks", "tasks", "oop")
"""What the overview shows of them, as far as a study has it."""

DERIVED: Final = {"study": ("about", "labels", "classes"), "images": ("labels",), "models": ("entries",)}
"""Parameters that functions of `tables.given` make of files and values, by the names of theirs."""


def parts(output: Output) -> list[str]:
    """The files, values and other outputs that an output is made of: what it takes, with DERIVED taken apart."""
    return list(dict.fromkeys(part for name in output.takes for part in DERIVED.get(name, (name,))))


def tables_across(output: Output) -> list[str]:
    """The outputs of each data set that an output about all of them is made of."""
    return [name for name in output.takes if name in OUTPUTS]
