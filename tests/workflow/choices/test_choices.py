"""Multiple choice on four photographs: a reference, a server that is asked, and what is asked again after a change."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests import plain
from tests.chat_server import ChatServer, chat_server, prompt_of
from tests.workflow.study import SMALL, Study, reconfigure

VARIANTS = ["ImGT + random", "ImGT + confEVA(ImGT)", "ReGT + confEVA(ReGT)", "ImGT + 999 (CW)"]
CHOICES = {"reference": "classifier", "n": 3, "repeats": 2, "per_class": "all", "variants": VARIANTS}
EARLIER = {"n": 3, "classes": 5}
PREDICTIONS = "results/predictions/small/chat.parquet"
PREDICTED = "image_id,class_id\ncoffee,1\ncat,2\nbrick,3\nrocket,5\n"


def first_option(body: dict) -> str:
    """What a lazy model answers: the first option that it is shown, or its letter."""
    found = re.search(r"^(?:- (.+)|([A-Z])\. .+)$", prompt_of(body), re.MULTILINE)
    return (found[1] or f"({found[2]})") if found else "a cup"


def new_prompts(server: ChatServer) -> list[str]:
    """Prompts of the questions that came since the last call."""
    prompts = [prompt_of(body) for body in server.requests]
    server.requests.clear()
    return prompts


def set_up(folder: Path, url: str, embedder: str | None = None, **choices: object) -> Study:
    study = Study(folder)
    study.shrink(embedder=embedder, kind="endpoint", url=url, tasks=["OW", "MC"], retries=0)
    (folder / "small/predicted.csv").write_text(PREDICTED)
    (folder / "mc.txt").write_text("Which?\n{options}\n")
    config = study.config
    config["models"].insert(
        0, {"name": "classifier", "label": "Classifier", "kind": "recorded", "file": "small/predicted.csv"}
    )
    config["tasks"]["MC"] = {"prompt": "mc.txt"}
    config["choices"] = CHOICES | choices
    config["tables"] = {"resamples": 100}
    study.write_config(config)
    return study


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server(first_option) as found:
        yield found


@pytest.fixture(scope="module")
def finished(server: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = set_up(tmp_path_factory.mktemp("choices") / "study", server.url, earlier=EARLIER)
    study.make("all")
    return study


@pytest.fixture
def study(server: ChatServer, finished: Study, tmp_path: Path) -> Study:
    new_prompts(server)
    return finished.copy(tmp_path / "study")


def choices(study: Study) -> pl.DataFrame:
    return pl.read_parquet(study.folder / "results/choices/small.parquet")


def test_every_figure_equals_an_independent_computation(finished: Study) -> None:
    config, pairs = finished.config, finished.folder / "small/ids.csv"
    # the computation knows classes by number
    pairs.write_text("classes,admits,source\n4|5,,both fly\n")
    computed = plain.tables(finished.folder / "results", config["models"], pairs, choices=config["choices"])
    for table in ("table6", "protocols", "table3", "table4", "table5"):
        assert finished.differences(table, computed[table]) == [], table


def test_questions_are_asked_once_about_every_image_variant_and_repeat(finished: Study) -> None:
    """The brick shows no class: where ReGT alone is named, it is not asked about."""
    found = choices(finished)
    counts = dict(found.group_by("variant").len().iter_rows())
    # of the first five classes, three images
    assert counts == dict.fromkeys(VARIANTS, 8) | {"MC random": 4, "MC semantic": 4, "CW random": 4, "CW first": 4}
    unasked = found.filter(pl.col("options").list.len() == 0)
    assert unasked.select("image_id", "variant").unique().rows() == [("brick", "ReGT + confEVA(ReGT)")]
    predicted = pl.read_parquet(finished.folder / "results/predictions/small/chat.parquet")
    assert predicted.filter(task="MC").height == found.height - unasked.height


def test_an_appended_model_gets_the_same_options_and_asks_only_its_own(study: Study, server: ChatServer) -> None:
    before = choices(study)
    entry = study.config["models"][1]
    reconfigure(lambda c: c["models"].append(entry | {"name": "other", "label": "Other", "tasks": ["MC"]}))(study)
    assert "choices" not in study.scheduled()
    study.make("results/predictions/small/other.parquet")
    assert choices(study).equals(before)
    assert len(new_prompts(server)) == before.filter((pl.col("options").list.len() != 0).fill_null(value=True)).height
    answers = {
        name: pl.read_parquet(study.folder / f"results/predictions/small/{name}.parquet") for name in ("chat", "other")
    }
    assert answers["other"].drop("latency").equals(answers["chat"].filter(task="MC").drop("latency"))


def test_more_repeats_ask_for_the_new_ones_only(study: Study, server: ChatServer) -> None:
    before = choices(study)
    reconfigure(lambda c: c["choices"].update(repeats=3))(study)
    study.make(PREDICTIONS)
    kept = choices(study).filter(pl.col("repeat") < 2)
    assert kept.sort("image_id", "variant", "repeat").equals(before.sort("image_id", "variant", "repeat"))
    # four variants of four images, one of which is not asked about in one of them
    assert len(new_prompts(server)) == 15


def test_an_edited_label_asks_again_only_where_options_change(study: Study, server: ChatServer) -> None:
    before = choices(study)
    study.edit("small/regt.csv", "coffee,espresso|tea cup", "coffee,espresso")
    study.make(PREDICTIONS)
    changed = choices(study).join(before, on=before.columns[:-1], how="anti", nulls_equal=True)
    assert changed["image_id"].unique().to_list() == ["coffee"]
    assert len(new_prompts(server)) == changed.height > 0


def test_letters_are_asked_again_as_letters_and_the_long_lists_are_not(study: Study, server: ChatServer) -> None:
    reconfigure(lambda c: c["choices"].update(answer="letter"))(study)
    study.make("results/table6.csv")
    new = new_prompts(server)
    assert len(new) == 3 * 8 - 2 + 2 * 4
    assert all(re.search(r"^A\. ", prompt, re.MULTILINE) for prompt in new)
    # "(A)" is the first option, which is never out of prompt
    assert {row["OOP"] for row in study.rows("table6")} == {"0.00"}


def test_a_larger_sample_reuses_the_answers_of_a_smaller_one(server: ChatServer, embedder: str, tmp_path: Path) -> None:
    """Three images of one class: first one of them, then two."""
    study = set_up(tmp_path / "study", server.url, embedder, per_class=1, variants=["ImGT + random"], repeats=2)
    study.edit("small/imgt.csv", "coffee,tea cup", "coffee,tabby cat")
    study.edit("small/imgt.csv", "brick,stone wall", "brick,tabby cat")
    new_prompts(server)
    study.make(PREDICTIONS)
    assert len([prompt for prompt in new_prompts(server) if prompt.startswith("Which?")]) == 2 * 2
    reconfigure(lambda c: c["choices"].update(per_class=2))(study)
    study.make(PREDICTIONS)
    assert len(new_prompts(server)) == 2


def test_confusions_of_another_split_make_the_options(server: ChatServer, embedder: str, tmp_path: Path) -> None:
    """One study, of recorded predictions only, makes them; another takes the file, and does not need the classifier."""
    training = set_up(tmp_path / "training", server.url, embedder)
    config = training.config
    labels = {"label": "one", "file": "small/imgt.csv"}
    config["dataset"] = {
        "source": "table", "name": "training", "label": "Training", "classes": "small/classes.txt", "imgt": labels
    }  # fmt: skip
    config["models"] = config["models"][:1]
    config["choices"]["variants"] = ["ImGT + random"]
    training.write_config({key: value for key, value in config.items() if key not in ("encoder", "tasks")})
    training.make("results/confusions.svg")
    made = training.folder / "results/choices/training.confusions.parquet"

    study = set_up(tmp_path / "study", server.url, embedder)
    config = study.config
    config["models"] = config["models"][1:]
    config["choices"] |= {"reference": None, "confusions": str(made), "label": "Classifier on Training"}
    study.write_config(config)
    study.make("results/choices/small.parquet", "results/confusions.svg")
    kept = study.folder / "results/choices/small.confusions.parquet"
    assert pl.read_parquet(kept).equals(pl.read_parquet(made))
    assert "Confusions of Classifier on Training" in (study.folder / "results/confusions.svg").read_text()
    # the file's place counts for nothing, its content does
    made.rename(tmp_path / "moved.parquet")
    reconfigure(lambda c: c["choices"].update(confusions=str(tmp_path / "moved.parquet")))(study)
    assert study.scheduled("results/choices/small.parquet") == set()
    (study.folder / "small/classes.txt").write_text(
        SMALL["classes.txt"].replace("tea cup\ntabby cat", "tabby cat\ntea cup")
    )
    done = study.snakemake("results/choices/small.parquet")
    assert (
        "label 1 is 'tea cup', and 'tabby cat' in the data set; it must be of the same class list"
        in done.stdout + done.stderr
    )
