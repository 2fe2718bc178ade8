import pytest
from PIL import Image

from mllm_classify.api import sending
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.predict import endpoint
from tests.predict.endpoint.pictures import CLASSES, encoded, model, register
from tests.predict.jobs import job


def unreported(_total, _what):
    return lambda *_: None


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Retries come at once."""
    monkeypatch.setattr(sending, "FIRST_WAIT", 0.01)


@pytest.fixture
def images(tmp_path):
    """Five: image4 to image0, in this order."""
    contents = {f"image{n}": encoded(Image.new("RGB", (3, 2), (n, 9, 9)), "PNG") for n in (4, 3, 2, 1, 0)}
    return register(tmp_path, **contents)


@pytest.fixture
def tasks(tmp_path):
    (tmp_path / "ow.txt").write_text("# a comment\nWhat is it?\n")
    (tmp_path / "cw.txt").write_text("Which of these?\n{classes}\n")
    return {task: TaskPrompt(prompt=str(tmp_path / f"{task.lower()}.txt")) for task in ("OW", "CW")}


@pytest.fixture
def predict(tmp_path, images, tasks):
    """Asks a server for all answers, by default for one task, without retries."""

    def run(url, images=images, progress=unreported, **options):
        entry = model(url=url, **{"tasks": ["OW"], "retries": 0} | options)
        given = {"tasks": tasks, "journal": tmp_path / "journal", "progress": progress}
        return endpoint.predict(job(entry, images, CLASSES, **given))[0]

    return run


@pytest.fixture
def ask(tmp_path, images, tasks):
    """Asks a server for all answers to some tasks. Gives the environments beside them."""

    def run(url, wanted):
        entry = model(url=url, tasks=wanted)
        return endpoint.predict(job(entry, images, CLASSES, tasks=tasks, journal=tmp_path / "j"))

    return run
