"""What a data set says of its picture files, without the libraries that read them."""

from typing import Literal, NamedTuple

MAX_PIXELS = 178_956_970
"""What Pillow itself takes no longer for a picture, but for a trap."""


class Reading(NamedTuple):
    """How picture files are read: whether metadata are obeyed, and how many pixels they may have."""

    metadata: Literal["ignore", "obey"] = "ignore"
    max_pixels: int = MAX_PIXELS


AS_PILLOW = Reading()
"""As Pillow's `Image.open(file).convert("RGB")` reads them, which timm and open_clip call, but for transparency."""
