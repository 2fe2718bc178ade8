import pytest

from mllm_classify.config.load import load
from mllm_classify.io.files import InputError
from tests.config.given import (
    COMPARING,
    CONSE,
    ENDPOINT,
    ENGINE,
    IMAGENET,
    ONLY_RECORDED,
    RECORDED,
    SERVED_ENCODER,
    TIMM,
    WHOLE,
    WORDS,
    choosing,
    loaded,
    refusal,
    whole,
)


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
        (whole(similarity="x"), "config.yaml: similarity: 'x' is not among the encoders, which are e"),
        (
            whole("encoder", query_prompt="a {} b"),
            "encoder (e): query_prompt: holds {}, which is the name's place in templates; write what stands before it",
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
        (
            whole("dataset", source=None),
            "config.yaml: dataset.source: missing; one of crops, folder, hub, imagenet, table, torchvision, webdataset",
        ),
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
            "config.yaml: models[3].tasks[0]: 'AW': input should be 'OW', 'CW', 'CW-constrained', 'CW-likelihood', ",
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
        (choosing(variants=["ImGT + random"] * 2), "config.yaml: choices.variants: 'ImGT + random' appears twice"),
        (choosing(variants=[]), "config.yaml: choices.variants: []: list should have at least 1 item"),
        (choosing(answer="number"), "config.yaml: choices.answer: 'number': input should be 'name' or 'letter'"),
        (
            choosing(models=[TIMM, ENGINE | {"tasks": ["MC"]}], tasks={"MC": {"prompt": "mc.txt"}}),
            "choices.variants: 'ImGT + 999 (CW)' uses the prompt of CW; add it under tasks:",
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
        ("dataset:\n  name: a\n  label: b\n  name: c\n", "config.yaml: line 4: the key 'name' appears twice"),
        ("models: []\nencoder: {}\nmodels: []\n", "config.yaml: line 3: the key 'models' appears twice"),
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
