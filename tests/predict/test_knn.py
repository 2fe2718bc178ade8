import json

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from mllm_classify.config.vision import KnnModel
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict import knn
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import PREDICTIONS, gathered
from mllm_classify.predict.vision import features
from tests.predict.jobs import predictions

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ["red", "green", "blue", "grey"]
CLASSES = pl.DataFrame(
    {"class_id": range(4), "name": NAMES, "synset": [None] * 4}, schema_overrides={"synset": pl.String}
)
TRAINED = 23


def picture(path, number):
    """Noise around the colour of a class."""
    generator = np.random.default_rng(number)
    colour = np.array([[200, 50, 50], [50, 200, 50], [50, 50, 200], [120, 120, 120]][number % 4])
    Image.fromarray((colour + generator.integers(-50, 50, (40, 40, 3))).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of four classes, and a small encoder with random weights."""
    root = tmp_path_factory.mktemp("knn")
    (root / "train").mkdir()
    for number in range(TRAINED):
        picture(root / f"train/{number}.png", number)
    lines = [f"{number}.png,{NAMES[number % 4]}" for number in range(TRAINED)]
    (root / "train.csv").write_text("\n".join(["image_id,class", *lines, ""]))
    for number in range(5):
        picture(root / f"{number}.png", number + 100)
    torch.manual_seed(0)
    safetensors.torch.save_file(timm.create_model("test_vit").state_dict(), root / "w.safetensors")
    return root


@pytest.fixture
def study(pictures, monkeypatch, tmp_path):
    """Features go to an empty folder, in parts of 4."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(features.stored, "__defaults__", (*features.stored.__defaults__[:-1], 4))
    return pictures


def entry(pictures, **options):
    known = {"name": "m", "label": "M", "kind": "knn", "architecture": "test_vit", "k": 3}
    train = {"folder": str(pictures / "train"), "images": str(pictures / "train.csv")}
    return KnnModel(**known | {"weights": str(pictures / "w.safetensors"), "train": train} | options)


def registered(pictures):
    rows = [
        {"image_id": str(n), "file": f"{n}.png", "sha256": sha256((pictures / f"{n}.png").read_bytes())}
        for n in range(5)
    ]
    return pl.DataFrame(rows, schema=IMAGES)


def predict(pictures, images=None, share=(1, 1), reports=None, **options):
    def progress(total, what):
        return lambda done: reports.append((what, done, total)) if reports is not None else None

    images = registered(pictures) if images is None else images
    return predictions(
        knn, entry(pictures, **options), Images(images, str(pictures)), CLASSES, progress=progress, shard=share
    )


def plain(pictures, names, pool=None):
    """Features by a plain loop."""
    model = timm.create_model("test_vit")
    model.load_state_dict(safetensors.torch.load_file(pictures / "w.safetensors"))
    model.eval().reset_classifier(0, **({"global_pool": pool} if pool else {}))
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
    with torch.no_grad():
        return model(torch.stack([transform(Image.open(pictures / name).convert("RGB")) for name in names])).numpy()


@pytest.mark.parametrize(("vote", "stored", "pool"), [("softmax", "fp32", None), ("majority", "fp16", "avg")])
def test_it_predicts_as_scikit_learn_does_on_plain_features(study, vote, stored, pool):
    rows = plain(study, [f"train/{n}.png" for n in range(TRAINED)], pool)
    queries = plain(study, [f"{n}.png" for n in range(5)], pool)
    weights = "uniform" if vote == "majority" else lambda distance: np.exp(-distance / 0.07)
    known = KNeighborsClassifier(3, metric="cosine", algorithm="brute", weights=weights)
    expected = known.fit(rows, np.arange(TRAINED) % 4).predict_proba(queries)
    found = predict(study, vote=vote, stored=stored, pool=pool)
    assert dict(found.schema) == PREDICTIONS
    assert found["image_id"].to_list() == ["0", "1", "2", "3", "4"]
    for row, shares in zip(found.iter_rows(named=True), expected, strict=True):
        assert row["class_ids"][0] == shares.argmax()
        np.testing.assert_allclose(row["scores"], shares[row["class_ids"]], atol=1e-3)
        assert sorted(row["scores"], reverse=True) == row["scores"]
        assert sum(row["scores"]) == pytest.approx(1, abs=1e-5)


def test_features_are_computed_once_and_after_an_interruption_only_those_that_are_missing(study, monkeypatch):
    computed = []
    real = features.outputs

    def recorded(*given):
        for output in real(*given):
            computed.append(output.places)
            yield output

    monkeypatch.setattr(features, "outputs", recorded)
    first = predict(study)
    assert [len(places) for places in computed] == [4, 4, 4, 4, 4, 3, 4, 1]
    assert predict(study, k=1).height == predict(study, vote="majority", batch_size=3).height == 5
    assert len(computed) == 8
    (trained,) = (path for path in features.Path("features").iterdir() if len(list(path.glob("part-*"))) == 6)
    assert sorted(path.name for path in trained.iterdir()) == [
        "about.json",
        *(f"part-{n:05}.safetensors" for n in range(6)),
    ]
    assert json.loads((trained / "about.json").read_text())["images"] == TRAINED
    kept = (trained / "part-00001.safetensors").read_bytes()
    (trained / "part-00001.safetensors").unlink()
    (trained / "part-00003.safetensors").write_bytes(kept[:-7])  # torn
    computed.clear()
    assert predict(study).equals(first)
    assert computed == [[4, 5, 6, 7], [12, 13, 14, 15]]
    assert (trained / "part-00001.safetensors").read_bytes() == kept


def test_the_encoder_is_loaded_only_where_something_is_missing(study, monkeypatch):
    first = predict(study)
    monkeypatch.setattr(features, "encoder", None)
    assert predict(study).equals(first)


def known(pictures, checkpoint="a", images=("x",), **options):
    return features.about(entry(pictures, **options), checkpoint, images, 4)


@pytest.mark.parametrize(
    "change", [{"pool": "avg"}, {"stored": "fp32"}, {"precision": "bf16"}, {"architecture": "other"}, {"size": "train"},
               {"revision": "abc", "weights": None}],
)  # fmt: skip
def test_what_changes_features_changes_their_folder(pictures, change):
    assert known(pictures, **change) != known(pictures)


def test_weights_and_images_change_the_folder_too_and_labels_votes_and_how_it_is_run_do_not(pictures):
    assert known(pictures, checkpoint="b") != known(pictures) != known(pictures, images=["y"])
    same = {"k": 5, "vote": "majority", "temperature": 1, "batch_size": 2, "device": "cuda", "features": "f"}
    assert known(pictures, **same) == known(pictures)


def test_other_weights_under_the_same_name_are_noticed(study, tmp_path):
    (tmp_path / "w.safetensors").write_bytes((study / "w.safetensors").read_bytes())
    first = predict(study, weights="w.safetensors")
    assert len(list(features.Path("features").iterdir())) == 2
    assert predict(study).equals(first)
    assert len(list(features.Path("features").iterdir())) == 2
    torch.manual_seed(1)
    safetensors.torch.save_file(timm.create_model("test_vit").state_dict(), tmp_path / "w.safetensors")
    predict(study, weights="w.safetensors")
    assert len(list(features.Path("features").iterdir())) == 4


def test_a_training_picture_that_cannot_be_decoded_is_an_error_and_what_was_computed_before_is_kept(study, tmp_path):
    (tmp_path / "train").mkdir()
    for path in (study / "train").iterdir():
        content = path.read_bytes()
        (tmp_path / "train" / path.name).write_bytes(content[:60] if path.stem == "9" else content)
    train = {"folder": str(tmp_path / "train"), "images": str(study / "train.csv")}
    with pytest.raises(InputError, match=r"^train.images: 9.png: .*/train/9.png cannot be decoded"):
        predict(study, train=train)
    (folder,) = features.Path("features").iterdir()
    assert len(list(folder.glob("part-*"))) == 2


def test_flips_of_mixed_precision_are_counted_and_logged(study, caplog, monkeypatch):
    monkeypatch.setattr(knn, "COMPARED", 4)
    with caplog.at_level("INFO", logger="mllm_classify"):
        exact = predict(study)
        assert "than in fp32" not in caplog.text
        mixed = predict(study, precision="bf16")
    flipped = (exact["class_ids"].list.first() != mixed["class_ids"].list.first())[:4].sum()
    assert f"bf16: {flipped} of the first 4 images have another first class than in fp32" in caplog.messages


def test_jobs_share_the_parts_and_each_finishes_what_others_have_not_begun(tmp_path):
    store = features.Store(tmp_path, 20, 2)
    assert [list(store.missing((number, 3))) for number in (1, 2, 3)] == [
        [0, 3, 6, 9, 8, 7, 5, 4, 2, 1],
        [1, 4, 7, 9, 8, 6, 5, 3, 2, 0],
        [2, 5, 8, 9, 7, 6, 4, 3, 1, 0],
    ]
    waiting = store.missing((1, 3))
    assert next(waiting) == 0
    store.write(3, torch.ones(2, 2))
    assert next(waiting) == 6


def test_shards_predict_what_one_job_does(study):
    images = registered(study)
    whole = predict(study, batch_size=1)
    parts = [predict(study, images, (shard, 3), batch_size=1) for shard in (1, 2, 3)]
    assert gathered(parts, images).equals(whole)
    assert predict(study, images.clear()).is_empty()


def test_progress_is_reported_of_the_training_images_too(study):
    reports = []
    predict(study, reports=reports)
    assert reports[0] == ("training images", 0, TRAINED)
    assert ("training images", TRAINED, TRAINED) in reports
    assert reports[-1] == ("images", 5, 5)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "t.csv: no images"),
        (["0.png,purple"], r"t.csv:2: 'purple' is not a class"),
        (["0.png,1", "0.png,2"], "t.csv: the image '0.png' appears twice"),
        (["99.png,1"], r"train.images: 99.png: .* cannot be read .*; train.folder says where"),
    ],
)
def test_broken_training_sets_are_input_errors(study, lines, message):
    features.Path("t.csv").write_text("\n".join(["image_id,class", *lines, ""]))
    with pytest.raises(InputError, match=message):
        predict(study, train={"folder": str(study / "train"), "images": "t.csv"})


def test_unknown_encoders_and_poolings_are_input_errors(study):
    with pytest.raises(InputError, match="architecture: 'vit_8b' is not a model of timm"):
        predict(study, architecture="vit_8b")
    with pytest.raises(InputError, match="pool: 'median' is not a pooling of this architecture"):
        predict(study, pool="median")
