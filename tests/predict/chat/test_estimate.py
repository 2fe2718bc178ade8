from types import SimpleNamespace

import polars as pl
import pytest

from mllm_classify.api import journal
from mllm_classify.choices import confusions, options
from mllm_classify.config.chat import EndpointModel, OpenAIModel, Prices
from mllm_classify.config.tasks import Choices, Earlier, TaskPrompt, Variant
from mllm_classify.dataset.classes import CLASSES
from mllm_classify.dataset.labels import LABELS
from mllm_classify.predict.chat.estimate import ESTIMATE, assumed_choices, frame, shown
from mllm_classify.predict.chat.questions import Questionnaire
from mllm_classify.predict.chat.tally import estimated
from mllm_classify.predict.images import Images
from tests.chat_server import completion

PRICES = {"input": 10, "cached_input": 1, "output": 100}
IDS = [f"image{number}" for number in range(10)]
IMAGES = Images(pl.DataFrame({"image_id": IDS, "file": IDS, "sha256": IDS}), None)
TEXT = "W" * 300
"""100 tokens, at three characters each."""


@pytest.fixture
def questionnaire(tmp_path):
    """A questionnaire about ten images; its prompts are of 300 characters."""
    for name in ("OW", "CW"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "four").write_text("V" * 300)
    tasks = {name: TaskPrompt(prompt=str(tmp_path / name)) for name in ("OW", "CW")}

    def make(kind=EndpointModel, variants=(), **options):
        base = {"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q", "tasks": ["CW"]}
        if kind is OpenAIModel:
            base |= {"kind": "openai"}
        entry = kind(**base | {"variants": [variant.name for variant in variants]} | options)
        return Questionnaire(entry, tasks, IMAGES, ["a", "b"], variants=variants)

    make.groups = Variant(name="four", task="CW", images=4, prompt=str(tmp_path / "four"))
    return make


def answers(tmp_path, questions, batch=None, **usage):
    """A journal with answers to these questions, each with this usage."""
    with journal.Writer(tmp_path / "journal") as writer:
        for question in questions:
            record = {"key": question.key, "request": question.template.digest, "batch": batch}
            writer.append(record | {"response": completion("a", usage=usage)})
    return journal.read(tmp_path / "journal", bool)


def values(row, *names):
    return [row[name] for name in names]


TOKENS = ("text_tokens", "image_tokens", "cached_tokens", "answer_tokens")


def test_before_any_answer_tokens_are_characters_and_images(questionnaire, tmp_path):
    """10 requests of 100 tokens and an image of 700 each; all but the first text can be cached; 20 tokens an answer."""
    (row,) = estimated(
        questionnaire(image_tokens=700, prices=PRICES, request={"max_tokens": 20}), journal.read(tmp_path, bool)
    )
    assert row == {
        "model": "m", "task": "CW", "variant": "", "images": 10, "requests": 10, "answered": 0, "text_tokens": 1000,
        "image_tokens": 7000, "cached_tokens": 900, "answer_tokens": 200, "tokens_from": "characters",
        "used_prompt_tokens": 0, "used_cached_tokens": 0, "used_answer_tokens": 0, "spent": 0.0,
        "cost": pytest.approx(8000 * 10e-6 + 200 * 100e-6),
        "cost_cached": pytest.approx(7100 * 10e-6 + 900 * 1e-6 + 200 * 100e-6),
    }  # fmt: skip


def test_images_of_unknown_cost_are_said_to_be(questionnaire, tmp_path):
    (row,) = estimated(questionnaire(), journal.read(tmp_path, bool))
    assert values(row, *TOKENS) == [1000, None, 900, 640]
    assert row["tokens_from"] == "characters; image_tokens is not set"
    assert values(row, "cost", "cost_cached", "spent") == [None] * 3


def test_a_text_behind_the_image_can_not_be_cached(questionnaire, tmp_path):
    (row,) = estimated(questionnaire(layout="image_first"), journal.read(tmp_path, bool))
    assert row["cached_tokens"] == 0


def test_batches_cost_half(questionnaire, tmp_path):
    options = {"image_tokens": 700, "prices": PRICES, "tasks": ["OW"]}
    (alone,) = estimated(questionnaire(OpenAIModel, **options), journal.read(tmp_path, bool))
    (batched,) = estimated(questionnaire(OpenAIModel, batch={}, **options), journal.read(tmp_path, bool))
    for name in ("cost", "cost_cached"):
        assert batched[name] == pytest.approx(alone[name] / 2)


def test_what_was_counted_takes_the_place_of_what_was_estimated(questionnaire, tmp_path):
    """Two of ten are answered: 1,000 prompt tokens, 600 of them cached, and 8 of the answer each; eight are left."""
    questions = questionnaire(image_tokens=700, prices=PRICES)
    usage = {"prompt_tokens": 1000, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 600}}
    (row,) = estimated(questions, answers(tmp_path, list(questions)[:2], **usage))
    assert values(row, "requests", "answered", *TOKENS) == [10, 2, 8000, 0, 4800, 64]
    assert row["tokens_from"] == "counted on 2 answers, text and images together"
    assert values(row, "used_prompt_tokens", "used_cached_tokens", "used_answer_tokens") == [2000, 1200, 16]
    assert row["spent"] == pytest.approx(800 * 10e-6 + 1200 * 1e-6 + 16 * 100e-6)
    assert row["cost"] == pytest.approx(8000 * 10e-6 + 64 * 100e-6)
    assert row["cost_cached"] == pytest.approx(3200 * 10e-6 + 4800 * 1e-6 + 64 * 100e-6)


def test_once_all_is_answered_nothing_is_left_to_pay(questionnaire, tmp_path):
    questions = questionnaire(prices=PRICES)
    found = answers(tmp_path, questions, prompt_tokens=1000, completion_tokens=8)
    (row,) = estimated(questions, found)
    assert values(row, "answered", *TOKENS, "cost", "cost_cached") == [10, 0, 0, 0, 0, 0, 0]
    assert row["tokens_from"] == "nothing is missing"
    assert row["spent"] == pytest.approx(10_000 * 10e-6 + 80 * 100e-6)


def test_what_a_batch_answered_was_cheaper(questionnaire, tmp_path):
    questions = questionnaire(prices=PRICES)
    alone, batched = list(questions)[:1], list(questions)[1:3]
    answers(tmp_path, alone, prompt_tokens=1000, completion_tokens=0)
    (row,) = estimated(questions, answers(tmp_path, batched, "batch_1", prompt_tokens=1000, completion_tokens=0))
    assert row["spent"] == pytest.approx(1000 * 10e-6 + 2000 * 10e-6 / 2)


def test_answers_whose_tokens_nobody_counted_are_estimated_all_the_same(questionnaire, tmp_path):
    questions = questionnaire(image_tokens=700)
    (row,) = estimated(questions, answers(tmp_path, list(questions)[:4]))
    assert values(row, "answered", *TOKENS) == [4, 600, 4200, 500, 6 * 64]


def test_groups_of_images_are_fewer_requests_with_longer_answers(questionnaire, tmp_path):
    """Ten images are two requests of four and one of two; of the two of four, the second text can be cached.

    Four images stand behind 4 x 8 characters.
    """
    (main, groups) = estimated(
        questionnaire(variants=[questionnaire.groups], image_tokens=700), journal.read(tmp_path, bool)
    )
    assert values(main, "variant", "images", "requests") == ["", 10, 10]
    assert values(groups, "variant", "images", "requests") == ["four", 10, 3]
    four, two = 300 + 4 * len("Image 1:"), 300 + 2 * len("Image 1:")
    assert values(groups, *TOKENS) == [round((2 * four + two) / 3), 7000, round(four / 3), 640]


def test_what_groups_have_used_is_shared_by_their_images(questionnaire, tmp_path):
    questions = questionnaire(variants=[questionnaire.groups])
    first = [question for question in questions if question.variant][:1]
    found = answers(tmp_path, first, prompt_tokens=4000, completion_tokens=40)
    (_, groups) = estimated(questions, found)
    # six images are left, of 1000 tokens each
    assert values(groups, "answered", *TOKENS) == [1, 6000, 0, 0, 60]


def test_before_there_are_options_as_many_questions_are_assumed_as_there_will_be():
    """Of nine images, three classes, two each; the lists are as long as they will be."""
    rows = [
        {"image_id": f"image{n}", "imgt": n % 3, "regt": [n % 3], "imgt_admissible": [n % 3], "regt_admissible": [n % 3],
         "category": "S+"}
        for n in range(9)
    ]  # fmt: skip
    labels = pl.DataFrame(rows, schema=LABELS)
    cells = {"class_id": range(8), "name": list("abcdefgh"), "synset": None, "same_name": [[n] for n in range(8)]}
    classes = pl.DataFrame(cells, schema=CLASSES)
    earlier = Earlier(variants=["MC random", "CW random", "CW first"], n=5, classes=6, repeats=2)
    choices = Choices(reference="r", n=3, repeats=2, per_class=2, earlier=earlier)
    nothing = pl.DataFrame(schema=confusions.CONFUSIONS)
    made = options.make(choices, SimpleNamespace(equivalences=None), labels, classes, nothing, None)
    assumed = assumed_choices(choices, labels)

    def shapes(frame):
        # the list of the first classes holds only images of these
        kept = frame.filter(pl.col("variant") != "CW first").with_columns(pl.col("options").list.len())
        return sorted(kept.select("image_id", "variant", "repeat", "options").rows(), key=str)

    assert shapes(assumed) == shapes(made)
    assert set(assumed.filter(variant="CW first")["options"].list.len()) == {6}


def test_the_last_row_is_the_sum_of_all(questionnaire, tmp_path):
    one = estimated(questionnaire(tasks=["OW", "CW"], image_tokens=700, prices=PRICES), journal.read(tmp_path, bool))
    other = estimated(questionnaire(name="n"), journal.read(tmp_path, bool))
    found = frame([*one, *other])
    assert dict(found.schema) == ESTIMATE
    *rows, total = found.to_dicts()
    assert [(row["model"], row["task"]) for row in rows] == [("m", "OW"), ("m", "CW"), ("n", "CW")]
    assert values(total, "model", "task", "requests", "text_tokens", "image_tokens") == ["all", "", 30, 3000, 14000]
    assert total["cost"] == pytest.approx(sum(row["cost"] or 0 for row in rows))
    assert rows[2]["cost"] is None


def test_a_sum_of_what_nobody_knows_is_unknown(questionnaire, tmp_path):
    assert (
        values(frame(estimated(questionnaire(), journal.read(tmp_path, bool))).to_dicts()[-1], "cost", "image_tokens")
        == [None] * 2
    )


def test_people_see_numbers_with_separators_and_nothing_for_what_is_unknown(questionnaire, tmp_path):
    text = shown(frame(estimated(questionnaire(prices=PRICES), journal.read(tmp_path, bool))))
    header, _, row, total = text.splitlines()
    assert header.split()[:4] == ["Model", "Task", "Variant", "Requests"]
    assert "1,000" in row
    assert total.startswith("all")
    assert "None" not in text


@pytest.mark.parametrize(
    ("prices", "tokens", "batch", "dollars"),
    [
        (Prices(input=1, output=2), (1_000_000, 0, 0), False, 1),
        (Prices(input=1, output=2), (1_000_000, 400_000, 0), False, 1),
        (Prices(input=1, cached_input=0.25, output=2), (1_000_000, 400_000, 0), False, 0.7),
        (Prices(input=1, cached_input=0, output=2), (1_000_000, 1_000_000, 500_000), False, 1),
        (Prices(input=1, output=2), (1_000_000, 0, 1_000_000), True, 1.5),
        (Prices(input=1, output=2, batch=0.25), (1_000_000, 0, 1_000_000), True, 0.75),
    ],
)
def test_prices_are_per_million_tokens(prices, tokens, batch, dollars):
    assert prices.cost(*tokens, batch=batch) == pytest.approx(dollars)
