"""Pictures that were replaced since they were registered: the images job runs again, and what hangs on it."""

import json
import logging
from contextlib import suppress
from pathlib import Path

from mllm_classify.config.pictured import PicturedDataset
from mllm_classify.config.study import Config
from mllm_classify.io import stamps
from mllm_classify.io.files import InputError, digest, written
from mllm_classify.plan.files import PATTERNS

log = logging.getLogger("mllm_classify")


def noted(dataset: str) -> Path:
    """Where the SHA-256 of each picture stands that was replaced, by its file; there is no such file before one is."""
    return Path(PATTERNS["images"].format(dataset=dataset)).with_name("replaced.json")


def replaced(config: Config) -> str:
    """The digest of all replacements of pictures so far, those noted that are found now; empty where there is none.

    The images job has it as a parameter, and runs again with another: also after one that failed. Without stamps beside
    images.parquet, as in an archive, no picture is looked at.
    """
    path = noted(config.dataset.name)
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    kept = path.with_name(stamps.STAMPS)
    others = stamps.replaced(kept, config.dataset.root) | _other_files(config, kept) if kept.exists() else {}
    if others:
        what = "%d pictures are not those that were registered (%s is one); all are registered anew"
        log.warning(what, len(others), next(iter(others)))
    if not others.items() <= known.items():
        known |= others
        with written(path) as temporary:
            temporary.write_text(json.dumps(known))
    return digest(known) if known else ""


def _other_files(config: Config, kept: Path) -> dict[str, str]:
    """Where a folder holds other pictures than were registered: one that is new or gone, with a digest of all that are there."""
    with suppress(InputError):  # the images job says what is wrong with the folder
        if isinstance(config.dataset, PicturedDataset) and (listed := config.dataset.listing()) is not None:
            differing = sorted(stamps.registered(kept) ^ set(listed))
            return {differing[0]: digest(sorted(listed))} if differing else {}
    return {}
