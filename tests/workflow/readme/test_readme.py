"""What the README shows is what a user gets."""

import csv
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from mllm_classify.io.files import locate
from tests.chat_server import chat_server
from tests.workflow.study import PROJECT, Study

README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_it_shows_what_the_demonstration_prints(demonstration: Study) -> None:
    done = demonstration.run(sys.executable, "-m", "mllm_classify", "report", "summary")
    assert done.returncode == 0, done.stderr
    assert f"```text\n{done.stdout}```\n" in README


def test_it_shows_a_figure_of_the_same_run(demonstration: Study) -> None:
    (shown,) = re.findall(r"!\[.+\]\((.+\.svg)\)", README)
    assert (PROJECT / shown).read_bytes() == (demonstration.folder / "results/change.svg").read_bytes()


@pytest.mark.parametrize("command", re.findall(r"^\.venv/bin/python (?!.* new )(.+)$", README, re.MULTILINE))
def test_stages_explain_themselves_and_make_tables(demonstration: Study, command: str) -> None:
    done = demonstration.run(sys.executable, *command.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: python -m mllm_classify") == command.endswith("--help")


def test_own_model_on_own_images(tmp_path: Path) -> None:
    """The two YAML blocks as they stand, but for the server's address."""
    entry, dataset = BLOCKS
    study = Study(tmp_path / "study")
    folder = study.folder / "my-images"
    folder.mkdir()
    for name in ("coffee", "chelsea"):
        shutil.copy(locate(f"package:skimage/data/{name}.png"), folder)
    (folder / "classes.txt").write_text("a cat\nan espresso\na cup\n")
    (folder / "labels.csv").write_text("image_id,class\nchelsea.png,a cat\ncoffee.png,2\n")
    (folder / "all-labels.csv").write_text("image_id,classes\nchelsea.png,a cat\ncoffee.png,an espresso|a cup\n")
    with chat_server(
        lambda body: "An espresso " if "- a cat" in body["messages"][0]["content"][0]["text"] else ""
    ) as server:
        config = study.config | yaml.safe_load(dataset)
        del config["choices"], config["annotate"]
        config["models"] = yaml.safe_load(entry.replace("http://127.0.0.1:8000/v1", server.url))
        study.write_config(config)
        study.make("results/table3.csv", "results/table4.csv")
        assert {body["model"] for body in server.requests} == {"name-on-the-server"}
    row = study.rows("table3")[0]
    assert (row["model"], row["task"], row["ImGT_A"], row["ReGT_A"], row["n"]) == (
        "My model",
        "CW+",
        "0.00",
        "50.00",
        "2",
    )
    assert {row["task"]: row["ReGT_A"] for row in study.rows("table4")} == {"OW": "0.00", "CW+": "50.00", "CW": "50.00"}


def test_from_a_folder_of_pictures_and_a_server_to_a_table(tmp_path: Path) -> None:
    """The two commands as they stand, but for the server's address, in a checkout as it was cloned."""
    ((new, make),) = re.findall(r"^\.venv/bin/(python .+ new .+)\n\.venv/bin/(snakemake .+)$", README, re.MULTILINE)
    study = Study(tmp_path / "checkout")
    for of, name in {"coffee": "coffee.png", "cat": "chelsea.png"}.items():
        (study.folder / "my-pictures" / of).mkdir(parents=True)
        shutil.copy(locate(f"package:skimage/data/{name}"), study.folder / "my-pictures" / of)
    with chat_server(lambda body: "cat" if "- cat" in body["messages"][0]["content"][0]["text"] else "a cup") as server:
        for command in (new.replace("http://127.0.0.1:8000/v1", server.url), f"python -m {make}"):
            done = study.run(sys.executable, *command.split()[1:])
            assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.requests) == 4
    (row,) = csv.DictReader((study.folder / "my-study/results/table3.csv").read_text().splitlines())
    # one of the two is right in any case
    assert (row["model"], row["ImGT_A"], row["n"]) == ("name-on-the-server", "50.00", "2")
