from mllm_classify.tables.oop_texts import oop_texts
from tests.tables.small import CLASSES, answered
from tests.tables.studies import PARADIGMS, STUDY, rows


def test_texts_are_shown_by_how_often_they_are_given_and_are_no_formula():
    answers = answered(
        ("kitten", 0, 0.9, 0.1, True, True), (" kitten ", 0, 0.9, 0.1, False, True), ("=1+1", 2, 0.2, 0.0, False, False),
        ("", None, None, None, False, False), ("\u202egnp", 1, 0.25, 0.125, False, False),
    )  # fmt: skip
    found = rows(oop_texts(*answers, CLASSES, PARADIGMS, STUDY))
    columns = ["text", "answers", "share", "nearest", "similarity", "margin", "ImGT_right", "ReGT_right", "n_N"]
    assert [[row[name] for name in columns] for row in found] == [
        ["kitten", "2", "40.00", "cat", "0.900", "0.100", "1", "2", "0"],
        ["(empty)", "1", "20.00", "", "", "", "0", "0", "0"],
        ["'=1+1", "1", "20.00", "missile", "0.200", "0.000", "0", "0", "0"],
        ["\\u202egnp", "1", "20.00", "dog", "0.250", "0.125", "0", "0", "0"],
    ]
    (none,) = rows(oop_texts(*answered(("x", 0, 0.5, 0.5, False, True), category="N"), CLASSES, PARADIGMS, STUDY))
    assert (none["ReGT_right"], none["n_N"]) == ("0", "1")
