"""The text side of open_clip's models."""

from typing import TYPE_CHECKING

from mllm_classify import vlm
from mllm_classify.embed import Encode

if TYPE_CHECKING:
    from mllm_classify.config import OpenClipEncoder


def encoder(config: "OpenClipEncoder") -> Encode:
    """The encoder of a configuration. Raises InputError as `vlm.open_clip_text` does."""
    return vlm.open_clip_text(config, config.device, config.batch_size)
