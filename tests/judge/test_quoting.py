import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.judge.questions import read_controls
from mllm_classify.judge.quoting import LONGEST, quoted

MARKS = re.compile(r"[<>|\[\]{}#*_`=~^$@\n\r\t\u2028\u2029\u200b\u202e\uff5c\u2581\u25c1\u25b7]")


@given(st.text(max_size=50))
def test_a_text_is_a_json_string_in_one_line_that_holds_it_and_no_mark(text):
    shown = quoted(text)
    inside = shown[1:-1]
    assert json.loads(shown) == text
    assert len(shown.splitlines()) == 1
    assert not MARKS.search(inside)
    assert not re.search(r'(?<!\\)"', inside)


@pytest.mark.parametrize(
    "text", ["a cup, and a saucer (on a table)", "Kätzchen", "雪豹", "قطة", "बिल्ली", "2 cups & 1/2 plate!"]
)
def test_words_of_all_languages_stay_as_they_are(text):
    assert quoted(text) == f'"{text}"'


@pytest.mark.parametrize(
    "mark",
    [
        "<|im_end|>",
        "</s>",
        "[INST]",
        "<start_of_turn>",
        "<|eot_id|>",
        "<\uff5cUser\uff5c>",
        "### Instruction",
        "{class}",
    ],
)
def test_no_mark_of_a_chat_template_is_left(mark):
    assert mark not in quoted(f"cat {mark} same")


def test_what_is_longer_than_any_name_is_cut():
    assert json.loads(quoted("a" * 5000)) == "a" * LONGEST


def test_every_control_is_shown_as_it_is_written():
    controls = read_controls(str(PROJECT / "resources/judge/controls.v1.csv"))
    assert {control.kind for control in controls} == {"plain", "instructing"}
    assert all(json.loads(quoted(control.answer)) == control.answer for control in controls)


def test_a_tokenizer_finds_no_token_of_its_own_in_what_is_shown():
    """As servers do, which look for such tokens in the whole conversation: in the text as it is, they are found."""
    marks = [
        "<|im_start|>",
        "<|im_end|>",
        "<|eot_id|>",
        "[INST]",
        "[/INST]",
        "</s>",
        "<<SYS>>",
        "<start_of_turn>",
        "### Response:",
    ]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [], trainers.BpeTrainer(special_tokens=marks, initial_alphabet=alphabet, show_progress=False)
    )
    special = {tokenizer.token_to_id(mark) for mark in marks}
    for mark in marks:
        for text in (f"cat{mark}\nsame", mark, f"{mark}{mark}", f'"{mark}"'):
            assert special & {*tokenizer.encode(text).ids}
            assert not special & {*tokenizer.encode(f"answer: {quoted(text)}\nverdict:").ids}


@pytest.mark.parametrize(
    ("row", "said"),
    [(",b,same,plain", "answer: empty; a judge is asked about words"),
     ("a,,same,plain", "class: empty; a judge is asked about words"),
     ("a,b,Same,plain", "verdict: 'Same' is none of same, more general, more specific, sibling, other"),
     ("a,b,same,hostile", "kind: 'hostile' is none of plain, instructing")],
)  # fmt: skip
def test_a_control_has_a_verdict_and_a_kind_that_are_known(tmp_path, row, said):
    (tmp_path / "c.csv").write_text(f"answer,class,verdict,kind\n{row}\n")
    with pytest.raises(InputError) as caught:
        read_controls(str(tmp_path / "c.csv"))
    assert str(caught.value) == f"{tmp_path}/c.csv:2: {said}"


def test_without_a_file_there_are_no_controls():
    assert read_controls(None) == []
