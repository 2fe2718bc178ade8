"""All tables once more, from the raw Parquet files, with loops, dictionaries and `math` only.

It shares no code with the package, so that a mistake there is not repeated here.
"""

from pathlib import Path

from tests.plain.answers import Reading
from tests.plain.comparisons import accuracy, mcnemar, ranking
from tests.plain.counting import SCORINGS
from tests.plain.files import EQUIVALENCES, admitted_pairs, class_names, only, records
from tests.plain.judgements import category, judgements
from tests.plain.likelihood import likelihood as likelihood
from tests.plain.main_tables import mustelidae, table2, table3, table4, table5
from tests.plain.multiple_choice import protocols, table6
from tests.plain.per_class import per_class
from tests.plain.priors import priors
from tests.plain.variants import agreement, sensitivity


def tables(
    results: Path,
    models: list[dict],
    equivalences: Path | None = EQUIVALENCES,
    n_images: str = "correct",
    one_way: bool = False,
    choices: dict | None = None,
    variants: list[dict] | None = None,
    several: str = "wrong",
    encoder: str = "*",
    blind: list[str] | None = None,
) -> dict[str, list[dict]]:
    """Rows of every table in the file's order, keyed by column; `models`, `choices`, `variants`, `several` (of mapping) and
    `encoder` (the main one's name, where there are others) are the configuration's; `blind` are the variants that show no
    image.

    Left out are the columns of the study (dataset to excluded) and what the bootstrap finds. Figures are text, but
    numbers in `accuracy`, which has both rules for images in N. Equivalences are a CSV of class ids.
    """
    labels = {
        row["image_id"]: row
        for row in records(only(results.glob("dataset/*/labels.parquet")))
        if row.get("excluded") is None
    }
    names = class_names(results)
    equal = admitted_pairs(equivalences, one_way)
    by_id = {variant["name"] for variant in variants or [] if variant.get("answer") == "id"}
    reading = Reading((choices or {}).get("answer", "name"), several, by_id)
    with_variants = judgements(results, models, labels, equal, names, reading, encoder)
    every = {
        name: {
            scoring: main
            for scoring, rows in scorings.items()
            if (main := [row for row in rows if scoring == "MC" or not row.variant])
        }
        for name, scorings in with_variants.items()
    }
    judged = {
        name: {scoring: rows for scoring, rows in scorings.items() if scoring in SCORINGS}
        for name, scorings in every.items()
    }
    entries = {entry["name"]: entry for entry in models}
    chat = [entry["name"] for entry in models if entry["kind"] in ("endpoint", "engine", "vllm", "openai")]
    answers = {name: records(only(results.glob(f"predictions/*/{name}.parquet"))) for name in chat}
    more = {"protocols": protocols(every, entries, choices or {}, n_images, answers)}
    order = [variant["name"] for variant in variants or []]
    more["sensitivity"] = sensitivity(with_variants, entries, order, n_images)
    more["agreement"] = agreement(with_variants, entries, order, n_images)
    if blind:
        more["priors"] = priors(with_variants, entries, blind, names, n_images)
    if choices:
        more["table6"] = table6(results, every, entries, labels, equal, choices, n_images, len(names))
    return more | {
        "table2": table2([category(row["imgt"], row["regt"]) for row in labels.values()]),
        "table3": table3(judged, entries, n_images),
        "table4": table4(judged, entries, n_images),
        "table5": table5(judged, entries),
        "accuracy": accuracy(judged, entries),
        "ranking": ranking(judged, entries, n_images),
        "mcnemar": mcnemar(judged, entries, n_images),
        "per_class": per_class(judged, entries, names, n_images),
        "mustelidae": mustelidae(judged, entries, names, n_images),
    }
