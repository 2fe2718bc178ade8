"""The task at which Table 3 shows a model that answers in words."""

import hashlib

from tests.plain.counting import Cells, counted, text
from tests.plain.judgements import Judged
from tests.plain.statistics import percent, share


def choose(scorings: dict[str, list[Judged]], n_images: str) -> str | None:
    """OW or CW+: the higher ImGT accuracy; of equal ones the higher ReGT accuracy; of equal ones OW."""
    best, highest = None, None
    asked = [{row.image_id for row in scorings[name]} for name in ("OW", "CW+") if scorings.get(name)]
    common = set.intersection(*asked) if asked else set()
    for scoring in ("OW", "CW+"):
        # of images that one task was not asked about, it says nothing
        rows = [row for row in scorings.get(scoring, []) if row.image_id in common or not common]
        if not rows:
            continue
        regt = share([bool(row.regt) for row in rows if counted(row, n_images)])
        rank = (share([row.imgt for row in rows]), -1 if regt is None else regt)
        if highest is None or rank > highest:
            best, highest = scoring, rank
    return best


def half(image_id: str) -> int:
    return hashlib.sha256(b"fold:" + image_id.encode()).digest()[0] & 1


def cross_fit(scorings: dict[str, list[Judged]], n_images: str) -> Cells:
    """Each half of the images under the scoring that is best on the other half; empty where there is no other half."""
    chosen, kept = [], []
    for fold in (0, 1):
        other = {scoring: [row for row in rows if half(row.image_id) != fold] for scoring, rows in scorings.items()}
        scoring = choose(other, n_images)
        here = [row for row in scorings.get(scoring or "", []) if half(row.image_id) == fold]
        if here and scoring not in chosen:
            chosen.append(scoring)
        kept += here
    judged = [row for row in kept if counted(row, n_images)]
    return {
        "crossfit_task": " / ".join(chosen),
        "crossfit_ImGT_A": text(percent(sum(row.imgt for row in kept), len(kept))),
        "crossfit_ReGT_A": text(percent(sum(bool(row.regt) for row in judged), len(judged))),
    }
