from mllm_classify.tables.breakdown import breakdown
from tests.tables.studies import PARADIGMS, STUDY, rows, scored


def test_breakdown_counts_right_wrong_and_empty_answers_by_category():
    """Of six answers one is in prompt and one an error; the empty one is right as its image is in N."""
    cw = scored("a", "CW+", "010010", "110011", "S+ S- M+ N N N", oop="110 11", status="---x-e")
    found = {(row["label_set"], row["statistic"]): row for row in rows(breakdown(cw, PARADIGMS, STUDY))}
    columns = ["A", "SM", "S", "S+", "S-", "M", "M+", "M-", "N"]
    assert {key: [row[name] for name in columns] for key, row in found.items()} == {
        ("ImGT", "out of prompt"): ["4", "2", "2", "1", "1", "0", "0", "0", "2"],
        ("ImGT", "right"): ["2", "1", "1", "0", "1", "0", "0", "0", "1"],
        ("ImGT", "wrong"): ["1", "1", "1", "1", "0", "0", "0", "0", "0"],
        ("ImGT", "no class"): ["1", "0", "0", "0", "0", "0", "0", "0", "1"],
        ("ImGT", "right, %"): ["50.00", "50.00", "50.00", "0.00", "100.00", "", "", "", "50.00"],
        ("ReGT", "out of prompt"): ["4", "2", "2", "1", "1", "0", "0", "0", "2"],
        ("ReGT", "right"): ["4", "2", "2", "1", "1", "0", "0", "0", "2"],
        ("ReGT", "wrong"): ["0", "0", "0", "0", "0", "0", "0", "0", "0"],
        ("ReGT", "no class"): ["0", "0", "0", "0", "0", "0", "0", "0", "0"],
        ("ReGT", "right, %"): ["100.00", "100.00", "100.00", "100.00", "100.00", "", "", "", "100.00"],
    }
    assert {row["n"] for row in found.values()} == {"5"}


def test_breakdown_leaves_images_in_n_out_where_the_rule_does():
    cw = scored("a", "CW+", "00", "11", "S+ N", oop="11")
    found = rows(breakdown(cw, PARADIGMS, STUDY._replace(n_images="excluded")))
    assert {(row["label_set"], row["A"], row["N"]) for row in found if row["statistic"] == "out of prompt"} == {
        ("ImGT", "2", "1"),
        ("ReGT", "1", "0"),
    }
