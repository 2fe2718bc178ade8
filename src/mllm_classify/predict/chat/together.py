"""Asking one model about several data sets, for which its engine is started once."""

import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING

from mllm_classify.io.files import InputError, StoppedError
from mllm_classify.predict.chat.answering import Means, Served, Serving, asked

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger(__name__)


def ask(jobs: "Iterable[PredictJob[ChatModel]]", serving: Serving) -> None:
    """Ask all that the journal lacks about each data set. The engine runs only if an answer is missing.

    What is wrong with one data set's questions or answers is left to its own job to refuse: the others are asked about.
    Raises StoppedError where the engine does not start, or asking ended; what was answered is in the journal.
    """
    started: list[Served] = []
    with ExitStack() as stack:

        def shared() -> AbstractContextManager[Served]:
            if not started:
                try:
                    started.append(stack.enter_context(serving()))
                except InputError as error:
                    raise StoppedError(str(error)) from None
            return nullcontext(started[0])

        for job in jobs:
            log.info("%s: about %s", job.model.name, job.dataset.name)
            try:
                failures = asked(job, Means(shared)).failures
            except StoppedError:
                raise
            except InputError as error:
                log.warning("%s: %s", job.dataset.name, error)
            else:
                if failures:
                    log.warning("%s: %d questions have no answer", job.dataset.name, len(failures))
