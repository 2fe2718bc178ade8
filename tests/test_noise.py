import csv
import io

import polars as pl
import pytest

from mllm_classify import parquet
from mllm_classify.breakdown import abstention, breakdown, oop_texts, out_of_prompt
from mllm_classify.noise import best_task, gains, named_classes, precision, quality, suspects
from mllm_classify.tables import SCORINGS, Study
from tests import plain, plain_noise
from tests.test_tables import ENTRIES, VARIANTS, make_study

STUDY = Study("data", "Old labels", "New labels", "pairs.v1", "names.txt (10)")


def rows(table):
    return list(csv.DictReader(io.StringIO(table.figures.write_csv())))


def read(folder, kind, name):
    return parquet.read(next((folder / kind).rglob(f"{name}.parquet")))


def made(folder, scores, labels, classes, study):
    """All tables of a study's files."""
    models = pl.DataFrame([{"model": e["name"], "label": e["label"], "family": plain.family(e)} for e in ENTRIES])
    worded = {e["name"]: read(folder, "mapping", e["name"]) for e in ENTRIES if plain.worded(e)}
    ranked = {e["name"]: read(folder, "predictions", e["name"]) for e in ENTRIES if not plain.worded(e)}
    keys = ["image_id", "task", "variant", "repeat"]
    answers = pl.concat(
        out_of_prompt(mapping.join(read(folder, "predictions", name).select(*keys, "text"), on=keys), name, scores)
        for name, mapping in sorted(worded.items())
    )
    found = {
        "breakdown": breakdown(scores, models, study),
        "oop_texts": oop_texts(answers, classes, models, study),
        "abstention": abstention(answers, scores, models, study),
    }
    evaluated = labels.filter(labels["excluded"].is_null())
    main = scores.filter((pl.col("variant") == "") & pl.col("scoring").is_in(SCORINGS))
    if study.regt:
        found["gains"] = gains(main, evaluated.select("image_id", "category"), models, study, 50)
    shown = best_task(main, study.n_images)
    qualities = quality((ranked[e["name"]] for e in ENTRIES if e["kind"] in plain_noise.PROBABLE), evaluated)
    named = named_classes(shown, ranked, worded, classes)
    found["suspects"] = suspects(shown, named, qualities, evaluated, classes, study)
    found["precision"] = precision(
        pl.DataFrame(rows(found["suspects"])).with_columns(pl.all().replace("", None)), study
    )
    return found


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set", "n_images", "several"),
    [
        (1, 4, True, "correct", "wrong"),
        (2, 12, True, "correct", "first"),
        (3, 40, True, "excluded", "any"),
        (4, 150, True, "correct", "wrong"),
        (5, 40, False, "correct", "any"),
    ],
)
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count, second_label_set, n_images, several):
    """Equal names, equivalences, ties, errors, empty answers, lists of names, single tasks, fewer images."""
    study = STUDY._replace(n_images=n_images, regt="New labels" if second_label_set else None)
    scores, labels, classes = make_study(tmp_path, seed, count, second_label_set, one_way=False, several=several)
    found = made(tmp_path, scores, labels, classes, study)
    expected = plain_noise.tables(
        tmp_path, ENTRIES, equivalences=tmp_path / "pairs.csv", n_images=n_images, several=several, variants=VARIANTS
    )
    for name, table in found.items():
        assert len(expected[name]) == table.figures.height > 0, name
        for row, wanted in zip(rows(table), expected[name], strict=True):
            # cosines of 32 bits may be rounded the other way
            close = {key for key in ("similarity", "margin", "threshold") if wanted.get(key)}
            assert {key: float(row[key]) for key in close} == {
                key: pytest.approx(float(wanted[key]), abs=1.1e-3) for key in close
            }
            assert {key: row[key] for key in wanted if key not in close} == {
                key: value for key, value in wanted.items() if key not in close
            }, name
