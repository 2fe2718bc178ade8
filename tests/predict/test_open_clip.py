import io
from pathlib import Path

import numpy as np
import open_clip as library
import polars as pl
import pytest
import torch
from PIL import Image

from mllm_classify.config.encoders import OpenClipEncoder
from mllm_classify.config.vision import OpenClipModel
from mllm_classify.dataset.images import IMAGES
from mllm_classify.embed import open_clip as text_side
from mllm_classify.embed import texts as embed
from mllm_classify.io.files import locate, read_text, sha256
from mllm_classify.predict import open_clip
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import PREDICTIONS, answer_rows
from mllm_classify.predict.vision import zeroshot
from tests.predict.jobs import counted, predictions
from tests.tiny_vlms import CLIP, SIGLIP, save

pytestmark = pytest.mark.usefixtures("one_thread")
PHOTOGRAPHS = ["coffee.png", "chelsea.png", "rocket.jpg"]
TEMPLATES = "resources/templates/imagenet-7.v1.txt"
NAMES = ["cat", "missile", "dog", "Grey-Whale", "missile", "small cat", "large dog"]
CLASSES = pl.DataFrame(
    {"class_id": range(7), "name": NAMES, "same_name": [[0], [1, 4], [2], [3], [1, 4], [5], [6]]},
    schema_overrides={"same_name": pl.List(pl.Int32)},
)


def photograph(name):
    return locate(f"package:skimage/data/{name}").read_bytes()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("vlms")
    return {name: save(root / name, content) for name, content in (("clip", CLIP), ("siglip", SIGLIP))}


def predict(folder, reports=None, **options):
    rows = [
        {"image_id": name, "file": f"package:skimage/data/{name}", "sha256": sha256(photograph(name))}
        for name in PHOTOGRAPHS
    ]
    entry = {"name": "m", "label": "M", "kind": "open_clip", "model": str(folder)} | options
    model, images = OpenClipModel(**entry), Images(pl.DataFrame(rows, schema=IMAGES), None)
    return predictions(open_clip, model, images, CLASSES, progress=counted([] if reports is None else reports))


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_it_predicts_as_a_plain_open_clip_loop_does(folders, kind):
    """With its transform, its classifier, and its logits: softmax of CLIP's, sigmoid of SigLIP's, which have a bias."""
    name = f"local-dir:{folders[kind]}"
    model, _, transform = library.create_model_and_transforms(name)
    templates = [line for line in read_text(TEMPLATES).splitlines() if line and not line.startswith("#")]
    weights = library.build_zero_shot_classifier(model.eval(), library.get_tokenizer(name), NAMES, templates)
    batch = torch.stack([transform(Image.open(io.BytesIO(photograph(name)))) for name in PHOTOGRAPHS])
    with torch.no_grad():
        logits = model.logit_scale.exp() * model.encode_image(batch, normalize=True) @ weights
    scores = logits.softmax(dim=1) if kind == "clip" else (logits + model.logit_bias).sigmoid()
    found = predict(folders[kind])
    assert dict(found.schema) == PREDICTIONS
    assert found["image_id"].to_list() == PHOTOGRAPHS
    for row, expected in zip(found.iter_rows(named=True), scores.tolist(), strict=True):
        by_name = sorted(range(7), key=lambda place: (-round(expected[place], 6), place))[:20]
        assert row["class_ids"] == by_name
        np.testing.assert_allclose(row["scores"], [expected[place] for place in by_name], rtol=1e-4)


def test_classes_of_one_name_have_one_score_and_the_lowest_id_comes_first(folders):
    for row in predict(folders["siglip"], batch_size=2).iter_rows(named=True):
        found = dict(zip(row["class_ids"], row["scores"], strict=True))
        assert (1 in found) >= (4 in found)
        if 4 in found:
            assert found[1] == found[4]
            assert row["class_ids"].index(4) == row["class_ids"].index(1) + 1


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_batch_size_changes_no_class(folders, batch_size):
    assert predict(folders["clip"], batch_size=batch_size)["class_ids"].equals(predict(folders["clip"])["class_ids"])


def test_progress_starts_at_none_and_ends_at_all(folders):
    reports = []
    predict(folders["clip"], reports, batch_size=2)
    assert reports == [0, 2, 3]


def test_half_precision_is_near(folders):
    exact, near = predict(folders["siglip"]), predict(folders["siglip"], precision="bf16")
    assert not near["scores"].equals(exact["scores"])
    np.testing.assert_allclose(
        [scores[0] for scores in near["scores"]], [scores[0] for scores in exact["scores"]], rtol=0.2
    )


def test_scores_are_softmax_or_with_a_bias_sigmoid_of_the_logits():
    cosines = np.array([[0.5, 0.0, 0.5]], dtype=np.float32)
    e = np.exp(1.0)
    softmax = zeroshot.probabilities(cosines, 2, None)
    np.testing.assert_allclose(softmax, [[e / (2 * e + 1), 1 / (2 * e + 1), e / (2 * e + 1)]], rtol=1e-6)
    np.testing.assert_allclose(zeroshot.probabilities(cosines, 2, -1), [[0.5, 1 / (1 + e), 0.5]], rtol=1e-6)
    assert zeroshot.ranked(cosines, 2, -1)[0].tolist() == [[0, 2, 1]]


def test_classes_are_ranked_by_cosine_where_their_probabilities_round_to_the_same():
    cosines = np.array([[-0.5, 0.9, 0.95]], dtype=np.float32)
    best, scores = zeroshot.ranked(cosines, 1000, 0.0)
    assert best.tolist() == [[2, 1, 0]]
    assert scores[0][:2].tolist() == [1, 1]


def test_the_text_side_embeds_class_names_as_the_classifier_does(folders):
    encoder = OpenClipEncoder(name="e", kind="open_clip", model=str(folders["siglip"]), templates=TEMPLATES)
    encode = text_side.encoder(encoder, Path(), None)
    templates = embed.read_templates(TEMPLATES)
    found = np.array(embed.embed_classes(encode, templates, CLASSES)["embedding"].to_list(), dtype=np.float32)
    name = f"local-dir:{folders['siglip']}"
    expected = library.build_zero_shot_classifier(
        library.create_model(name).eval(), library.get_tokenizer(name), NAMES, templates
    )
    np.testing.assert_allclose(found, expected.T, atol=2e-6)
    assert (found[1] == found[4]).all()
    answers = embed.embed_answers(lambda: encode, templates, answer_rows(["a", "b"], ["CW"] * 2, ["Cat ", "whale"]))
    assert answers["text"].to_list() == ["Cat", "whale"]
    np.testing.assert_allclose(answers["embedding"][0].to_numpy(), found[0], atol=2e-6)
