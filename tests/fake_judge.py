"""A judge by rules, whose verdicts are known: as a function, and as a chat server for tests (`answer`), or a command.

    python tests/fake_judge.py --port 8000 --log requests.txt

It is no LLM: it reads the two JSON strings of a request, and compares their words. Nothing that an answer says can
persuade it; what it shows is what reaches a judge.
"""

import json
import re
import sys
from pathlib import Path

if __name__ == "__main__":  # as an engine, from any folder
    sys.path.insert(0, str(Path(__file__).parents[1]))

from aiohttp import web

from tests.chat_server import Body, ChatServer, application, prompt_of

SYNONYMS = {"sofa": "studio couch", "kätzchen": "kitten", "tabby": "tabby cat", "teacup": "tea cup"}


def words_of(text: str) -> list[str]:
    found = re.sub(r"^(a|an|the) ", "", text.lower().strip(" .\n"))
    return SYNONYMS.get(found, found).split()


def verdict_of(answer: str, name: str) -> str:
    """By the words alone: the last one says what kind of thing it is, those before it which."""
    said, names = words_of(answer), [words_of(part) for part in name.split(",")]
    if said in names:
        return "same"
    for named in names:
        if said and named[-len(said) :] == said:
            return "more general"
        if named and said[-len(named) :] == named:
            return "more specific"
        if said and named and said[-1] == named[-1]:
            return "sibling"
    return "other"


def pair_of(body: Body) -> tuple[str, str] | None:
    """The answer and the class of a request, in whatever order the prompt has them; None of one about no pair."""
    lines = re.findall(r'^(class|category|answer|text): (".*")$', prompt_of(body), re.MULTILINE)
    if not lines:
        return None
    (first, one), (second, other) = lines
    texts = {first: json.loads(one), second: json.loads(other)}
    name = texts.pop("class", None) or texts.pop("category")
    (answer,) = texts.values()
    return answer, name


def allowed(body: Body) -> list[str]:
    """The only answers that a request lets the model give, by the field of vLLM."""
    return body.get("structured_outputs", {}).get("choice", [])


def answer(body: Body) -> str:
    pair = pair_of(body)
    said = verdict_of(*pair) if pair else "green"
    listed = allowed(body)
    return said if said in listed or not listed else listed[0]


def main() -> None:
    import argparse

    parser = argparse.ArgumentParser(description="Says of two JSON strings how their words are related.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True, help="one line is appended for every pair received")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    args = parser.parse_args()

    def logged(body: Body) -> str:
        with args.log.open("a") as log:
            log.write(f"{json.dumps(pair_of(body), ensure_ascii=False)}\n")
        return answer(body)

    app = application(logged, ChatServer(), args.delay)
    web.run_app(app, host="127.0.0.1", port=args.port, print=None, shutdown_timeout=0.1, handler_cancellation=True)


if __name__ == "__main__":
    main()
