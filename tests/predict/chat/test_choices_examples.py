"""Few-shot multiple choice: which labelled pictures stand before which options, and how they are sent."""

import polars as pl
import pytest

from mllm_classify.choices.options import CHOICES
from mllm_classify.config.tasks import Examples, TaskPrompt
from mllm_classify.io.files import sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.questions import questionnaire_of
from tests.chat_server import chat_server, images_of, prompt_of
from tests.config.given import choosing, loaded, refusal
from tests.predict.chat.test_examples import EVERY, asked, digests, picture, root  # noqa: F401 (fixtures)

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = [
    ("i100", "ImGT + random", 0, [1, 0]),
    ("i100", "ImGT + random", 1, [0, 1]),
    ("i101", "ImGT + random", 0, [1, 2]),
    ("i101", "CW first", 0, [2, 1]),
    ("i100", "ImGT + 999 (CW)", 0, None),
]


@pytest.fixture
def choosing_job(asked, root):  # noqa: F811
    """A job that asks MC with some examples, and CW with one, of which long lists are put."""

    def made(examples, url="http://x/v1", **options):
        put = asked({"choose": "random", "n": 1}, evaluated=(100, 101), url=url, **options)
        (root / "mc.txt").write_text("Which one?\n{options}")
        train = put.tasks["CW"].examples.train
        schema = {name: dtype for name, dtype in CHOICES.items() if name != "origins"}
        return put._replace(
            model=put.model.model_copy(update={"tasks": ["MC"]}),
            tasks=put.tasks
            | {"MC": TaskPrompt(prompt=str(root / "mc.txt"), examples=Examples(train=train, **examples))},
            choices=pl.DataFrame(ROWS, schema=schema, orient="row"),
        )

    return made


def named(question):
    return sorted(example.name for example in question.examples)


def test_of_each_class_are_those_of_the_questions_options(choosing_job):
    found = {(it.images[0], it.variant, it.repeat): it for it in questionnaire_of(choosing_job(EVERY[1]))}
    assert named(found[0, "ImGT + random", 0]) == named(found[0, "ImGT + random", 1]) == ["green"] * 2 + ["red"] * 2
    assert named(found[1, "ImGT + random", 0]) == ["blue"] * 2 + ["green"] * 2
    assert all(it.template.pictures == len(it.examples) + 1 for it in found.values())
    # the same pictures of a class wherever it is an option
    green = [
        [it.digest for it in one.examples if it.name == "green"] for one in found.values() if len(one.examples) == 4
    ]
    assert green == green[:1] * 3


def test_a_long_list_is_put_with_the_examples_of_cw(choosing_job):
    long = [it for it in questionnaire_of(choosing_job(EVERY[1])) if it.variant in ("CW first", "ImGT + 999 (CW)")]
    assert [len(it.examples) for it in long] == [1, 1]


@pytest.mark.parametrize("examples", [EVERY[0], EVERY[2]], ids=lambda it: it["choose"])
def test_drawn_or_nearest_are_those_of_any_class(choosing_job, examples):
    few = [it for it in questionnaire_of(choosing_job(examples)) if it.variant == "ImGT + random"]
    assert {len(it.examples) for it in few} == {examples["n"]}
    assert len({tuple(digests(it)) for it in few}) == (1 if examples["choose"] == "random" else 2)


def test_no_evaluated_picture_is_among_them(choosing_job):
    evaluated = {sha256(picture(number)) for number in (100, 101)}
    for examples in EVERY:
        assert not any(evaluated & set(digests(it)) for it in questionnaire_of(choosing_job(examples)))


def test_options_come_first_then_examples_with_their_names_then_the_image(choosing_job):
    with chat_server(lambda body: prompt_of(body).splitlines()[1].removeprefix("- ")) as server:
        frame, _ = endpoint.predict(choosing_job(EVERY[1], url=server.url))
    rows = frame.filter(variant="ImGT + random").select("image_id", "repeat", "text").rows()
    assert rows == [("i100", 0, "green"), ("i101", 0, "green"), ("i100", 1, "red")]
    sent = [body for body in server.requests if prompt_of(body).startswith("Which one?")]
    assert [len(images_of(body)) for body in sent] == [5, 5, 5]
    kinds = [part["type"] for part in sent[0]["messages"][-1]["content"]]
    assert kinds == ["text", *["image_url", "text"] * 4, "image_url"]


def test_letters_know_no_examples(tmp_path):
    (tmp_path / "train.csv").write_text("image_id,class,sha256\n")
    few = {
        "prompt": "mc.txt",
        "examples": {"train": {"folder": ".", "images": "train.csv"}, "choose": "random", "n": 1},
    }
    tasks = {"OW": {"prompt": "ow.txt"}, "CW": {"prompt": "cw.txt"}, "MC": few}
    said = "tasks.MC.examples: they bear names, and options letters; set choices.answer to name, or remove the key"
    assert said in refusal(tmp_path, choosing(tasks=tasks, answer="letter"))
    assert loaded(tmp_path, choosing(tasks=tasks)).tasks["MC"].examples is not None


def test_an_image_that_cannot_be_decoded_has_none_most_like_it_and_is_refused(choosing_job):
    put = choosing_job(EVERY[2])
    broken = pl.when(pl.col("image_id") == "i101").then(pl.lit("torn")).alias("problem")
    found = questionnaire_of(put._replace(images=put.images.with_columns(broken)))
    assert [found.images.ids[it.images[0]] for it in found.refused()] == ["i101", "i101"]
    assert {found.images.ids[it.images[0]] for it in found} == {"i100"}
