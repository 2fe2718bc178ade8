"""Keys are for ever: an answer that any version has journalled is found under them, and not asked for again."""

import polars as pl
import pytest

from mllm_classify.config.chat import EndpointModel, EngineModel, OpenAIModel, VLLMModel
from mllm_classify.config.tasks import Sample, TaskPrompt, Variant
from mllm_classify.io.files import digest
from mllm_classify.predict.chat.questions import MultipleChoice, Questionnaire
from mllm_classify.predict.images import Images

NAMES = ["espresso", "lens cap, lens cover", "# hash", "maze", "espresso"]
IDS = ["a", "b", "c", "d", "e"]
IMAGES = Images(pl.DataFrame({"image_id": IDS, "file": IDS, "sha256": [f"{place:064x}" for place in range(5)]}), None)
LABELS = pl.DataFrame({"image_id": IDS, "imgt": [0, 1, 0, 1, None], "excluded": [None] * 5})
PROMPTS = {
    "OW": "# version 3\nWhat is it?\n",
    "CW": "Which of these?\n{classes}\nOne name.\n",
    "CW-constrained": "Which?\n{classes}\n",
    "MC": "Which?\n{options}\nOne.\n",
    "several": "Here are {n}.\n{classes}\n",
    "ids": "Which number?\n{classes}\n",
    "template": "{{ messages }}",
}
OPTIONS = [
    ("a", "ImGT + random", 0, [2, 1, 0]), ("a", "ImGT + random", 1, [1, 2, 0]), ("b", "ImGT + random", 0, [0, 3]),
    ("b", "CW first", 0, [1, 0, 2]), ("a", "ImGT + 999 (CW)", 0, None), ("b", "ImGT + 999 (CW)", 1, None),
]  # fmt: skip
MORE = {"request": {"max_tokens": 7, "seed": 3, "detail": "low"}, "extra_body": {"top_k": 1}, "layout": "system",
        "picture": {"longest_side": 99, "quality": 90}}  # fmt: skip
ENTRIES = {
    "endpoint": (EndpointModel, {"url": "http://x/v1", "model": "q", "revision": "2"}),
    "openai": (OpenAIModel, {"model": "q", "request": {"max_tokens": None, "max_completion_tokens": 900}}),
    "engine": (EngineModel, {"model": "q", "command": ["/opt/bin/serve", "--weights=/data/run/w.pth", "{port}"], **MORE}),
    "vllm": (VLLMModel, {"model": "/data/models/tiny", "revision": "abc", "flags": {"dtype": "bfloat16",
                         "tokenizer": "/data/tokenizer", "limits": [1, 2]}}),
}  # fmt: skip
KEYS = {
    ("endpoint", "name"): {
        "OW  0": "3b483eb09559c669",
        "OW by class 0": "2f816d2784f7832e",
        "CW  0": "78b399e26b626c10",
        "CW several 0": "55290525bec167fa",
        "CW several 1": "6638d4232816d928",
        "CW ids 0": "e8987eaac5cd21fe",
        "CW ids 1": "f9e72fc4eeabfd68",
        "CW hot 0": "5a872ad41502f1d4",
        "CW-constrained  0": "80e65189c2ad9e21",
        "MC CW first 0": "b38a39dc39d44fe5",
        "MC ImGT + 999 (CW) 0": "e45f7766f6cf5fb8",
        "MC ImGT + 999 (CW) 1": "f73467ccd6e5ee4e",
        "MC ImGT + random 0": "04ca83adc7f1ac3b",
        "MC ImGT + random 1": "913c9693bc05e8d0",
    },
    ("openai", "letter"): {
        "OW  0": "d88768857d2533e8",
        "OW by class 0": "0b869140ba5724c9",
        "CW  0": "eeec5bac9ffd1028",
        "CW several 0": "4c9e480de77c4e92",
        "CW several 1": "333e7a24e4147ad6",
        "CW ids 0": "c88991ef9c4eb9b4",
        "CW ids 1": "00be01e91f2fb893",
        "CW hot 0": "5281d999ea66c8e9",
        "MC CW first 0": "e292c4ada52fccbf",
        "MC ImGT + 999 (CW) 0": "3a64e67ddc43eb05",
        "MC ImGT + 999 (CW) 1": "3bf9f2586c6d7737",
        "MC ImGT + random 0": "2a1ea2635f25a9c6",
        "MC ImGT + random 1": "b77683a755663cdf",
    },
    ("engine", "letter"): {
        "OW  0": "bd587ed5c399bd74",
        "OW by class 0": "c005a1df96deb6bc",
        "CW  0": "30cfede8f25a3feb",
        "CW several 0": "73641df1ae56bc82",
        "CW several 1": "1833e6b16777e29a",
        "CW ids 0": "06c3a63072d80d0e",
        "CW ids 1": "72128c91e84f3923",
        "CW hot 0": "0061e103f3e0d2a3",
        "CW-constrained  0": "26efb4911838376b",
        "MC CW first 0": "bd3926e92e73a452",
        "MC ImGT + 999 (CW) 0": "ee09791eb5cb86c1",
        "MC ImGT + 999 (CW) 1": "ec66326104bf5bee",
        "MC ImGT + random 0": "c7554a0b0909673d",
        "MC ImGT + random 1": "4694da1347af42ea",
    },
    ("vllm", "name"): {
        "OW  0": "4d21a2f66f806b5b",
        "OW by class 0": "f57efd3f4953b754",
        "CW  0": "c1930bd069750486",
        "CW several 0": "f1e914d14d13521e",
        "CW several 1": "d7c58b53ea2a0922",
        "CW ids 0": "27198b62f79adf57",
        "CW ids 1": "c0bf8c3e9b456327",
        "CW hot 0": "3b8a5bce2cfef694",
        "CW-constrained  0": "23912967e63f8c84",
        "MC CW first 0": "7d160383cef1b3a8",
        "MC ImGT + 999 (CW) 0": "beba936aa448998a",
        "MC ImGT + 999 (CW) 1": "f637846609bee06e",
        "MC ImGT + random 0": "185a775173fef952",
        "MC ImGT + random 1": "6cbfc83e08119e80",
    },
}
"""For each task, variant and repeat: the digest of its questions' keys, templates' digests and images."""


@pytest.fixture
def questionnaire(tmp_path):
    for name, text in PROMPTS.items():
        (tmp_path / name).write_text(text)
    prompt = {name: str(tmp_path / name) for name in PROMPTS}
    tasks = {name: TaskPrompt(prompt=prompt[name]) for name in ("OW", "CW", "CW-constrained", "MC")}
    variants = [
        Variant(name="several", task="CW", prompt=prompt["several"], images=2, order="shuffled", repeats=2, seed=4),
        Variant(name="by class", task="OW", prompt=prompt["several"], images=3, order="class"),
        Variant(name="ids", task="CW", prompt=prompt["ids"], answer="id", classes="shuffled", repeats=2),
        Variant(name="hot", task="CW", layout="image_first", temperature=1.0, sample=Sample(per_class=1, seed=2)),
    ]
    schema = {"image_id": pl.String(), "variant": pl.String(), "repeat": pl.Int32(), "options": pl.List(pl.Int32)}
    choices = pl.DataFrame(OPTIONS, schema=schema, orient="row")

    def asked_of(kind, answer):
        entry, options = ENTRIES[kind]
        if kind == "vllm":
            options = options | {"chat_template": prompt["template"]}
        wanted = [name for name in tasks if kind != "openai" or name != "CW-constrained"]
        model = entry(name="m", label="M", kind=kind, tasks=wanted, **options)
        multiple = MultipleChoice(choices, answer)
        return Questionnaire(model, tasks, IMAGES, NAMES, variants=variants, multiple=multiple, labels=LABELS)

    return asked_of


@pytest.mark.parametrize(("kind", "answer"), KEYS)
def test_all_questions_have_the_keys_that_they_have_always_had(questionnaire, kind, answer):
    told = {}
    for one in questionnaire(kind, answer):
        told.setdefault(f"{one.task} {one.variant} {one.repeat}", []).append([one.key, one.template.digest, one.images])
    assert {way: digest(questions)[:16] for way, questions in told.items()} == KEYS[kind, answer]
