"""What tokens cost."""

from typing import TypedDict


class Rates(TypedDict):
    """Dollars per million tokens, and the factor for what the Batch API answers."""

    input: float
    cached_input: float | None  # None: like others
    output: float
    batch: float


def dollars(rates: Rates, prompt: float, cached: float, completion: float, *, batch: bool = False) -> float:
    """Dollars for so many tokens; `cached` are among those of the prompt."""
    cheaper = rates["input"] if rates["cached_input"] is None else rates["cached_input"]
    alone = ((prompt - cached) * rates["input"] + cached * cheaper + completion * rates["output"]) / 1e6
    return alone * rates["batch"] if batch else alone
