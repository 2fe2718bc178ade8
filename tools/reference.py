"""What is written from the code's own model: the configuration's JSON schema, its page, the page of choices, and that
of vision models.

`python -m tools.reference` (`make reference`) writes them; a test fails when they are out of date.
"""

import json
import re
from enum import Enum
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mllm_classify.config.annotate import Annotate
from mllm_classify.config.chat import (
    Batch,
    ChatModel,
    EndpointModel,
    EngineModel,
    Likelihood,
    OpenAIModel,
    Picture,
    Prices,
    Request,
    VLLMModel,
)
from mllm_classify.config.dataset import CropsDataset, ImagenetDataset, ImagenetLabels, TableDataset
from mllm_classify.config.encoders import Encoder, EncoderSection, OpenAIEncoder, OpenClipEncoder, Reranker
from mllm_classify.config.every_dataset import Dataset, Equivalences, LabelSet, Pictures, SecondLabelSet
from mllm_classify.config.further import FurtherDataset
from mllm_classify.config.hierarchy import Hierarchy
from mllm_classify.config.judge import Judge
from mllm_classify.config.languages import Language
from mllm_classify.config.marks import COLUMNS, CONTENT, DISPLAY, RUNTIME, Choice, Mark
from mllm_classify.config.models import Model, RecordedModel, Resources
from mllm_classify.config.outside import OutsideFigures
from mllm_classify.config.pictured import (
    FolderDataset,
    HubDataset,
    NamingDataset,
    OwnLabels,
    PicturedDataset,
    TorchvisionDataset,
    WebDataset,
)
from mllm_classify.config.study import Author, Bundle, Config, Mapping
from mllm_classify.config.tables import Tables
from mllm_classify.config.tasks import Choices, Sample, TaskPrompt, Variant
from mllm_classify.config.vision import (
    ConseModel,
    DinoTxtModel,
    Inference,
    KnnModel,
    OpenClip,
    OpenClipModel,
    Templates,
    Timm,
    TimmModel,
    TrainingImages,
)
from mllm_classify.io.files import PROJECT
from mllm_classify.tasks import TASK_NAMES

SCHEMA = PROJECT / "workflow/schemas/config.schema.json"
PAGE = PROJECT / "docs/configuration.md"
FAITHFULNESS = PROJECT / "docs/faithfulness.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "dataset": Dataset,
    "dataset, source table": TableDataset,
    "dataset, source imagenet": ImagenetDataset,
    "dataset, source crops": CropsDataset,
    "dataset, sources folder, hub, webdataset and torchvision": PicturedDataset,
    "dataset, sources folder, hub and torchvision": NamingDataset,
    "dataset, source folder": FolderDataset,
    "dataset, source hub": HubDataset,
    "dataset, source webdataset": WebDataset,
    "dataset, source torchvision": TorchvisionDataset,
    "dataset.pictures": Pictures,
    "dataset.imgt, and dataset.regt": LabelSet,
    "dataset.imgt, source imagenet": ImagenetLabels,
    "dataset.imgt, sources crops, folder, hub, webdataset and torchvision": OwnLabels,
    "dataset.regt": SecondLabelSet,
    "dataset.equivalences": Equivalences,
    "dataset.hierarchy": Hierarchy,
    "datasets, each": FurtherDataset,
    "languages, each": Language,
    "encoder, and each of encoders": EncoderSection,
    "encoder, kind sentence-transformers": Encoder,
    "encoder, kind open_clip": OpenClipEncoder,
    "encoder, kind openai": OpenAIEncoder,
    "encoder: reranker": Reranker,
    f"tasks, by {', '.join(TASK_NAMES[:-1])} or {TASK_NAMES[-1]}": TaskPrompt,
    "tasks and variants: sample": Sample,
    "variants": Variant,
    "mapping": Mapping,
    "judge, and each of judges": Judge,
    "choices": Choices,
    "tables": Tables,
    "tables.exposure and tables.benchmarks": OutsideFigures,
    "annotate": Annotate,
    "bundle": Bundle,
    "bundle.authors": Author,
    "models, of every kind": Model,
    "models, of every kind: resources": Resources,
    "models of kind timm, open_clip, dinotxt and knn; classifier of kind conse": Inference,
    "models of kind timm and knn; classifier of kind conse": Timm,
    "models of kind timm": TimmModel,
    "models of kind conse": ConseModel,
    "models of kind open_clip and dinotxt": Templates,
    "models of kind open_clip; encoder, kind open_clip": OpenClip,
    "models of kind open_clip": OpenClipModel,
    "models of kind dinotxt": DinoTxtModel,
    "models of kind knn": KnnModel,
    "models of kind knn: train": TrainingImages,
    "models of kind recorded": RecordedModel,
    "models of kind endpoint, openai, engine and vllm": ChatModel,
    "models of these kinds: request": Request,
    "models of these kinds: likelihood": Likelihood,
    "models of these kinds: picture": Picture,
    "models of these kinds: prices": Prices,
    "models of kind endpoint": EndpointModel,
    "models of kind openai": OpenAIModel,
    "models of kind openai: batch": Batch,
    "models of kind engine": EngineModel,
    "models of kind vllm": VLLMModel,
}
INTRODUCTION = """# The configuration

Written by `make reference` from `src/mllm_classify/config/`. One YAML file configures a run: `config.yaml`, or the
one that `--configfile` names. A key that is not listed here is an error. What Snakemake shall make stands before
`--configfile`, or after `--`: it takes whatever follows for further files of configuration, and ends in a traceback
before it reads a line of this project's.

*Reruns* says what a changed value runs again: *yes*, all that uses it; *tables*, only those; *content*, what uses the
file, when its content changes; *columns*, the same for the columns that are named; *no*, nothing. The bundle holds the
configuration: any change makes it anew.

Files are relative to the folder in which Snakemake runs, or to the project. `package:NAME/FILE` is a file inside an
installed package.
"""


RULES = [
    ("Categories S+, S-, M+, M-, N follow from the label sets as they are, unless `categories: equivalent`", "paper", "Table 1"),
    ("Admissible labels and accuracy", "paper", "eq. 1 and 2, for ImGT and ReGT"),
    ("Answers and class names are lower-cased, and stripped of blanks at both ends", "paper", "Sec. 2.3; blanks are ours"),
    ("CW: an answer that is no listed name is wrong. CW+: it goes to the nearest class name. OW: every answer does",
     "paper", "Sec. 2.3 and 3.1"),
    ("A name that several classes share stands for all of them, matched or nearest", "ours",
     "two names of the class list are shared by two classes each; the paper's set E may cover them"),
    ("An empty answer is out of prompt and has no nearest class", "ours", "not mentioned"),
    ("Reasoning is no part of an answer; an answer cut off within it is an error", "ours", "not mentioned"),
    ("A request about several images whose answer lacks, doubles or adds a number is an error for all of them", "ours",
     "the format of its batches is not public"),
    ("Where a prompt numbers images, a lone one's answer may stand behind its number; the number is no part of it", "ours",
     "the format of its batches is not public"),
    ("CW-constrained: the server lets the model answer with listed names only", "ours",
     "mentions constrained decoding as the costly alternative to CW+, without figures"),
    ("A request that failed for good is wrong under every rule, on N images too", "ours", "not mentioned"),
    ("Of several answers to one image the first counts", "ours", "not mentioned"),
    ("Of equally near classes the one with the lowest id counts", "ours", "not mentioned"),
    ("Table 3 shows models that answer in words at whichever of OW and CW+ has the higher ImGT accuracy, ties by ReGT",
     "inferred",
     "Table 3 shows one task a model; by Table 4 it is the one of higher ImGT accuracy"),
    ("Ranks are dense: equal accuracies share one, none is skipped", "inferred", "Table 3 has two models of rank 5"),
    ("One text encoder for all models in all tables but `encoders`, where each model's best is chosen on other images", "ours",
     "Sec. 2.4: the best encoder for each model, chosen by an ablation (Tab. 17); not said on which images"),
    ("Judged: an answer that names no class goes to the first of the nearest that most of a judge's repeats accept, else to none",
     "ours", "has no judge"),
    ("MC: the ReGT option is drawn from the ReGT labels but ImGT and its equivalents; of no others, it is ImGT", "inferred",
     "does not say; by Table 6's third row ImGT is hardly ever the option of an image in M+"),
    ("MC: on images in N the variants that name ImGT offer it alone", "inferred",
     "does not say; by Table 6's fourth row more images are right under ImGT than there are outside of N"),
    ("MC: where ReGT alone is named, images in N are not asked about: right under ReGT, wrong under ImGT", "ours",
     "every answer to N is right; which options there were is not said"),
    ("MC: no distractor is right under ImGT or ReGT, and no two options count as one", "inferred",
     "Sec. 2.3: distractors of ImGT do not include any ReGT label"),
    ("MC: equal and missing confusions are decided by probability, similarity of names, and a hash, and recorded", "ours",
     "not mentioned"),
    ("MC: an answer that names no option, or several, is out of prompt and wrong", "ours", "none was observed"),
    ("MC: the interval is Student's over repeats, n - 1 degrees of freedom, sample deviation with n - 1", "code",
     "Table 6 has 95 % intervals without a method"),
    ("Protocols: MC with 26 options, the most similar names as distractors, lists cut to the first classes", "ours",
     "our reading of Liu et al. (2024) and Zhang et al. (2024), which it cites"),
    ("Zero-shot: each template's embedding is normalised, averaged, and normalised again; classes by cosine", "inferred",
     "follows CLIP, whose own code does so"),
    ("k-NN: cosine between features; of equally near images the first counts, of equally voted classes the lowest id",
     "ours", "not mentioned"),
    ("Breakdown: an out-of-prompt answer on an image in N is mapped right", "inferred",
     "38.75 % of Qwen3-VL's (Fig. 4) follows from its Tables 4 and 5 only so; Tab. 14 is not public"),
    ("Abstention: risk by similarity and by margin is over images in S and M under ReGT; AURC of ties is the mean over orders",
     "ours", "not mentioned"),
    ("Suspects: ranked by the share of models that name one other class; quality is cleanlab's normalised margin", "ours",
     "not mentioned"),
    ("Second pass: the share of disputed images is of all images of the category that the model was asked about", "inferred",
     "Figure 7: of images in these categories; 52.32 % of S- and 49.16 % of M-"),
    ("Second pass: an image's part of Figure 7 follows from whether the new labels hold the model's class, and any of ReGT",
     "inferred", "the captions of Figures 5 and 7"),
    ("Second pass: a class, or none, counts when more than half of the image's annotators chose it", "ours",
     "the main text does not say how many annotated an image"),
    ("Wilson's and bootstrap intervals, McNemar's tests with Holm's correction, Kendall's tau", "ours",
     "the paper has intervals for multiple choice only"),
    ("Sensitivity: images of one request are resampled, and their signs flipped, together", "ours",
     "its preliminary experiments on batches are in its supplement, which is not public"),
    ("Agreement: the share of equal answers, texts and classes, over repeats and pairs of them, and Fleiss' kappa", "ours",
     "not mentioned"),
]  # fmt: skip
"""Rules that no option changes: what, where it comes from, and what the paper says."""
CHOICES_INTRODUCTION = """# What is the paper's, and what is ours

Written by `make reference` from `src/mllm_classify/config/`, `tools/reference.py` and the headers of the
files in `resources/`. *Paper*: "Multimodal Large Language Models as Image Classifiers" (Kisel, Volkov, Janouskova, Matas,
2026) says so. *Code*: it does not, but its authors' public analysis code does, which is that of their later paper.
*Inferred*: neither does, but its figures or words leave little else. *Ours*: all are silent, or its own is not public.
Its supplement (prompts, encoders, the equivalence set E), the labels that it used and its list of 625 classes are not public;
once they are, the configuration names the official files in place of ours.

Its labels grew into ReImageNet (`vrg-prague/ReImageNet` on the Hugging Face hub; gated, not to be handed on): all 50,000
validation images, with boxes, and groups of equivalent classes that succeed E. `presets/reimagenet.yaml` reads it by the rules of
its authors, which a table below lists; nobody here has run it with the labels themselves.
"""
LATER = [
    ("Categories, uncertain images, answers that name several classes, images that one side lacks", "the same",
     "`format: reimagenet`: docs/labels.md"),
    ("A class in two groups of equivalent classes has, where it is predicted, the neighbours of the last", "the same",
     "`equivalences.overlapping: last`"),
    ("Labels that are equivalent to one another count once: which of them comes first", "the same, but for chains of groups",
     "theirs takes them as Python's sets give them, ours by id; it matters for three labels that two groups link"),
    ("A prediction of no class", "wrong on N, too, where a request failed", "theirs is right on N, like every answer"),
    ("E1: accuracy by category", "the same", "`table3`, `table4`"),
    ("E2: labels and boxes per image", "counts, and a figure", "`labels_per_image`, `label_counts`"),
    ("E3, E7, E8: accuracy by attribute, by number of labels, on unambiguous images", "the same", "`attributes`"),
    ("E6: only the labels of dominant, or of the largest, boxes count", "the same where there are pictures",
     "`attributes`; theirs leaves answers of no class out of the column M only, ours counts them as wrong"),
    ("E9, E10: earlier corrections", "the same", "`dataset.earlier`: `corrected_accuracy`, `corrections`, `flows`"),
    ("E4, E8: accuracy on crops of boxes, and of enlarged ones", "the same for boxes; enlarging is ours, since theirs is not public",
     "`source: crops`: `crops`"),
    ("E5: errors of derived sets", "not made", ""),
    ("The abstract: shares of images with several labels (33.3 %), and without any (3.8 %)", "ours beside them", "`scorecard`; its tables are not public text"),
]  # fmt: skip
"""What the authors' later paper does, whether it is the same here, and where."""
ORIGIN = re.compile(r"^# Origin: (paper|inferred|quoted|ours)\. ?(.*)$", re.MULTILINE)


def schema() -> str:
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def page() -> str:
    parts = [INTRODUCTION]
    for title, section in SECTIONS.items():
        rows = [
            f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {_reruns(field)} | {_text(field)} |"
            for name, field in section.model_fields.items()
            if name in section.__annotations__  # what it inherits stands in a section of its own
        ]
        about = (section.__doc__ or "").strip().splitlines()
        parts.append(
            "\n".join([f"## {title}", "", *([*about, ""] if about else []), "| key | type | default | reruns | |",
                       "|:--|:--|:--|:--|:--|", *rows, ""])
        )  # fmt: skip
    return "\n".join(parts)


def choices() -> str:
    """The page of choices. Raises ValueError where a file in resources/ does not state its origin."""
    options = [
        f"| `{re.split(',| of ', title)[0]}.{name}` | {_default(field)} | {mark.origin} | {mark.says} |"
        for title, section in SECTIONS.items()
        for name, field in section.model_fields.items()
        if name in section.__annotations__
        for mark in field.metadata
        if isinstance(mark, Choice)
    ]
    files = []
    for path in sorted((PROJECT / "resources").glob("*/*")):
        found = ORIGIN.search(path.read_text())
        if found is None:
            msg = f"{path}: no line '# Origin: paper.', 'inferred.', 'quoted.' or 'ours.'"
            raise ValueError(msg)
        files.append(f"| `{path.relative_to(PROJECT)}` | {found[1]} | {found[2]} |")
    rules = [f"| {' | '.join(rule)} |" for rule in RULES]
    parts = {
        "Options": ["| option | default | origin | the paper |", "|:--|:--|:--|:--|", *options],
        "Rules": ["| rule | origin | the paper |", "|:--|:--|:--|", *rules],
        "ReImageNet's authors": ["| theirs | ours | |", "|:--|:--|:--|", *(f"| {' | '.join(it)} |" for it in LATER)],
        "Files": ["| file | origin | |", "|:--|:--|:--|", *files],
    }
    return "\n".join(
        [CHOICES_INTRODUCTION, *(line for title, lines in parts.items() for line in (f"## {title}", "", *lines, ""))]
    )


def _type(annotation: Any) -> str:
    arguments = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Literal:
            return " or ".join(f"`{value}`" for value in arguments)
        case origin if origin is list:
            return f"list of {_type(arguments[0])}"
        case None:
            return (
                "section"
                if issubclass(annotation, BaseModel)
                else {"str": "text"}.get(annotation.__name__, annotation.__name__)
            )
        case _ if hasattr(annotation, "__metadata__"):
            return _type(annotation.__origin__)
        case origin if origin is dict:
            return "mapping"
        case _:
            return " or ".join(_type(argument) for argument in arguments if argument is not NoneType)


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "*needed*"
    if field.default is None:
        return "none"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{field.default.value if isinstance(field.default, Enum) else field.default}`"


def _reruns(field: FieldInfo) -> str:
    for mark in field.metadata:
        if isinstance(mark, COLUMNS):
            return f"columns {', '.join(mark)}"
    if _type(field.annotation) == "section":
        return "see below"
    names = {DISPLAY: "tables", RUNTIME: "no", CONTENT: "content"}
    return next((names[mark] for mark in field.metadata if isinstance(mark, Mark)), "yes")


if __name__ == "__main__":
    SCHEMA.write_text(schema())
    PAGE.write_text(page())
    FAITHFULNESS.write_text(choices())
    # its libraries are large, and only this page needs them
    from tools import vision_models as architectures

    architectures.PAGE.write_text(architectures.page(architectures.descriptions()))
