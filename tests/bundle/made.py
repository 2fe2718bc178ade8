"""Studies by recorded models, of labels of which some may be restricted, made in the test's process; and their archives."""

import json
import shutil
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import yaml

from mllm_classify.__main__ import main
from mllm_classify.bundle import archive
from mllm_classify.config.load import load
from mllm_classify.plan.across import existing
from mllm_classify.plan.files import PATTERNS, bundled
from mllm_classify.plan.outline import outline

SECRET = range(40, 60)
"""Classes that only the second label set has: no model says them, and ImGT does not."""
NUMBERS = {"S+": 20, "S-": 12, "M+": 15, "M-": 11, "N": 10}
CATEGORIES = [category for category, number in NUMBERS.items() for _ in range(number)]
MODELS = ["m0", "m1", "m2"]


def id_of(image):
    """Its number is none of a class."""
    return f"image {image + 1000}"


def name_of(class_id):
    return f"klass {class_id * 7919 % 100003}x"


def labels_of(image, category):
    one, other = SECRET[image % 20], SECRET[(image + 7) % 20]
    classes = {"S+": [image % 20], "S-": [one], "M+": [image % 20, one], "M-": [one, other], "N": []}[category]
    return "|".join(map(name_of, classes)) or "N"


def write_labels(file, changes=()):
    images = [dict(changes).get(image, category) for image, category in enumerate(CATEGORIES)]
    rows = [f"{id_of(image)},{labels_of(image, category)}" for image, category in enumerate(images)]
    Path(file).write_text("\n".join(["image_id,classes", *rows]) + "\n")


class Made:
    """A study in a folder, of data set d, and of further ones that have its images, with what is given of each."""

    def __init__(self, folder, monkeypatch, further=None, **changes):
        self.patch = monkeypatch
        monkeypatch.chdir(folder)
        Path("classes.txt").write_text("".join(f"{name_of(number)}\n" for number in range(60)))
        rows = [f"{id_of(image)},{name_of(image % 20)}" for image in range(len(CATEGORIES))]
        Path("imgt.csv").write_text("\n".join(["image_id,class", *rows]) + "\n")
        write_labels("regt.csv")
        for number, model in enumerate(MODELS):
            answers = [f"{id_of(image)},{(image + (image % (number + 2) == 0)) % 20}" for image in range(len(rows))]
            Path(f"{model}.csv").write_text("\n".join(["image_id,class_id", *answers]) + "\n")
        regt = {"label": "R", "file": "regt.csv", "restricted": True} | changes.pop("regt", {})
        config = {
            "dataset": {"source": "table", "name": "d", "label": "D", "classes": "classes.txt"}
            | {"imgt": {"label": "I", "file": "imgt.csv"}, "regt": regt},
            "models": [{"name": it, "label": it.upper(), "kind": "recorded", "file": f"{it}.csv"} for it in MODELS],
            "choices": {"reference": "m0", "per_class": "all", "repeats": 1},
            "tables": {"resamples": 100},
        }
        if further:
            open_regt = {"label": "R", "file": "open.csv"}
            write_labels("open.csv")
            entries = [
                config["dataset"] | {"name": name, "label": name.upper(), "regt": open_regt} | own
                for name, own in further.items()
            ]
            config["datasets"] = [{"dataset": entry} for entry in entries]
        Path("config.yaml").write_text(yaml.safe_dump(config | changes))
        self.config = load("config.yaml")
        self.results = bundled(map(outline, self.config.studies.values()), existing(self.config))

    def run(self, dataset, *stage, **files):
        results = self.config.study(dataset).results if dataset else ""
        at = {option: PATTERNS[name].format(dataset=dataset, results=results, encoder="none", model=model)
              for option, (name, model) in files.items()}  # fmt: skip
        of = [f"--dataset={dataset}"] if dataset else []
        for path in at.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.patch.setattr("sys.argv", ["mllm_classify", *stage, *of, *(f"--{key}={path}" for key, path in at.items())])
        assert main() == 0, stage

    def make(self):
        for dataset in self.config.studies:
            self.make_each(dataset)
        if self.config.datasets:
            self.run("", "make", *existing(self.config))
        self.record()
        return self

    def make_each(self, dataset):
        images, classes = ("images", ""), ("classes", "")
        study = self.config.study(dataset)
        self.run(dataset, "dataset", "images", images=images, classes=classes)
        self.run(dataset, "dataset", "labels", images=images, classes=classes, output=("labels", ""))
        for model in MODELS:
            predicted = ("predictions", model)
            self.run(dataset, "predict", f"--model={model}", images=images, classes=classes, output=predicted)
        if study.choices is not None:
            self.run(dataset, "choices", choices=("choices", ""), confusions=("confusions", ""), labels=("labels", ""),
                     classes=classes, predictions=("predictions", "m0"))  # fmt: skip
        self.run(dataset, "score", output=("scores", ""))
        self.run(dataset, "make", *outline(study).outputs)

    @contextmanager
    def labelled(self, changes):
        """The study with other categories of images, by their numbers."""
        kept = Path("results").rename("kept")
        write_labels("regt.csv", changes.items())
        try:
            yield self.make()
        finally:
            write_labels("regt.csv")
            shutil.rmtree("results")
            kept.rename("results")

    def record(self):
        for name in self.results:
            record = Path(".snakemake/metadata") / b64encode(name.encode()).decode()
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps({"starttime": 1.0, "endtime": 2.0}))

    def contents(self):
        return archive.contents("config.yaml", self.config, self.results)
