"""What servers are told to hold answers to is the list, whatever characters its names have."""

import json
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.config.chat import CONSTRAINTS, Constraint
from mllm_classify.predict.chat.constraining import FIELDS, IN_JSON, name_in
from tests.dialects import apart, enumerated, literals

CHARACTERS = st.one_of(
    st.sampled_from(list(r".^$*+?{}[]\|()\"'/-#& ~")), st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
)
NAMES = st.lists(st.text(CHARACTERS, min_size=1, max_size=8), min_size=1, max_size=6, unique=True)
UNESCAPABLE = re.compile(r"\\[^.^$*+?{}\[\]\\|()]")
"""An escape that some engine does not know."""


def test_every_constraint_has_its_field():
    assert FIELDS.keys() == set(get_args(Constraint))
    assert {key for fields in FIELDS.values() for key in fields(["a"])} == CONSTRAINTS
    assert set(get_args(Constraint)) > IN_JSON


@given(NAMES, st.text(CHARACTERS, max_size=8))
def test_a_regex_matches_the_names_and_nothing_else(names, other):
    regex = FIELDS["regex"](names)["regex"]
    assert FIELDS["response_format regex"](names)["response_format"] == {"type": "regex", "value": regex}
    assert apart(regex) == names
    assert all(re.fullmatch(regex, name) for name in names)
    assert (re.fullmatch(regex, other) is not None) == (other in names)
    assert not UNESCAPABLE.search(re.sub(r"\\\\", "", regex))


@given(NAMES)
def test_a_grammar_has_the_names_as_alternatives(names):
    grammar = FIELDS["grammar"](names)["grammar"]
    assert literals(grammar) == names
    assert re.sub(r'"(?:[^"\\]|\\.)*"', "_", grammar) == "root ::= " + " | ".join("_" * len(names))


@given(NAMES)
def test_a_json_schema_takes_one_of_the_names(names):
    form = FIELDS["response_format"](names)["response_format"]
    key, values = enumerated(form["json_schema"]["schema"])
    assert values == names
    assert form["json_schema"]["strict"] is True
    assert [name_in(json.dumps({key: name}, indent=1)) for name in names] == names


@pytest.mark.parametrize(
    "text",
    ["green", "", '"green"', "{", '{"class": 3}', '{"class": "a", "why": "b"}', '{"other": "a"}', "[" * 99_999, "null"],
)
def test_an_answer_that_is_not_in_the_form_is_as_it_came(text):
    assert name_in(text) == text
