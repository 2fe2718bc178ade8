from types import SimpleNamespace

import pytest

from mllm_classify.api import journal
from mllm_classify.judge.estimate import TEXTS, at_most, most_answers
from mllm_classify.judge.questions import Pairs
from mllm_classify.predict.chat.estimate import ESTIMATE, frame
from mllm_classify.predict.chat.tally import estimated
from tests.chat_server import completion
from tests.judge.given import judge
from tests.judge.test_asking import FEW

PRICES = {"input": 10, "cached_input": 1, "output": 100}


@pytest.fixture
def entry(tmp_path):
    """Its prompt has 300 characters with its placeholders."""
    (tmp_path / "p.txt").write_text("{answer}{class}".ljust(300, "x"))
    return judge(prompt=str(tmp_path / "p.txt"), controls=None, prices=PRICES, nearest=2, request={"max_tokens": 8})


def test_what_is_known_of_pairs_costs_what_they_have_and_then_what_the_server_counts(entry, tmp_path):
    questions = Pairs(entry, FEW)
    (row,) = estimated(questions, journal.read(tmp_path, bool))
    texts = sum(len(text) for question in questions for text in question.texts)
    assert (row["requests"], row["images"], row["answered"]) == (6, 6, 0)
    assert (row["text_tokens"], row["image_tokens"]) == (round((6 * 300 + texts) / 3), 0)
    assert (row["cached_tokens"], row["answer_tokens"]) == (500, 48)
    usage = {"prompt_tokens": 90, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 60}}
    with journal.Writer(tmp_path / "j") as writer:
        for question in [*questions][:2]:
            writer.append(
                {"key": question.key, "request": question.template.digest, "response": completion("same", usage=usage)}
            )
    (row,) = estimated(questions, journal.read(tmp_path / "j", bool))
    assert (row["answered"], row["text_tokens"], row["cached_tokens"], row["answer_tokens"]) == (2, 360, 240, 8)
    assert row["cost"] == pytest.approx((360 * 10 + 8 * 100) / 1e6)
    assert row["spent"] == pytest.approx((60 * 10 + 120 * 1 + 4 * 100) / 1e6)
    assert frame([row]).columns == list(ESTIMATE)


def test_before_there_are_answers_as_many_pairs_are_counted_as_there_may_be(entry):
    row = at_most(entry.model_copy(update={"repeats": 3}), 10, 5)
    assert row.keys() == ESTIMATE.keys()
    assert row["requests"] == 10 * 2 * 3
    assert row["text_tokens"] == 60 * (300 + TEXTS) / 3
    assert row["cached_tokens"] == 59 * 100
    assert row["cost"] == pytest.approx((row["text_tokens"] * 10 + 480 * 100) / 1e6)
    assert at_most(entry, 10, 1)["requests"] == 10


def test_answers_are_those_to_tasks_that_are_judged_with_variants_and_repeats():
    def model(*tasks, worded=True):
        return SimpleNamespace(worded=worded, answers=lambda task: task in tasks, prompted_tasks=tasks)

    variants = [SimpleNamespace(task="CW", repeats=3), SimpleNamespace(task="CW-constrained", repeats=9)]
    one, other, ranks = model("OW", "CW", "MC"), model("CW-constrained"), model("CW", worded=False)
    config = SimpleNamespace(models=[one, other, ranks], asked_variants=lambda it: variants if it is one else [])
    assert most_answers(config, 100) == 100 * (2 + 3)
    # a file of recorded answers says only in itself to which tasks they are
    recorded = SimpleNamespace(worded=True, answers=lambda task: task == "CW", prompted_tasks=[])
    config.models.append(recorded)
    assert most_answers(config, 100) == 100 * (2 + 3 + 2)
