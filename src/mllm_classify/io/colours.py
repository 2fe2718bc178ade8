"""What metadata say of a picture's colours: ICC profiles, and PNG's chunks."""

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

SPACES: Final = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
"""The colour space of a profile that fits a mode. One that does not fit is nobody's to obey (ICC.1, PNG 11.3.2.3)."""
LEVELS = 3
"""By how many of 256 levels some colour must move for a profile to change how a picture looks: those of sRGB differ."""
SRGB_GAMMA = 1 / 2.2
SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""White, red, green and blue as x and y, in the order of PNG's chunk cHRM."""


def profile_changes(profile: bytes | None, mode: str) -> bool:
    """Whether obeying an ICC profile changes pictures of a mode (L, RGB or CMYK)."""
    return bool(profile) and _to_srgb(profile, mode) is not None


def by_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    """A picture in sRGB, by an ICC profile that changes it."""
    transform = _to_srgb(profile, picture.mode)
    assert transform is not None
    converted = ImageCms.applyTransform(picture, transform)
    assert converted is not None
    return converted


@lru_cache(maxsize=256)
def _to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile's colours to sRGB; None where it does not fit the mode, or moves no colour."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
    if source.profile.xcolor_space != SPACES[mode]:
        return None
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    steps = np.arange(0, 256, 255 if mode == "CMYK" else 15, dtype=np.uint8)
    channels = np.meshgrid(*[steps] * len(mode)) if mode != "L" else [np.arange(256, dtype=np.uint8)]
    grid = np.stack([channel.ravel() for channel in channels], axis=-1)[None]
    colours = Image.fromarray(grid[..., 0]) if mode == "L" else Image.fromarray(grid, mode)
    moved = ImageCms.applyTransform(colours, transform)
    difference = np.asarray(moved, dtype=int) - np.asarray(colours.convert("RGB"), dtype=int)
    return transform if np.abs(difference).max() > LEVELS else None


def png_changes(info: Mapping[str, Any], content: bytes) -> bool:
    """Whether chunks of a PNG file other than a profile say colours that are not sRGB's (gAMA, cHRM, cICP)."""
    if b"cICP" in content[: content.find(b"IDAT")]:
        return True
    if "srgb" in info or info.get("icc_profile"):
        return False  # either counts in place of the others
    chromaticities = np.array(info.get("chromaticity", SRGB_CHROMATICITIES))
    return _gamma(info) != 1 or bool(np.abs(chromaticities - SRGB_CHROMATICITIES).max() > 0.002)


def by_gamma(picture: Image.Image, info: Mapping[str, Any]) -> Image.Image:
    """An RGB picture as its gAMA chunk says; cHRM and cICP are obeyed by nobody."""
    exponent = _gamma(info)
    return picture.point([round(255 * (level / 255) ** exponent) for level in range(256)] * 3)


def _gamma(info: Mapping[str, Any]) -> float:
    """The exponent that brings levels of a picture to those of sRGB; 1 where they are, or nothing says otherwise."""
    gamma: float = info.get("gamma", SRGB_GAMMA)
    if "srgb" in info or info.get("icc_profile") or gamma <= 0 or abs(gamma / SRGB_GAMMA - 1) < 0.02:
        return 1
    return SRGB_GAMMA / gamma
