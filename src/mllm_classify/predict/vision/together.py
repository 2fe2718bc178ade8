"""Computing what one model makes of several data sets, for which its weights are loaded once."""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mllm_classify.io.files import InputError, StoppedError
from mllm_classify.predict.job import loaded as alone

if TYPE_CHECKING:
    from mllm_classify.config.vision import VisionModel
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger(__name__)


def prepare(jobs: "Iterable[PredictJob[VisionModel]]", compute: "Callable[[PredictJob[Any]], object]") -> None:
    """Compute what is not there yet for each data set: the job of its predictions finds it, and loads nothing.

    `compute` leaves its results in files, as parts or features. What is wrong with one data set is left to its own job to
    refuse: the others are computed. Raises StoppedError where the weights cannot be loaded.
    """
    loaded: list[Any] = []

    def once(load: Callable[[], Any]) -> Any:
        if not loaded:
            try:
                loaded.append(alone(load))
            except InputError as error:
                raise StoppedError(str(error)) from None
        return loaded[0]

    for job in jobs:
        log.info("%s: about %s", job.model.name, job.dataset.name)
        try:
            compute(job._replace(once=once))
        except StoppedError:
            raise
        except InputError as error:
            log.warning("%s: %s", job.dataset.name, error)
