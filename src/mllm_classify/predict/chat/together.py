"""Asking one model about several data sets, and what it knows of their classes, for which its engine is started once.

Judges are asked about several data sets' answers in the same way.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

from mllm_classify.io.files import InputError, StoppedError
from mllm_classify.predict.chat.answering import Means, Served, Serving, asked, plainly
from mllm_classify.predict.chat.probing import asked_probes

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger(__name__)


def ask(
    jobs: "Iterable[PredictJob[ChatModel]]",
    probes: "Iterable[PredictJob[ChatModel]]",
    serving: Serving,
    means: "Callable[[PredictJob[ChatModel]], Means]",
) -> None:
    """Ask all that the journal lacks about each data set. The engine runs only if an answer is missing.

    `means` are those of the model's kind, by which a job of its own would ask; probes go over plain HTTP, as in theirs.
    What is wrong with one data set's questions or answers is left to its own job to refuse: the others are asked about.
    Raises StoppedError where the engine does not start, or asking ended; what was answered is in the journal.
    """
    with started_once(serving) as shared:
        for job in jobs:
            log.info("%s: about %s", job.model.name, job.dataset.name)
            with refused_later(job.dataset.name):
                left(job.dataset.name, len(asked(job, means(job)._replace(serving=shared)).failures))
        for job in probes:
            log.info("%s: what it knows of the classes of %s", job.model.name, job.dataset.name)
            with refused_later(job.dataset.name):
                _, failures = asked_probes(job, plainly(job.model, shared))
                left(job.dataset.name, len(failures))


@contextmanager
def started_once(serving: Serving) -> Iterator[Serving]:
    """Serves a model from the first question on, and until all is done.

    Raises StoppedError where the engine does not start.
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

        yield shared


@contextmanager
def refused_later(dataset: str) -> Iterator[None]:
    """Tell what is wrong with one data set, and go on."""
    try:
        yield
    except StoppedError:
        raise
    except InputError as error:
        log.warning("%s: %s", dataset, error)


def left(dataset: str, failures: int) -> None:
    """Tell how many questions stay without an answer."""
    if failures:
        log.warning("%s: %d questions have no answer", dataset, failures)
