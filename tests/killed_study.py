"""A small study that has jobs of every stage, and the servers that its jobs ask, for tests/kills.py."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tests import fake_judge
from tests.chat_server import Body, ChatServer, chat_server, digested_answer
from tests.fault_server import Record, always, fault_server
from tests.likelihood_server import Toy, likelihood_server
from tests.mapping.test_cross_encoder import random_cross_encoder
from tests.tiny_vlms import SIGLIP, save
from tests.workflow.study import PROJECT, Study, served_encoder

CONCURRENCY = 4
DELAY = 0.03
"""Seconds that a server takes for an answer."""
TARGETS = ["all", "results/report.zip", "results/bundle.zip", "results/explorer.html", "results/annotate/tasks.json"]
AFTERWARDS = ["results/estimate.csv"]
"""Made once all is asked, as what it says follows from the journals."""
LOG = "asked.log"
"""Where the engine notes each request."""
FILES = {
    "predicted.csv": "image_id,class_id\ncoffee,1\ncat,2\nbrick,3\nrocket,5\n",
    "small.csv": "image_id,text\ncoffee,black coffee\ncat,a tabby\nbrick,bricks\nrocket,a big rocket\n",
    "further.csv": "image_id,text\ncat/1.png,a kitten\ndog/1.png,a puppy\n",
    "mc.txt": "Which?\n{options}\n",
    "descriptions.csv": "class,description\nespresso,strong black coffee\ntabby cat,a striped pet\nmissile,it is launched\n"
    "maze,one gets lost in it\ndaisy,a white flower\n",
    "hierarchy.csv": "node,parents,names\nthing,,\ncup,thing,\nespresso,thing,espresso|black coffee\ntea cup,cup,\n"
    "tabby cat,thing,tabby cat|tabby\nstone wall,thing,stone wall|wall\nrocket,thing,\nmissile,rocket,\n"
    "space shuttle,rocket,\nmaze,thing,maze|labyrinth\ndaisy,thing,\n",
    "answers.csv": "answer,relation,classes,annotator,kind,pass\na cup of coffee,same,tea cup,Ann,people,1\n"
    "clock tower,none,,Ann,people,1\nan unlisted thing,none,,Ann,people,1\n",
}


class Answering(Toy):
    """Says how likely names are, and answers questions."""

    def completion(self, body: Body) -> Body:
        reply = super().completion(body)
        if "logprob_token_ids" not in body and body.get("prompt_logprobs") is None:
            (choice,) = reply["choices"]
            choice |= {"finish_reason": "stop", "message": {"role": "assistant", "content": digested_answer(body)}}
        return reply


class Servers:
    """What the jobs of the study ask: a model, a judge, embeddings, and an engine that they start."""

    def __init__(self, folder: Path, model: Toy, judge: ChatServer, embedder: Record) -> None:
        self.log = folder / LOG
        self.model, self.judge, self.embedder = model, judge, embedder

    def forget(self) -> None:
        self.model.requests.clear()
        self.judge.requests.clear()
        self.embedder.received.clear()
        self.log.unlink(missing_ok=True)

    def asked(self) -> Counter[str]:
        """How often each request came. Questions about a whole name do not count: by them every job checks a server."""
        of_model = [body for body in self.model.requests if body.get("prompt_logprobs") is None]
        bodies = [json.dumps(body, sort_keys=True) for body in (*of_model, *self.judge.requests)]
        asked = [hashlib.sha256(body.encode()).hexdigest() for body in bodies]
        engine = self.log.read_text().split() if self.log.exists() else []
        return Counter([*asked, *engine, *(it.digest for it in self.embedder.received)])


def set_up(folder: Path, servers: Servers) -> Study:
    """The study's files."""
    study = Study(folder)
    study.shrink()
    for name, content in FILES.items():
        (folder / "small" / name).write_text(content)
    save(folder / "siglip", SIGLIP)
    random_cross_encoder(folder / "cross-encoder")
    for name, colour in (("cat", 10), ("dog", 90)):
        (folder / "further" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (colour, 0, 9)).save(folder / "further" / name / "1.png")
    study.write_config(study.config | configuration(study.config, servers))
    return study


def configuration(config: dict, servers: Servers) -> dict:
    """What this study has of its own."""
    asked = {"retries": 0, "concurrency": CONCURRENCY, "min_cached_share": 0}
    engine = [
        sys.executable,
        str(PROJECT / "tests/chat_server.py"),
        "--port={port}",
        f"--log={LOG}",
        f"--delay={DELAY}",
    ]
    served = served_encoder(servers.embedder.url) | {"concurrency": CONCURRENCY, "batch_size": 1}
    templates = {"templates": "small/templates.txt"}
    tasks = {"MC": {"prompt": "small/mc.txt"}, "CW-likelihood": config["tasks"]["CW"]}
    return {
        "dataset": config["dataset"] | {
            "hierarchy": {"label": "things", "file": "small/hierarchy.csv"}, "answer_labels": "small/answers.csv",
        },
        "datasets": [
            {"dataset": {"source": "folder", "name": "further", "label": "Further", "folder": "further"},
             "models": ["siglip", "told"]},
        ],
        "encoder": served,
        "encoders": [
            config["encoder"] | templates | {"name": "local", "reranker": {"path": "cross-encoder", "nearest": 3}},
        ],
        "similarity": "served",
        "tasks": config["tasks"] | tasks,
        "variants": [
            {"name": "warm", "task": "CW", "temperature": 1.0, "repeats": 2},
            {"name": "nothing", "task": "CW", "pixels": "none", "classes": "shuffled", "repeats": 3},
        ],
        "choices": {"reference": "said", "n": 3, "repeats": 2, "per_class": "all"},
        "probe": {"models": ["own"], "descriptions": "small/descriptions.csv", "n": 3},
        "judge": {"name": "rules", "label": "Rules", "kind": "endpoint", "url": servers.judge.url,
                  "model": "test", "retries": 0, "concurrency": CONCURRENCY, "nearest": 3, "inclusion": True},
        "annotate": {"model": "chat", "categories": ["S+", "S-", "M+", "M-"],
                     "sources": ["chat", "said", "ImGT", "ReGT"], "vision": "siglip"},
        "tables": {"resamples": 100},
        "models": [
            {"name": "chat", "label": "Chat", "kind": "endpoint", "model": "toy", "url": servers.model.url, **asked,
             "tasks": ["OW", "CW", "MC", "CW-likelihood"], "variants": ["warm", "nothing"]},
            {"name": "own", "label": "Own", "kind": "engine", "model": "test", "command": engine, **asked, "tasks": ["OW", "CW"]},
            {"name": "said", "label": "Said", "kind": "recorded", "file": "small/predicted.csv"},
            {"name": "told", "label": "Told", "kind": "recorded", "file": "small/{dataset}.csv", "column": "text"},
            {"name": "siglip", "label": "Tiny SigLIP", "kind": "open_clip", "model": "siglip", **templates, "batch_size": 1,
             "part": 1, "workers": 1, "shards": 2},
        ],
    }  # fmt: skip


@contextmanager
def killed_study(folder: Path) -> Iterator[tuple[Study, Servers]]:
    """The study, of which nothing is made, and its servers."""
    model = Answering(["tabby", " cat", "tea", "ce sh", "ss", "ile"], delay=DELAY)
    with (
        likelihood_server(model),
        chat_server(fake_judge.answer, delay=DELAY) as judge,
        fault_server(always("good"), delay=DELAY) as embedder,
    ):
        servers = Servers(folder / "study", model, judge, embedder)
        yield set_up(folder / "study", servers), servers
