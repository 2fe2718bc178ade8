"""The entries of docs/providers.md work, as far as the servers' documentation tells; what the servers refuse is said before the job."""

import io
import re
from typing import get_args
from urllib.parse import urlsplit

import polars as pl
import pytest
import yaml
from PIL import Image

from mllm_classify.api import sending
from mllm_classify.config.chat import Constraint, EndpointModel, OpenAIModel
from mllm_classify.config.tasks import TaskPrompt, Variant
from mllm_classify.io.files import PROJECT, InputError, sha256
from mllm_classify.predict import endpoint, openai
from mllm_classify.predict.chat import preflight
from mllm_classify.predict.images import Images
from tests.chat_server import images_of, prompt_of
from tests.dialects import DIALECTS, Ollama, speaking
from tests.predict.jobs import job

KINDS = {"endpoint": (EndpointModel, endpoint), "openai": (OpenAIModel, openai)}
NAMES = ["espresso", "lens cap, lens cover", "C++ (mug)", 'a "quoted" name', "back\\slash", "naïve café | bar"]
PAGE = (PROJECT / "docs/providers.md").read_text()
SECTIONS = {
    section.splitlines()[0]: [
        yaml.safe_load(block)["models"][0] for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    ]
    for section in re.split("^## ", PAGE, flags=re.MULTILINE)[1:]
}
ENTRIES = [
    pytest.param(entry, dialect, id=f"{heading} {entry['name']}")
    for heading, entries in SECTIONS.items()
    for entry, dialect in zip(entries, DIALECTS[heading], strict=True)
]
KEY = "sk-any-key-that-is-long-enough"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few requests are many, and retries come at once."""
    monkeypatch.setattr(preflight, "MANY", 4)
    monkeypatch.setattr(sending, "FIRST_WAIT", 0.01)


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Asks a server for the answers about as many pictures as there are names, one of them in WebP. Gives the predictions."""

    def run(entry, url, names=NAMES, variants=(), **options):
        rows = []
        for number in range(len(NAMES)):
            content = io.BytesIO()
            Image.new("RGB", (8, 8), (number, 9, 9)).save(
                content, *(["WEBP"] if number == 1 else ["PNG"]), lossless=True
            )
            (tmp_path / f"{number}").write_bytes(content.getvalue())
            rows.append({"image_id": f"{number}", "file": f"{number}", "sha256": sha256(content.getvalue())})
        (tmp_path / "cw.txt").write_text("Which of these?\n{classes}\n")
        tasks = dict.fromkeys(["CW", "CW-constrained"], TaskPrompt(prompt=str(tmp_path / "cw.txt")))
        section, kind = KINDS[entry["kind"]]
        model = section(**entry | {"url": url, "retries": 2, "concurrency": 2} | options)
        if model.api_key_env:
            monkeypatch.setenv(model.api_key_env, KEY)
        images = Images(pl.DataFrame(rows), str(tmp_path))
        given = {"tasks": tasks, "variants": variants, "journal": tmp_path / "journal"}
        return kind.predict(job(model, images, names, **given))[0]

    return run


def key_of(entry):
    return KEY if "api_key_env" in entry or entry["kind"] == "openai" else None


def constrains(dialect):
    """Whether a server can hold answers to a list."""
    return type(dialect).listed is not DIALECTS["Anthropic"][0].listed


def test_every_server_of_the_page_has_its_stand_in():
    assert SECTIONS.keys() == DIALECTS.keys()
    assert all(f"| [{heading}](#" in PAGE for heading in SECTIONS)


@pytest.mark.parametrize(("entry", "dialect"), ENTRIES)
def test_the_entry_of_the_page_gets_the_right_answers_and_sends_nothing_that_is_refused_or_ignored(ask, entry, dialect):
    server = dialect()
    url = urlsplit(entry.get("url", OpenAIModel.model_fields["url"].default))
    assert url.path + (url.query and f"?{url.query}") == server.base
    tasks = ["CW", "CW-constrained"] if constrains(server) else ["CW"]
    again = Variant(name="again", task="CW", repeats=2)
    with speaking(server, key_of(entry)) as spoken:
        frame = ask(entry, spoken.url, variants=[again], tasks=tasks)
    for task in tasks:
        assert frame.filter(task=task, variant="")["text"].to_list() == NAMES
    assert set(frame["status"]) == {"ok"}
    assert [response.text for response in spoken.refused] == []
    assert {name for body in spoken.requests for name in body} <= server.reads
    assert {body["model"] for body in spoken.requests} == {entry["model"]}


def entry_of(heading, place=0):
    return SECTIONS[heading][place], DIALECTS[heading][place]()


@pytest.mark.parametrize(
    ("heading", "options", "said"),
    [
        ("OpenAI", {"request": {"max_tokens": 9}}, "HTTP 400: Unsupported parameter: '(max_tokens|temperature)' is not supp"),
        ("Gemini", {"request": {"seed": 1}}, 'HTTP 400: Invalid JSON payload received. Unknown name "seed": Cannot find'),
        ("Anthropic", {"request": {}}, "HTTP 400: `temperature` is deprecated for this model"),
        ("Mistral", {"request": {"seed": 1}}, "HTTP 422: .*extra_forbidden.*seed"),
        ("Mistral", {"request": {"max_completion_tokens": 9}}, "HTTP 422: .*extra_forbidden.*max_completion_tokens"),
        ("TGI", {"request": {"top_p": 1}}, "HTTP 422: Input validation error: `top_p` must be > 0.0 and < 1.0"),
        ("llama.cpp", {"picture": {"formats": ["WEBP"]}}, "HTTP 400: Failed to load image or audio file"),
        ("LM Studio", {"picture": {"formats": ["WEBP"]}}, "HTTP 400: 'url' field must be a base64 encoded image"),
    ],
)  # fmt: skip
def test_what_a_server_refuses_is_said_in_its_words(ask, heading, options, said):
    entry, server = entry_of(heading)
    with speaking(server, key_of(entry)) as spoken, pytest.raises(InputError, match=said):
        ask(entry, spoken.url, tasks=["CW"], **options)


@pytest.mark.parametrize("heading", ["OpenAI", "Mistral", "vLLM"])
def test_a_wrong_key_ends_the_job_in_the_servers_words(ask, heading):
    entry, server = entry_of(heading)
    with speaking(server, "another") as spoken, pytest.raises(InputError, match=r"HTTP 401: (Incorrect|Unauthorized)"):
        ask(entry, spoken.url, tasks=["CW"])
    assert spoken.requests == []


@pytest.mark.parametrize(("entry", "dialect"), ENTRIES)
def test_every_server_takes_examples_before_the_image_and_questions_without_one(ask, tmp_path, entry, dialect):
    """What stands last is what is asked about, and each example is followed by its name."""
    train = tmp_path / "train"
    train.mkdir()
    lines = ["image_id,class,sha256"]
    for number in range(3):
        content = io.BytesIO()
        Image.new("RGB", (8, 8), (200 + number, 9, 9)).save(content, "PNG")
        (train / f"{number}.png").write_bytes(content.getvalue())
        lines.append(f"{number}.png,{number},{sha256(content.getvalue())}")
    (tmp_path / "train.csv").write_text("\n".join([*lines, ""]))
    shots = {"train": {"folder": str(train), "images": str(tmp_path / "train.csv")}, "choose": "random", "n": 3}
    variants = [Variant(name="shots", task="CW", examples=shots), Variant(name="blind", task="CW", pixels="none")]
    with speaking(dialect(), key_of(entry)) as spoken:
        found = ask(entry, spoken.url, variants=variants, tasks=["CW"])
    assert found["status"].unique().to_list() == ["ok"]
    by_variant = dict(found.group_by("variant").agg(pl.col("text").sort_by("image_id")).iter_rows())
    assert by_variant["shots"] == by_variant[""]
    assert len(set(by_variant["blind"])) == 1
    assert {len(images_of(body)) for body in spoken.requests} == {0, 1, 4}


def wrong():
    """Servers, each with the fields by which it does not hold answers to a list."""
    for heading, (entry, *_) in SECTIONS.items():
        right = entry.get("constrained_by", "structured_outputs") if constrains(DIALECTS[heading][0]()) else None
        if entry["kind"] == "endpoint":
            yield from ((heading, constraint) for constraint in get_args(Constraint) if constraint != right)


@pytest.mark.parametrize(("heading", "constraint"), list(wrong()))
def test_a_field_that_holds_no_answers_is_found_out_before_the_job_a_small_one_too(
    ask, monkeypatch, heading, constraint
):
    monkeypatch.setattr(preflight, "MANY", 100)
    entry, server = entry_of(heading)
    message = r"preflight: (constrained decoding does not constrain|HTTP 4\d\d).*look at constrained_by: "
    with speaking(server, key_of(entry)) as spoken, pytest.raises(InputError, match=message + constraint):
        ask(entry, spoken.url, tasks=["CW-constrained"], constrained_by=constraint)
    assert {prompt_of(body) for body in spoken.requests} == {preflight.OBEY}


def test_a_class_list_that_ollama_cuts_in_silence_is_noticed(ask):
    entry, server = entry_of("Ollama")
    assert isinstance(server, Ollama)
    server.context = 1000
    names = [f"{name} {number}" for number in range(20) for name in NAMES]
    with speaking(server, None) as spoken, pytest.raises(InputError, match="task CW: the class list is cut off"):
        ask(entry, spoken.url, names=names, tasks=["CW"])
