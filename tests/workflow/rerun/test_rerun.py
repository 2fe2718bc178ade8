"""What a change schedules, read from `snakemake -n`."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.workflow.study import PROJECT, Study, made_from, outputs_of, reconfigure

MODELS = ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "conse", "conse-chat"]
EXISTING = outputs_of(PROJECT / "config.yaml")


def of(*needed: str) -> set[str]:
    """The demonstration's outputs that are made from any of these files and values."""
    return made_from(*needed, exists=EXISTING)


NAMED = of("about")  # all that says what the data set and its labels are called
SCORED = {"score", *of("scores", "rankings")}
ANSWERED = of("scores", "chat_predictions", "worded_predictions", "mappings", "encoded", "examined")
ENCODERS = ["minilm", "minilm-bare"]
MAPPED = {f"mapping/{encoder}/conse-chat" for encoder in ENCODERS}
SIMILAR = "concepts/minilm-bare/conse-chat"
CHAT = {"predict/conse-chat", *(f"answers/{it}/conse-chat" for it in ENCODERS), SIMILAR, *MAPPED, "score", *ANSWERED}
# chat models are asked which of the options; the journal asks for new ones only
CHOICES = {"choices", *of("choices", "confusions"), *CHAT}
PREDICTED = {f"predict/{model}" for model in MODELS}
PIPELINE = {
    "images",
    "labels",
    "hierarchy",
    *(f"{stage}/{encoder}" for stage in ("classes", "synonyms") for encoder in ENCODERS),
    *PREDICTED,
    *CHOICES,
    *of("labels", "hierarchy"),
}


@pytest.fixture(scope="module")
def finished(demonstration: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return demonstration.copy(tmp_path_factory.mktemp("rerun") / "study")


@pytest.fixture
def study(finished: Study) -> Iterator[Study]:
    with finished.restored():
        yield finished


def model(config: dict, name: str) -> dict:
    return next(entry for entry in config["models"] if entry["name"] == name)


def touch_everything(study: Study) -> None:
    for path in study.folder.rglob("*"):
        if ".snakemake" not in path.parts:
            os.utime(path)


def reorder_keys(config: dict) -> None:
    config["models"] = [dict(reversed(entry.items())) for entry in reversed(config["models"])]
    config["dataset"] = dict(reversed(config["dataset"].items()))
    for key in list(config):
        config[key] = config.pop(key)


def runtime_settings(config: dict) -> None:
    model(config, "conse-chat").update(
        concurrency=3,
        timeout=5,
        retries=0,
        start_timeout=9,
        patience=9,
        max_errors=1,
        requests_per_minute=60,
        tokens_per_minute=9000,
        image_tokens=9,
        min_cached_share=0.5,
        resources={"mem_mb": 4000, "gpus": 1, "runtime": 9},
    )
    model(config, "efficientnet-lite0").update(batch_size=1, workers=1, part=7)
    config["encoder"]["batch_size"] = 16


def append_model(config: dict) -> None:
    config["models"].append(model(config, "efficientnet-lite0") | {"name": "another", "label": "Another"})


CHANGES: dict[str, tuple[Callable[[Study], None], set[str]]] = {
    "nothing": (lambda _: None, set()),
    "touch": (touch_everything, set()),
    "comment in the configuration": (lambda s: s.edit("config.yaml", "models:\n", "models:  # all of them\n"), set()),
    "comment in a stage": (lambda s: s.edit("src/mllm_classify/score/score.py", "SCORES: ", "# of a row\nSCORES: "), set()),
    "docstring of a stage": (
        lambda s: s.edit("src/mllm_classify/embed/texts.py", '"""Texts as unit vectors:', '"""Vectors:'), set(),
    ),
    "layout of a stage": (lambda s: s.edit("src/mllm_classify/mapping/nearest.py", "BLOCK = 4096", "BLOCK = (\n  4096\n)"), set()),
    "reordered keys and models": (reconfigure(reorder_keys), set()),
    "runtime settings": (reconfigure(runtime_settings), set()),
    "moved folder": (reconfigure(lambda c: c["dataset"].update(folder="/elsewhere")), set()),
    "command line": (lambda s: s.edit("src/mllm_classify/cli.py", "PROGRESS_INTERVAL = 5.0", "PROGRESS_INTERVAL = 9"), set()),
    "label of a model": (reconfigure(lambda c: model(c, "conse").update(label="Renamed")), of("entries")),
    "label of the data set": (reconfigure(lambda c: c["dataset"].update(label="30 (demonstration)")), of("about", "reference")),
    "label of a label set": (reconfigure(lambda c: c["dataset"]["regt"].update(label="seen")), NAMED),
    "label of the equivalences": (reconfigure(lambda c: c["dataset"]["equivalences"].update(label="E")), NAMED),
    "rule for images in N": (reconfigure(lambda c: c.update(tables={"n_images": "excluded"})), NAMED),
    "resamples": (reconfigure(lambda c: c.update(tables={"resamples": 200})), of("resamples")),
    "defaults written out": (reconfigure(lambda c: c.update(tables={"n_images": "correct", "resamples": 1000})), set()),
    "published figures of a model": (
        reconfigure(lambda c: model(c, "conse").update(published="EVA-02 ViT-L-14-448")), {"scorecard"},
    ),
    "appended model": (reconfigure(append_model), {"predict/another", *SCORED, *of("entries")}),
    "removed model": (reconfigure(lambda c: c["models"].pop(0)), {*SCORED, *of("entries")}),
    "parameter of one model": (reconfigure(lambda c: model(c, "conse").update(top=3)), {"predict/conse", *SCORED}),
    "parameter of the chat model": (reconfigure(lambda c: model(c, "conse-chat").update(request={"max_tokens": 32})), CHAT),
    "prices of the chat model": (
        reconfigure(lambda c: model(c, "conse-chat").update(prices={"input": 1, "output": 2}, budget=3)), of("prices"),
    ),
    "label of the chat model": (reconfigure(lambda c: model(c, "conse-chat").update(label="Renamed")), of("entries", "examination")),
    "variant that the chat model is asked": (reconfigure(lambda c: c["variants"][0].update(temperature=1)), CHAT),
    "variant that it is not asked": (
        reconfigure(lambda c: c["variants"].append({"name": "hot", "task": "OW", "temperature": 1})), set(),
    ),
    "class list of a variant": (reconfigure(lambda c: c["variants"][0].update(classes="shuffled")), CHAT),
    "code of what repeats and variants share": (
        lambda s: s.edit("src/mllm_classify/measures/clusters.py", "sum(), 0, 1)", "sum(), 0, 1.0)"), {"sensitivity", "variants", "agreement"},
    ),
    "code of the agreement": (
        lambda s: s.edit("src/mllm_classify/tables/agreement.py", "chance == 1 else", "chance == 1.0 else"), {"agreement"},
    ),
    "sample of a task": (reconfigure(lambda c: c["tasks"]["OW"].update(sample={"per_class": 1})), CHAT),
    "examined categories": (reconfigure(lambda c: c["annotate"].update(categories=["M-"])), of("examination")),
    "what annotators see": (
        reconfigure(lambda c: c["annotate"].update(seed=1, top=5, vision="conse", sources=["ReGT", "conse-chat"])), set(),
    ),
    "how several names are read": (
        reconfigure(lambda c: c.update(mapping={"several": "any"})),
        {*MAPPED, "score", *of("scores", "mappings", "encoded", "examined", "about")},
    ),
    "revision of the chat model": (reconfigure(lambda c: model(c, "conse-chat").update(revision="2")), CHAT),
    "prompt": (lambda s: s.edit("resources/prompts/cw.v1.txt", "Which of", "Which one of"), CHAT),
    "templates": (
        lambda s: s.edit("resources/templates/imagenet-7.v1.txt", "itap of a {}.", "a photo of a {}."),
        {"classes/minilm", "synonyms/minilm", "predict/conse", *of("encoded_synonyms"), *CHOICES},
    ),
    "how answers are embedded": (
        reconfigure(lambda c: c["encoder"].update(answers="bare")),
        {"answers/minilm/conse-chat", "synonyms/minilm", "mapping/minilm/conse-chat", "score",
         *of("scores", "mappings", "encoded", "encoded_synonyms", "examined")},
    ),
    "appended encoder": (
        reconfigure(lambda c: c["encoders"].append(c["encoders"][0] | {"name": "more", "answers": "bare"})),
        {"classes/more", "synonyms/more", "answers/more/conse-chat", "mapping/more/conse-chat", *of("encoded", "encoded_synonyms")},
    ),
    "removed encoder": (reconfigure(lambda c: (c.pop("encoders"), c.pop("similarity"))), {"mapping_quality", *of("similar")}),
    "templates of a further encoder": (
        lambda s: s.edit("resources/templates/bare.v1.txt", "\n{}\n", "\na {}\n"),
        {*(f"{stage}/minilm-bare/conse-chat" for stage in ("answers", "concepts", "mapping")), "classes/minilm-bare", "synonyms/minilm-bare",
         *of("encoded", "encoded_synonyms", "similar")},
    ),
    "code of another kind of encoder": (
        lambda s: s.edit("src/mllm_classify/embed/openai.py", "CHARACTERS_PER_TOKEN = 3.0", "CHARACTERS_PER_TOKEN = 4"), set(),
    ),
    "labels of answers": (
        lambda s: s.edit("resources/photos/answer_labels.csv", '"thatch","same"', '"thatch","more specific"'), of("answer_labels"),
    ),
    "appended cross-encoder": (
        reconfigure(lambda c: c["encoders"].append(c["encoders"][0] | {"name": "more", "reranker": {"path": "p"}})),
        {"classes/more", "synonyms/more", "answers/more/conse-chat", "rerank/more/conse-chat", "mapping/more/conse-chat",
         *of("encoded", "encoded_synonyms")},
    ),
    "ImGT file": (lambda s: s.edit("resources/photos/imgt.csv", "rocket,657", "rocket,812"), {"labels", *of("labels"), *CHOICES}),
    "ReGT file": (lambda s: s.edit("resources/photos/regt.csv", "flower,N,", "flower,daisy,"), {"labels", *of("labels"), *CHOICES}),
    "no equivalences": (reconfigure(lambda c: c["dataset"].pop("equivalences")), {"labels", *of("labels"), *CHOICES}),
    "equivalences one way": (
        reconfigure(lambda c: c["dataset"]["equivalences"].update(one_way=True)), {"labels", *of("labels"), *CHOICES},
    ),
    "images without a label": (
        reconfigure(lambda c: c["dataset"]["regt"].update(missing="exclude")), {"labels", *of("labels"), *CHOICES},
    ),
    "reference of the choices": (reconfigure(lambda c: c["choices"].update(reference="efficientnet-lite0")), CHOICES),
    "repeats of the choices": (reconfigure(lambda c: c["choices"].update(repeats=2)), CHOICES),
    "answer by letter": (reconfigure(lambda c: c["choices"].update(answer="letter")), CHAT),
    "whose choices they are": (reconfigure(lambda c: c["choices"].update(label="Lite2")), of("reference")),
    "prompt of choices": (lambda s: s.edit("resources/prompts/mc.v1.txt", "Which of", "Which one of"), CHAT),
    "defaults of the choices": (reconfigure(lambda c: c["choices"].update(n=4, seed=0, imgt_distractors=True)), set()),
    "code of the choices": (
        lambda s: s.edit("src/mllm_classify/choices/options.py", "BLOCK = 65536", "BLOCK = 4096"), CHOICES,
    ),
    "comment in the manifest": (lambda s: s.edit("resources/photos/images.csv", "# Version 2.", "# Version two."), set()),
    "removed image": (
        lambda s: [s.edit(f"resources/photos/{file}.csv", row, "#") for file, row in
                   {"images": "rocket,package", "imgt": "rocket,657", "regt": "rocket,N"}.items()] and None,
        PIPELINE,
    ),
    "function that only scoring uses": (
        lambda s: s.edit("src/mllm_classify/score/score.py", 'pl.col("task").alias("scoring")', '(pl.col("task") + "").alias("scoring")'),
        {*of("encoded"), *SCORED} - {"mapping_quality"},
    ),
    "function that only tables use": (
        lambda s: s.edit("src/mllm_classify/measures/intervals.py", "CONFIDENCE = 0.95", "CONFIDENCE = 0.9"), NAMED,
    ),
    "function that only the ranking of labels uses": (
        lambda s: s.edit("src/mllm_classify/tables/suspects.py", "FIRST = 50", "FIRST = 40"), {"suspects", "precision"},
    ),
    "function that only the breakdown uses": (
        lambda s: s.edit("src/mllm_classify/tables/oop_texts.py", "TEXTS = 50", "TEXTS = 40"), {"oop_texts"},
    ),
    "function that only ConSE uses": (
        lambda s: s.edit("src/mllm_classify/predict/conse.py", "[:, :top]", "[:, : top + 0]"), {"predict/conse", *SCORED},
    ),
    "code of the chat client": (
        lambda s: s.edit("src/mllm_classify/predict/chat/collecting.py", "LONG_ANSWER = 1000", "LONG_ANSWER = 900"), CHAT,
    ),
    "code that vision models share": (
        lambda s: s.edit("src/mllm_classify/loading/timm.py", "is_training=False", "is_training=bool(0)"),
        PREDICTED | CHOICES | of("confident_rankings"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_schedules(study: Study, change: str) -> None:
    apply, expected = CHANGES[change]
    apply(study)
    assert study.scheduled() == expected


EXPLORED: dict[str, tuple[Callable[[Study], None], set[str]]] = {
    "nothing": (lambda _: None, set()),
    "touch": (touch_everything, set()),
    "label of a model": (reconfigure(lambda c: model(c, "conse").update(label="Renamed")), {"explorer"}),
    "label of a label set": (reconfigure(lambda c: c["dataset"]["regt"].update(label="seen")), {"explorer"}),
    "resamples": (reconfigure(lambda c: c.update(tables={"resamples": 200})), set()),
    "runtime settings": (reconfigure(runtime_settings), set()),
    "removed model": (reconfigure(lambda c: c["models"].pop(0)), {"score", "explorer"}),
    "its page": (lambda s: s.edit("src/mllm_classify/report/explorer/page.html", "<h1", "<h1 lang=en"), {"explorer"}),
    "its style": (lambda s: s.edit("src/mllm_classify/report/explorer/style.css", "15px", "16px"), {"explorer"}),
    "its script": (
        lambda s: s.edit("src/mllm_classify/report/explorer/js/answers.js", "SHORT = 280", "SHORT = 300"),
        {"explorer"},
    ),
    "its code": (
        lambda s: s.edit("src/mllm_classify/report/explorer/pictures.py", "SIDES = (960,", "SIDES = (800,"),
        {"explorer"},
    ),
}


@pytest.fixture(scope="module")
def explored(finished: Study) -> None:
    finished.make("results/explorer.html")


@pytest.mark.usefixtures("explored")
@pytest.mark.parametrize("change", EXPLORED)
def test_a_change_schedules_the_explorer(study: Study, change: str) -> None:
    apply, expected = EXPLORED[change]
    apply(study)
    assert study.scheduled("results/explorer.html") == expected
