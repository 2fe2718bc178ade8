from typing import Any

import pytest

from mllm_classify.config.chat import ChatModel, EndpointModel, EngineModel, Prices
from mllm_classify.config.encoders import OpenAIEncoder, Reranker
from mllm_classify.config.load import load
from mllm_classify.config.marks import DISPLAY, RUNTIME
from mllm_classify.config.study import Config, Mapping
from mllm_classify.config.tasks import Sample, TaskPrompt, Variant
from mllm_classify.config.vision import TimmModel
from mllm_classify.io.files import PROJECT
from mllm_classify.plan.lineage import WHOLE, lineages
from mllm_classify.plan.outline import outline
from tests.workflow.study import made_from

SHIPPED = load(PROJECT / "config.yaml")
EXISTING = outline(SHIPPED).outputs


def of(*needed: str, exists: list[str] = EXISTING) -> set[str]:
    """The demonstration's outputs that are made from any of these files and values."""
    return made_from(*needed, exists=exists)


SCORED = {"score", "panels", "explorer", *of("scores", "rankings")}
ANSWERED = {*SCORED, *of("chat_predictions", "worded_predictions", "mappings", "encoded", "examined")}
NAMED = {"panels", "explorer", *of("entries")}
"""What shows the names of models."""
ENCODERS = [encoder.name for encoder in SHIPPED.every_encoder]
MAPPED = {f"mapping/{encoder}/conse-chat" for encoder in ENCODERS}
SIMILAR = f"concepts/{SHIPPED.similarity}/conse-chat"
CHAT = {"predict/conse-chat", SIMILAR, *MAPPED, *(f"answers/{encoder}/conse-chat" for encoder in ENCODERS)}
ASKED = {*CHAT, *ANSWERED, "estimate", "annotate"}
"""What reruns when the chat model is asked something else."""
OTHERS = [model for model in SHIPPED.models if model.name != "conse-chat"]
HOT = Variant(name="hot", task="CW", temperature=1.0, repeats=2)
GROUPS = Variant(name="groups", task="CW", images=4, order="shuffled", prompt="resources/prompts/cw.v1.txt")


def changed(config: Config, before: Config = SHIPPED) -> set[str]:
    """Jobs of another lineage, but for what holds the configuration itself."""
    known = lineages(before)
    found = {job for job, lineage in lineages(config).items() if lineage != known.get(job)}
    assert found >= {*WHOLE}
    return found - {*WHOLE}


def configured(before: Config = SHIPPED, chat: dict[str, Any] | None = None, **top: Any) -> Config:
    """A configuration with some keys set at the top, or in the entry of the chat model, read as from a file."""
    content = before.model_dump(mode="json", exclude_none=True)
    entry = next(model for model in content["models"] if model["name"] == "conse-chat")
    entry.update(chat or {})
    dumped = {key: value if isinstance(value, dict | list) else value.model_dump() for key, value in top.items()}
    return Config.model_validate(content | dumped)


@pytest.mark.parametrize("key", [key for key, field in TimmModel.model_fields.items() if DISPLAY in field.metadata])
def test_what_tables_show_of_a_model_is_in_their_lineage_only(key: str) -> None:
    first, *others = SHIPPED.models
    expected = {"scorecard"} if key == "published" else NAMED
    changes = [first.model_copy(update={key: "other"}), *others]
    if key == "factors":  # which only pairs of models have; the estimate holds chat models' whole entries
        expected = {"factors", "estimate"}
        changes = [it.model_copy(update={key: {"size": it.name}}) for it in SHIPPED.models]
    assert changed(SHIPPED.model_copy(update={"models": changes})) == expected


def test_what_tables_show_of_the_data_set_is_in_their_lineage_only() -> None:
    dataset = SHIPPED.dataset.model_copy(update={"label": "other"})
    shown = {"panels", "explorer", *of("about", "reference")}
    assert changed(SHIPPED.model_copy(update={"dataset": dataset})) == shown


def test_what_is_asked_of_a_model_depends_on_the_options_only_where_it_is_asked_mc() -> None:
    """As they are shown, and as they are chosen; the confusions are drawn again when they are others."""
    assert SHIPPED.choices is not None
    for change, more in (({"answer": "letter"}, set()), ({"repeats": 2}, {"choices", *of("choices", "confusions")})):
        choices = SHIPPED.choices.model_copy(update=change)
        assert changed(SHIPPED.model_copy(update={"choices": choices})) == {*ASKED, *more}


def test_what_schedulers_are_asked_for_is_in_no_lineage_but_the_bundles() -> None:
    first, *others = SHIPPED.models
    assert changed(SHIPPED.model_copy(update={"models": [first.model_copy(update={"shards": 7}), *others]})) == set()


def test_the_same_configuration_has_the_same_lineages() -> None:
    assert lineages(load(PROJECT / "config.yaml")) == lineages(SHIPPED)
    assert lineages(configured()) == lineages(SHIPPED)


def test_prices_are_in_the_lineage_of_what_shows_dollars_only() -> None:
    prices = {"prices": {"input": 1, "output": 2}}
    assert changed(configured(chat=prices)) == {*of("prices"), "estimate"}
    varied = configured(chat={"variants": ["hot"]}, variants=[HOT.model_dump()])
    assert changed(configured(varied, chat=prices), varied) == {*of("prices"), "estimate"}


@pytest.mark.parametrize(
    ("key", "value"),
    {"budget": 3.0, "image_tokens": 9, "api_key_env": "K", "concurrency": 3, "requests_per_minute": 9.0,
     "tokens_per_minute": 9.0, "timeout": 9.0, "retries": 0, "patience": 9.0, "max_errors": 1, "min_cached_share": 0.5,
     "resources": {"gpus": 2}, "shards": 2, "start_timeout": 9.0}.items(),
)  # fmt: skip
def test_how_a_chat_model_is_run_is_in_the_lineage_of_the_estimate_only(key: str, value: Any) -> None:
    assert RUNTIME in EngineModel.model_fields[key].metadata
    before = configured(chat={"prices": {"input": 1, "output": 2}})
    assert changed(configured(before, chat={key: value}), before) == {"estimate"}


def test_every_runtime_key_of_a_chat_model_is_tested() -> None:
    keys = {key for key, field in EngineModel.model_fields.items() if RUNTIME in field.metadata}
    (tested,) = (
        mark.args[1] for mark in test_how_a_chat_model_is_run_is_in_the_lineage_of_the_estimate_only.pytestmark
    )
    assert {key for key, _ in tested} == keys


@pytest.mark.parametrize(
    "change",
    [*({"request": {key: value}} for key, value in
       {"temperature": 1, "top_p": 0.5, "max_tokens": 9, "max_completion_tokens": 9, "seed": 0,
        "reasoning_effort": "low", "service_tier": "flex", "detail": "low"}.items()),
     {"extra_body": {"top_k": 1}}, {"layout": "system"}, {"picture": {"quality": 90}}, {"revision": "2"},
     {"model": "other"}, {"command": ["other"]}],
    ids=str,
)  # fmt: skip
def test_what_is_sent_is_in_the_lineage_of_the_model_and_of_all_that_uses_its_answers(change: dict[str, Any]) -> None:
    assert changed(configured(chat=change)) == ASKED


def test_a_variant_that_no_model_names_is_in_no_lineage() -> None:
    assert changed(configured(variants=[*SHIPPED.model_dump()["variants"], HOT.model_dump()])) == set()


def test_a_variant_is_in_the_lineage_of_the_models_that_name_it() -> None:
    other = next(model for model in SHIPPED.models if model.name == "conse-chat").model_dump(mode="json")
    other |= {"name": "other", "label": "Other", "variants": ["hot"]}
    variants = SHIPPED.model_dump(mode="json", exclude_none=True)["variants"]
    models = SHIPPED.model_dump(mode="json", exclude_none=True)["models"]
    before = configured(models=[*models, other], variants=[*variants, HOT.model_dump()])
    hotter = [*variants, HOT.model_dump() | {"temperature": 1.5}]
    theirs = {job.replace("conse-chat", "other") for job in CHAT}
    mine = {"annotate", *of("examined")} - of("scores")
    assert changed(configured(before, variants=hotter), before) == {*ASKED - CHAT - mine, *theirs}


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        ({}, set()),
        ({"tasks": {"OW": {"sample": Sample(per_class=1).model_dump()}}}, CHAT),
        ({"variants": [HOT.model_dump()]}, set()),
        ({"variants": [HOT.model_dump() | {"sample": {"per_class": 1, "seed": 0}}]}, CHAT),
        ({"variants": [GROUPS.model_dump()]}, set()),
        ({"variants": [GROUPS.model_dump() | {"order": "class"}]}, CHAT),
        ({"unnamed": [GROUPS.model_dump() | {"order": "class"}]}, set()),
    ],
    # a set has another order in each process
    ids=["nothing", "sample", "variant", "sampled variant", "groups", "groups by class", "groups that nobody is asked"],
)
def test_a_label_is_in_the_lineage_of_a_chat_model_only_where_it_decides_what_is_asked(
    change: dict[str, Any], asks: set[str]
) -> None:
    """By a sample of each class, or by an order by class; multiple choice apart, which always has options."""
    content = SHIPPED.model_dump(mode="json", exclude_none=True)
    content.pop("choices")
    content["tasks"].pop("MC")
    for task, more in change.get("tasks", {}).items():
        content["tasks"][task] |= more
    content["variants"] = change.get("variants", change.get("unnamed", []))
    entry = next(model for model in content["models"] if model["name"] == "conse-chat")
    entry |= {"tasks": ["OW", "CW"], "variants": [variant["name"] for variant in change.get("variants", [])]}
    before = Config.model_validate(content)
    content["dataset"]["imgt"]["missing"] = "exclude"
    found = changed(Config.model_validate(content), before)
    exists = outline(before).outputs
    always = {"labels", "score", "panels", "explorer", "annotate", *of("labels", "scores", "examined", exists=exists)}
    assert found == always | (asks | {"estimate"} if asks else set())
    chat = next(model for model in before.models if isinstance(model, ChatModel))
    assert before.samples(chat) is bool(asks)


def test_what_a_table_says_of_a_variant_is_in_its_lineage_only(tmp_path) -> None:
    """Here a prompt of the same words under another name."""
    copies = [tmp_path / f"cw.v{number}.txt" for number in (7, 8)]
    for copy in copies:
        copy.write_bytes((PROJECT / "resources/prompts/cw.v1.txt").read_bytes())
    before, after = (
        configured(variants=[HOT.model_dump() | {"prompt": str(copy)}], chat={"variants": ["hot"]}) for copy in copies
    )
    assert changed(after, before) == {"sensitivity", "variants"}


def test_how_several_names_are_read_is_in_the_lineage_of_the_mapping_and_not_of_the_answers() -> None:
    """Every table states it."""
    assert changed(configured(mapping=Mapping(several="any"))) == {
        *MAPPED,
        *SCORED,
        "annotate",
        *of("mappings", "encoded", "examined", "about"),
    }


def test_a_further_encoder_is_in_the_lineage_of_what_compares_encoders_only() -> None:
    (bare,) = SHIPPED.encoders
    more = SHIPPED.model_copy(update={"encoders": [bare, bare.model_copy(update={"name": "more", "answers": "bare"})]})
    theirs = {f"{stage}/more/conse-chat" for stage in ("answers", "mapping")}
    assert changed(more) == {"classes/more", "synonyms/more", *theirs, *of("encoded", "encoded_synonyms")}
    decided = bare.model_copy(update={"name": "more", "reranker": Reranker(path="p")})
    again = SHIPPED.model_copy(update={"encoders": [bare, decided]})
    assert changed(again, more) == {
        *("answers/more/conse-chat", "synonyms/more", "rerank/more/conse-chat", "mapping/more/conse-chat"),
        *of("encoded", "encoded_synonyms"),
    }
    alone = lineages(SHIPPED.model_copy(update={"encoders": [], "similarity": None}))
    assert {job for job in lineages(SHIPPED) if alone.get(job) != lineages(SHIPPED)[job]} - {*WHOLE} == {
        *("classes/minilm-bare", "answers/minilm-bare/conse-chat", SIMILAR),
        *(f"synonyms/{encoder}" for encoder in ENCODERS),
        *of("encoded", "encoded_synonyms", "similar"),
        "mapping/minilm-bare/conse-chat",
    }


@pytest.mark.parametrize("key", [key for key, field in OpenAIEncoder.model_fields.items() if RUNTIME in field.metadata])
def test_how_a_server_of_embeddings_is_asked_is_in_no_lineage(key: str) -> None:
    entry = OpenAIEncoder(name="e", kind="openai", model="m", templates="resources/templates/bare.v1.txt")
    value = {"url": "http://x/v1", "api_key_env": "K"}.get(key, 7)
    before = SHIPPED.model_copy(update={"encoders": [entry], "similarity": None})
    after = before.model_copy(update={"encoders": [entry.model_copy(update={key: value})]})
    assert changed(after, before) == set()


@pytest.mark.parametrize("change", [{"model": "n"}, {"revision": "2"}, {"dimensions": 9}], ids=str)
def test_what_a_server_of_embeddings_is_asked_is_in_the_lineage_of_its_vectors(change: dict[str, Any]) -> None:
    entry = OpenAIEncoder(name="e", kind="openai", model="m", templates="resources/templates/bare.v1.txt")
    before = SHIPPED.model_copy(update={"encoders": [entry], "similarity": None})
    after = before.model_copy(update={"encoders": [entry.model_copy(update=change)]})
    theirs = {f"{stage}/e/conse-chat" for stage in ("answers", "mapping")}
    assert changed(after, before) == {"classes/e", "synonyms/e", *theirs, *of("encoded", "encoded_synonyms")}


def test_the_order_of_the_models_is_in_no_lineage_of_a_table() -> None:
    entries = [EndpointModel(name=name, label=name, kind="endpoint", model=name, url="http://x/v1", tasks=["OW"],
                             variants=["hot"], prices=Prices(input=1, output=2)) for name in "ab"]  # fmt: skip
    tasks = {"OW": TaskPrompt(prompt="resources/prompts/ow.v1.txt")}
    top = {"tasks": tasks, "variants": [HOT.model_copy(update={"task": "OW"})], "choices": None, "annotate": None}
    one, other = (
        lineages(SHIPPED.model_copy(update=top | {"models": [*OTHERS, *order]})) for order in (entries, entries[::-1])
    )
    assert {job for job in one if one[job] != other[job]} <= {*WHOLE, "estimate"}
    assert {"usage", "sensitivity", "agreement"} <= one.keys()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"categories": ["M-"]}, {"annotate", "disputed"}),
        ({"variant": "image first"}, {"annotate", "disputed"}),
        ({"seed": 1}, {"annotate"}),
        ({"top": 5}, {"annotate"}),
        ({"vision": "conse"}, {"annotate"}),
        ({"sources": ["ReGT", "conse-chat"]}, {"annotate"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_annotators_see_is_in_the_lineage_of_the_tasks_and_whom_they_examine_in_the_tables_too(
    change: dict[str, Any], expected: set[str]
) -> None:
    assert SHIPPED.annotate is not None
    assert changed(configured(annotate=SHIPPED.annotate.model_dump() | change)) == expected


def test_a_model_that_annotators_see_is_in_the_lineage_of_their_tasks() -> None:
    for name in ("efficientnet-lite0", "efficientnet-lite1"):
        models = [
            model.model_copy(update={"architecture": "other"}) if model.name == name else model
            for model in SHIPPED.models
        ]
        seen = {"annotate"} if name == "efficientnet-lite1" else set()
        assert changed(SHIPPED.model_copy(update={"models": models})) == {
            f"predict/{name}",
            *SCORED,
            *of("confident_rankings"),
            *seen,
        }


def test_a_hierarchy_is_in_the_lineage_of_what_compares_answers_in_it_only() -> None:
    tree = SHIPPED.dataset.hierarchy
    assert tree is not None
    renamed = SHIPPED.dataset.model_copy(update={"hierarchy": tree.model_copy(update={"label": "Other"})})
    assert changed(SHIPPED.model_copy(update={"dataset": renamed})) == of("hierarchy_label")
    flat = SHIPPED.dataset.model_copy(update={"hierarchy": tree.model_copy(update={"levels": None})})
    assert changed(SHIPPED.model_copy(update={"dataset": flat})) == {
        *("hierarchy", *of("hierarchy"), *(f"synonyms/{encoder}" for encoder in ENCODERS))
    } - {"levels"}


def test_labels_of_answers_are_in_the_lineage_of_what_is_measured_on_them_only() -> None:
    other = SHIPPED.dataset.model_copy(update={"answer_labels": None})
    known = lineages(SHIPPED)
    unlabelled = SHIPPED.model_copy(update={"dataset": other})
    assert {job for job in known if lineages(unlabelled).get(job) != known[job]} - {*WHOLE} == of("answer_labels")


def test_the_encoder_of_similarities_is_in_the_lineage_of_the_protocols_only() -> None:
    assert changed(SHIPPED.model_copy(update={"similarity": "minilm"})) == {
        "concepts/minilm/conse-chat",
        *of("similar"),
    }
    none = SHIPPED.model_copy(update={"similarity": None})
    known = lineages(SHIPPED)
    assert {job for job, lineage in lineages(none).items() if lineage != known[job]} - {*WHOLE} == {"protocols"}


def test_prompts_of_an_encoder_are_in_the_lineage_of_what_they_stand_before() -> None:
    (bare,) = SHIPPED.encoders
    asked = SHIPPED.model_copy(update={"encoders": [bare.model_copy(update={"query_prompt": "query: "})]})
    mapped = {"mapping/minilm-bare/conse-chat", *of("encoded", "encoded_classes", "similar")}
    assert changed(asked) == {"answers/minilm-bare/conse-chat", "synonyms/minilm-bare", SIMILAR, *mapped}
    named = SHIPPED.model_copy(update={"encoders": [bare.model_copy(update={"document_prompt": "passage: "})]})
    assert changed(named) == {"classes/minilm-bare", *mapped}
