"""Answers to multiple-choice questions, and the options that they name."""

import re

import polars as pl

from mllm_classify.choices.variants import lists_classes
from mllm_classify.io.keys import QUESTION
from mllm_classify.mapping.names import normalise
from mllm_classify.tasks import MC

LETTER = re.compile(r"\(?(?P<letter>[a-z])(?:\)|[.:]|\.\))?(?:(?<=[.:)])\s+(?P<name>.+))?", re.DOTALL)


def chosen_options(
    predictions: pl.DataFrame, choices: pl.DataFrame, classes: pl.DataFrame, answer: str | None
) -> pl.DataFrame:
    """The class of the option that each answer to MC names, and all classes of its name; empty where it names none.

    Columns of QUESTION, and `chosen`. `answer` says how options are shown: "name", or "letter". Questions whose options
    are all classes are not here: they are read like CW.
    """
    ordered = classes.sort("class_id")
    names = ordered.select(normalise("name"))["name"].to_list()
    same_name = ordered["same_name"].to_list()
    answers = predictions.filter((pl.col("task") == MC.name) & (pl.col("status") == "ok")).join(
        choices.filter(pl.col("options").is_not_null()),
        on=["image_id", "variant", "repeat"],
        maintain_order="left",
    )
    chosen = []
    for text, variant, options in answers.select("text", "variant", "options").iter_rows():
        letters = answer == "letter" and not lists_classes(variant)
        place = named_option(text, [names[class_id] for class_id in options], letters=letters)
        chosen.append([] if place is None else same_name[options[place]])
    return answers.select(QUESTION).with_columns(pl.Series("chosen", chosen, dtype=pl.List(pl.Int32)))


def named_option(answer: str, options: list[str], *, letters: bool) -> int | None:
    """The place of the one option that an answer names; None where it names none, or several. Of one name, the first.

    An answer is an option's name, compared as everywhere (options are given normalised); where options have letters, also
    one letter by itself (`B`, `b`, `(B)`, `B.`, `B)`, `B:`), or a letter before its own option's name (`B. espresso`). A
    letter that begins a word, an empty answer, and `A or B` name none.
    """
    text = answer.lower().strip()
    places = {options.index(text)} if text in options else set()
    if letters and (match := LETTER.fullmatch(text)):
        place = ord(match["letter"]) - ord("a")
        if place < len(options) and (not match["name"] or match["name"].strip() == options[place]):
            places.add(place)
    return places.pop() if len(places) == 1 else None
