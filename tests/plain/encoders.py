"""The tables that compare text encoders once more."""

from fractions import Fraction
from itertools import combinations
from pathlib import Path

from tests.plain.answers import Reading
from tests.plain.comparisons import paired_difference
from tests.plain.counting import Cells, counted, text
from tests.plain.files import EQUIVALENCES, admitted_pairs, class_names, only, records, worded
from tests.plain.judgements import Judged, judgements
from tests.plain.selection import half
from tests.plain.statistics import exact_p, holm, percent, share, wilson

CROSSFIT, OPTIMISTIC = "best, cross-fitted", "best on these images (optimistic)"
SELECTIONS = {
    CROSSFIT: "highest ImGT_A on the other half of the images",
    OPTIMISTIC: "highest ImGT_A on these same images",
}
ByEncoder = dict[str, list[Judged]]


def encoder_tables(
    results: Path, config: dict, equivalences: Path | None = EQUIVALENCES, n_images: str = "correct"
) -> dict[str, list[Cells]]:
    """Rows of both tables in the file's order, keyed by column, for a configuration with further encoders."""
    entries = [config["encoder"], *config["encoders"]]
    models = {entry["name"]: entry["label"] for entry in config["models"] if worded(entry)}
    labels = {
        row["image_id"]: row
        for row in records(only(results.glob("dataset/*/labels.parquet")))
        if row.get("excluded") is None
    }
    by_id = {variant["name"] for variant in config.get("variants", []) if variant.get("answer") == "id"}
    several = config.get("mapping", {}).get("several", "wrong")
    reading = Reading(config.get("choices", {}).get("answer", "name"), several, by_id)
    equal, names = admitted_pairs(equivalences, one_way=False), class_names(results)
    words = [entry for entry in config["models"] if entry["name"] in models]
    judged = {
        entry["name"]: judgements(
            results, words, labels, equal, names, reading, entry["name"], reranker_of(results, entry)
        )
        for entry in entries
    }
    found: dict[str, list[Cells]] = {"encoders": [], "encoder_pairs": []}
    for name, label in sorted(models.items()):
        for scoring in ("OW", "CW+"):
            rows = {
                encoder: [row for row in of_models[name].get(scoring, []) if not row.variant]
                for encoder, of_models in judged.items()
            }
            if not any(rows.values()):
                continue
            where = {"model": label, "task": scoring}
            compared = [cells for measure in ("ImGT", "ReGT") for cells in encoder_pairs(rows, measure, n_images)]
            found["encoder_pairs"] += [where | cells for cells in compared]
            found["encoders"] += [where | cells for cells in accuracies(rows, entries, compared, scoring, n_images)]
    return found


def reranker_of(results: Path, entry: dict) -> tuple[Path, int] | None:
    """The folder of the cross-encoder that decides, beside results/, and among how many of the nearest names."""
    return (results.parent / it["path"], it["nearest"]) if (it := entry.get("reranker")) else None


def templates_of(entry: dict) -> str:
    it = entry.get("reranker")
    return entry["templates"] + (f"; nearest {it['nearest']} re-ranked by {it['path']}" if it else "")


def accuracies(rows: ByEncoder, entries: list[dict], compared: list[Cells], scoring: str, n_images: str) -> list[Cells]:
    found = []
    for entry in entries:
        differing = [
            cells["encoder_b" if cells["encoder_a"] == entry["name"] else "encoder_a"]
            for cells in compared
            if cells["measure"] == "ImGT" and float(cells["p_holm"]) < 0.05
            and entry["name"] in (cells["encoder_a"], cells["encoder_b"])
        ]  # fmt: skip
        about = {
            "encoder": entry["name"], "templates": templates_of(entry), "answers": entry.get("answers", "templates"),
            "chosen": "", "selection": "", "differs_from": ", ".join(sorted(differing)),
        }  # fmt: skip
        found.append(about | cells_of(rows[entry["name"]], scoring, n_images))
    nothing = {"templates": "", "answers": "", "differs_from": ""}
    halves = {fold: {name: [row for row in of if half(row.image_id) == fold] for name, of in rows.items()}
              for fold in (0, 1)}  # fmt: skip
    kept, names = [], []
    for fold in (0, 1):
        if (name := best(halves[1 - fold], n_images)) is not None and halves[fold][name]:
            kept += halves[fold][name]
            names.append(name)
    for rule, taken, of in (
        (CROSSFIT, names, kept),
        (OPTIMISTIC, [best(rows, n_images)], rows[best(rows, n_images) or ""]),
    ):
        about = {"encoder": rule, "chosen": " / ".join(dict.fromkeys(map(str, taken))), "selection": SELECTIONS[rule]}
        found.append(nothing | about | cells_of(of, scoring, n_images))
    return found


def best(rows: ByEncoder, n_images: str) -> str | None:
    """The highest ImGT accuracy; of equal ones the highest ReGT accuracy; of equal ones the first."""
    highest, found = None, None
    for name, of in rows.items():
        regt = share([bool(row.regt) for row in of if counted(row, n_images)]) or Fraction(0)
        if of and (highest is None or (share([row.imgt for row in of]), regt) > highest):
            highest, found = (share([row.imgt for row in of]), regt), name
    return found


def cells_of(rows: list[Judged], scoring: str, n_images: str) -> Cells:
    outside = [row for row in rows if row.oop] if scoring == "CW+" else []
    cells = {"n": str(len(rows)), "OOP_n": str(len(outside)) if scoring == "CW+" else ""}
    for name, of in {"A": rows, "OOP": outside}.items():
        for label_set in ("ImGT", "ReGT"):
            flags = [bool(row.imgt) for row in of]
            if label_set == "ReGT":
                flags = [bool(row.regt) for row in of if counted(row, n_images)]
            column = f"{label_set}_A" if name == "A" else f"OOP_{label_set}"
            cells[column] = text(percent(sum(flags), len(flags)))
            cells[f"{column}_low"], cells[f"{column}_high"] = map(text, wilson(sum(flags), len(flags)))
    return cells


def encoder_pairs(rows: ByEncoder, measure: str, n_images: str) -> list[Cells]:
    """Every two encoders, by name; all pairs of one measure are a family."""
    flags = {
        name: {row.image_id: bool(row.imgt if measure == "ImGT" else row.regt)
               for row in of if measure == "ImGT" or counted(row, n_images)}
        for name, of in sorted(rows.items())
    }  # fmt: skip
    if not any(flags.values()):
        return []
    found, exact = [], []
    for one, other in combinations(flags, 2):
        common = [(flags[one][image], flags[other][image]) for image in flags[one] if image in flags[other]]
        only_a, only_b = (sum(a and not b for a, b in common), sum(b and not a for a, b in common))
        exact.append(exact_p(only_a, only_b))
        found.append({
            "measure": measure, "encoder_a": one, "encoder_b": other, "n": str(len(common)),
            "only_a": str(only_a), "only_b": str(only_b), **paired_difference(only_a, only_b, len(common)),
        })  # fmt: skip
    for cells, p, corrected in zip(found, exact, holm(exact), strict=True):
        cells |= {"p": f"{float(p):.3g}", "p_holm": f"{float(corrected):.3g}", "tests": str(len(exact))}
    return found
