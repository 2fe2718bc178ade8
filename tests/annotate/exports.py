"""Exports of Label Studio, as its format JSON has them."""

from itertools import count

_ids = count(1)


def annotation(by=1, at=0, cancelled=False, **chosen):
    """What annotator `by` chose of the page's controls: proposed, likely, other, none."""
    return {
        "id": next(_ids),
        "completed_by": by,
        "was_cancelled": cancelled,
        "updated_at": f"2026-01-01T00:00:{at:02}.000000Z",
        "result": [
            {
                "from_name": control,
                "to_name": "image",
                "type": "taxonomy" if control == "other" else "choices",
                "value": {"taxonomy": [[text] for text in texts]} if control == "other" else {"choices": texts},
            }
            for control, texts in chosen.items()
            if texts
        ],
    }


def task(name, *annotations):
    return {"id": next(_ids), "data": {"task": name, "image": "x"}, "annotations": list(annotations)}
