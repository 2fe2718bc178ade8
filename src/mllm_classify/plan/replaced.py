"""Pictures that were replaced since they were registered: the images job runs again, and what hangs on them."""

import json
import logging
from pathlib import Path

from mllm_classify.config.study import Config
from mllm_classify.io import stamps
from mllm_classify.io.files import digest, written

log = logging.getLogger("mllm_classify")

REPLACED = "replaced.json"
"""Beside images.parquet: the SHA-256 of each picture that was replaced, when that was noticed."""


def replaced(config: Config, images: Path) -> str:
    """The digest of all replacements of pictures so far, noted beside `images`; empty where there is none.

    The images job has it as a parameter: with another one, it runs again. That outlives a failure of the job.
    """
    noted = images.with_name(REPLACED)
    known = json.loads(noted.read_text()) if noted.exists() else {}
    if images.exists() and images.with_name(stamps.STAMPS).exists():
        now = stamps.replaced(images.with_name(stamps.STAMPS), config.dataset.folder)
        if now:
            name = next(iter(now))
            log.warning(
                "%d pictures are not those that were registered (%s is one); they are registered anew", len(now), name
            )
        if not now.items() <= known.items():
            known |= now
            with written(noted) as temporary:
                temporary.write_text(json.dumps(known))
    return digest(known) if known else ""
