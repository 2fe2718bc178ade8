"""The commands of archives: making one of a study, and checking one."""

import argparse
import logging
from pathlib import Path
from typing import Any

from mllm_classify.cli import command, files
from mllm_classify.config.study import Config
from mllm_classify.plan.across import existing
from mllm_classify.plan.files import bundled
from mllm_classify.plan.outline import outline

log = logging.getLogger("mllm_classify")


def add(stages: Any) -> None:
    """The command and its arguments."""
    making = command(
        stages, "bundle", bundle, "bundle", "Archive the study, for reviewers and for Zenodo.", across=True
    )
    files(making, "output")


def bundle(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.bundle import archive

    contents = archive.contents(args.config, config, bundled(map(outline, config.studies.values()), existing(config)))
    archive.write(contents, args.output)
    size = Path(args.output).stat().st_size
    log.info("%s: %d files, %.1f MB", args.output, len(contents), size / 1e6)
