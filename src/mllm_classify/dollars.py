"""What tokens cost: one formula, for budgets, estimates and the table of what was used."""

from collections.abc import Mapping


def dollars(
    prices: Mapping[str, float | None], prompt: float, cached: float, completion: float, *, batch: bool = False
) -> float:
    """Dollars for so many tokens; `cached` are among those of the prompt.

    `prices` are those of an entry (`config.chat.Prices`): input, cached_input (without one, as others) and output, dollars
    per million tokens, and batch, a factor.
    """
    new, output = prices["input"] or 0.0, prices["output"] or 0.0
    cheaper = new if prices["cached_input"] is None else prices["cached_input"]
    total = ((prompt - cached) * new + cached * cheaper + completion * output) / 1e6
    return total * (prices["batch"] or 0.0) if batch else total
