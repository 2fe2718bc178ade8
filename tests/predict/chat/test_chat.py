"""What jobs that ask one model at a time write into its journal."""

import asyncio
import json
from concurrent.futures import ProcessPoolExecutor

from mllm_classify.predict.chat.answering import _note_environment


def note(folder, times):
    return {asyncio.run(_note_environment("https://api.example/v1", folder)) for _ in range(times)}


def test_jobs_that_start_at_once_note_their_environment_each(tmp_path):
    with ProcessPoolExecutor(4) as jobs:
        (name,) = set.union(*jobs.map(note, [tmp_path] * 4, [100] * 4))
    (noted,) = (tmp_path / "environments").iterdir()
    assert noted.name == f"{name}.json"
    assert json.loads(noted.read_text())["server"] is None
