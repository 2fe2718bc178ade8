import pytest

from mllm_classify.tables.abstention import abstention
from mllm_classify.tables.breakdown import breakdown
from mllm_classify.tables.gains import gains
from mllm_classify.tables.given import images
from mllm_classify.tables.oop_texts import oop_texts
from mllm_classify.tables.precision import precision
from mllm_classify.tables.suspects import suspects
from tests import plain
from tests.plain.noise import PROBABLE, noise_tables
from tests.tables.random_studies import ENTRIES, MODELS_OF, VARIANTS, lazy, make_study
from tests.tables.studies import STUDY, as_read, rows


def every_table(folder, scores, labels, classes, study):
    """All tables of a study's files."""
    worded = [e["name"] for e in ENTRIES if plain.files.worded(e)]
    predictions, mappings = (lazy(folder, kind, worded) for kind in ("predictions", "mapping"))
    probable = lazy(folder, "predictions", [e["name"] for e in ENTRIES if e["kind"] in PROBABLE])
    tables = {
        "breakdown": breakdown(scores, MODELS_OF, study),
        "oop_texts": oop_texts(scores, predictions, mappings, classes, MODELS_OF, study),
        "abstention": abstention(scores, mappings, MODELS_OF, study),
        "suspects": suspects(scores, labels, classes, probable, study),
    }
    if study.regt:
        tables["gains"] = gains(scores, images(labels), MODELS_OF, study, 50)
    return tables | {"precision": precision(as_read(tables["suspects"]), study)}


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
    found = every_table(tmp_path, scores, labels, classes, study)
    expected = noise_tables(
        tmp_path, ENTRIES, equivalences=tmp_path / "pairs.csv", n_images=n_images, several=several, variants=VARIANTS
    )
    for name, table in found.items():
        assert len(expected[name]) == table.rows.height > 0, name
        for row, wanted in zip(rows(table), expected[name], strict=True):
            # cosines of 32 bits may be rounded the other way
            close = {key for key in ("similarity", "margin", "threshold") if wanted.get(key)}
            assert {key: float(row[key]) for key in close} == {
                key: pytest.approx(float(wanted[key]), abs=1.1e-3) for key in close
            }
            assert {key: row[key] for key in wanted if key not in close} == {
                key: value for key, value in wanted.items() if key not in close
            }, name
