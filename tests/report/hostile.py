"""A small study whose texts try to be more than text."""

import polars as pl

from mllm_classify.dataset.labels import LABELS
from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.predict.rows import answer_rows, error_rows, ranking_rows
from mllm_classify.report.explorer.columns import explored
from mllm_classify.report.explorer.data import Data
from mllm_classify.report.explorer.pictures import with_pictures
from mllm_classify.score.score import SCORES, predicted_by_ranking, predicted_by_text, score
from mllm_classify.tables.table import Study

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "\u202egnp.exe\u202c",
    "\x1b[31mred\x1b[0m \x00 null",
    '=HYPERLINK("http://example.org","x")',
    "\ufeffmark {{data}} <!-- <script>",
    "\U0001d518nicode 👩‍🚀 İ ẞ",
    "",
]
STUDY = Study("Small <b>&amp;", "one", "all", None, "names (4)")
CLASSES = pl.DataFrame(
    {"class_id": [0, 1, 2, 3], "name": ["crane", "cat", "crane", HOSTILE[0]], "same_name": [[0, 2], [1], [0, 2], [3]]},
    schema_overrides={"class_id": pl.Int32, "same_name": pl.List(pl.Int32)},
)
NO_FILES = pl.DataFrame(schema=dict.fromkeys(["image_id", "file", "sha256"], pl.String))
IDS = [f"{place} {text}" for place, text in enumerate(HOSTILE)]


def many(count: int) -> Data:
    """Images that one model ranks classes for, without a second label set."""
    ids = [f"image {number:06}" for number in range(count)]
    labels = pl.DataFrame(
        dict.fromkeys(LABELS)
        | {
            "image_id": ids, "imgt": 1, "regt": None, "imgt_admissible": [[1]] * count, "regt_admissible": None,
            "category": None, "excluded": None, "expert": None, "expert_admissible": None,
        },
        schema=LABELS,
    )  # fmt: skip
    ranked = ranking_rows(ids, [[number % 4] for number in range(count)])
    scores = score("ranks", predicted_by_ranking(ranked), labels).select(list(SCORES))
    models = pl.DataFrame({"model": ["ranks"], "label": ["Ranks"]})
    study = Study("Many", "one", None, None, "names (4)")
    made = explored(study, models, labels, CLASSES, scores, {"ranks": ranked}, {})
    return with_pictures(made, NO_FILES, {})


def study(answers: list[str], nearest: list[int], rankings: list[list[int]]) -> tuple[Data, pl.DataFrame]:
    """A model that answers CW in words, and one that ranks; the last image is an error of both."""
    ids = IDS[: len(answers)]
    regt = [[place % 4] if place % 3 else [] for place in range(len(ids))]
    labels = pl.DataFrame(
        dict.fromkeys(LABELS)
        | {
            "image_id": ids, "imgt": [1] * len(ids), "regt": regt, "imgt_admissible": [[1]] * len(ids),
            "regt_admissible": regt, "category": ["S-" if one else "N" for one in regt],
            "excluded": ["uncertain", *[None] * (len(ids) - 1)], "expert": None, "expert_admissible": None,
        },
        schema=LABELS,
    )  # fmt: skip
    words = answer_rows(ids, ["CW"] * len(ids), answers)
    empty = [text.strip() == "" for text in answers]
    mapping = pl.DataFrame(
        {
            **words.select("image_id", "task", "variant", "repeat", "status").to_dict(as_series=False),
            "encoder": "e", "in_prompt": [place % 2 == 0 for place in range(len(ids))],
            "exact_classes": [[0, 2] if place % 2 == 0 else [] for place in range(len(ids))], "included_classes": [[]] * len(ids),
            "nearest_class": [None if none else near for none, near in zip(empty, nearest, strict=True)],
            "similarity": [None if none else 0.5 for none in empty], "margin": [None if none else 0.125 for none in empty],
            "ranked": None,
        },
        schema=MAPPING,
    )  # fmt: skip
    ranked = pl.concat([ranking_rows(ids[:-1], rankings[:-1]), error_rows(ids[-1:], ["torn </script>"])])
    scores = pl.concat(
        [
            score("chat", predicted_by_text(mapping, CLASSES), labels, words),
            score("ranks", predicted_by_ranking(ranked), labels),
        ]
    )
    models = pl.DataFrame({"model": ["ranks", "chat"], "label": ["Ranks", "Chat (not an LLM)"]})
    made = explored(
        STUDY, models, labels, CLASSES, scores.select(list(SCORES)), {"chat": words, "ranks": ranked}, {"chat": mapping}
    )
    return with_pictures(made, NO_FILES, {}), scores
