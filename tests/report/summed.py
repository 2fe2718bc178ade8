"""The tables that the overview is made of, of scores that are made by hand, as their CSV files are read."""

import polars as pl

from mllm_classify.tables.gains import gains
from mllm_classify.tables.table2 import table2
from tests.tables.studies import EVERY, MODELS, RESAMPLES, STUDY, as_read, images_of


def tables_of(*frames, models=MODELS, study=STUDY):
    """table2 to table5, ranking, mcnemar, and gains where there is a second label set."""
    scores = pl.concat(frames)
    made = {name: EVERY[name](scores, models, study) for name in ("table3", "table4", "table5", "ranking", "mcnemar")}
    made["table2"] = table2(images_of(scores), study)
    if study.regt:
        made["gains"] = gains(scores, images_of(scores), models, study, RESAMPLES)
    return {name: as_read(table) for name, table in made.items()}
