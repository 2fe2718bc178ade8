"""A hierarchy of classes: which is a kind of which."""

from typing import Annotated, Literal

from pydantic import Field

from mllm_classify.config.marks import CONTENT, DISPLAY, RUNTIME, Choice, Label, Section


class Hierarchy(Section):
    """What classes, and words that are no classes, are kinds of: docs/granularity.md."""

    label: Annotated[Label, DISPLAY] = Field(description="what tables call the hierarchy")
    file: Annotated[str, CONTENT] = Field(
        description="CSV or JSON-lines of node, parents and names (of several, with | between them); or WordNet's `data.noun`"
    )
    format: Annotated[
        Literal["table", "wordnet"], Choice("ours", "counts a more general answer as out of prompt, as any other")
    ] = Field("table", description="how the file is written")
    nodes: Annotated[str | None, CONTENT] = Field(
        None,
        description="text file of the classes' nodes, one a line, in the order of the class list; by default ImageNet's synsets, or "
        "the nodes that bear the classes' names",
    )
    levels: Annotated[str | None, CONTENT] = Field(
        None, description="CSV of level, group and node: levels that are set by hand, for results/levels.csv"
    )
    restricted: Annotated[bool, RUNTIME] = Field(
        default=False, description="whether these files may not be handed on: as for label sets"
    )
