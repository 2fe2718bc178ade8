"""Likelihoods by the real vLLM, beside every name asked by itself. That loop shares no code with the package."""

import base64
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import yaml

from mllm_classify.config.chat import VLLMModel
from mllm_classify.predict import vllm
from mllm_classify.predict.chat import engine
from tests.vllm.conftest import ENVIRONMENT, NAMES, SETTINGS, prompt
from tests.waiting import PATIENCE

# some begin others, two are the same
SOME = [*NAMES[:25], "tiger", "tiger cat", "tiger shark", "t", "crane", "crane", "Äffchen"]
IMAGES = 2
TOP = 5
FLAGS = {"dtype": "float32", "max-model-len": 12288, "enforce-eager": True}


class Brute:
    """Every name's log-probability behind a prompt and a picture, from one request with `prompt_logprobs` each."""

    def __init__(self, url, model, text):
        self.root, self.model, self.text = url.removesuffix("/v1"), model, text
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(self, path, **body):
        request = urllib.request.Request(
            self.root + path, json.dumps({"model": self.model} | body).encode(), {"Content-Type": "application/json"}
        )
        with self.opener.open(request, timeout=PATIENCE) as response:
            return json.load(response)

    def messages(self, image, name=None):
        parts = [{"type": "text", "text": self.text}]
        if image is not None:
            url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        said = [] if name is None else [{"role": "assistant", "content": name}]
        return [{"role": "user", "content": parts}, *said]

    def of(self, image, name, start):
        """The log-probability of a name and what ends it, behind so many tokens; and how many these are."""
        begun = {"messages": self.messages(image, name), "add_generation_prompt": False}
        whole = self.post("/tokenize", **begun)["tokens"]
        part = self.post("/tokenize", **begun, continue_final_message=True)["tokens"]
        # with what the template puts behind an answer, of which the first token counts
        said = self.post("/v1/chat/completions", **begun, max_tokens=1, prompt_logprobs=0)["prompt_logprobs"]
        assert len(said) == len(whole)
        counted = range(start, len(part) + 1)
        return sum(said[place][str(whole[place])]["logprob"] for place in counted), len(counted)

    def every(self, image, names):
        start = len(self.post("/tokenize", messages=self.messages(image))["tokens"])
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda name: self.of(image, name, start), names))


@pytest.fixture
def likely(study):
    """A study whose model is asked for likelihoods of some names."""
    for name in ("images", "classes"):
        frame = pl.read_parquet(study.folder / f"{name}.parquet")
        if name == "classes":
            same = [[other for other, it in enumerate(SOME) if it == one] for one in SOME]
            frame = frame.head(0).vstack(
                pl.DataFrame(
                    {"class_id": range(len(SOME)), "name": SOME, "synset": None, "same_name": same}, schema=frame.schema
                )
            )
        frame.head(IMAGES if name == "images" else len(SOME)).write_parquet(study.folder / f"{name}.parquet")
    study.configure(tasks=["OW", "CW", "OW-likelihood", "CW-likelihood"], min_cached_share=0)
    config = yaml.safe_load((study.folder / "config.yaml").read_text())
    for task in ("OW", "CW"):
        config["tasks"][f"{task}-likelihood"] = config["tasks"][task]
    (study.folder / "config.yaml").write_text(yaml.safe_dump(config))
    return study


def test_likelihoods_are_those_of_every_name_by_itself_and_a_full_journal_starts_no_engine(
    likely, tmp_path, monkeypatch
):
    status, errors = likely.run()
    assert status == 0, errors
    assert errors.count("starting the engine of m") == 1
    frame = pl.read_parquet(likely.output)
    ranked = frame.filter(pl.col("task").str.contains("likelihood"))
    assert ranked.height == IMAGES * 8
    assert ranked["status"].unique().to_list() == ["ok"]
    used = ranked.filter(pl.col("prompt_tokens").is_not_null())
    # what precedes the names comes from the cache; by a name at a time, the list would be read for each
    assert (used["prompt_tokens"] - used["cached_tokens"] < used["whole_tokens"]).all()
    assert (ranked["nodes"] <= ranked["tree_nodes"]).all()

    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    entry = VLLMModel(
        name="m", label="M", kind="vllm", model=str(likely.model), environment=str(ENVIRONMENT), flags=FLAGS
    )
    with engine.running("m", vllm.command(entry), 300, tmp_path / "brute.log") as served:
        for task in ("OW", "CW"):
            text = prompt(task) if task == "OW" else prompt_of_some(task)
            brute = Brute(served.url, entry.served, text)
            prior = [value for value, _ in brute.every(None, SOME)]
            # the list makes prompts long
            for image_id in frame["image_id"].unique(maintain_order=True).head(IMAGES if task == "OW" else 1):
                said = brute.every((likely.folder / f"{image_id}.png").read_bytes(), SOME)
                scores = {
                    "": [value for value, _ in said],
                    " per token": [value / length for value, length in said],
                    " per byte": [
                        value / (len(name.encode()) + 1) for (value, _), name in zip(said, SOME, strict=True)
                    ],
                    " PMI": [value - before for (value, _), before in zip(said, prior, strict=True)],
                }
                for scale, expected in scores.items():
                    row = ranked.filter(task=f"{task}-likelihood{scale}", image_id=image_id).row(0, named=True)
                    best = sorted(expected, reverse=True)[:TOP]
                    found = [expected[class_id] for class_id in row["class_ids"]]
                    assert row["scores"] == pytest.approx(found, abs=1e-4)
                    assert row["scores"] == pytest.approx(best, abs=1e-4)

    likely.output.unlink()
    status, errors = likely.run()
    assert status == 0, errors
    assert "starting the engine of m" not in errors
    assert pl.read_parquet(likely.output).drop("latency").equals(frame.drop("latency"))


def prompt_of_some(task):
    whole = prompt(task)
    listed = "\n".join(f"- {name}" for name in NAMES)
    return whole.replace(listed, "\n".join(f"- {name}" for name in SOME))
