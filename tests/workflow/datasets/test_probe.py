"""What a model knows of classes is asked while its engine runs for images: how often it is started."""

from pathlib import Path

import pytest
import yaml

from tests.workflow.datasets.several import copied
from tests.workflow.datasets.test_datasets import STARTING, Studied, questions
from tests.workflow.study import PROJECT, reconfigure

pytestmark = pytest.mark.study
DESCRIPTIONS = "class,description\ncat,it purrs\ndog,it barks\n"


class Probed(Studied):
    """Its engine is asked about images, and about the classes of each data set but the small one's, which has no cats."""

    def prepare(self, embedder: str) -> None:
        super().prepare(embedder)
        (self.folder / "descriptions.csv").write_text(DESCRIPTIONS)

        def probed(config: dict) -> None:
            f, g = config["datasets"]
            config.update(dataset=f["dataset"], datasets=[g])
            config["probe"] = {"models": ["chat"], "descriptions": "descriptions.csv", "n": 2}

        reconfigure(probed)(self)

    @property
    def names(self) -> list[str]:
        return ["f", *(it["dataset"]["name"] for it in self.config.get("datasets", []))]

    def predictions(self, *names: str) -> list[str]:
        """The model's predictions and probes."""
        wanted = names or self.names
        return [f"results/{stage}/{name}/chat.parquet" for stage in ("predictions", "probe") for name in wanted]


@pytest.fixture(scope="module")
def prepared(embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Probed:
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    study = Probed(tmp_path_factory.mktemp("probe") / "study", config)
    study.prepare(embedder)
    return study


@pytest.fixture
def study(prepared: Probed, tmp_path: Path) -> Probed:
    return copied(prepared, tmp_path / "study")


def test_one_start_for_images_and_descriptions_of_all_data_sets(study):
    """The same two questions about descriptions are asked of both data sets, whose classes are the same: answered once."""
    assert "Asking chat about f g and the classes of f g" in study.jobs()
    assert study.predict() == (questions("f", "g") + 2, 1)
    assert study.jobs() == []
    reconfigure(lambda config: config["probe"].update(repeats=2))(study)
    assert study.jobs() == ["Asking chat about the classes of f g"] + ["Describing classes to chat"] * 2
    assert study.predict() == (2, 1)
    assert study.jobs() == []
    before = study.contents()
    study.have("g", "h")
    assert study.jobs() == [
        "Asking chat", "Asking chat about h and the classes of h", "Checking every image of the data set",
        "Describing classes to chat",
    ]  # fmt: skip
    (study.folder / "results/predictions/f/chat.parquet").unlink()
    (study.folder / "results/probe/g/chat.parquet").unlink()
    assert study.predict() == (questions("h"), 1)
    assert study.contents().items() >= before.items()


def test_one_start_for_images_and_descriptions_of_one_data_set(study):
    reconfigure(lambda config: config.pop("datasets"))(study)
    assert study.jobs() == [
        "Asking chat", "Asking chat about f and the classes of f", "Checking every image of the data set",
        "Describing classes to chat",
    ]  # fmt: skip
    assert study.predict() == (questions("f") + 2, 1)
    assert study.jobs() == []


def test_an_engine_that_does_not_start_is_tried_once(study):
    reconfigure(lambda config: config["models"][0].update(command=["false", "{port}"]))(study)
    done = study.snakemake("--keep-going", *study.predictions())
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert said.count(STARTING) == 1
    assert "the engine ended with status 1 before it answered" in said
