import io
import json
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from mllm_classify.config.chat import EndpointModel, VLLMModel
from mllm_classify.config.models import Resources
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.io.files import PROJECT, InputError, sha256
from mllm_classify.predict import endpoint, vllm
from mllm_classify.predict.images import Images
from tests.chat_server import chat_server
from tests.predict.jobs import job

NAMES = ["espresso", "lens cap, lens cover", "tabby", "ox"]
SERVER = PROJECT / "tests/chat_server.py"


def add_program(folder, name, text="#!/bin/sh\n"):
    program = folder / "env/bin" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)
    return program


@pytest.fixture
def model(folder):
    """Entries of an environment that has a program `vllm`."""
    add_program(folder, "vllm")

    def entry(**options):
        return VLLMModel(**{"name": "m", "label": "M", "kind": "vllm", "model": "q", "environment": "env"} | options)

    return entry


@pytest.fixture
def ask(folder):
    """A job of a model about so many images."""

    def make(model, count):
        rows = []
        for n in range(count):
            content = io.BytesIO()
            Image.new("RGB", (2, 2), (n, n, n)).save(content, "PNG")
            (folder / f"{n}.png").write_bytes(content.getvalue())
            rows.append({"image_id": f"image{n}", "file": f"{n}.png", "sha256": sha256(content.getvalue())})
        tasks = {
            task: TaskPrompt(prompt=f"resources/prompts/{file}.v1.txt")
            for task, file in {"OW": "ow", "CW": "cw", "CW-constrained": "cw"}.items()
        }
        images = Images(pl.DataFrame(rows), str(folder))
        return job(model, images, NAMES, tasks=tasks, journal=folder / "journal")

    return make


def flags(command):
    """Those of a command, without what stands before the first."""
    return command[3:]


@pytest.mark.parametrize(
    ("name", "value", "rendered"),
    [
        ("dtype", "bfloat16", ["--dtype", "bfloat16"]),
        ("max-model-len", 16384, ["--max-model-len", "16384"]),
        ("gpu-memory-utilization", 0.95, ["--gpu-memory-utilization", "0.95"]),
        ("enforce-eager", True, ["--enforce-eager"]),
        ("enable-chunked-prefill", False, ["--no-enable-chunked-prefill"]),
        ("limit-mm-per-prompt", {"image": 1}, ["--limit-mm-per-prompt", '{"image": 1}']),
        ("cudagraph-capture-sizes", [1, 2, 4], ["--cudagraph-capture-sizes", "1", "2", "4"]),
        ("quantization", None, []),
    ],
)
def test_flags_are_written_as_vllm_reads_them(name, value, rendered):
    assert vllm.flag(name, value) == rendered


def test_the_command_serves_the_model_on_this_machine_with_a_cache_that_counts(model, folder):
    assert vllm.command(model()) == [
        str(folder / "env/bin/vllm"), "serve", "q", "--enable-prefix-caching", "--enable-prompt-tokens-details",
        "--served-model-name", "q", "--host", "127.0.0.1", "--port", "{port}",
    ]  # fmt: skip


def test_the_entry_s_flags_follow_and_replace_ours(model):
    command = vllm.command(
        model(
            revision="v2",
            performance={"max-num-seqs": 8, "enable_prefix_caching": False},
            flags={"max_model_len": 4096, "max_num_seqs": 4},
        )
    )
    assert flags(command)[:6] == ["--no-enable-prefix-caching", "--enable-prompt-tokens-details",
                                  "--max-num-seqs", "4", "--max-model-len", "4096"]  # fmt: skip
    assert "--enable-prefix-caching" not in command
    assert command[command.index("--revision") + 1] == "v2"


def test_weights_and_template_in_a_folder_are_found_from_anywhere_and_their_place_is_not_the_model_s_name(
    model, folder, tmp_path_factory
):
    weights = tmp_path_factory.mktemp("weights") / "tiny"
    weights.mkdir()
    command = vllm.command(model(model=str(weights), chat_template="resources/chat_templates/paligemma2.v1.jinja"))
    assert command[2] == str(weights)
    served = command[command.index("--served-model-name") + 1]
    assert served.endswith("/tiny")
    assert not Path(served).is_absolute()
    template = Path(command[command.index("--chat-template") + 1])
    assert template.is_absolute()
    assert template.is_file()


@pytest.mark.parametrize(
    ("gpus", "performance", "rendered"),
    [
        (1, {}, []),
        (4, {}, ["--tensor-parallel-size", "4"]),
        (4, {"data_parallel_size": 4}, ["--data-parallel-size", "4"]),
        (4, {"tensor-parallel-size": 2, "pipeline-parallel-size": 2},
         ["--tensor-parallel-size", "2", "--pipeline-parallel-size", "2"]),
    ],
)  # fmt: skip
def test_gpus_share_the_weights_unless_the_entry_says_otherwise(model, gpus, performance, rendered):
    command = vllm.command(model(resources=Resources(gpus=gpus), performance=performance))
    start = 2
    assert flags(command)[start : flags(command).index("--served-model-name")] == rendered


def test_an_environment_without_vllm_is_an_input_error_that_says_how_to_make_it(model):
    with pytest.raises(InputError, match=r"model 'm': environment: .*/nowhere/bin/vllm is not there; `make vllm`"):
        vllm.command(model(environment="nowhere"))


def test_vllm_finds_the_programs_of_its_environment(model, ask, folder):
    ninja = add_program(folder, "ninja")
    add_program(
        folder,
        "vllm",
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        f"sys.path.insert(0, {str(SERVER.parent)!r})\n"
        "import chat_server\n"
        "pathlib.Path('found').write_text(str(shutil.which('ninja')))\n"
        "port = sys.argv[sys.argv.index('--port') + 1]\n"
        "sys.argv[1:] = ['--port', port, '--log', 'asked.log']\n"
        "chat_server.main()\n",
    )
    frame, _ = vllm.predict(ask(model(), 2))
    assert frame["status"].to_list() == ["ok"] * 4
    assert (folder / "found").read_text() == str(ninja)


def test_a_server_that_does_not_constrain_is_caught_before_it_is_asked_much(ask, folder):
    with chat_server() as server:
        entry = EndpointModel(name="m", label="M", kind="endpoint", model="test", url=server.url,
                              tasks=["CW-constrained"], min_cached_share=0)  # fmt: skip
        with pytest.raises(
            InputError, match=r"preflight: constrained decoding does not constrain: .* remove CW-constr"
        ):
            endpoint.predict(ask(entry, 100))
    assert len(server.requests) < 10
    assert any(json.dumps(body["structured_outputs"]) for body in server.requests)
