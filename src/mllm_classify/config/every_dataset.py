"""What every data set has: label sets, equivalences, how pictures are read."""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.hierarchy import Hierarchy
from mllm_classify.config.identity import identity
from mllm_classify.config.marks import CONTENT, DISPLAY, MOST, RUNTIME, Choice, Label, Name, Section
from mllm_classify.io.reading import MAX_PIXELS, Reading

NONE = "N"
"""Says in label files that no class applies. A missing label never means that."""
AUTHORS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "reimagenet": {
        "regt": {"missing": "exclude", "uncertain": NONE, "categories": "equivalent", "restricted": True},
        "mapping": {"several": "any"},
        "recorded": {"images": "intersection"},
    },
    "proposed": {"regt": {"missing": "exclude", "uncertain": NONE}},
    "label_errors": {"regt": {"missing": "exclude"}},
}
"""By the format of a second label set, the defaults of other keys with which its authors' figures come out: of `regt`, of
`mapping`, and of recorded models."""


def by_its_authors(section: Section, of: str, format_: str | None) -> Section:
    """A section in which keys that nobody wrote have the values that a second label set of this format brings along.

    They still count as unwritten: the study of another data set has other ones. `of` is a key of AUTHORS' entries.
    """
    keys = {key for rules in AUTHORS.values() for key in rules.get(of, {})} - section.model_fields_set
    own = AUTHORS.get(format_ or "", {}).get(of, {})
    copied = section.model_copy(update={key: own.get(key, type(section).model_fields[key].default) for key in keys})
    copied.model_fields_set.difference_update(keys)
    return copied


class LabelSet(Section):
    """One label set, and what happens to images that it leaves open. Its formats: docs/labels.md."""

    label: Annotated[Label, DISPLAY] = Field(description="what tables call the label set")
    file: Annotated[str, CONTENT] = Field(description="the labels")
    missing: Annotated[
        Literal["error", "exclude"],
        Choice("ours", "its label set is complete; a missing label that counted as N would score as correct"),
    ] = Field("error", description="an image without a label: an error, or left out of every table and counted")
    restricted: Annotated[bool, RUNTIME] = Field(
        default=False,
        description="whether the file may not be handed on: the bundle has its SHA-256 only, and nothing that tells of single "
        "labels; `true` with `regt.format: reimagenet`",
    )


class SecondLabelSet(LabelSet):
    """The labels that the tables' ReGT columns stand for: all that apply to an image."""

    format: Literal["table", "real", "reimagenet", "mustelidae", "proposed", "label_errors"] = Field(
        "table", description="how the file is written: docs/labels.md"
    )
    none: Label = Field(
        NONE, description="in the format table, what stands for no class at all; no class may be called that"
    )
    uncertain: Annotated[
        Literal["N", "exclude", "error"],
        Choice("ours", "does not mention images on which annotators could not decide; its authors' later code: N"),
    ] = Field(
        "exclude",
        description="an image whose annotators could not decide: N, left out and counted, or an error; `N` with "
        "`format: reimagenet`",
    )
    categories: Annotated[
        Literal["raw", "equivalent"],
        Choice(
            "inferred", "Table 1 compares labels as they are; its authors' later code compares them under equivalence"
        ),
    ] = Field(
        "raw",
        description="from which labels S+ to M- follow: as they are, or equivalent ones counted once, with + where one is "
        "equivalent to ImGT; `equivalent` with `format: reimagenet`",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_its_authors(cls, given: Any) -> Any:
        named = given.get("format") if isinstance(given, dict) else None
        return AUTHORS.get(named, {}).get("regt", {}) | given if isinstance(named, str) else given

    @model_validator(mode="after")
    def _sign_of_a_table(self) -> Self:
        if self.none != NONE and self.format != "table":
            msg = f"dataset.regt.none: {self.none!r}: {self.format} has a sign of its own; remove the key"
            raise ValueError(msg)
        return self


class Equivalences(Section):
    """Classes that count as one (eq. 1)."""

    label: Annotated[Label, DISPLAY] = Field(description="what tables call the set")
    file: Annotated[str, CONTENT] = Field(
        description="CSV of classes (a group: all its pairs), admits and source; or ReImageNet's class_update_config.json"
    )
    one_way: Annotated[
        bool, Choice("paper", "pairs are interchangeable (Sec. 2.2): no entry holds in one direction only")
    ] = Field(
        default=False,
        description="whether rows with `admits` count: labels of `classes` admit those too, not the reverse",
    )
    overlapping: Annotated[
        Literal["all", "last"],
        Choice("ours", "does not say; in its authors' later code a class has the neighbours of its last group only"),
    ] = Field(
        "all",
        description="a class in several groups: equivalent to the classes of all, or, where it is predicted, to those of "
        "the last group only; the log counts the images on which that makes a difference",
    )
    restricted: Annotated[bool, RUNTIME] = Field(
        default=False, description="as for label sets; `true` of a JSON file, which is ReImageNet's"
    )

    @model_validator(mode="before")
    @classmethod
    def _as_its_authors(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {"restricted": isinstance(given.get("file"), str) and given["file"].endswith(".json")} | given


class Pictures(Section):
    """How picture files are read, for models of every kind and for people."""

    metadata: Annotated[
        Literal["ignore", "obey"],
        Choice("inferred", "does not say; timm and open_clip, which it uses, ignore them"),
    ] = Field(
        "ignore",
        description="EXIF orientation, colour profiles and PNG's gamma: ignored for every model, or obeyed for every model",
    )
    max_pixels: int = Field(
        MAX_PIXELS, gt=0, le=MOST, description="a picture of more is not decoded, but counts as one that cannot be"
    )


class Dataset(Section):
    """One class list, the images that are evaluated, and their labels."""

    LABELLING: ClassVar[tuple[str, ...]] = ("imgt", "regt", "equivalences")
    """The keys that are about labels: what only looks at images does not depend on them."""

    name: Name = Field(description="names the folders under results/")
    label: Annotated[Label, DISPLAY] = Field(description="what tables call the data set")
    folder: Annotated[str | None, RUNTIME] = Field(
        None, description="where the image files lie; not needed where every model is recorded"
    )
    restricted: Annotated[bool, RUNTIME] = Field(
        default=False,
        description="whether the class list, and what else this section itself names, may not be handed on: as for label sets",
    )
    corrupt: Annotated[Literal["error", "count"], Choice("ours", "does not mention images that cannot be decoded")] = (
        Field(
            "error",
            description="an image that cannot be decoded: an error, or counted as a wrong answer of every model",
        )
    )
    pictures: Pictures = Pictures()
    translation: Annotated[str | None, CONTENT] = Field(
        None,
        description="other class names in the order of the class list, by which models are told of classes and answers are "
        "read; files of labels name classes as the list does. Languages set it",
    )
    regt: SecondLabelSet | None = Field(None, description="the second label set")
    equivalences: Annotated[
        Equivalences | None, Choice("ours", "applies a set E, which is not public, to both label sets (Sec. 2.2)")
    ] = Field(None, description="without it, no two classes count as one")
    hierarchy: Hierarchy | None = Field(None, description="what classes are kinds of, for results/granularity.csv")
    answer_labels: Annotated[str | None, CONTENT, Choice("ours", "measures no mapping against labels of answers")] = (
        Field(
            None,
            description="CSV of which classes answers mean, as annotators say (`annotate answers`), for results/mapping_quality.csv",
        )
    )

    @property
    def has_files(self) -> bool:
        """Whether there are pictures, not only predictions of them."""
        return self.folder is not None

    @property
    def root(self) -> str | None:
        """The folder in which pictures are looked for by their places."""
        return self.folder

    @property
    def reading(self) -> Reading:
        """How its picture files are read."""
        return Reading(self.pictures.metadata, self.pictures.max_pixels)

    @property
    def synsets_file(self) -> str | None:
        """The file of the classes' synsets, in the order of their names, where they have synsets."""
        return None

    @property
    def expert_file(self) -> str | None:
        """The file of an expert's labels of some images, if there is one."""
        return None

    @property
    def rules_of(self) -> str | None:
        """The format whose authors' rules hold where nothing else is written."""
        return self.regt.format if self.regt else None

    @property
    def corrections(self) -> list[SecondLabelSet]:
        """Earlier corrections of the same labels."""
        return []

    @property
    def only_registered(self) -> bool:
        """Whether label files may label no other images than those that are evaluated."""
        return False

    @property
    def chosen_by_labels(self) -> bool:
        """Whether ImGT says which images there are, or comes with them."""
        return False

    def image_id(self, written: str) -> str:
        """The image that a file of labels or predictions means."""
        return written

    def identities(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What contributes to the lineage of the images, and what else to that of their labels: two disjoint parts.

        The hierarchy and labels of answers contribute to neither.

        Raises InputError where a file that is named cannot be read.
        """
        images = identity(self)
        del images["hierarchy"], images["answer_labels"]
        if self.translation is None:
            del images["translation"]
        labels = {key: images.pop(key) for key in self.LABELLING}
        return {"files": self.has_files, "synsets": self.synsets_file} | images | self._chosen_by(labels), labels

    def _chosen_by(self, _labels: dict[str, Any]) -> dict[str, Any]:
        """What of the labels says which images there are: other edits of label files must not reach the models."""
        return {}
