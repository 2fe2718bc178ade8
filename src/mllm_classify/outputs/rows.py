"""What the row of a table or figure says."""

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
    """Whether it is about all data sets of a study."""

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
