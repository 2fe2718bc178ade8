"""Classes ranked by the likelihood of their names, beside the plain way: each name's tokens behind the prompt, summed."""

import base64
import io
import math

import polars as pl
import pytest
from PIL import Image

from mllm_classify.config.chat import EndpointModel
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.io.files import InputError, StoppedError, sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import PREDICTIONS
from tests.likelihood_server import BOT, END, STOP, USER, Toy, likelihood_server
from tests.predict.jobs import job

NAMES = ["tiger", "tiger cat", "tiger shark", "cat", "tiger", "t", "Äffchen", "été", "a b", "cat tiger", "crane"]
OWN = {"OW": "What?", "CW": "Which?\n{classes}"}
TOKENIZERS = {
    "characters": [],
    "words": ["tiger", " cat", " shark", "cat", "ti", "Äffchen"],
    "a name may begin with the prompt's last token": ["\nt", "\nti", "\ncat", "tiger", "er"],
    "beginnings are tokenised otherwise": ["ger", "ge", "tig", "er c", "at", "e", "ar", "iger sh"],
    "both": ["\nti", "\nc", "ger", "ig", "er c", "at t", "er"],
}


@pytest.fixture
def ask(tmp_path):
    """Asks a server for the likelihoods of names, of some images. Gives the predictions."""
    rows, contents = [], []
    for number in range(3):
        content = io.BytesIO()
        Image.new("RGB", (2, 2), (number, 9, 9)).save(content, "PNG")
        contents.append(content.getvalue())
        (tmp_path / f"image{number}").write_bytes(contents[-1])
        rows.append({"image_id": f"image{number}", "file": f"image{number}", "sha256": sha256(contents[-1])})
    # the data set holds the first image twice
    rows.append({"image_id": "again", "file": "image0", "sha256": sha256(contents[0])})
    tasks = {}
    for name, text in OWN.items():
        (tmp_path / f"{name}.txt").write_text(text)
        tasks |= dict.fromkeys([name, f"{name}-likelihood"], TaskPrompt(prompt=str(tmp_path / f"{name}.txt")))

    def run(toy, tasks_asked=("OW-likelihood",), **options):
        base = {
            "name": "m",
            "label": "M",
            "kind": "endpoint",
            "url": toy.url,
            "model": "toy",
            "tasks": list(tasks_asked),
        }
        model = EndpointModel(**base | {"retries": 0, "concurrency": 2} | options)
        images = Images(pl.DataFrame(rows), str(tmp_path))
        return endpoint.predict(job(model, images, NAMES, tasks=tasks, journal=tmp_path / "journal"))[0]

    run.urls = [f"data:image/png;base64,{base64.b64encode(it).decode()}" for it in contents]
    return run


def plain(toy, task, url, end):
    """Every name's log-probability, its tokens and bytes: from the definition, by whole prompts alone."""
    text = OWN[task[:2]].replace("{classes}", "\n".join(f"- {name}" for name in NAMES))
    before = f"{USER}{text}{'' if url is None else f'<image:{hash(url)}>'}{END}{BOT}\n"
    wholes = [toy.tokens(before + name) for name in NAMES]
    prompts = [toy.tokens(before), *wholes]
    shared = 0
    while all(len(it) > shared and it[shared] == prompts[0][shared] for it in prompts):
        shared += 1
    border = len(toy.text(toy.tokens(before)[shared:]).encode())
    ending = {"template": [toy.id(END)], "none": [], STOP: [toy.id(STOP)]}[end]
    ended = [[*it, *ending] for it in wholes]
    return (
        [toy.of(it, shared) for it in ended],
        [len(it) - shared for it in ended],
        [border + len(name.encode()) + len(ending) for name in NAMES],
    )


@pytest.mark.parametrize("end", ["template", "none", STOP])
@pytest.mark.parametrize("pieces", TOKENIZERS.values(), ids=TOKENIZERS)
def test_every_scoring_ranks_as_the_names_alone_do_whatever_the_tokenizer(ask, pieces, end):
    with likelihood_server(Toy(pieces)) as toy:
        tasks = ["OW-likelihood", "CW-likelihood"]
        first = ask(toy, tasks, likelihood={"end": end})
        every = ask(toy, tasks, likelihood={"end": end, "top": "all"})
    assert first.schema == PREDICTIONS
    assert first.height == every.height == 4 * 4 * 2
    urls = dict(zip(["image0", "image1", "image2", "again"], [*ask.urls, ask.urls[0]], strict=True))
    for frame, top in ((first, 5), (every, len(NAMES))):
        for row in frame.iter_rows(named=True):
            task, _, scale = row["task"].partition(" ")
            sums, lengths, sizes = plain(toy, task, urls[row["image_id"]], end)
            prior = plain(toy, task, None, end)[0]
            scores = {
                "": sums,
                "per token": [value / length for value, length in zip(sums, lengths, strict=True)],
                "per byte": [value / size for value, size in zip(sums, sizes, strict=True)],
                "PMI": [value - without for value, without in zip(sums, prior, strict=True)],
            }[scale]
            order = sorted(range(len(NAMES)), key=lambda it: (-round(scores[it], 9), it))[:top]
            assert row["class_ids"] == order
            assert all(
                math.isclose(score, scores[it], rel_tol=1e-5, abs_tol=1e-5)
                for it, score in zip(order, row["scores"], strict=True)
            )
            assert row["status"] == "ok"
            assert 0 < row["nodes"] <= row["tree_nodes"]
    assert every.filter(pl.col("nodes") != pl.col("tree_nodes")).is_empty()


def asked_again(toy):
    keys = [str(body) for body in toy.requests if body.get("prompt_logprobs") is None]
    return len(keys) - len(set(keys))


def test_what_the_server_counted_is_in_the_first_scoring_and_a_complete_journal_asks_for_nothing(ask):
    with likelihood_server(Toy(TOKENIZERS["words"])) as toy:
        frame = ask(toy, likelihood={"top": "all"})
        requests = len(toy.requests)
        assert asked_again(toy) == 0
        used = frame.filter(pl.col("prompt_tokens").is_not_null())
        assert used["task"].unique().to_list() == ["OW-likelihood"]
        one = used.row(0, named=True)
        about = [it for it in toy.requests if ask.urls[0] in str(it) and it.get("prompt_logprobs") is None]
        prompts = [len(toy.tokens(toy.prompt(body))) for body in about]
        assert one["completion_tokens"] == len(about) == one["tree_nodes"]
        assert (one["prompt_tokens"], one["cached_tokens"]) == (sum(prompts), sum(prompts) - len(about))
        whole = [
            len(toy.tokens(f"{USER}What?<image:{hash(ask.urls[0])}>{END}{BOT}\n{name}")) for name in sorted(set(NAMES))
        ]
        assert one["whole_tokens"] == sum(whole)
    # the server is gone
    assert ask(toy, likelihood={"top": "all"}).equals(frame)
    assert len(toy.requests) == requests
    # fewer classes need no more
    assert ask(toy, likelihood={"top": 2})["class_ids"].list.len().unique().to_list() == [2]


def test_no_node_is_asked_twice_whether_or_not_names_are_asked_without_an_image(ask):
    for scales in (["sum"], ["sum", "PMI"]):
        with likelihood_server(Toy(TOKENIZERS["words"])) as toy:
            ask(toy, revision=scales[-1], likelihood={"scales": scales})
        assert toy.requests
        assert asked_again(toy) == 0


def test_a_job_that_ends_early_loses_what_was_on_its_way_only(ask):
    with likelihood_server(Toy(TOKENIZERS["beginnings are tokenised otherwise"], stall_after=25)) as toy:
        with pytest.raises((StoppedError, InputError), match=r"no answer within|have no ranking"):
            ask(toy, timeout=1, patience=1, max_errors=0)
        before = len(toy.requests)
        assert before > 25
        answered = [
            str(body) for body in toy.requests[:25] if body.get("prompt_logprobs") is None or "What?" in str(body)
        ]
        toy.stall_after = None
        frame = ask(toy)
        after = [str(body) for body in toy.requests[before:]]
    assert frame["status"].unique().to_list() == ["ok"]
    # the check of the longest name is made anew
    again = [body for body in after if body in answered]
    assert len(again) <= 1


def test_an_image_that_is_refused_is_an_error_of_every_scoring(ask):
    with likelihood_server(Toy()) as toy:
        toy.fails.add(ask.urls[1])
        with pytest.raises(InputError, match=r"model 'm': 1 images have no ranking, the first for task OW-likelihood, image 'image1': "
                           r"HTTP 400: no such picture; .* the entry tolerates 0 \(max_errors\)"):  # fmt: skip
            ask(toy)
        frame = ask(toy, max_errors=1)
    failed = frame.filter(pl.col("status") == "error")
    assert set(failed["image_id"]) == {"image1"}
    assert failed.height == 4
    assert failed["error"].to_list() == ["HTTP 400: no such picture"] * 4
    assert failed["class_ids"].null_count() == 4


@pytest.mark.parametrize(
    ("toy", "options", "says"),
    [
        (Toy(knows=False), {}, ("the server gives no log-probabilities of named tokens (logprob_token_ids, return_tokens_as_token_ids); "
                               "of the n likeliest alone, all others are only known to be below the last, and no ranking is certain")),
        (Toy(temperature=0.5), {}, "the server must give raw ones"),
        (Toy(ended=False), {}, "the chat template ends an answer with no token of its own; say which one ends it in likelihood: end:"),
        (Toy(), {"likelihood": {"end": "two"}}, "likelihood.end: 'two' is 3 tokens; it must be one"),
    ],
    ids=["only the likeliest tokens", "processed log-probabilities", "no end", "an end of three tokens"],
)  # fmt: skip
def test_a_server_that_cannot_is_refused_before_the_images(ask, toy, options, says):
    with likelihood_server(toy), pytest.raises(StoppedError) as refusal:
        ask(toy, **options)
    assert str(refusal.value).startswith("model 'm': preflight: task OW-likelihood: ")
    assert says in str(refusal.value)
    assert "remove OW-likelihood from its tasks, or serve it by vLLM" in str(refusal.value)
    assert len(toy.requests) < 15


def test_a_server_without_a_tokenizer_is_refused(ask):
    with likelihood_server(Toy(), tokenizes=False) as toy, pytest.raises(StoppedError) as refusal:
        ask(toy)
    assert "preflight: task OW-likelihood: http://127.0.0.1:" in str(refusal.value)
    assert "/tokenize: HTTP 404" in str(refusal.value)
    assert toy.requests == []


def test_a_template_without_an_end_is_asked_with_a_named_one(ask):
    with likelihood_server(Toy(ended=False)) as toy:
        frame = ask(toy, likelihood={"end": STOP, "scales": ["sum"]})
    assert frame["task"].unique().to_list() == ["OW-likelihood"]
    sums, _, _ = plain(toy, "OW", ask.urls[0], STOP)
    assert frame["class_ids"][0].to_list() == sorted(range(len(NAMES)), key=lambda it: (-round(sums[it], 9), it))[:5]
