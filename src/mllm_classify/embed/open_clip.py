"""The text side of open_clip's models."""

from typing import TYPE_CHECKING

from mllm_classify.embed.texts import Encode
from mllm_classify.loading import open_clip as vlm

if TYPE_CHECKING:
    from mllm_classify.config.encoders import OpenClipEncoder


def encoder(config: "OpenClipEncoder", *_asking: object) -> Encode:
    """The encoder of a configuration; it asks no server. Raises InputError as `vlm.open_clip_text` does."""
    return vlm.open_clip_text(config, config.device, config.batch_size)
