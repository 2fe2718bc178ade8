"""A study as an archive: the same twice, checked elsewhere, extended there, and no byte of it changed unseen.

The study is scattered over the machine, as users' are: Snakemake runs in a folder of its own, and the configuration names
files elsewhere by absolute paths.
"""

import base64
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify import config as configuration
from mllm_classify.bundle import CODE, CRATE, ENVIRONMENT, SUMS, digest, write
from mllm_classify.files import InputError, locate
from mllm_classify.verify import extract, needed, verify
from tests.chat_server import ChatServer, chat_server
from tests.workflow.study import PROJECT, SMALL, Study

KEY = "sk-1f0c55aa90"
PICTURES = ["coffee.png", "chelsea.png", "brick.png", "rocket.jpg"]
VALIDATOR = PROJECT / ".venv-validator/bin/rocrate-validator"
UNSHARE = ["unshare", "--net"]


class Archived:
    """A study whose files lie elsewhere, and its bundle."""

    def __init__(self, folder: Path, server: ChatServer) -> None:
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
        self.config.write_text(yaml.safe_dump(self.configuration(server.url)))
        repository = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
        self.study.environment |= repository | {"MY_KEY": KEY, "HOME": str(folder / "home")}
        self.git("init", "-q")
        self.commit("a study")
        self.path = self.work / "results/bundle.zip"

    def configuration(self, url: str) -> dict:
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


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    with chat_server() as server:
        made = Archived(tmp_path_factory.mktemp("bundle") / "author", server)
        made.make("all", "results/bundle.zip")
    return made


@pytest.fixture(scope="module")
def unpacked(archived: Archived, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(archived.path, folder)
    return folder


def command(archive: Path, *options: str, before: list[str] = []) -> subprocess.CompletedProcess[str]:  # noqa: B006
    arguments = [*before, sys.executable, "-m", "mllm_classify.verify", *options, str(archive)]
    return subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=900)


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


def test_the_same_results_give_the_same_bytes(archived: Archived) -> None:
    before = archived.path.read_bytes()
    archived.path.unlink()
    archived.make("results/bundle.zip")
    assert archived.path.read_bytes() == before


def test_it_is_whole_and_its_tables_and_embeddings_follow(archived: Archived) -> None:
    done = command(archived.path, "--embed")
    assert done.returncode == 0, done.stderr
    assert "whole; every table follows" in done.stdout
    assert "largest difference of a component" in done.stderr
    # the study's checkout is a copy of this one
    assert "other code" not in done.stderr


def test_it_is_verified_without_a_network(archived: Archived) -> None:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("unshare --net is not permitted here")
    done = command(archived.path, before=UNSHARE)
    assert done.returncode == 0, done.stderr


def test_it_holds_no_picture_no_key_and_no_path_of_the_machine(archived: Archived, unpacked: Path) -> None:
    journal = f"Z-{os.uname().nodename}-"  # as its files are named
    needles = [KEY, str(archived.path.parents[3]), str(archived.data), "data of mine", journal]
    for path in unpacked.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        assert not content.startswith((b"\x89PNG", b"\xff\xd8\xff")), path
        if path.suffix == ".parquet":
            content += json.dumps(pl.read_parquet(path).to_dicts(), default=str).encode()
        assert not [needle for needle in needles if needle.encode() in content], path
    made = {path.relative_to(unpacked).parts[0] for path in unpacked.rglob("*")}
    assert made - set(CODE) == {
        "config.yaml", "elsewhere", "results", ".snakemake", CRATE, ENVIRONMENT, SUMS, "README-bundle.md",
    }  # fmt: skip


def test_every_file_of_the_project_is_archived_but_the_configuration() -> None:
    tracked = subprocess.check_output(["git", "ls-files"], cwd=PROJECT, text=True).split()
    assert {name.partition("/")[0] for name in tracked} - set(CODE) == {"config.yaml"}


def test_it_says_what_was_used(archived: Archived, unpacked: Path) -> None:
    used = json.loads((unpacked / ENVIRONMENT).read_text())
    assert len(used["commit"]) == 40
    assert used["uncommitted"] == []
    (environment,) = [it for it in used["environments"] if "server" in it]
    assert environment["packages"]["polars"] == pl.__version__
    place = "results/predictions/small/chat.parquet"
    assert [used["environments"][number] for number in used["made in"][place]] == [environment]
    assert set(used["made in"]) == {
        name for name in needed(configuration.load(unpacked / "config.yaml")) if not name.startswith("results/dataset/")
    }


def test_unpacking_gives_all_files_one_time(archived: Archived, tmp_path: Path) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("no unzip here")
    subprocess.run(["unzip", "-q", archived.path, "-d", tmp_path], check=True)
    assert len({path.stat().st_mtime for path in tmp_path.rglob("*") if path.is_file()}) == 1


def figures(row: dict) -> dict:
    return {name: value for name, value in row.items() if not name.endswith("_rank")}


@pytest.mark.parametrize("unzip", [True, False])
def test_in_a_fresh_clone_nothing_is_to_be_done_and_a_model_runs_alone(
    archived: Archived, tmp_path: Path, unzip: bool
) -> None:
    """Without the pictures, which stay where they are."""
    clone = Study(tmp_path / "another place")
    if unzip and shutil.which("unzip"):
        subprocess.run(["unzip", "-q", "-o", archived.path, "-d", clone.folder], check=True)
    else:
        shutil.unpack_archive(archived.path, clone.folder)
    assert clone.scheduled() == set()
    before = {table: clone.rows(table) for table in ("table2", "table3")}
    (clone.folder / "more.csv").write_text("image_id,class_id\ncoffee,1\ncat,2\nbrick,3\nrocket,5\n")
    config = clone.config
    config["models"].append({"name": "more", "label": "More", "kind": "recorded", "file": "more.csv"})
    clone.write_config(config)
    jobs = clone.scheduled()
    assert {job for job in jobs if "/" in job} == {"predict/more"}
    assert not jobs & {"images", "labels", "classes", "table2"}
    clone.make("all")
    assert clone.rows("table2") == before["table2"]
    rows = {row["model"]: row for row in clone.rows("table3")}
    assert rows.pop("More")["ImGT_A"] == "100.00"
    # its rank may push theirs down, and nothing else
    assert [figures(row) for row in rows.values()] == [figures(row) for row in before["table3"]]


def test_it_is_made_anew_when_what_it_holds_has_changed(archived: Archived) -> None:
    assert archived.scheduled() == set()
    archived.commit("another commit")
    assert archived.scheduled() == {"results/bundle.zip"}
    archived.make("results/bundle.zip")
    config = yaml.safe_load(archived.config.read_text())
    config["bundle"]["title"] = "Another title"
    archived.config.write_text(yaml.safe_dump(config))
    assert archived.scheduled() == {"results/bundle.zip"}
    archived.make("results/bundle.zip")
    assert archived.scheduled() == set()


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_byte_is_found_and_its_file_named(archived: Archived, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with zipfile.ZipFile(archived.path) as archive:
        name = rng.choice([it.filename for it in archive.infolist() if it.file_size])
        content = bytearray(archive.read(name))
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    (problem,) = verify(rebuilt(archived, tmp_path / "b.zip", {name: bytes(content)}, sums=False))
    assert problem.startswith(f"{name}: changed since the bundle was made")


@pytest.mark.parametrize("name", [SUMS, CRATE, ENVIRONMENT, "config.yaml", "results/table3.csv"])
def test_a_changed_byte_of_each_sort_of_file_is_found(archived: Archived, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(archived.path) as archive:
        content = archive.read(name)
    for changed in (content[:-1], content + b"\n", content.replace(b"a", b"b", 1)):
        (problem,) = verify(rebuilt(archived, tmp_path / "b.zip", {name: changed}, sums=False))
        assert problem.startswith(f"{name}: changed since the bundle was made")


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_archive_is_reported_or_holds_the_same(archived: Archived, tmp_path: Path, seed: int) -> None:
    """A byte of the zip file itself: of a file, or of what zip notes about it."""
    rng = random.Random(seed)
    content = bytearray(archived.path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    (tmp_path / "b.zip").write_bytes(content)
    with zipfile.ZipFile(archived.path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    try:
        with zipfile.ZipFile(tmp_path / "b.zip") as archive:
            problems = extract(archive, tmp_path / "out")
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        with pytest.raises(InputError, match=r"b\.zip: not a complete zip archive"):
            verify(tmp_path / "b.zip")
        return
    if not problems:
        assert {name: (tmp_path / "out" / name).read_bytes() for name in whole} == whole


def named(archived: Archived, file: str) -> str:
    """A file of the author's, by its name in the archive."""
    with zipfile.ZipFile(archived.path) as archive:
        (found,) = [name for name in archive.namelist() if name.startswith("elsewhere/") and name.endswith(f"/{file}")]
    return found


def test_what_was_changed_with_its_sums_does_not_follow(archived: Archived, tmp_path: Path) -> None:
    changes = {
        **edited(archived, named(archived, "regt.csv"), "brick,N", "brick,maze"),
        **edited(archived, named(archived, "ids.csv"), "rocket,4", "rocket,7"),
        **edited(archived, "results/table4.md", "OW", "QW"),
        "results/ranking.csv": None,
        "results/table9.csv": b"a\n",
    }
    found = "\n".join(verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True)))
    for expected in (
        "results/dataset/small/labels.parquet: does not follow from the archived answers and labels: 1 of 4 rows, the first of them row 3,",
        "results/predictions/small/ids.parquet: is not what the archived file of predictions says: 1 of 4 rows",
        "results/table4.md: does not follow from the archived answers and labels: line ",
        "results/ranking.csv: missing",
        "results/table9.csv: in the archive, but no part of this study",
    ):
        assert expected in found


def test_a_configuration_that_is_none_is_named(archived: Archived, tmp_path: Path) -> None:
    changes = edited(archived, "config.yaml", "models:", "model:")
    found = verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True))
    assert found[0] == "config.yaml: models: missing; see docs/configuration.md"
    assert found[1].startswith("config.yaml: model: unknown key")


def test_an_answer_changed_with_its_sums_does_not_follow(archived: Archived, unpacked: Path, tmp_path: Path) -> None:
    name = "results/predictions/small/chat.parquet"
    frame = pl.read_parquet(unpacked / name)
    frame[0, "text"] = "maze" if frame["text"][0] != "maze" else "daisy"
    frame.write_parquet(tmp_path / "chat.parquet")
    changed = rebuilt(archived, tmp_path / "b.zip", {name: (tmp_path / "chat.parquet").read_bytes()}, sums=True)
    assert any("does not follow" in problem or "cannot be made anew" in problem for problem in verify(changed))


def test_nothing_that_an_archive_names_is_started(archived: Archived, tmp_path: Path) -> None:
    """A model whose predictions are not there would have to be asked: its command is not this machine's to run."""
    mark = tmp_path / "started"
    with zipfile.ZipFile(archived.path) as archive:
        config = yaml.safe_load(archive.read("config.yaml"))
    config.pop("annotate")
    config["models"][0] = {
        "name": "evil", "label": "Evil", "kind": "engine", "model": "m", "command": ["touch", str(mark)],
    }  # fmt: skip
    changes = {"config.yaml": yaml.safe_dump(config).encode()}
    found = verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True))
    evil = ("predictions", "embeddings/minilm", "embeddings/minilm-bare")
    assert found == [f"results/{it}/small/evil.parquet: missing" for it in evil]
    # nor where there are predictions, but older than what they were made from
    with zipfile.ZipFile(archived.path) as archive:
        changes |= {f"results/{it}/small/evil.parquet": archive.read(f"results/{it}/small/chat.parquet") for it in evil}
    verify(rebuilt(archived, tmp_path / "b.zip", changes, sums=True), embed=True)
    assert not mark.exists()


def test_no_key_is_sent_to_a_server_of_embeddings_that_an_archive_names(
    archived: Archived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with zipfile.ZipFile(archived.path) as archive:
        config = yaml.safe_load(archive.read("config.yaml"))
    templates = config["encoders"][0]["templates"]
    with chat_server() as server:
        config["encoders"] = [{"name": "minilm-bare", "kind": "openai", "model": "m", "templates": templates,
                               "url": server.url, "api_key_env": "MY_KEY"}]  # fmt: skip
        changes = {"config.yaml": yaml.safe_dump(config).encode()}
        done = command(rebuilt(archived, tmp_path / "b.zip", changes, sums=True), "--embed")
        assert "not embedded anew, for servers would have to be asked: minilm-bare" in done.stderr
        assert (server.requests, server.headers) == ([], [])


HOSTILE = {
    "../outside": "would leave the archive's folder",
    "/outside": "would leave the archive's folder",
    "a/../../outside": "would leave the archive's folder",
    "C:/outside": "would leave the archive's folder",
    "a\\..\\..\\outside": "would leave the archive's folder",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_written_outside_of_the_archives_folder(archived: Archived, tmp_path: Path, name: str) -> None:
    found = verify(rebuilt(archived, tmp_path / "b.zip", {name: b"x"}, sums=True))
    assert len(found) == 1
    assert HOSTILE[name] in found[0]


def test_a_file_that_stands_twice_is_reported(archived: Archived, tmp_path: Path) -> None:
    shutil.copy(archived.path, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.yaml", "a")
    assert verify(tmp_path / "b.zip") == ["config.yaml: stands twice"]


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    for name, expected in {
        "text.zip": "not a complete zip",
        "none.zip": "not a comp",
        "other.zip": "no bundle",
    }.items():
        done = command(tmp_path / name)
        assert done.returncode == 1
        assert expected in done.stderr
        assert "Traceback" not in done.stderr


def test_archives_of_other_code_and_packages_say_so(archived: Archived, tmp_path: Path) -> None:
    with zipfile.ZipFile(archived.path) as archive:
        used = json.loads(archive.read(ENVIRONMENT))
        code = archive.read("src/mllm_classify/tables.py")
    used["archived with"]["packages"]["polars"] = "0.1"
    changes = edited(archived, "results/table3.csv", "75.00", "76.00")
    changes |= {"src/mllm_classify/tables.py": code + b"\n# more\n", ENVIRONMENT: json.dumps(used).encode()}
    done = command(rebuilt(archived, tmp_path / "b.zip", changes, sums=True))
    assert done.returncode == 1
    assert "1 files differ, src/mllm_classify/tables.py first" in done.stderr
    assert f"polars 0.1 there, {pl.__version__} here" in done.stderr


CONTEXT = "https://w3id.org/ro/crate/1.1/context"
CACHED = """
import io, sys
import requests, requests_cache, urllib3

class Packaged(requests.adapters.HTTPAdapter):
    def send(self, request, **_):
        body = io.BytesIO(open(sys.argv[2], "rb").read())
        headers = {"Content-Type": "application/ld+json"}
        return self.build_response(request, urllib3.HTTPResponse(body, headers, 200, preload_content=False))

session = requests_cache.CachedSession(sys.argv[1], backend="sqlite", expire_after=-1)
session.mount("https://", Packaged())
session.get(sys.argv[3], headers={"Accept": "application/ld+json, application/json, */*;q=0.1"})
"""
"""Fills the validator's cache: it reads the vocabulary from the web."""


def findings(folder: Path, cache: Path, severity: str) -> dict[str, str]:
    """Checks of the Workflow Run profile, and those that it extends, that a folder fails: their ids and names."""
    report = cache.with_suffix(".json")
    done = subprocess.run(
        [VALIDATOR, "-y", "validate", "--offline", "--cache-path", cache, "--profile-identifier", "workflow-run-crate",
         "--requirement-severity", severity, "--output-format", "json", "--output-file", report, folder],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["meta"]["version"]
    return {issue["check"]["identifier"]: issue["check"]["name"] for issue in found["issues"]}


def test_its_metadata_are_a_workflow_run_crate(archived: Archived, unpacked: Path, tmp_path: Path) -> None:
    if not VALIDATOR.exists():
        pytest.skip("no .venv-validator here; make test has one")
    import rocrate

    # the library has the terms of a later version, whose names for two of them differ
    vocabulary = (Path(rocrate.__path__[0]) / "data/ro-crate.jsonld").read_text()
    (tmp_path / "context.json").write_text(
        vocabulary.replace('"https://bioschemas.org/terms/', '"https://bioschemas.org/')
    )
    cache = tmp_path / "cache"
    filling = [VALIDATOR.with_name("python"), "-c", CACHED, cache, tmp_path / "context.json", CONTEXT]
    subprocess.run(filling, check=True)
    assert findings(unpacked, cache, "required") == {}
    # the workflow is a file of the archive, its publisher is not known yet, and an affiliation is a name
    assert findings(unpacked, cache, "recommended") == {
        "process-run-crate-0.5_3.2": "Application url",
        "process-run-crate-0.5_5.1": "SoftwareApplication id",
        "ro-crate-1.1_22.3": "Root Data Entity: `publisher` property",
        "ro-crate-1.1_31.2": "Organization: RECOMMENDED url property",
    }
    # a validator that finds nothing would find nothing here
    described = json.loads((unpacked / CRATE).read_text())
    root = next(entity for entity in described["@graph"] if entity["@id"] == "./")
    del root["license"]
    shutil.copytree(unpacked, tmp_path / "worse")
    (tmp_path / "worse" / CRATE).write_text(json.dumps(described))
    assert "ro-crate-1.1_8.3" in findings(tmp_path / "worse", cache, "required")


def test_its_metadata_list_every_file_with_its_sum(unpacked: Path) -> None:
    graph = {entity["@id"]: entity for entity in json.loads((unpacked / CRATE).read_text())["@graph"]}
    records = ".snakemake/metadata/"
    listed = {line.partition("  ")[2] for line in (unpacked / SUMS).read_text().splitlines()}
    described = {name for name in listed if not name.startswith(records) and name != CRATE}
    assert {name: graph[name]["sha256"] for name in described} == {name: digest(unpacked / name) for name in described}
    assert records in graph
    run = graph["#run"]
    assert {it["@id"] for it in run["result"]} == {name for name in listed if name.startswith("results/")}
    assert run["agent"] == [{"@id": "https://orcid.org/0000-0002-1825-0097"}, {"@id": "#B. B."}]
    ends = {json.loads(path.read_text())["endtime"] for path in (unpacked / records).iterdir()}
    assert len(ends) == 1
    assert {base64.b64decode(path.name).decode() for path in (unpacked / records).iterdir()} == {
        it["@id"] for it in run["result"]
    }
