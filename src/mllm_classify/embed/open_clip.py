"""The text side of open_clip's models."""

from typing import TYPE_CHECKING

from mllm_classify.embed.texts import Encode
from mllm_classify.loading.open_clip import open_clip_text

if TYPE_CHECKING:
    from pathlib import Path

    from mllm_classify.config.encoders import OpenClipEncoder


def encoder(config: "OpenClipEncoder", _journal: "Path", _progress: object) -> Encode:
    """The encoder of a configuration. Raises InputError as `open_clip_text` does."""
    return open_clip_text(config, config.device, config.batch_size)
