"""Asking a judge about the answers to several data sets, for which its engine is started once."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mllm_classify.judge.asking import check
from mllm_classify.judge.questions import Pairs
from mllm_classify.predict.chat.answering import Means, Serving
from mllm_classify.predict.chat.answering import ask as asked
from mllm_classify.predict.chat.together import left, refused_later, started_once

if TYPE_CHECKING:
    from mllm_classify.predict.job import Progress

log = logging.getLogger(__name__)


def ask(
    questionnaires: Iterable[tuple[str, Pairs]],
    folder: Path,
    progress: "Progress",
    serving: Serving,
    means: Callable[[Pairs], Means],
) -> None:
    """Ask all that a judge's journal lacks about each data set, which is named. The engine runs only if a verdict is missing.

    `means` are those of the judge's kind, by which a job of its own would ask. What is wrong with one data set's is left to its
    own job to refuse: the judge is asked about the others. Raises StoppedError where the engine does not start, or asking ended;
    what was answered is in the journal.
    """
    with started_once(serving) as shared:
        for dataset, questionnaire in questionnaires:
            log.info("%s: %d pairs of %s", questionnaire.judge.name, len(questionnaire.pairs), dataset)
            with refused_later(dataset):
                by = means(questionnaire)._replace(serving=shared)
                _, failures = asked(questionnaire, folder, progress, by, check=check)
                left(dataset, len(failures))
