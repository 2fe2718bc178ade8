"""Questions about descriptions of classes: which are asked, how they are answered, and that nothing is asked twice."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.api import journal, replies
from mllm_classify.config.tasks import Probe, TaskPrompt
from mllm_classify.dataset.classes import ClassList, numbered
from mllm_classify.io.files import InputError
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.answering import Means
from mllm_classify.predict.chat.estimate import estimate
from mllm_classify.predict.chat.probing import descriptions, options, probed, probes_of
from mllm_classify.predict.images import Images
from tests.chat_server import chat_server, error, images_of, prompt_of
from tests.predict.endpoint.pictures import model
from tests.predict.jobs import job

NAMES = ["missile", "tabby cat", "ox", "Missile", "C++ (mug)"]
CLASSES = numbered(ClassList(NAMES, ["n04008634", "n02123045", "n02403003", "n03773504", "n00000000"]))
NO_IMAGES = Images(pl.DataFrame(schema={"image_id": pl.String, "file": pl.String, "sha256": pl.String}), None)


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "ow.txt").write_text("What?")
    (tmp_path / "d.csv").write_text(
        'class,description\nox,an adult castrated bull\ntabby cat,"a cat with a grey, or tawny, coat"\nox,it draws ploughs\n'
        "ox,the strongest ox of all\n4,\n"
    )

    def made(url="http://x/v1", file="d.csv", entry=(), **probe):
        given_ = {"models": ["m"], "descriptions": file and str(tmp_path / file)} | probe
        put = job(
            model(url=url, tasks=["OW"], retries=0, **dict(entry)),
            NO_IMAGES,
            CLASSES,
            tasks={"OW": TaskPrompt(prompt=str(tmp_path / "ow.txt"))},
            journal=tmp_path / "journal",
        )
        return put._replace(probe=Probe(**given_))

    return made


def answers(put):
    return probed(put, Means(endpoint.serving(put.model, put.journal)))


def knowing(body):
    """The option to whose description the words belong."""
    said = prompt_of(body)
    return "OX " if "bull" in said or "ploughs" in said else re.findall(r"^- (.+)$", said, re.MULTILINE)[0]


def test_descriptions_of_a_file_are_asked_about_but_those_that_name_their_class(asked, caplog):
    found = descriptions(asked().probe.descriptions, CLASSES)
    assert found == [(1, "a cat with a grey, or tawny, coat"), (2, "an adult castrated bull"), (2, "it draws ploughs")]
    assert "2 descriptions are empty or hold their class's name: they are not asked about" in caplog.text


def test_imagenets_classes_have_wordnets_glosses():
    """n00000000 is no synset, and the gloss of the domestic ox names it."""
    found = dict(descriptions(None, CLASSES))
    assert found[1] == "a cat with a grey or tawny coat mottled with black"
    assert set(found) <= {0, 1, 2, 3}
    with pytest.raises(
        InputError, match=r"probe\.descriptions: missing; only ImageNet's classes have WordNet's glosses"
    ):
        descriptions(None, CLASSES.with_columns(synset=pl.lit(None, dtype=pl.String)))


def test_the_model_is_asked_without_an_image_and_answers_are_read_by_name(asked):
    with chat_server(knowing) as server:
        frame = answers(asked(server.url, repeats=2))
    assert len(server.requests) == 6
    assert not any(images_of(body) for body in server.requests)
    oxen = frame.filter(pl.col("class_id") == 2)
    assert oxen["right"].all()
    assert oxen["text"].unique().to_list() == ["OX "]
    assert (frame["options"].list.len() == 2).all()
    for row in frame.iter_rows(named=True):
        assert row["class_id"] in row["options"]
        assert row["right"] == (row["chosen"] == row["class_id"])


def test_nothing_is_asked_twice_and_a_larger_number_of_repeats_asks_for_the_new_ones_only(asked):
    with chat_server(knowing) as server:
        first = answers(asked(server.url))
        assert answers(asked(server.url)).drop("latency").equals(first.drop("latency"))
        assert len(server.requests) == 3
        answers(asked(server.url, repeats=2))
        assert len(server.requests) == 6
    assert len(journal.read(asked().journal, replies.check_record)) == 6


def test_an_answer_that_names_no_option_is_wrong_and_names_none(asked):
    with chat_server(lambda _body: "a wagon") as server:
        frame = answers(asked(server.url))
    assert frame["chosen"].null_count() == 3
    assert not frame["right"].any()
    assert frame["status"].unique().to_list() == ["ok"]


def test_failures_are_told_and_what_came_is_kept(asked):
    def answer(body):
        return error(400, "no") if "bull" in prompt_of(body) else "ox"

    with chat_server(answer) as server:
        with pytest.raises(
            InputError, match="1 of 3 descriptions have no answer, the first: HTTP 400: no; the entry tolerates 0"
        ):
            answers(asked(server.url))
        frame = answers(asked(server.url, entry={"max_errors": 1}))
    assert len(server.requests) == 4
    assert frame.filter(pl.col("status") == "error")["right"].to_list() == [False]


def test_the_estimate_has_a_row_of_them(asked):
    rows = estimate([asked(repeats=2)]).filter(pl.col("task") == "probe")
    assert rows.select("images", "requests", "image_tokens", "answer_tokens").row(0) == (6, 6, None, 6 * 64)
    assert rows["text_tokens"][0] > 0


@given(
    st.lists(st.sampled_from(["cat", "Cat", "dog", "ox", "pen", "mug"]), min_size=2, max_size=12),
    st.integers(2, 8),
    st.integers(0, 3),
    st.integers(0, 9),
    st.data(),
)
def test_options_hold_the_class_once_and_no_two_of_one_name(names, n, repeat, seed, data):
    classes = numbered(ClassList(names))
    same_name = classes["same_name"].to_list()
    class_id = data.draw(st.integers(0, len(names) - 1))
    probe = Probe(models=["m"], n=n, seed=seed)
    found = options(probe, class_id, "a description", repeat, same_name)
    assert class_id in found
    assert len({names[it].lower() for it in found}) == len(found) == min(n, len({name.lower() for name in names}))
    assert options(probe, class_id, "a description", repeat, same_name) == found


def test_the_order_of_descriptions_changes_no_question(asked, tmp_path):
    lines = (tmp_path / "d.csv").read_text().splitlines()
    (tmp_path / "turned.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    assert {it.key for it in probes_of(asked(file="turned.csv"))} == {it.key for it in probes_of(asked())}


def test_other_seeds_and_repeats_have_other_distractors(asked):
    def shown(**probe):
        return [it[3] for it in probes_of(asked(n=3, **probe)).asked]

    assert shown(seed=1) != shown(seed=2)
    twice = shown(repeats=2)
    assert twice[:3] == shown()
    assert twice[3:] != twice[:3]


@pytest.mark.parametrize(
    ("text", "said"), [("Which? {options}", "has no {description}"), ("{description}?", "has no {options}")]
)
def test_a_prompt_holds_both(asked, tmp_path, text, said):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        probes_of(asked(prompt=str(tmp_path / "p.txt")))
