"""PaliGemma 2, which has no chat template: what vLLM gives to it by ours is what its own processor makes."""

import base64
import json
import subprocess
import urllib.request

import pytest

from mllm_classify.config.chat import VLLMModel
from mllm_classify.predict import vllm
from mllm_classify.predict.chat import engine
from mllm_classify.predict.chat.prompts import messages
from tests.vllm.conftest import ENVIRONMENT, SETTINGS, TESTS, pictures, prompt
from tests.waiting import PATIENCE

TEMPLATE = "resources/chat_templates/paligemma2.v1.jinja"
PROCESSED = """
import json, sys
from PIL import Image
from transformers import AutoProcessor
processor = AutoProcessor.from_pretrained(sys.argv[1])
for text in json.load(sys.stdin):
    print(json.dumps(processor(images=Image.open(sys.argv[2]), text="<image>" + text)["input_ids"][0]))
"""


@pytest.fixture
def url(paligemma2, tmp_path, monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "without_torchvision"), prepend=":")
    entry = VLLMModel(
        name="m", label="M", kind="vllm", model=str(paligemma2), environment=str(ENVIRONMENT), chat_template=TEMPLATE,
        flags={"dtype": "float32", "max-model-len": 12288, "enforce-eager": True},
    )  # fmt: skip
    with engine.running("m", vllm.command(entry), 300, tmp_path / "engine.log") as served:
        yield served.url, entry.served


def completion(url, model, content, image):
    for message in content:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url":
                part["image_url"] = {"url": f"data:image/png;base64,{base64.b64encode(image).decode()}"}
    body = {"model": model, "messages": content, "max_tokens": 4, "return_token_ids": True}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE) as response:
        return json.load(response)


def test_it_is_given_the_tokens_that_its_processor_makes_in_every_layout(url, paligemma2, tmp_path):
    address, model = url
    _, image = next(pictures())
    (tmp_path / "image.png").write_bytes(image)
    texts = [prompt("OW"), prompt("CW"), "one line"]
    processed = subprocess.run(
        [ENVIRONMENT / "bin/python", "-c", PROCESSED, paligemma2, tmp_path / "image.png"],
        input=json.dumps(texts), capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = [json.loads(line) for line in processed.stdout.splitlines()]
    assert len(expected[1]) > 5000
    for text, ids in zip(texts, expected, strict=True):
        for layout in ("image_last", "image_first", "system"):
            answer = completion(address, model, messages(layout, text, 1), image)
            assert answer["prompt_token_ids"] == ids
            assert answer["usage"]["prompt_tokens"] == len(ids)
            assert answer["usage"]["completion_tokens"] > 0
