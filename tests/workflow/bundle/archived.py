"""A study that is scattered over the machine, as users' are, and its archive, also with other contents.

Snakemake runs in a folder of its own, and the configuration names files elsewhere by absolute paths.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

from mllm_classify.bundle.archive import SUMS, digest, write
from mllm_classify.io.files import locate
from tests.chat_server import ChatServer
from tests.waiting import PATIENCE
from tests.workflow.study import SMALL, Study, served_encoder

KEY = "sk-1f0c55aa90"
PICTURES = ["coffee.png", "chelsea.png", "brick.png", "rocket.jpg"]


class Archived:
    """A study whose files lie elsewhere, and its bundle."""

    def __init__(self, folder: Path, server: ChatServer, embedder: str) -> None:
        self.study = Study(folder / "checkout")
        self.work = folder / "work"
        self.work.mkdir()
        self.data = folder / "data of mine"
        self.pictures = self.data / "pictures"
        self.pictures.mkdir(parents=True)
        for name in PICTURES:
            shutil.copy(locate(f"package:skimage/data/{name}"), self.pictures / name)
        for name, content in SMALL.items():
            (self.data / name).write_text(content.replace("package:skimage/data/", ""))
        (self.data / "ids.csv").write_text("image_id,class_id\ncoffee,0\ncat,2\nbrick,3\nrocket,4\n")
        self.config = folder / "mine.yaml"
        self.config.write_text(yaml.safe_dump(self.configuration(server.url, embedder)))
        repository = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
        self.study.environment |= repository | {"MY_KEY": KEY, "HOME": str(folder / "home")}
        self.git("init", "-q")
        self.commit("a study")
        self.path = self.work / "results/bundle.zip"

    def configuration(self, url: str, embedder: str) -> dict:
        config = self.study.config
        named = {name.partition(".")[0]: str(self.data / name) for name in SMALL}
        config["dataset"] = {
            "source": "table",
            "name": "small",
            "label": "Four photographs / small",
            "folder": str(self.pictures),
            "classes": named["classes"],
            "images": named["images"],
            "imgt": {"label": "one", "file": named["imgt"]},
            "regt": {"label": "all", "file": named["regt"]},
            "equivalences": {"label": "pairs", "file": named["pairs"]},
        }
        config["encoder"]["templates"] = named["templates"]
        config["encoders"] = [served_encoder(embedder) | {"templates": named["templates"]}]
        config["similarity"] = "minilm"
        config["bundle"] = {
            "title": "Four photographs",
            "license": "https://creativecommons.org/licenses/by/4.0/",
            "authors": [
                {"name": "Ada L.", "orcid": "0000-0002-1825-0097", "affiliation": "Here"},
                {"name": "B. B.", "affiliation": "Here"},
            ],
        }
        config["annotate"] = {"model": "chat", "sources": ["chat", "ReGT"], "vision": "ids"}
        config["choices"] = {"reference": "ids", "n": 3, "repeats": 2, "per_class": "all"}
        chat = {"label": "Chat", "model": str(self.data / "weights/chat"), "api_key_env": "MY_KEY", "shards": 2}
        config["models"] = [
            {"name": "chat", "kind": "endpoint", "url": url, "tasks": ["OW", "CW", "MC"], **chat},
            {"name": "ids", "label": "Ids", "kind": "recorded", "file": str(self.data / "ids.csv")},
        ]
        return config

    def git(self, *arguments: str) -> None:
        done = self.study.run("git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments)
        assert done.returncode == 0, done.stderr

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.study.snakemake(*arguments, "--directory", str(self.work), "--configfile", str(self.config))

    def make(self, *targets: str) -> None:
        done = self.snakemake(*targets)
        assert done.returncode == 0, done.stdout + done.stderr

    def scheduled(self) -> set[str]:
        done = self.snakemake("results/bundle.zip", "--dry-run", "--quiet", "rules")
        assert done.returncode == 0, done.stdout + done.stderr
        done = self.snakemake("results/bundle.zip", "--summary")
        return {line.split("\t")[0] for line in done.stdout.splitlines()[1:] if not line.endswith("no update")}


def command(archive: Path, *options: str, before: list[str] = []) -> subprocess.CompletedProcess[str]:  # noqa: B006
    arguments = [*before, sys.executable, "-m", "mllm_classify.bundle.verify", *options, str(archive)]
    return subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=PATIENCE)


def rebuilt(archived: Archived, target: Path, changes: dict[str, bytes | None], *, sums: bool) -> Path:
    """The archive with other contents (None: without it), whose zip checksums are right, and, with `sums`, its own."""
    with zipfile.ZipFile(archived.path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()} | changes
        comment = archive.comment
    found = {name: content for name, content in found.items() if content is not None}
    if sums:
        listed = sorted(name for name in found if name != SUMS)
        found[SUMS] = "".join(f"{digest(found[name])}  {name}\n" for name in listed).encode()
    write(found, target)
    if not sums:
        with zipfile.ZipFile(target, "a") as archive:
            archive.comment = comment
    return target


def edited(archived: Archived, name: str, old: str, new: str) -> dict[str, bytes]:
    with zipfile.ZipFile(archived.path) as archive:
        content = archive.read(name).decode()
    assert old in content
    return {name: content.replace(old, new).encode()}
