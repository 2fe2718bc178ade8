"""Rules of the tables."""

from typing import Annotated, Literal

from pydantic import Field

from mllm_classify.config.marks import Choice, Name, Section
from mllm_classify.config.outside import OutsideFigures


class Tables(Section):
    """Rules of the tables on which papers differ. A change makes tables anew, nothing else."""

    n_images: Annotated[
        Literal["correct", "excluded"],
        Choice("paper", "every prediction on an image without a label is correct (Sec. 2.2); ReaL leaves those out"),
    ] = Field(
        "correct",
        description="images to which no class applies (N): every answer is correct, or they are left out of accuracy under "
        "ReGT and of every difference between label sets",
    )
    resamples: Annotated[int, Choice("ours", "has intervals for Table 6 only, over repeats")] = Field(
        1000, ge=100, le=100_000, description="bootstrap resamples of the images"
    )
    k: Annotated[
        list[Annotated[int, Field(ge=1, le=1000)]],
        Choice("ours", "has top-1 only; ReaL's top-5, as timm evaluates it, is asked for"),
    ] = Field([1, 5], min_length=1, description="of the first how many classes one must be right, in results/top_k.csv")
    compared: list[Name] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="two models, the older first, whose classes results/class_differences.svg (by default the two best under "
        "ImGT) and results/hard_classes.csv compare",
    )
    exposure: OutsideFigures | None = Field(
        None, description="how often classes are named elsewhere, for results/exposure.csv"
    )
    benchmarks: OutsideFigures | None = Field(
        None, description="scores of models on other benchmarks, for results/benchmarks.csv"
    )
