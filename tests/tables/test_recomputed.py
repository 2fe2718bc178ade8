import pytest

from mllm_classify.tables.agreement import agreement
from mllm_classify.tables.given import images
from mllm_classify.tables.mustelidae import mustelidae
from mllm_classify.tables.per_class import per_class
from mllm_classify.tables.priors import priors
from mllm_classify.tables.protocols import protocols
from mllm_classify.tables.sensitivity import sensitivity
from mllm_classify.tables.table2 import table2
from tests import plain
from tests.tables.random_studies import ENTRIES, MODELS_OF, VARIANTS, assert_the_same, lazy, make_study
from tests.tables.studies import EVERY, RESAMPLES, STUDY, rows


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set", "n_images", "one_way", "several"),
    [
        (1, 4, True, "correct", False, "wrong"),
        (2, 12, True, "correct", True, "first"),
        (3, 12, True, "excluded", False, "any"),
        (4, 150, True, "correct", True, "wrong"),
        (4, 150, True, "excluded", True, "first"),
        (5, 40, False, "correct", False, "any"),
    ],
)
def test_every_figure_equals_an_independent_computation(
    tmp_path, seed, count, second_label_set, n_images, one_way, several
):
    """Equal names, equivalences, ties, errors, empty answers, lists of names, single tasks, empty categories, fewer
    images, variants, several images in a request.
    """
    scores, labels, classes = make_study(tmp_path, seed, count, second_label_set, one_way, several)
    blind = ["warm", "hot", "ids"]
    options = {"variants": VARIANTS, "several": several, "blind": blind}
    expected = plain.tables(tmp_path, ENTRIES, tmp_path / "pairs.csv", n_images, one_way, **options)
    study = STUDY._replace(n_images=n_images)
    evaluated = images(labels)
    ways = [[e["name"], it["name"], "words"] for e in ENTRIES for it in VARIANTS if it["name"] in e.get("variants", [])]
    chat = lazy(tmp_path, "predictions", [e["name"] for e in ENTRIES if e.get("variants")])
    unseen = [way for way in ways if way[1] in blind]
    asked = lazy(
        tmp_path, "predictions", [e["name"] for e in ENTRIES if e["kind"] in ("endpoint", "engine", "vllm", "openai")]
    )
    found = {name: rows(make(scores, MODELS_OF, study)) for name, make in EVERY.items()} | {
        "accuracy": EVERY["accuracy"](scores, MODELS_OF, study).to_dicts(),
        "table2": rows(table2(evaluated, study)),
        "mustelidae": rows(mustelidae(scores, labels, classes, MODELS_OF, study)),
        "per_class": rows(per_class(scores, labels, classes, MODELS_OF, study)),
        "protocols": rows(protocols(scores, evaluated, MODELS_OF, study, RESAMPLES, None, asked, labels, {}, {}, None)),
        "sensitivity": rows(sensitivity(scores, ways, MODELS_OF, study, RESAMPLES)),
        "priors": rows(priors(scores, classes, unseen, MODELS_OF, study, RESAMPLES)),
        "agreement": rows(agreement(scores, chat, ways, MODELS_OF, study, RESAMPLES)),
    }
    assert expected.keys() == found.keys()
    for name, table in found.items():
        assert len(table) > 1
        assert_the_same(table, expected[name])
