from copy import deepcopy
from typing import get_args

import pytest
import yaml

from mllm_classify.choices.variants import ALL, EARLIER, FIRST, VARIANTS
from mllm_classify.config.chat import (
    Batch,
    EndpointModel,
    EngineModel,
    OpenAIModel,
    Picture,
    Prices,
    Request,
    VLLMModel,
)
from mllm_classify.config.dataset import (
    AnyDataset,
    Equivalences,
    ImagenetDataset,
    ImagenetLabels,
    LabelSet,
    SecondLabelSet,
    TableDataset,
)
from mllm_classify.config.encoders import Encoder, OpenAIEncoder, OpenClipEncoder
from mllm_classify.config.identity import identity
from mllm_classify.config.kinds import AnyModel
from mllm_classify.config.load import load
from mllm_classify.config.marks import CONTENT, DISPLAY, RUNTIME, EarlierVariant, MCVariant
from mllm_classify.config.models import RecordedModel, Resources
from mllm_classify.config.tasks import Sample, TaskPrompt, Variant
from mllm_classify.config.vision import (
    Classifier,
    ConseModel,
    DinoTxtModel,
    KnnModel,
    OpenClipModel,
    TimmModel,
    TrainingImages,
)
from mllm_classify.io.files import PROJECT, InputError, sha256

TIMM = {"name": "lite", "label": "Lite", "kind": "timm", "architecture": "tf_efficientnet_lite0"}
CONSE = {"name": "conse", "label": "ConSE", "kind": "conse", "classifier": {"architecture": "tf_efficientnet_lite0"}}
ENDPOINT = {"name": "api", "label": "API", "kind": "endpoint", "model": "m", "url": "http://127.0.0.1:1/v1"}
RECORDED = {"name": "file", "label": "File", "kind": "recorded", "file": "p.csv"}
OPENAI = {"name": "gpt", "label": "GPT", "kind": "openai", "model": "gpt-4o"}
VLLM = {"name": "vllm", "label": "vLLM", "kind": "vllm", "model": "hub/id", "chat_template": "chat.jinja"}
ENGINE = {"name": "engine", "label": "Engine", "kind": "engine", "model": "m", "command": ["serve", "{port}"]}
WHOLE = {
    "dataset": {
        "source": "table",
        "name": "d",
        "label": "D",
        "classes": "c.txt",
        "images": "i.csv",
        "imgt": {"label": "I", "file": "l.csv"},
        "regt": {"label": "R", "file": "r.csv"},
        "equivalences": {"label": "E", "file": "e.csv"},
    },
    "encoder": {"name": "e", "kind": "sentence-transformers", "path": "hub/id", "templates": "t.txt"},
    "tasks": {"OW": {"prompt": "ow.txt"}, "CW": {"prompt": "cw.txt"}},
    "variants": [{"name": "ids", "task": "CW", "answer": "id", "prompt": "ids.txt", "sample": {"per_class": 2}}],
    "models": [TIMM, CONSE, ENDPOINT, ENGINE, RECORDED, OPENAI, VLLM],
}
PRICES = {"input": 1, "output": 2}
IMAGENET = {"source": "imagenet", "name": "i", "label": "I"}
ONLY_RECORDED = {"dataset": IMAGENET, "models": [RECORDED]}


def loaded(folder, content):
    path = folder / "config.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return load(path)


def refusal(folder, content):
    with pytest.raises(InputError) as caught:
        loaded(folder, content)
    return str(caught.value)


def whole(*keys, **values):
    """The whole configuration with values set in the section at `keys`, or taken out where None."""
    result = deepcopy(WHOLE)
    section = result
    for key in keys:
        section = section[key]
    section.update(values)
    for key in [key for key, value in values.items() if value is None]:
        del section[key]
    return result


COMPARING = [
    {"name": "siglip", "label": "S", "kind": "open_clip", "model": "hf-hub:a/b", "templates": "t.txt"},
    {"name": "dinotxt", "label": "D", "kind": "dinotxt", "repository": "r", "weights": "w", "backbone_weights": "b",
     "templates": "t.txt"},
    {"name": "knn", "label": "K", "kind": "knn", "architecture": "a", "train": {"folder": "f", "images": "l.csv"}},
]  # fmt: skip
"""Models that compare images with texts or images."""
OPEN_CLIP_ENCODER = {"name": "e", "kind": "open_clip", "model": "ViT-B-32", "pretrained": "x", "templates": "t.txt"}

WORDS = {"name": "w", "kind": "sentence-transformers", "path": "hub/id", "templates": "t.txt"}
SERVED_ENCODER = {"name": "w", "kind": "openai", "model": "m", "templates": "t.txt"}


def choosing(**values):
    """A configuration of which one model is asked multiple choice; values are set at the top, or in choices."""
    tasks = WHOLE["tasks"] | {"MC": {"prompt": "mc.txt"}}
    models = [TIMM, CONSE, ENDPOINT, ENGINE | {"tasks": ["MC"]}]
    top = {key: values.pop(key) for key in list(values) if key in ("dataset", "tasks", "models", "choices")}
    choices = {key: value for key, value in ({"reference": "lite"} | values).items() if value is not None}
    return whole(**{"tasks": tasks, "models": models, "choices": choices} | top)


def test_shipped_configuration_has_every_kind_of_offline_model():
    shipped = load(PROJECT / "config.yaml")
    assert {model.kind for model in shipped.models} == {"timm", "conse", "engine"}


def test_each_kind_becomes_its_own_model_with_defaults(folder):
    read = loaded(folder, WHOLE)
    assert [type(model) for model in read.models] == [
        TimmModel, ConseModel, EndpointModel, EngineModel, RecordedModel,
        OpenAIModel, VLLMModel,
    ]  # fmt: skip
    assert [model.family for model in read.models] == [
        "supervised", "supervised + text", "MLLM", "MLLM", "recorded", "MLLM", "MLLM",
    ]  # fmt: skip
    assert [model.worded for model in read.models] == [False, False, True, True, False, True, True]
    assert read.model("api").tasks == ["OW", "CW"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            whole("models", 0, architecure="x"),
            (
                "config.yaml: models[0].architecure: unknown key (value 'x'); remove it, or see docs/configuration.md for "
                "the keys"
            ),
        ),
        (whole(modells=[]), "config.yaml: modells: unknown key (value []);"),
        (whole("models", 1, "classifier", widht=2), "config.yaml: models[1].classifier.widht: unknown key (value 2)"),
        (whole("models", 0, kind="tim"), "config.yaml: models[0].kind: 'tim' is no kind of model; one of 'timm'"),
        (
            whole("models", 2, kind=None),
            (
                "config.yaml: models[2].kind: missing; one of conse, dinotxt, endpoint, engine, knn, open_clip, "
                "openai, recorded, timm, vllm"
            ),
        ),
        (whole("models", 0, architecture=None), "config.yaml: models[0].architecture: missing"),
        (whole("encoder", kind="clip"), "config.yaml: encoder.kind: 'clip' is no kind of encoder; one of 'sentence-tr"),
        (
            whole("encoder", kind=None),
            "config.yaml: encoder.kind: missing; one of open_clip, openai, sentence-transformers",
        ),
        (
            whole(encoders=[{"name": "b", "path": "p"}]),
            "config.yaml: encoders[0].kind: missing; one of open_clip, openai, se",
        ),
        (
            whole(encoders=[WORDS | {"kind": "clip"}]),
            "config.yaml: encoders[0].kind: 'clip' is no kind of encoder; one of",
        ),
        (
            whole(encoders=[SERVED_ENCODER | {"model": None}]),
            "config.yaml: encoders[0].model: None: input should be a valid string",
        ),
        (
            whole(encoders=[WORDS, WORDS | {"name": "e"}]),
            "encoders[1].name: 'e' is also encoder's; it names the folders of its embeddings, so give each its own",
        ),
        (whole(encoders=[WORDS, WORDS]), "encoders[1].name: 'w' is also encoders[0]'s; it names the folders of its"),
        (
            whole(encoders=[WORDS | {"name": "a/b"}]),
            "config.yaml: encoders[0].name: 'a/b': string should match pattern",
        ),
        (
            whole(encoder=None, encoders=[WORDS], models=[TIMM], tasks=None, variants=None),
            "encoders[0] (w): is compared with the main one; add encoder:",
        ),
        (
            whole(encoders=[SERVED_ENCODER | {"url": "http://me:secret@x/v1"}]),
            "config.yaml: encoders[0] (w): url: holds a user or a password; name the key's variable in api_key_env",
        ),
        (whole("encoder", path=None), "config.yaml: encoder.path: missing; see docs/configuration.md"),
        (whole("encoder", kind="open_clip"), "config.yaml: encoder.model: missing; see docs/configuration.md"),
        (
            whole(models=[COMPARING[0] | {"pretrained": "webli"}]),
            "config.yaml: models[0]: pretrained: 'webli': hf-hub:a/b has weights of its own; remove the key",
        ),
        (whole(models=[COMPARING[2] | {"vote": "all"}]), "config.yaml: models[0].vote: 'all': input should be 'soft"),
        (whole("dataset", imgt=None), "config.yaml: dataset.imgt: missing; see docs/configuration.md"),
        (whole("dataset", "imgt", file=None), "config.yaml: dataset.imgt.file: missing"),
        (whole("dataset", "regt", file=None), "config.yaml: dataset.regt.file: missing"),
        (whole("dataset", "regt", label=None), "config.yaml: dataset.regt.label: missing"),
        (whole("dataset", "equivalences", file=None), "config.yaml: dataset.equivalences.file: missing"),
        (whole("dataset", imgt="l.csv"), "config.yaml: dataset.imgt: 'l.csv': "),
        (whole("dataset", regtt="r.csv"), "config.yaml: dataset.regtt: unknown key (value 'r.csv'); remove it, or see"),
        (whole("dataset", "imgt", format="real"), "config.yaml: dataset.imgt.format: unknown key (value 'real')"),
        (whole("dataset", "imgt", missing="N"), "config.yaml: dataset.imgt.missing: 'N': input should be 'error' or"),
        (whole("dataset", "regt", fromat="real"), "config.yaml: dataset.regt.fromat: unknown key (value 'real')"),
        (
            whole("dataset", "regt", format="ReaL"),
            "config.yaml: dataset.regt.format: 'ReaL': input should be 'table', ",
        ),
        (
            whole("dataset", "equivalences", oneway=True),
            "config.yaml: dataset.equivalences.oneway: unknown key (value T",
        ),
        (whole("dataset", mustelidae="m.json"), "config.yaml: dataset.mustelidae: unknown key (value 'm.json')"),
        (
            ONLY_RECORDED | {"dataset": IMAGENET | {"images": "i.csv"}},
            "config.yaml: dataset.images: unknown key (value 'i.",
        ),
        (ONLY_RECORDED | {"dataset": IMAGENET | {"regt": {"label": "R"}}}, "config.yaml: dataset.regt.file: missing"),
        (
            ONLY_RECORDED | {"dataset": IMAGENET | {"imgt": {"table": "l.csv"}}},
            "config.yaml: dataset.imgt.table: unknown key (value 'l.csv')",
        ),
        (whole("dataset", source="imagenett"), "config.yaml: dataset.source: 'imagenett'"),
        (whole("dataset", source=None), "config.yaml: dataset.source: missing; one of imagenet, table"),
        (
            whole("dataset", "regt", format="real"),
            "dataset.regt.format: 'real' labels ImageNet's validation images; needs source: imagenet",
        ),
        (
            whole("dataset", "regt", format="reimagenet"),
            "dataset.regt.format: 'reimagenet' labels ImageNet's validation",
        ),
        (
            whole("dataset", "regt", format="mustelidae"),
            "dataset.regt.format: 'mustelidae' labels ImageNet's validation",
        ),
        (
            whole("models", 4, column="words"),
            "config.yaml: models[4].column: 'words': input should be 'class_id' or 'text'",
        ),
        (whole("models", 4, images="some"), "config.yaml: models[4].images: 'some': input should be 'all' or"),
        (whole("models", 4, url="http://x"), "config.yaml: models[4].url: unknown key (value 'http://x')"),
        (whole(encoder=None), "models[1] (conse): its answers are mapped by a text encoder; add encoder:"),
        (whole(encoder=None, models=[ENDPOINT]), "models[0] (api): its answers are mapped by a text encoder"),
        (whole(encoder=None, models=[TIMM, ENGINE]), "models[1] (engine): its answers are mapped by a text encoder"),
        (
            whole(encoder=None, models=[RECORDED, RECORDED | {"name": "w", "label": "W", "column": "text"}]),
            "models[1] (w): its answers are mapped by a text encoder; add encoder:",
        ),
        (whole(models=[]), "config.yaml: models: []: list should have at least 1 item"),
        (
            whole(models=[TIMM, CONSE, TIMM | {"label": "Other"}]),
            "models[2].name: 'lite' is also models[0].name; give each its own",
        ),
        (
            whole(models=[TIMM, CONSE | {"label": "Lite"}]),
            "models[1].label: 'Lite' is also models[0].label; give each its own",
        ),
        (whole("tasks", CW=None), "models[2].tasks: 'CW' has no prompt; add it under tasks:"),
        (
            whole("models", 3, tasks=["AW"]),
            "config.yaml: models[3].tasks[0]: 'AW': input should be 'OW', 'CW', 'CW-constrained' or 'MC'",
        ),
        (choosing(choices=None), "models[3].tasks: 'MC' needs options; add choices: with a reference"),
        (
            choosing(tasks={"OW": {"prompt": "ow.txt"}, "CW": {"prompt": "cw.txt"}}),
            "models[3].tasks: 'MC' has no prompt",
        ),
        (choosing(reference=None), "config.yaml: choices: needs one of reference and confusions"),
        (choosing(confusions="c.parquet"), "config.yaml: choices: needs one of reference and confusions"),
        (
            choosing(reference=None, confusions="c.parquet"),
            "choices.label: missing; say whose confusions on which images",
        ),
        (choosing(reference="nobody"), "choices.reference: 'nobody' is not among the models; name a model that ranks"),
        (choosing(reference="api"), "choices.reference: 'api' answers in words; name a model that ranks classes"),
        (choosing(n=1), "config.yaml: choices.n: 1: input should be greater than or equal to 2"),
        (choosing(repeats=0), "config.yaml: choices.repeats: 0: input should be greater than 0"),
        (choosing(per_class=0), "config.yaml: choices.per_class"),
        (
            choosing(variants=["ImGT + some"]),
            "config.yaml: choices.variants[0]: 'ImGT + some': input should be 'ImGT + random'",
        ),
        (choosing(variants=["ImGT + random"] * 2), "config.yaml: choices.variants: 'ImGT + random' stands twice"),
        (choosing(variants=[]), "config.yaml: choices.variants: []: list should have at least 1 item"),
        (choosing(answer="number"), "config.yaml: choices.answer: 'number': input should be 'name' or 'letter'"),
        (
            choosing(models=[TIMM, ENGINE | {"tasks": ["MC"]}], tasks={"MC": {"prompt": "mc.txt"}}),
            "choices.variants: 'ImGT + 999 (CW)' puts the prompt of CW; add it under tasks:",
        ),
        (
            choosing(dataset=whole("dataset", regt=None)["dataset"]),
            "choices.variants: 'ReGT + confEVA(ReGT)' needs a second label set; add dataset.regt, or list the variants",
        ),
        (
            {**choosing(models=[TIMM], earlier={}), "encoder": None},
            "choices.earlier.variants: 'MC semantic' needs a text encoder; add encoder:",
        ),
        (whole("models", 0, name="../lite"), "config.yaml: models[0].name: '../lite': string should match"),
        (whole("models", 0, label="a\nb"), "config.yaml: models[0].label: 'a\\nb': string should match"),
        (whole("models", 0, batch_size=0), "config.yaml: models[0].batch_size: 0: input should be greater than 0"),
        (
            whole("models", 0, revision="v1", weights="w.pth"),
            "models[0]: revision: 'v1' is of weights on the hub, and weights names a file; remove one of them",
        ),
        (
            whole("models", 0, precision="fp8"),
            "config.yaml: models[0].precision: 'fp8': input should be 'fp32', 'bf16'",
        ),
        (whole("models", 3, command=[]), "config.yaml: models[3].command: []: list should have at least 1 item"),
    ],
)
def test_what_is_wrong_is_named_by_file_key_and_value(folder, content, message):
    assert message in refusal(folder, content)


def asking(*variants, **options):
    """A configuration with these variants, of which one model is asked those that it names."""
    return whole(variants=list(variants), models=[ENDPOINT | options])


GROUPS = {"name": "groups", "task": "CW", "images": 4, "prompt": "several.txt"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (asking(variants=["hot"]), "models[0].variants: 'hot' is not among variants:, which has none"),
        (asking(GROUPS, variants=["hot"]), "models[0].variants: 'hot' is not among variants:, which has groups"),
        (
            asking(GROUPS, variants=["groups"], tasks=["OW"]),
            "models[0].variants: 'groups' is compared with CW, which is not among the model's tasks",
        ),
        (asking(GROUPS, GROUPS), "variants: the name 'groups' stands twice"),
        (asking(GROUPS | {"images": 1, "order": "class"}), "variants: 'groups': order 'class' concerns several images"),
        (asking({"name": "v", "task": "OW", "images": 2}), "variants: 'v': images 2: needs a prompt of its own"),
        (asking(GROUPS | {"task": "CW-constrained"}), "variants: 'groups': a constrained answer is one name"),
        (asking({"name": "v", "task": "CW", "answer": "id"}), "variants: 'v': answer 'id' is for CW, with a prompt of"),
        (
            asking({"name": "v", "task": "OW", "answer": "id", "prompt": "p.txt"}),
            "variants: 'v': answer 'id' is for CW, with a prompt of its own",
        ),
        (
            asking({"name": "v", "task": "OW", "classes": "shuffled"}),
            "variants: 'v': classes 'shuffled': OW lists none",
        ),
        (asking({"name": "v", "task": "CW", "classes": "sorted"}), "config.yaml: variants[0].classes: 'sorted': input"),
        (asking({"name": "v", "task": "MC"}), "config.yaml: variants[0].task: 'MC': input should be 'OW', 'CW' or"),
        (asking(GROUPS | {"repeats": 0}), "config.yaml: variants[0].repeats: 0: input should be greater than 0"),
        (asking(GROUPS | {"sample": {"per_class": 0}}), "config.yaml: variants[0].sample.per_class: 0: input should"),
        (
            choosing(tasks=WHOLE["tasks"] | {"MC": {"prompt": "mc.txt", "sample": {"per_class": 1}}}),
            "config.yaml: tasks.MC.sample: choices.per_class says which images multiple choice is about; remove the key",
        ),
        (whole("tasks", "CW", sample={}), "config.yaml: tasks.CW.sample.per_class: missing"),
        (whole(mapping={"several": "last"}), "config.yaml: mapping.several: 'last': input should be 'wrong', 'first'"),
        (asking(temperature=0), "config.yaml: models[0].temperature: unknown key (value 0)"),
        (asking(request={"temprature": 0}), "config.yaml: models[0].request.temprature: unknown key (value 0)"),
        (asking(request={"temperature": -1}), "config.yaml: models[0].request.temperature: -1: input should be gr"),
        (asking(request={"detail": "medium"}), "config.yaml: models[0].request.detail: 'medium': input should be"),
        (asking(layout="image_middle"), "config.yaml: models[0].layout: 'image_middle': input should be 'image_last'"),
        (asking(picture={"quality": 101}), "config.yaml: models[0].picture.quality: 101: input should be less than"),
        (asking(prices={"input": 1}), "config.yaml: models[0].prices.output: missing"),
        (asking(budget=5), "config.yaml: models[0] (api): budget: 5: needs prices:"),
        (
            asking(extra_body={"messages": []}),
            "config.yaml: models[0] (api): extra_body: 'messages' is not for this place; request: has parameters",
        ),
        (
            whole(
                models=[TIMM, OPENAI | {"tasks": ["CW-constrained"]}], tasks={"CW-constrained": {"prompt": "cw.txt"}}
            ),
            "config.yaml: models[1] (gpt): tasks: 'CW-constrained' needs structured_outputs",
        ),
        (whole(models=[ENDPOINT | {"batch": {}}]), "config.yaml: models[0].batch: unknown key"),
        (whole(models=[OPENAI | {"batch": {"requests": 50_001}}]), "config.yaml: models[0].batch.requests: 50001: "),
        *(
            (
                whole(models=[VLLM | {key: {flag: 1}}]),
                f"config.yaml: models[0] (vllm): {key}: '{flag}' is set by the job; remove it",
            )
            for key in ("flags", "performance")
            for flag in ("port", "--host", "served_model_name", "--api-key")
        ),
    ],
    ids=lambda value: value[13:70] if isinstance(value, str) else "",
)
def test_what_is_wrong_about_chat_models_is_named_by_key_and_value(folder, content, message):
    assert message in refusal(folder, content)


def test_a_limit_of_another_name_takes_the_place_of_the_usual_one():
    def limits(**given):
        request = Request(**given)
        return request.max_tokens, request.max_completion_tokens, request.limit

    assert limits() == (64, None, 64)
    assert limits(max_completion_tokens=900) == (None, 900, 900)
    assert limits(max_completion_tokens=900, max_tokens=9) == (9, 900, 900)
    assert limits(max_completion_tokens=None) == (64, None, 64)
    assert limits(max_tokens=None) == (None, None, 1024)


def test_models_are_asked_their_variants_in_the_order_of_the_file(folder):
    hot, cold = ({"name": name, "task": "OW"} for name in ("hot", "cold"))
    read = loaded(folder, asking(hot, GROUPS, cold, variants=["cold", "hot"]))
    assert [variant.name for variant in read.asked_variants(read.model("api"))] == ["hot", "cold"]


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ({}, "nothing: asked again"),
        ({"prompt": "cw.txt", "layout": "image_last", "temperature": 0, "sample": {"per_class": 1}, "repeats": 3},
         "nothing: asked again"),
        ({"prompt": "prompts/cw.v2.txt"}, "prompt cw.v2"),
        ({"prompt": "ids.v1.txt", "answer": "id"}, "prompt ids.v1, answered by id"),
        ({"classes": "shuffled"}, "class list shuffled"),
        ({"layout": "system", "temperature": 0.7}, "layout system, temperature 0.7"),
        ({"prompt": "s.txt", "images": 4}, "prompt s, 4 images a request, as listed"),
        ({"prompt": "cw.txt", "images": 8, "order": "shuffled"}, "8 images a request, shuffled"),
        ({"prompt": "cw.txt", "images": 8, "order": "class"}, "8 images a request, by class"),
    ],
    ids=str,
)  # fmt: skip
def test_what_differs_in_a_variant_is_said_in_words(folder, variant, expected):
    read = loaded(folder, asking({"name": "v", "task": "CW"} | variant, variants=["v"]))
    assert read.differing() == [("api", "v", expected)]


def test_what_is_asked_repeatedly_says_what_repeats_differ_in(folder):
    ways = [
        {"name": "once", "task": "OW"},
        {"name": "again", "task": "OW", "repeats": 2},
        {"name": "lists", "task": "CW", "repeats": 3, "classes": "shuffled"},
        {"name": "mixed", "task": "CW", "repeats": 3, "prompt": "several.txt", "images": 4, "order": "shuffled"},
    ]
    other = ENDPOINT | {"name": "aaa", "label": "Another", "variants": ["mixed"]}
    content = asking(*ways, variants=["mixed", "again", "once", "lists"])
    read = loaded(folder, content | {"models": [*content["models"], other]})
    assert read.repeating() == [
        ("aaa", "mixed", "seed, order of images"),
        ("api", "again", "seed"),
        ("api", "lists", "seed, class list"),
        ("api", "mixed", "seed, order of images"),
    ]


@pytest.mark.parametrize(
    ("kind", "served"), [(ENDPOINT, "m"), (ENGINE, "m"), (OPENAI, "gpt-4o"), (VLLM, "hub/id")], ids=str
)
def test_the_name_in_requests(folder, kind, served):
    read = loaded(folder, whole(models=[kind]))
    assert read.models[0].served == served


def test_a_model_in_a_folder_of_this_machine_is_not_called_by_where_that_lies(folder):
    (folder / "weights").mkdir()
    one, other = (
        loaded(folder, whole(models=[VLLM | {"model": model}])).models[0].served
        for model in ("weights", str(folder / "weights"))
    )
    assert one == "weights"
    assert str(folder) not in other


def test_an_address_holds_no_password_and_the_message_neither(folder):
    found = refusal(folder, whole(models=[ENDPOINT | {"url": "https://me:hunter2@api.example.org/v1"}]))
    assert (
        found == "config.yaml: models[0] (api): url: holds a user or a password; name the key's variable in api_key_env"
    )


def test_a_file_of_predictions_is_not_shared_between_jobs(folder):
    assert refusal(folder, whole(models=[TIMM, RECORDED | {"shards": 3}])) == (
        "config.yaml: models[1].shards: 3: a file of predictions is read at once; remove the key"
    )
    loaded(folder, whole(models=[RECORDED | {"shards": 1}, TIMM | {"shards": 3}]))


@pytest.mark.parametrize("model", [TIMM, CONSE, ENDPOINT, ENGINE, OPENAI, VLLM])
@pytest.mark.parametrize("source", ["table", "imagenet"])
def test_without_pictures_there_are_recorded_models_only(folder, model, source):
    dataset = whole("dataset", images=None)["dataset"] if source == "table" else IMAGENET
    assert refusal(folder, whole(dataset=dataset, models=[RECORDED, model])) == (
        f"config.yaml: models[1] ({model['name']}): kind {model['kind']!r} needs pictures, and the data set has none; set dataset.folder"
    )
    loaded(folder, whole(dataset=dataset, models=[RECORDED]))
    read = loaded(folder, whole(dataset=dataset | {"folder": "pictures"}, models=[RECORDED, model]))
    assert read.dataset.has_files


def test_only_models_that_answer_in_words_need_an_encoder(folder):
    read = loaded(folder, whole(encoder=None, tasks=None, models=[TIMM, RECORDED]))
    assert read.encoder is None
    assert [model.worded for model in read.models] == [False, False]


def test_the_source_says_what_a_data_set_is(folder):
    assert type(loaded(folder, WHOLE).dataset) is TableDataset
    assert type(loaded(folder, ONLY_RECORDED).dataset) is ImagenetDataset


@pytest.mark.parametrize("format_", ["table", "real", "reimagenet", "mustelidae"])
def test_imagenet_has_labels_of_every_format(folder, format_):
    regt = {"label": "R", "file": "r.json", "format": format_}
    read = loaded(folder, ONLY_RECORDED | {"dataset": IMAGENET | {"regt": regt}})
    assert read.dataset.regt.format == format_


def test_what_is_not_said_of_labels(folder):
    dataset = loaded(folder, WHOLE).dataset
    assert (dataset.imgt.missing, dataset.regt.missing, dataset.regt.uncertain) == ("error", "error", "exclude")
    assert (dataset.regt.format, dataset.equivalences.one_way) == ("table", False)
    bare = loaded(folder, ONLY_RECORDED).dataset
    assert (bare.regt, bare.equivalences, bare.classes, bare.mustelidae, bare.folder) == (None,) * 5
    assert bare.imgt.label == "ImageNet"


@pytest.mark.parametrize(
    ("written", "image_id"),
    [
        ("ILSVRC2012_val_00000293", "ILSVRC2012_val_00000293"),
        ("ILSVRC2012_val_00000293.JPEG", "ILSVRC2012_val_00000293"),
        ("n01440764/ILSVRC2012_val_00000293.JPEG", "ILSVRC2012_val_00000293"),
        ("/data/val/n01440764/ILSVRC2012_val_00000293", "ILSVRC2012_val_00000293"),
        ("a.jpg", "a.jpg"),
        ("a.b.JPEG", "a.b"),
    ],
)
def test_how_files_write_the_images_of_imagenet(folder, written, image_id):
    assert loaded(folder, ONLY_RECORDED).dataset.image_id(written) == image_id
    assert loaded(folder, WHOLE).dataset.image_id(written) == written


def test_every_wrong_key_has_a_line_of_its_own(folder):
    lines = refusal(folder, whole("models", 0, architecture=None, wieghts="w")).splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "config.yaml: models[0].architecture: missing",
        "config.yaml: models[0].wieghts: unknown key (value 'w')",
    ]


def test_long_values_are_cut(folder):
    assert max(map(len, refusal(folder, whole(extra="x" * 500)).splitlines())) < 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("dataset:\n  name: a\n  label: b\n  name: c\n", "config.yaml: line 4: the key 'name' stands twice"),
        ("models: []\nencoder: {}\nmodels: []\n", "config.yaml: line 3: the key 'models' stands twice"),
        ("models: [\n", "config.yaml: line 2: "),
        ("models:\n\t- a\n", "config.yaml: line 2: found character '\\t'"),
        ("models: !!python/object:os.system {}\n", "config.yaml: line 1: could not determine a constructor"),
    ],
)
def test_broken_yaml_is_named_by_file_and_line(folder, content, message):
    assert message in refusal(folder, content)


@pytest.mark.parametrize("content", ["dataset:\n  {{name}}: a\n", "[a, b]: c\n"])
def test_a_key_that_is_no_text_is_refused_with_its_line(folder, content):
    assert f"config.yaml: line {content.count(chr(10))}: " in refusal(folder, content)


def test_a_model_that_is_asked_nothing_is_refused(folder):
    assert "models[2].tasks: []: " in refusal(folder, whole("models", 2, tasks=[]))


def test_a_model_cannot_have_the_name_of_the_class_embeddings_file(folder):
    assert "models[2].name: 'classes'" in refusal(folder, whole("models", 2, name="classes"))


def test_an_absent_configuration_is_named(folder):
    with pytest.raises(InputError, match=r"^other\.yaml: cannot be read \(No such file or directory\)$"):
        load(folder / "other.yaml")


def test_an_unknown_model_is_named_with_those_that_there_are(folder):
    with pytest.raises(InputError) as caught:
        loaded(folder, WHOLE).model("vit")
    assert (
        str(caught.value)
        == "--model: 'vit' is not in the configuration; it has lite, conse, api, engine, file, gpt, vllm"
    )


def every_section():
    classes = [*get_args(get_args(AnyDataset)[0]), LabelSet, ImagenetLabels, SecondLabelSet]
    classes += [Equivalences, Encoder, TaskPrompt, Variant, Sample]
    classes += [Resources, Classifier, Request, Picture, Prices, Batch]
    classes += [TimmModel, ConseModel, EndpointModel, EngineModel, RecordedModel]
    classes += [OpenAIModel, VLLMModel]
    classes += [
        OpenClipModel,
        DinoTxtModel,
        KnnModel,
        TrainingImages,
        OpenClipEncoder,
        OpenAIEncoder,
    ]
    return classes


def marked(section, mark):
    return {key for key, field in type(section).model_fields.items() if mark in field.metadata}


@pytest.fixture
def sections(folder):
    """One of each section, whose files exist."""
    for name in ("c.txt", "l.csv", "r.csv", "e.csv", "m.json", "t.txt", "ow.txt", "cw.txt", "ids.txt", "p.csv",
                 "chat.jinja"):  # fmt: skip
        (folder / name).write_text(f"content of {name}")
    (folder / "i.csv").write_text("image_id,file,title\na,a.png,first\n")
    read = loaded(folder, WHOLE)
    table = read.dataset
    imagenet = loaded(
        folder, ONLY_RECORDED | {"dataset": IMAGENET | {"classes": "c.txt", "mustelidae": "m.json"}}
    ).dataset
    found = [table, imagenet, table.imgt, imagenet.imgt, table.regt, table.equivalences]
    found += [read.encoder, read.tasks["OW"], read.variants[0], read.variants[0].sample]
    found += [read.models[0].resources, read.models[1].classifier]
    found += [read.models[2].request, read.models[2].picture, Prices(input=1, output=2), Batch()]
    compared = loaded(
        folder, whole(encoder=OPEN_CLIP_ENCODER, encoders=[SERVED_ENCODER], models=COMPARING, tasks=None, variants=None)
    )
    found += [*read.models, *compared.models, compared.models[2].train, *compared.every_encoder]
    assert [type(section) for section in found] == every_section()
    assert {type(model) for model in [*read.models, *compared.models]} == set(get_args(get_args(AnyModel)[0]))
    return found


def test_runtime_keys_have_no_identity(sections):
    for section in sections:
        assert not marked(section, RUNTIME) & set(identity(section))


def test_display_keys_have_no_identity(sections):
    for section in sections:
        assert not marked(section, DISPLAY) & set(identity(section))


def test_all_other_keys_have_an_identity(sections):
    for section in sections:
        expected = set(type(section).model_fields) - marked(section, RUNTIME) - marked(section, DISPLAY)
        assert set(identity(section)) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("concurrency", 64), ("timeout", 1.5), ("retries", 0), ("api_key_env", "KEY"), ("url", "http://other/v1"),
        ("resources", {"gpus": 8, "mem_mb": 1, "runtime": 1}), ("label", "Other"), ("prices", {"input": 0, "output": 3}),
        ("budget", 5), ("requests_per_minute", 60), ("tokens_per_minute", 1e5), ("patience", 9), ("max_errors", 3),
        ("min_cached_share", 0), ("image_tokens", 700), ("shards", 4),
    ],
)  # fmt: skip
def test_how_a_model_is_run_or_called_changes_no_identity(folder, key, value):
    before, after = loaded(folder, WHOLE), loaded(folder, whole("models", 2, **{"prices": PRICES} | {key: value}))
    assert before.model("api") != after.model("api")
    assert identity(before.model("api")) == identity(after.model("api"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("request", {key: value}) for key, value in
          {"temperature": 0.5, "max_tokens": 65, "max_completion_tokens": 64, "top_p": 0.9, "seed": 0,
           "reasoning_effort": "low", "service_tier": "flex", "detail": "low"}.items()),
        ("revision", "2"), ("tasks", ["OW"]), ("layout", "system"), ("extra_body", {"top_k": 1}),
        ("picture", {"longest_side": 500}), ("variants", ["ids"]), ("model", "other"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_asked_changes_the_identity(folder, key, value):
    before, after = loaded(folder, WHOLE), loaded(folder, whole("models", 2, **{key: value}))
    assert identity(before.model("api")) != identity(after.model("api"))


def test_sections_within_a_section_follow_the_same_rules(folder):
    assert identity(loaded(folder, WHOLE).model("conse"))["classifier"] == {
        "architecture": "tf_efficientnet_lite0",
        "precision": "fp32",
        "revision": None,
        "size": "test",
        "weights": None,
    }


def test_of_a_file_the_content_counts_and_not_the_name(folder):
    for name, content in {"one.txt": "same", "two.txt": "same", "three.txt": "other"}.items():
        (folder / name).write_text(content)
    one, two, three = (identity(TaskPrompt(prompt=f"{name}.txt")) for name in ("one", "two", "three"))
    assert one == two == {"prompt": sha256(b"same"), "sample": None}
    assert one != three
    (folder / "one.txt").write_text("edited")
    assert identity(TaskPrompt(prompt="one.txt")) != one


@pytest.mark.parametrize(
    ("keys", "values", "same"),
    [
        ((), {"label": "Other"}, True),
        ((), {"folder": "other"}, True),
        ((), {"name": "other"}, False),
        ((), {"regt": None}, False),
        ((), {"equivalences": None}, False),
        (("imgt",), {"label": "Other"}, True),
        (("imgt",), {"file": "same.csv"}, True),
        (("imgt",), {"file": "r.csv"}, False),
        (("imgt",), {"missing": "exclude"}, False),
        (("regt",), {"label": "Other"}, True),
        (("regt",), {"uncertain": "error"}, False),
        (("equivalences",), {"label": "Other"}, True),
        (("equivalences",), {"one_way": True}, False),
    ],
)
def test_which_keys_of_the_data_set_change_its_identity(folder, sections, keys, values, same):
    (folder / "same.csv").write_text("content of l.csv")
    changed = loaded(folder, whole("dataset", *keys, **values)).dataset
    assert (identity(changed) == identity(sections[0])) is same


def test_an_absent_file_has_a_message_and_an_absent_option_has_none(sections):
    assert identity(sections[1])["regt"] is None
    with pytest.raises(InputError, match=r"^gone\.txt: cannot be read \(No such file or directory\); looked for /"):
        identity(TaskPrompt(prompt="gone.txt"))


@pytest.mark.parametrize(
    ("content", "same"),
    [
        ("image_id,file,title\na,a.png,edited\n", True),
        ("# a comment\nimage_id,file\na,a.png\n", True),
        ("title,file,image_id\nfirst,a.png,a\n", True),
        ("image_id,file,title\nb,a.png,first\n", False),
        ("image_id,file,title\na,b.png,first\n", False),
        ("image_id,file,sha256,title\na,a.png,00,first\n", False),
        ("image_id,file,title\na,a.png,first\nb,b.png,second\n", False),
    ],
)
def test_of_the_manifest_only_three_columns_count(folder, sections, content, same):
    before = identity(sections[0])
    (folder / "i.csv").write_text(content)
    assert (identity(sections[0]) == before) is same


def test_marks_are_those_of_the_documented_keys():
    assert {key for section in every_section() for key in section.model_fields
            if CONTENT in section.model_fields[key].metadata} == {
        "classes", "names", "mustelidae", "file", "templates", "prompt", "chat_template", "images",
    }  # fmt: skip


def test_variants_are_those_that_are_made():
    assert list(get_args(MCVariant)) == [*VARIANTS, ALL]
    assert list(get_args(EarlierVariant)) == [*EARLIER, FIRST]


def test_whose_confusions_make_options_is_said_by_the_label_or_by_model_and_data_set(folder):
    found = loaded(folder, choosing())
    assert found.choices.said(found) == "Lite on D"
    found = loaded(folder, choosing(reference=None, confusions="c.parquet", label="EVA-02 on the training images"))
    assert found.choices.said(found) == "EVA-02 on the training images"
    assert found.choices.numbers() == {"few": 4, "n": 26, "classes": 100}
