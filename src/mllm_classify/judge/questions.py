"""What a judge is asked: every pair of an answer and a class, and controls whose verdicts are known."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from mllm_classify.io.files import InputError, read_csv
from mllm_classify.io.text import shown
from mllm_classify.judge.quoting import quoted
from mllm_classify.judge.verdicts import KINDS, VERDICTS
from mllm_classify.predict.chat.prompts import Template, Way, read_prompt, template
from mllm_classify.predict.chat.question import Question, answer_identity, question_key

if TYPE_CHECKING:
    from mllm_classify.config.judge import Judge

ANSWER, CLASS = "{answer}", "{class}"
"""What prompts have in place of both, and requests until they are sent: what all pairs share exists once."""
PLACES = re.compile(f"({re.escape(ANSWER)}|{re.escape(CLASS)})")
KEY = "verdict"
"""Under which a server that answers in JSON gives the verdict."""
TASK = "judge"
ONE = (0,)
"""A question asks for one answer, as one about one image does."""


class Control(NamedTuple):
    """A pair whose verdict is known."""

    answer: str
    name: str
    verdict: str
    kind: str


def read_controls(file: str | None) -> list[Control]:
    """The controls of a file. Raises InputError where a verdict or a kind is none, or words are missing."""
    found = []
    for place, row in read_csv(file, "answer", "class", "verdict", "kind") if file is not None else []:
        for column, known in {"verdict": VERDICTS, "kind": KINDS}.items():
            if row[column] not in known:
                msg = f"{place}: {column}: {shown(row[column])} is none of {', '.join(known)}"
                raise InputError(msg)
        for column in ("answer", "class"):
            if not row[column]:
                msg = f"{place}: {column}: empty; a judge is asked about words"
                raise InputError(msg)
        found.append(Control(row["answer"], row["class"], row["verdict"], row["kind"]))
    return found


class Pairs:
    """All requests of a judge: controls first, then pairs in the order of answers, each as often as there are repeats.

    None of them says which model answered, about which image, or what is right. `pairs` have the columns of PAIRS.
    """

    def __init__(self, judge: "Judge", pairs: pl.DataFrame) -> None:
        self.model = self.judge = judge
        self.ways: list[Way] = []
        self.pairs = pairs
        self.controls = read_controls(judge.controls)
        self._prompt = read_prompt(judge.prompt)
        for placeholder in (ANSWER, CLASS):
            if self._prompt.text.count(placeholder) != 1:
                msg = f"{judge.prompt}: must contain {placeholder} once"
                raise InputError(msg)

    @property
    def characters(self) -> int:
        """Length of the prompt, without what it is about."""
        return len(self._prompt.text)

    def __iter__(self) -> Iterator[Question]:
        for question, _ in self.with_pairs():
            yield question

    def with_pairs(self) -> Iterator[tuple[Question, dict[str, Any]]]:
        """The questions, each with what it is about: the columns of JUDGEMENTS that are known before it is asked."""
        identity = answer_identity(self.judge)
        for repeat in range(self.judge.repeats):
            put = self._put(repeat)

            def question(answer: str, name: str, *, put: Template = put, repeat: int = repeat) -> Question:
                texts = (quoted(answer), quoted(name))
                key = question_key(put, list(texts), repeat, identity)
                return Question(key, TASK, ONE, put, repeat=repeat, texts=texts)

            for control in self.controls:
                about = {"expected": control.verdict, "control": control.kind}
                yield (
                    question(control.answer, control.name),
                    about | {"answer": control.answer, "name": control.name, "repeat": repeat},
                )
            for row in self.pairs.iter_rows(named=True):
                yield question(row["answer"], row["name"]), row | {"repeat": repeat}

    def _put(self, repeat: int) -> Template:
        first = self.judge.request.seed
        seed = (
            (first if isinstance(first, int) else 0) + repeat if self.judge.repeats > 1 and first is not None else None
        )
        way = Way(TASK, self._prompt, "image_last")
        return template(self.judge, way, self._prompt.text, 0, seed, VERDICTS, key=KEY)

    def body(self, question: Question) -> dict[str, Any]:
        """A whole request. Both texts are put in at once: neither can hold the place of the other."""
        (message,) = question.template.body["messages"]
        (words,) = message["content"]
        said = dict(zip((ANSWER, CLASS), question.texts, strict=False))  # the preflight has no texts
        text = "".join(said.get(part, part) for part in PLACES.split(words["text"]))
        return question.template.body | {"messages": [message | {"content": [words | {"text": text}]}]}

    def probe(self, put: Template, place: int, like: Question | None = None) -> Question:  # noqa: ARG002 (as other questionnaires)
        """A request that is no question of the study."""
        return Question("", TASK, ONE, put)

    def about(self, question: Question) -> str:
        answer, name = question.texts
        return f"class {name}, answer {answer}"
