"""Options of all 50,000 validation images, with a recorded model as the reference and ReaL as ReGT."""

import numpy as np
import pytest

from mllm_classify.choices import confusions, draws, options
from mllm_classify.config.study import Config
from mllm_classify.dataset.classes import Lookup, classes
from mllm_classify.dataset.equivalences import admits
from mllm_classify.dataset.images import images
from mllm_classify.dataset.labels import labels
from mllm_classify.predict.rows import ranking_rows
from tests.choices.rules import Study, check
from tests.workflow.study import PROJECT

RECORDED = PROJECT.parent / "shared/real/imagenet_val_predictions"
REPEATS = 2

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded predictions of ImageNet are not here")


@pytest.fixture(scope="module")
def study():
    """Labels, the reference's confusions, and what is needed of the classes."""
    dataset = Config.model_validate(
        {
            "dataset": {
                "source": "imagenet",
                "name": "imagenet",
                "label": "ImageNet",
                "regt": {
                    "label": "ReaL",
                    "format": "real",
                    "file": "package:timm/data/_info/imagenet_real_labels.json",
                },
                "equivalences": {"label": "v1", "file": "resources/equivalences/imagenet.v1.csv"},
            },
            "models": [{"name": "m", "label": "m", "kind": "recorded", "file": "m"}],
        }
    ).dataset
    names = classes(dataset)
    labelled = labels(images(dataset, names), names, dataset)
    order = [line.removesuffix(".JPEG") for line in (RECORDED / "image_order.txt").read_text().split()]
    predicted = ranking_rows(order, np.load(RECORDED / "pnasnet5large.npy").tolist())
    return labelled, confusions.confusions(predicted, labelled), names, admits(dataset.equivalences, Lookup(names))


def test_confusions_are_as_thin_as_is_known(study):
    """Of 1,000 classes 268 have fewer than three wrong classes, 48 none; of the first three places most rest on one."""
    _, found, _, _ = study
    matrix = confusions.counts(found, 1000)
    assert matrix.sum() == 50_000
    np.fill_diagonal(matrix, 0)
    wrong = (matrix > 0).sum(axis=1)
    assert ((wrong < 3).sum(), (wrong == 0).sum()) == (268, 48)
    ordered = -np.sort(-matrix, axis=1)
    assert ((ordered[:, 2] == ordered[:, 3]) & (ordered[:, 2] > 0)).sum() == 500
    assert ((ordered[:, :3] == 1).sum(), (ordered[:, :3] > 0).sum()) == (1483, 2541)


def test_every_option_of_every_image_keeps_the_rules(study):
    labelled, found, names, admitted = study
    same_name = names["same_name"].to_list()
    rules = options.Rules(
        n=4,
        repeats=REPEATS,
        conflict=options.conflicts(same_name, admitted),
        ranking=confusions.rankings(found, 1000, None),
        confused=confusions.counts(found, 1000),
        imgt_distractors=True,
    )
    plain = Study(admitted, same_name, rules.n, rules.imgt_distractors)
    known = {
        image_id: plain.label(imgt, frozenset(regt))
        for image_id, imgt, regt in labelled.select("image_id", "imgt", "regt").iter_rows()
    }
    seen = 0
    for block in options.choices(draws.sampled(labelled, None, 0), list(options.VARIANTS), rules):
        for image_id, variant, _, shown, origins in block.iter_rows():
            check(plain, known[image_id], variant, shown, origins)
        seen += block.height
    assert seen == 50_000 * len(options.VARIANTS) * REPEATS


def test_a_sample_has_one_image_of_each_class(study):
    labelled, _, _, _ = study
    sample = draws.sampled(labelled, 1, 0)
    assert sorted(sample["imgt"]) == list(range(1000))
    assert set(sample["image_id"]) < set(draws.sampled(labelled, 3, 0)["image_id"])
    assert sample["category"].value_counts().height == 5
