"""All tables and figures that there may be, one row each: data only.

Rules, the command for one (`python -m mllm_classify make gains`), lineage, report, bundle and tests read this list. How to add
an output: CONTRIBUTING.md.
"""

from typing import Final

from mllm_classify.outputs.across import ACROSS
from mllm_classify.outputs.figures import FIGURES
from mllm_classify.outputs.rows import SHOWN, Form, Output
from mllm_classify.outputs.tables import TABLES

__all__ = ["ACROSS", "DERIVED", "KEY_FIGURES", "KEY_TABLES", "OPTIONAL", "OUTPUTS", "SHOWN", "Form", "Output", "parts"]

OUTPUTS: Final = {output.name: output for output in (*TABLES, *FIGURES)}
"""Those about one data set by name, in the order in which the report shows them. Those about all: ACROSS."""

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
