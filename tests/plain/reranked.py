"""Which class a cross-encoder takes an answer for, once more: one pair at a time, by transformers alone."""

import operator
from collections.abc import Callable
from pathlib import Path

Decide = Callable[[str], int]
"""The class of an answer."""


def decider(
    folder: Path, nearest: int, names: list[str], of_classes: list[list[float]], of_answers: dict[str, list[float]]
) -> Decide:
    """Of the `nearest` names, by cosine, the one that the model in this folder gives the highest score, as its first class."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def score(answer: str, name: str) -> float:
        with torch.no_grad():
            return float(torch.sigmoid(model(**tokenizer(answer, name, return_tensors="pt")).logits)[0, 0])

    def decide(answer: str) -> int:
        firsts = [class_id for class_id, name in enumerate(names) if names.index(name) == class_id]
        cosines = {it: sum(map(operator.mul, of_answers[answer], of_classes[it])) for it in firsts}
        close = sorted(firsts, key=lambda it: -cosines[it])[:nearest]
        return max(sorted(close), key=lambda it: score(answer, names[it]))

    return decide
