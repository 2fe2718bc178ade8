"""A study as an archive: the same twice, checked elsewhere, extended there."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify.bundle.archive import CODE, CRATE, ENVIRONMENT, SUMS
from mllm_classify.bundle.verify import needed
from mllm_classify.config.load import load
from tests.workflow.bundle.archived import KEY, Archived, command
from tests.workflow.study import PROJECT, Study

UNSHARE = ["unshare", "--net"]


def test_the_same_results_give_the_same_bytes(archived: Archived) -> None:
    before = archived.path.read_bytes()
    archived.path.unlink()
    archived.make("results/bundle.zip")
    assert archived.path.read_bytes() == before


def test_it_is_whole_and_its_tables_and_embeddings_follow(archived: Archived) -> None:
    done = command(archived.path, "--embed")
    assert done.returncode == 0, done.stderr
    assert "whole; every table" in done.stdout
    for name in ("embeddings/minilm/small/classes", "embeddings/minilm/small/chat", "concepts/minilm/small/chat"):
        assert f"results/{name}.parquet: the largest difference of a component" in done.stderr
    assert "not embedded anew, for servers would have to be asked: served" in done.stderr
    # the study's checkout is a copy of this one
    assert "other code" not in done.stderr


def test_it_is_verified_without_a_network(archived: Archived) -> None:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("unshare --net is not permitted here")
    done = command(archived.path, before=UNSHARE)
    assert done.returncode == 0, done.stderr


def test_it_holds_no_picture_no_key_and_no_path_of_the_machine(archived: Archived, unpacked: Path) -> None:
    journal = f"Z-{os.uname().nodename}-"  # as its files are named
    needles = [KEY, str(archived.path.parents[3]), str(archived.data), "data of mine", journal]
    for path in unpacked.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        assert not content.startswith((b"\x89PNG", b"\xff\xd8\xff")), path
        if path.suffix == ".parquet":
            content += json.dumps(pl.read_parquet(path).to_dicts(), default=str).encode()
        assert not [needle for needle in needles if needle.encode() in content], path
    made = {path.relative_to(unpacked).parts[0] for path in unpacked.rglob("*")}
    assert made - set(CODE) == {
        "config.yaml", "elsewhere", "results", ".snakemake", CRATE, ENVIRONMENT, SUMS, "README-bundle.md",
    }  # fmt: skip


def test_every_file_of_the_project_is_archived_but_the_configuration() -> None:
    tracked = subprocess.check_output(["git", "ls-files"], cwd=PROJECT, text=True).split()
    assert {name.partition("/")[0] for name in tracked} - set(CODE) == {"config.yaml"}


def test_it_says_what_was_used(archived: Archived, unpacked: Path) -> None:
    used = json.loads((unpacked / ENVIRONMENT).read_text())
    assert len(used["commit"]) == 40
    assert used["uncommitted"] == []
    (environment,) = [it for it in used["environments"] if "server" in it]
    assert environment["packages"]["polars"] == pl.__version__
    place = "results/predictions/small/chat.parquet"
    assert [used["environments"][number] for number in used["made in"][place]] == [environment]
    assert set(used["made in"]) == {
        name for name in needed(load(unpacked / "config.yaml")) if not name.startswith("results/dataset/")
    }


def test_unpacking_gives_all_files_one_time(archived: Archived, tmp_path: Path) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("no unzip here")
    subprocess.run(["unzip", "-q", archived.path, "-d", tmp_path], check=True)
    assert len({path.stat().st_mtime for path in tmp_path.rglob("*") if path.is_file()}) == 1


def without_ranks(row: dict) -> dict:
    return {name: value for name, value in row.items() if not name.endswith("_rank")}


@pytest.mark.parametrize("unzip", [True, False])
def test_in_a_fresh_clone_nothing_is_to_be_done_and_a_model_runs_alone(
    archived: Archived, tmp_path: Path, unzip: bool
) -> None:
    """Without the pictures, which stay where they are."""
    clone = Study(tmp_path / "another place")
    if unzip and shutil.which("unzip"):
        subprocess.run(["unzip", "-q", "-o", archived.path, "-d", clone.folder], check=True)
    else:
        shutil.unpack_archive(archived.path, clone.folder)
    assert clone.scheduled() == set()
    before = {table: clone.rows(table) for table in ("table2", "table3")}
    (clone.folder / "more.csv").write_text("image_id,class_id\ncoffee,1\ncat,2\nbrick,3\nrocket,5\n")
    config = clone.config
    config["models"].append({"name": "more", "label": "More", "kind": "recorded", "file": "more.csv"})
    clone.write_config(config)
    jobs = clone.scheduled()
    assert {job for job in jobs if "/" in job} == {"predict/more"}
    assert not jobs & {"images", "labels", "classes", "table2"}
    clone.make("all")
    assert clone.rows("table2") == before["table2"]
    rows = {row["model"]: row for row in clone.rows("table3")}
    assert rows.pop("More")["ImGT_A"] == "100.00"
    # its rank may push theirs down, and nothing else
    assert [without_ranks(row) for row in rows.values()] == [without_ranks(row) for row in before["table3"]]


def test_it_is_made_anew_when_what_it_holds_has_changed(archived: Archived) -> None:
    assert archived.scheduled() == set()
    archived.commit("another commit")
    assert archived.scheduled() == {"results/bundle.zip"}
    archived.make("results/bundle.zip")
    config = yaml.safe_load(archived.config.read_text())
    config["bundle"]["title"] = "Another title"
    archived.config.write_text(yaml.safe_dump(config))
    assert archived.scheduled() == {"results/bundle.zip"}
    archived.make("results/bundle.zip")
    assert archived.scheduled() == set()
