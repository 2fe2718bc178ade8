"""What the report of a study with restricted files leaves out."""

from mllm_classify.config.study import Config
from mllm_classify.outputs import ACROSS, KEY_FIGURES, KEY_TABLES, OUTPUTS
from mllm_classify.plan.files import OVERVIEW, START
from mllm_classify.plan.restricted import sources
from mllm_classify.tables.revealing import withheld_results

OF_SINGLE_IMAGES = ("panels.html", "panels.svg", "explorer.html")


def left_out(config: Config) -> set[str]:
    """The files that a report may not hold: what an archive leaves out, pages of single images, and pages that show one of these.

    Nothing where no file is restricted. Reads the tables of `results/`.
    """
    found = {*withheld_results(config)}
    for study in config.studies.values():
        if any(sources(study)):
            found |= {f"{study.results}/{page}" for page in OF_SINGLE_IMAGES}
        shown = [f"{study.results}/{OUTPUTS[name].files[0]}" for name in (*KEY_TABLES, *KEY_FIGURES)]
        if found.intersection(shown):
            found.add(f"{study.results}/{OVERVIEW}")
    if f"{config.results}/{ACROSS['datasets'].files[0]}" in found:
        found.add(START.path)
    return found
