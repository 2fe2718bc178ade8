import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.api.answers import (
    BOXES,
    CUT_SHORT,
    ONLY_REASONING,
    THOUGHTS,
    UnreadableError,
    Used,
    one_each,
    read,
    tokens,
    used,
)
from tests.chat_server import completion

CUT_OFF = "the answer was cut off while the model was reasoning; allow more tokens"
MARKS = [mark for pair in THOUGHTS + BOXES for mark in pair if len(mark) > 1]


def said(content, finish="stop", **message):
    """A completion whose message holds these."""
    return completion("", choices=[{"finish_reason": finish, "message": {"content": content, **message}}])


@pytest.mark.parametrize(
    ("response", "text", "reasoning"),
    [
        (said("espresso"), "espresso", None),
        (said(" espresso \n"), " espresso \n", None),
        (said(None), "", None),
        (said("espresso", reasoning_content="It is brown."), "espresso", "It is brown."),
        (said("espresso", reasoning="It is brown."), "espresso", "It is brown."),
        (said("espresso", reasoning_content="", reasoning=None), "espresso", None),
        (said("<think>It is brown.</think>\n\nespresso"), "espresso", "It is brown."),
        (said("\n<think>\nIt is\nbrown.\n</think>\nespresso"), "espresso", "\nIt is\nbrown.\n"),
        # the chat template opened it
        (said("It is brown.\n</think>\n\nespresso"), "espresso", "It is brown.\n"),
        (said("<think></think>espresso"), "espresso", None),
        (said("<think>\n\n</think>\n\nespresso"), "espresso", "\n\n"),
        (said("<think>a</think>"), "", "a"),
        # only the first end ends it
        (said("<think>a</think>b</think>c"), "b</think>c", "a"),
        (said("caf\ud800"), "caf?", None),
        (said("<think>\ud800</think>a"), "a", "?"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_reasoning_is_no_part_of_an_answer(response, text, reasoning):
    found = read(response)
    assert (found.text, found.reasoning, found.error) == (text, reasoning, None)


@pytest.mark.parametrize(
    "response",
    [
        said("<think>It is bro", "length"),
        said("  <think>It is bro", "length"),
        said("<think>It is bro"),
        said("", "length", reasoning_content="It is bro"),
        said(None, "length", reasoning_content="It is bro"),
        said(" \n", "length", reasoning="It is bro"),
    ],
)
def test_an_answer_that_was_cut_off_in_its_reasoning_is_an_error(response):
    found = read(response)
    assert (found.text, found.error) == ("", CUT_OFF)
    assert found.reasoning == "It is bro"


@pytest.mark.parametrize("response", [said("espr", "length"), said("espr", "length", reasoning="It is brown.")])
def test_an_answer_that_was_cut_off_itself_is_an_answer(response):
    assert (read(response).text, read(response).error, read(response).finish_reason) == ("espr", None, "length")


@given(st.text(), st.text())
def test_whatever_stands_between_the_marks_is_reasoning_and_the_rest_the_answer(reasoning, text):
    """As long as they are the only marks."""
    if any(mark in reasoning + text for mark in MARKS):
        return
    found = read(said(f"<think>{reasoning}</think>{text}"))
    assert found.text == (text.strip() if reasoning else text)
    assert found.reasoning == (reasoning or None)
    assert found.error is None


@given(st.text().filter(lambda text: not any(mark in text for mark in MARKS)))
def test_without_reasoning_the_answer_is_what_was_said_to_the_letter(text):
    assert read(said(text)).text == text


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, (9, 2, None, None)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 7},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            (9, 5, 7, 3),
        ),
        ({"prompt_tokens": "9", "completion_tokens": -1, "prompt_tokens_details": [7]}, (None,) * 4),
        ({"prompt_tokens": 2**31, "completion_tokens": 1.5, "prompt_tokens_details": None}, (None,) * 4),
        (None, (None,) * 4),
        ([], (None,) * 4),
    ],
)
def test_tokens_are_those_that_the_server_counts(usage, expected):
    assert used({"usage": usage}) == Used(*expected)


def test_who_answered_is_kept_where_it_is_said():
    found = read(said("a") | {"model": "q-1", "system_fingerprint": "fp"})
    assert (found.model, found.fingerprint) == ("q-1", "fp")
    found = read(said("a", finish=3) | {"model": ["q"], "system_fingerprint": None})
    assert (found.model, found.fingerprint, found.finish_reason) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1. cat\n2. dog", ["cat", "dog"]),
        ("2. dog\n1. cat", ["cat", "dog"]),
        ("Image 1: cat\nimage 2: dog", ["cat", "dog"]),
        ("1) cat\n 2)  dog \n", ["cat", "dog"]),
        ("Here they are:\n\n1. cat\n\n2. dog\nI hope that helps.", ["cat", "dog"]),
        ("1. 7\n2. 12", ["7", "12"]),
        ("1. cat, wild\n2. 3. dog", ["cat, wild", "3. dog"]),
        ("1.\n2. dog", ["", "dog"]),
        # missing, extra, doubled, none, or without numbers
        ("1. cat", None),
        ("2. dog", None),
        ("1. cat\n2. dog\n3. ox", None),
        ("0. cat\n1. dog\n2. ox", None),
        ("1. cat\n1. dog", None),
        ("1. cat\n2. dog\n2. dog", None),
        ("", None),
        ("cat\ndog", None),
        ("1 cat\n2 dog", None),
        ("1. cat 2. dog", None),
    ],
)
def test_answers_to_two_images_are_found_by_their_numbers_or_not_at_all(text, found):
    assert one_each(text, 2) == found


NAME = st.text("abc ,", min_size=1, max_size=9).map(str.strip)


@given(st.lists(NAME, min_size=1, max_size=12), st.randoms(), st.sampled_from(["{}. {}", "Image {}: {}", " {}) {} "]))
def test_each_answer_goes_to_its_number_whatever_the_order_of_lines(names, random, form):
    lines = [form.format(number, name) for number, name in enumerate(names, 1)]
    random.shuffle(lines)
    assert one_each("\n".join(lines), len(names)) == names


@given(
    st.lists(NAME, min_size=2, max_size=12).flatmap(lambda names: st.tuples(st.just(names), st.integers(1, len(names))))
)
def test_without_any_one_of_its_numbers_there_is_no_answer_and_nothing_moves_up(drawn):
    names, lost = drawn
    lines = [f"{number}. {name}" for number, name in enumerate(names, 1) if number != lost]
    assert one_each("\n".join(lines), len(names)) is None
    assert one_each("\n".join([*lines, f"{lost % len(names) + 1}. x"]), len(names)) is None


# what servers differ in


@pytest.mark.parametrize(("opening", "closing"), THOUGHTS)
@pytest.mark.parametrize("opened", [True, False])
def test_reasoning_is_known_by_any_mark_whether_or_not_the_template_opened_it(opening, closing, opened):
    found = read(said(f"{opening if opened else ''}A tea cup?{closing}\nespresso"))
    assert (found.text, found.reasoning, found.error) == ("espresso", "A tea cup?", None)
    cut = read(said(f"{opening}A tea cup?", "length"))
    assert (cut.text, cut.reasoning, cut.error) == ("", "A tea cup?", CUT_OFF)


@pytest.mark.parametrize(
    ("content", "reasoning"),
    [
        ("<answer>espresso</answer>", None),
        ("<answer>\n<|begin_of_box|>espresso<|end_of_box|></answer>", None),
        ("It is <|begin_of_box|>espresso<|end_of_box|>.", "It is"),
        (r"So it is $\boxed{espresso}$.", "So it is $"),
        ("<think>Not <answer>tea</answer>.</think><answer>espresso</answer>", "Not <answer>tea</answer>."),
        ("<answer>tea</answer> No: <answer>espresso</answer>", "<answer>tea</answer> No:"),
    ],
)
def test_an_answer_in_a_box_is_what_stands_in_the_last_one(content, reasoning):
    found = read(said(content))
    assert (found.text, found.reasoning, found.error) == ("espresso", reasoning, None)


def test_a_box_within_a_box_is_opened():
    assert read(said(r"\boxed{\text{espresso}}")).text == "espresso"


@pytest.mark.parametrize(
    ("parts", "text", "reasoning"),
    [
        ([{"type": "text", "text": "esp"}, {"type": "text", "text": "resso"}], "espresso", None),
        ([{"type": "thinking", "thinking": "a cup"}, {"type": "text", "text": "espresso"}], "espresso", "a cup"),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "a cup"}]},
                {"type": "text", "text": "espresso"},
            ],
            "espresso",
            "a cup",
        ),
        ([{"type": "refusal", "refusal": "No."}], "No.", None),
        ([], "", None),
    ],
)
def test_content_may_come_in_parts(parts, text, reasoning):
    found = read(said(parts))
    assert (found.text, found.reasoning, found.error) == (text, reasoning, None)


@pytest.mark.parametrize("content", [3, {"text": "a"}, ["a"], [{"type": "image_url"}], [{"type": "text", "text": 3}]])
def test_a_content_of_another_form_is_not_read(content):
    with pytest.raises(UnreadableError, match="content of an unknown form"):
        read(said(content))


@pytest.mark.parametrize("finish", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_an_answer_that_was_cut_off_says_length_whatever_the_server_calls_it(finish):
    assert read(said("espr", finish)).finish_reason == "length"


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (said(None, reasoning_content="espresso"), ONLY_REASONING),
        (said([{"type": "thinking", "thinking": "espresso"}]), ONLY_REASONING),
        (said("", "length"), CUT_SHORT),
        (said("", "length") | {"usage": {"completion_tokens_details": {"reasoning_tokens": 9}}}, CUT_OFF),
    ],
)
def test_an_answer_that_says_nothing_but_reasoning_is_none(response, error):
    assert read(response).error == error


LONG = 200_000


@pytest.mark.parametrize(
    "content",
    [" " * LONG + "a", "\n" * LONG, "1. a" + " " * LONG + "b", "*" * LONG, "1" * LONG + ". a", "<think>" * (LONG // 7),
     "<answer>" * (LONG // 8), r"\boxed{" * (LONG // 7) + "}", "- " * LONG],
    ids=lambda content: ascii(content[:12]),
)  # fmt: skip
def test_a_text_is_read_in_time_proportional_to_its_length(content):
    """One that needed the square of it would take minutes."""
    read(said(content))
    one_each(content, 2)


@pytest.mark.parametrize(
    "form", ["**{}.** {}", "**Image {}:** {}", "**{}. {}**", "__{}.__ {}", "- {}. {}", "### {}. {}", "* Image {}: *{}*"]
)
@given(names=st.lists(NAME, min_size=1, max_size=12))
def test_markdown_around_a_number_is_none_of_the_answer(form, names):
    assert one_each("\n".join(form.format(number, name) for number, name in enumerate(names, 1)), len(names)) == names


def with_tokens(*listed):
    return completion("", choices=[{"message": {"content": "x"}, "logprobs": {"content": list(listed)}}])


def test_the_log_probabilities_of_an_answers_tokens_and_of_the_likeliest_in_their_place():
    first = {
        "token": "A",
        "logprob": -0.5,
        "top_logprobs": [{"token": "A", "logprob": -0.5}, {"token": " B", "logprob": -1}],
    }
    found = tokens(with_tokens(first, {"token": ".", "logprob": 1e-7}))
    assert found == [(-0.5, {"A": -0.5, " B": -1.0}), (1e-7, {})]


@pytest.mark.parametrize(
    "response",
    [
        completion("espresso"),
        completion("", choices=[{"message": {"content": "x"}, "logprobs": None}]),
        completion("", choices=[{"message": {"content": "x"}, "logprobs": {"content": None}}]),
        with_tokens(),
        with_tokens({"token": "A"}),
        with_tokens({"token": "A", "logprob": None}),
        with_tokens({"token": "A", "logprob": "NaN"}),
        with_tokens({"token": "A", "logprob": 0.5}),
        with_tokens({"token": "A", "logprob": True}),
        with_tokens("A"),
        with_tokens({"token": "A", "logprob": -1, "top_logprobs": [3]}),
    ],
)
def test_what_are_no_log_probabilities_of_all_tokens_are_none(response):
    assert tokens(response) is None
