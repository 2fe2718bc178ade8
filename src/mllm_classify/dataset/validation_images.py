"""How ImageNet names its validation images."""

import re

VALIDATION_IMAGES = 50_000
_NAME = re.compile(r"ILSVRC2012_val_(\d{8})")


def validation_ids() -> list[str]:
    """The ids of all validation images, in the order of their numbers, which begin with 1."""
    return [f"ILSVRC2012_val_{number:08d}" for number in range(1, VALIDATION_IMAGES + 1)]


def validation_number(image_id: str) -> int | None:
    """The number in an image's id; None where the id is not like a validation image's."""
    matched = _NAME.fullmatch(image_id)
    return int(matched[1]) if matched else None
