"""How many of the labels that a model doubts most have another label."""

import polars as pl

from mllm_classify.tables.label_quality import RANKS
from mllm_classify.tables.precision import CRITERIA, PERCENT, among_first
from mllm_classify.tables.precision import SCHEMA as AMONG_FIRST
from mllm_classify.tables.table import INTERVAL, MODEL, Column, Study, Table, fixed, subtitle
from mllm_classify.tasks import CW

NAMES = dict(zip(RANKS, ("self-confidence", "normalised margin", "confident learning"), strict=True))
SCORING = Column(
    "Scoring",
    "Of likelihoods, probabilities are the softmax over all class names; classes of one name count as one.",
    words=True,
)
SCHEMA: dict[str, pl.DataType] = {"model": pl.String(), "task": pl.String(), **AMONG_FIRST, "issues": pl.Int64()}


def quality_precision(label_quality: pl.DataFrame, study: Study) -> Table:
    """The same as the table `precision`, for each model's own ranking of labels by cleanlab's scores.

    `issues` are the labels that confident learning counts as wrong; its ranking is looked at up to there, too.
    """
    cells = []
    for (model, task), of_model in label_quality.group_by("model", "task", maintain_order=True):
        for ranking, what in NAMES.items():
            for criterion, flag in CRITERIA.items():
                known = "expert" if "expert" in criterion else "category"
                among = of_model.filter(pl.col(known).is_not_null()).sort(ranking)
                issues = int(among["issue"].sum())
                also = [issues] if ranking == "confident_learning_rank" and issues else []
                hits = among.select(hit=flag)["hit"]
                cells += [
                    {"model": model, "task": task, "ranking": what, "criterion": criterion, "issues": issues} | row
                    for row in among_first(hits, also)
                ]
    rows = pl.DataFrame(cells, schema=SCHEMA)
    return Table(
        rows.select("model", "task", *AMONG_FIRST, "issues").with_columns(
            *(fixed(name, 2) for name in PERCENT), *study.columns()
        ),
        "Label quality by model: how many of the labels that it doubts most are others",
        subtitle(study, rows),
        {
            "model": MODEL,
            **({"task": SCORING} if bool((rows["task"] != CW.name).any()) else {}),
            "ranking": Column(
                "Ranking by",
                "Rankings of each model's own, by cleanlab's scores of the ImGT label. Confident learning: first the labels "
                "(Issues) where the model is surer of another class than of that class's own labels on average; the ranking is "
                "looked at up to there, too.",
                words=True,
            ),
            "criterion": Column("Counted", "S-: one other label, M-: several others, N: none.", words=True),
            "first": Column("First"),
            "hits": Column("Hits"),
            "precision": Column("Precision (%)", "CI: Wilson. Base: among all. AP: average precision."),
            "precision_interval": INTERVAL,
            "base": Column("Base (%)"),
            "average_precision": Column("AP (%)"),
            "issues": Column("Issues"),
        },
    )
