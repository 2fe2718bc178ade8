"""Configurations with values that no study needs, or more of them than anything reads."""

import os
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mllm_classify.config.load import load
from mllm_classify.config.marks import numeric
from mllm_classify.config.study import Config
from mllm_classify.config.text import parsed
from mllm_classify.io.files import InputError
from mllm_classify.io.limits import CONFIGURATION_BYTES, CONFIGURATION_DEPTH, CONFIGURATION_VALUES
from tests.config.given import whole

CHAT = 2
"""The first chat model of the whole configuration."""


def refused(content):
    with pytest.raises(InputError) as caught:
        parsed(content.encode(), "config.yaml")
    assert len(str(caught.value)) < 300
    return str(caught.value)


def study(folder, **changes):
    (folder / "config.yaml").write_text(yaml.safe_dump(whole("models", CHAT, **changes), sort_keys=False))
    with pytest.raises(InputError) as caught:
        load("config.yaml")
    return str(caught.value)


def test_a_key_of_thousands_of_characters_does_not_fill_the_terminal(folder):
    said = study(folder, **{"a" * 5000: 1})
    assert said.startswith("config.yaml: models[2].aaa")
    assert "unknown key (value 1)" in said
    assert len(said) < 250


def bomb(levels):
    lines = ["x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: &r [*r]", "config.yaml: line 1: nested in more than 50 levels, or an alias of what holds it"),
        ("a: &r\n  b: {c: *r}", "nested in more than 50 levels, or an alias of what holds it"),
        ("a: " + "[" * 60 + "]" * 60, "nested in more than 50 levels"),
        ("a: " + "{a: " * 100_000, "nested in more than 50 levels"),
        (bomb(10), "values, more than the 100,000 of a configuration"),
        ("a: .inf", "line 1: '.inf' is no finite number; leave the key out where there is no limit"),
        ("a: [-.inf]", "'-.inf' is no finite number"),
        ("a: .nan", "'.nan' is no finite number"),
        ("a: " + "9" * 5000, "cannot be read as int"),
        ("a: 0x" + "f" * 5000, "is beyond 9,007,199,254,740,992"),
        ("a: 9007199254740993", "'9007199254740993' is beyond"),
        ("a: !!binary aGk=", "could not determine a constructor for the tag"),
        ("a: !!set {b}", "could not determine a constructor for the tag"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
        ("a: {1: x, b: y}", "line 1: keys must be text, or all of them integers; put quotes around the others"),
        ("a: {null: x}", "keys must be text, or all of them integers"),
        ("a: {true: x}", "keys must be text, or all of them integers"),
        ("a: {0.5: x}", "keys must be text, or all of them integers"),
        ('a: "b\\0c"', "holds NUL, or half of a pair of UTF-16"),
        ('"b\\ud800": c', "holds NUL, or half of a pair of UTF-16"),
        ("a: \x07", "config.yaml: not YAML"),
    ],
)
def test_what_no_study_needs_is_refused_with_its_line(content, message):
    started = time.process_time()
    assert message in refused(content)
    assert time.process_time() - started < 5


def test_what_many_use_stays():
    content = "a: &d {b: 1, c: 2.5}\ne: {<<: *d, c: [~, yes, text]}\nbias: {50256: -100}\ndate: 2020-01-01\n"
    assert parsed(content.encode(), "c") == {
        "a": {"b": 1, "c": 2.5},
        "e": {"b": 1, "c": [None, True, "text"]},
        "bias": {50256: -100},
        "date": "2020-01-01",
    }
    assert parsed(b"", "c") is None


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53)
                    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3)))  # fmt: skip
def test_json_is_read_as_it_is_written(value):
    assert parsed(yaml.safe_dump(value, allow_unicode=True).encode(), "c") == value


def test_the_limits_hold_at_their_ends():
    depth = CONFIGURATION_DEPTH
    assert parsed(("[" * depth + "]" * depth).encode(), "c") is not None
    assert "nested" in refused("[" * (depth + 1) + "]" * (depth + 1))
    tenth = f"- &x [{','.join('1' * (CONFIGURATION_VALUES // 10 - 2))}]\n"
    assert len(parsed((tenth + "- *x\n" * 9).encode(), "c")) == 10
    assert "values" in refused(tenth + "- *x\n" * 10)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("key", ["retries", "timeout", "budget", "concurrency"])
def test_true_is_no_number(folder, key, value):
    assert study(folder, **{key: value}) == f"config.yaml: models[2]: {key}: {str(value).lower()}: must be a number"


@pytest.mark.parametrize(
    ("key", "value"), [("concurrency", 10**9), ("timeout", 10**9), ("retries", -1), ("requests_per_minute", 10**17)]
)
def test_a_number_beyond_its_range_is_named(folder, key, value):
    assert f"models[2].{key}: " in study(folder, **{key: value}) or "is beyond" in study(folder, **{key: value})


def sections(annotation):
    """All sections of a configuration."""
    found, waiting = set(), [annotation]
    while waiting:
        it = waiting.pop()
        if isinstance(it, type) and issubclass(it, BaseModel):
            if it not in found:
                found.add(it)
                waiting += [field.annotation for field in it.model_fields.values()]
        else:
            waiting += [*getattr(it, "__args__", ()), *([it.__origin__] if hasattr(it, "__metadata__") else [])]
    return found


def test_every_number_has_a_range():
    schema = Config.model_json_schema()
    numbers = {
        (section.__name__, name)
        for section in sections(Config)
        for name, field in section.model_fields.items()
        if numeric(field.annotation)
    }
    assert len(numbers) > 60
    open_ended = []
    for section, name in numbers:
        given_ = schema["$defs"][section]["properties"][name]
        for kind in given_.get("anyOf", [given_]):
            if kind.get("type") in ("integer", "number"):
                lower, upper = (
                    {"minimum", "exclusiveMinimum"} & kind.keys(),
                    {"maximum", "exclusiveMaximum"} & kind.keys(),
                )
                open_ended += [] if lower and upper else [(section, name)]
    assert not open_ended


def test_a_configuration_is_a_regular_file_of_some_size(folder):
    os.mkfifo(folder / "config.yaml")
    with pytest.raises(InputError, match=r"^config\.yaml: cannot be read \(not a regular file"):
        load("config.yaml")
    (folder / "large.yaml").write_text("#" * (CONFIGURATION_BYTES + 1))
    with pytest.raises(InputError, match=r"^large\.yaml: cannot be read \(1,048,577 bytes, more than the 1,048,576"):
        load("large.yaml")


@pytest.mark.parametrize(
    "content", ["1: 2", "[]", "- a", "text", "", "{models: {a: b}}", "dataset: [1]", "models: [1, [], {}]"]
)
def test_what_is_no_configuration_at_all_is_told_in_lines(folder, content):
    (folder / "config.yaml").write_text(content)
    with pytest.raises(InputError, match=r"^config\.yaml: ") as caught:
        load("config.yaml")
    assert caught.value.__cause__ is None, "nobody foresaw that"
