import csv
import io

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.tables.render import as_markdown, write
from mllm_classify.tables.sensitivity import sensitivity
from tests.tables.ways import DIFFERING, MODELS, STUDY, scored

SHOWN = ["n", "repeats", "clusters", "ImGT_A", "ImGT_A_vs_main", "ReGT_A", "ReGT_A_vs_main", "OOP", "n_errors", "n_empty",
         "n_several"]  # fmt: skip


def rows_of(*frames, study=STUDY, count=100):
    table = sensitivity(pl.concat(frames), DIFFERING, MODELS, study, count)
    return list(csv.DictReader(io.StringIO(table.rows.write_csv())))


def shown(rows, names=SHOWN):
    return {(row["model"], row["task"], row["variant"]): [row[name] for name in names] for row in rows}


def test_each_way_stands_beside_the_main_one():
    """Two repeats of a variant: 50 % and 75 %, against 50 %. On the third image one repeat of two is better."""
    found = rows_of(
        scored("CW", "1100", "0000", oop="0010"),
        scored("CW", "1100", "1000", "hot", 0, oop="0010", status="--es"),
        scored("CW", "1110", "1000", "hot", 1, oop="0000", status="--x-"),
    )
    assert shown(found) == {
        ("A", "CW", "main"): ["4", "1", "4", "50.00", "", "0.00", "", "25.00", "0", "0", "0"],
        ("A", "CW", "hot"): ["4", "2", "4", "62.50", "12.50", "25.00", "25.00", "12.50", "1", "1", "1"],
    }
    main, hot = found
    assert [main[f"ImGT_A_vs_main_{end}"] for end in ("low", "high")] == ["", ""]
    assert float(hot["ImGT_A_vs_main_low"]) <= 12.5 <= float(hot["ImGT_A_vs_main_high"])
    assert (main["differs"], hot["differs"]) == ("", "put hot")
    # one image differs, and its sign says nothing
    assert [hot[f"{name}_A_{kind}"] for name in ("ImGT", "ReGT") for kind in ("p", "p_holm")] == ["1"] * 4
    assert (main["test"], hot["test"], hot["tests"]) == ("", "approximate", "1")


def test_the_difference_is_over_the_images_that_both_have():
    """A sample of images 2 and 3, on which the main way is right once."""
    found = shown(rows_of(scored("OW", "1110", "1111"), scored("OW", "11", "00", "cold", start=2)))
    assert found["A", "OW", "cold"][:8] == ["2", "1", "2", "100.00", "50.00", "0.00", "-100.00", ""]


def test_without_a_common_image_there_is_no_difference_and_no_test():
    found = rows_of(scored("OW", "11", "11"), scored("OW", "11", "00", "cold", start=5))
    assert shown(found)["A", "OW", "cold"][:7] == ["2", "1", "2", "100.00", "", "0.00", ""]
    assert (found[1]["ImGT_A_p"], found[1]["ImGT_A_p_holm"], found[1]["tests"]) == ("", "", "0")


def test_images_without_a_label_follow_the_rule():
    frames = [
        scored("CW", "1000", "1001", categories="S+ M- N N"),
        scored("CW", "1000", "0011", "hot", categories="S+ M- N N"),
    ]
    found = {
        rule: shown(rows_of(*frames, study=STUDY._replace(n_images=rule)))["A", "CW", "hot"][5:7]
        for rule in ("correct", "excluded")
    }
    assert found == {"correct": ["50.00", "0.00"], "excluded": ["0.00", "-50.00"]}


def test_a_constrained_answer_is_compared_with_what_it_would_replace():
    found = rows_of(
        scored("CW", "1000", "1000"),
        scored("CW+", "1100", "1110"),
        scored("CW-constrained", "1110", "1111"),
        scored("CW-constrained", "1111", "1111", "hot"),
    )
    assert {
        key[1:]: tuple(row) for key, row in shown(found, ["ImGT_A_vs_main", "ReGT_A_vs_main", "differs"]).items()
    } == {
        ("CW+", "main"): ("", "", ""),
        ("CW", "main"): ("", "", ""),
        ("CW-constrained", "main"): ("25.00", "25.00", "answers held to the class list"),
        ("CW-constrained", "hot"): ("25.00", "0.00", "put hot"),
    }


def test_only_tasks_that_are_asked_in_several_ways_are_shown():
    frames = [
        scored("OW", "10", "10"),
        scored("CW", "10", "10"),
        scored("CW+", "11", "11"),
        scored("CW inclusion", "11", "11"),
        scored("CW", "10", "10", "hot"),
        scored("CW+", "11", "10", "hot"),
        scored("CW", "10", "10", model="b"),
        scored("CW", "10", "10", model="c"),
        scored("CW-constrained", "10", "10", model="c"),
    ]
    assert list(shown(rows_of(*frames))) == [
        ("A", "CW+", "main"), ("A", "CW+", "hot"), ("A", "CW", "main"), ("A", "CW", "hot"),
        ("C", "CW", "main"), ("C", "CW-constrained", "main"),
    ]  # fmt: skip


def test_variants_stand_in_the_order_of_the_configuration():
    frames = [scored("OW", "10", "10", variant) for variant in ("ids", "hot", "", "cold")]
    assert [row["variant"] for row in rows_of(*frames)] == ["main", "cold", "hot", "ids"]


def test_without_a_second_label_set_its_columns_are_empty():
    found = rows_of(scored("OW", "10", None), scored("OW", "11", None, "hot"), study=STUDY._replace(regt=None))
    for row in found:
        assert {value for name, value in row.items() if name.startswith("ReGT")} == {""}
    assert [row["ImGT_A"] for row in found] == ["50.00", "100.00"]


def test_p_is_corrected_for_all_differences_of_a_model_under_one_label_set():
    """Six images, all better: 2 / 2^6; three of six: 2 / 2^3. Smallest times two, then the larger. The other model has one."""
    frames = [
        scored("OW", "000000", "000000"), scored("OW", "111111", "000000", "hot"),
        scored("OW", "111000", "000000", "cold"),
        scored("OW", "000000", "000000", model="b"), scored("OW", "111000", "111000", "hot", model="b"),
    ]  # fmt: skip
    found = shown(rows_of(*frames), ["ImGT_A_p", "ImGT_A_p_holm", "ReGT_A_p", "ReGT_A_p_holm", "test", "tests"])
    assert found["A", "OW", "hot"] == ["0.0312", "0.0625", "1", "1", "exact", "2"]
    assert found["A", "OW", "cold"] == ["0.25", "0.25", "1", "1", "exact", "2"]
    assert found["B", "OW", "hot"] == ["0.25", "0.25", "0.25", "0.25", "exact", "1"]


def test_of_very_many_images_p_is_no_less_than_what_can_be_told():
    frames = [scored("OW", "0" * 200, None), scored("OW", "1" * 200, None, "hot")]
    (_, row) = rows_of(*frames)
    assert (row["ImGT_A_p"], row["ImGT_A_p_holm"]) == ("<1e-12", "<1e-12")


def test_images_of_one_request_are_one_piece_of_evidence():
    """Eight images of two requests, all better: the signs of two, not of eight."""
    alone = rows_of(scored("CW", "0" * 8, "0" * 8), scored("CW", "1" * 8, "0" * 8, "hot"))[1]
    together = rows_of(scored("CW", "0" * 8, "0" * 8), scored("CW", "1" * 8, "0" * 8, "hot", groups="00001111"))[1]
    assert (alone["clusters"], alone["ImGT_A_p"]) == ("8", "0.00781")
    assert (together["clusters"], together["ImGT_A_p"]) == ("2", "0.5")


def test_the_interval_of_requests_is_wider_than_that_of_images():
    """Two requests whose images are all better, or all alike: a resample has 0, 50 or 100 points."""
    frames = [scored("CW", "0" * 8, "0" * 8), scored("CW", "11110000", "0" * 8, "hot", groups="00001111")]
    row = rows_of(*frames, count=400)[1]
    assert [row[f"ImGT_A_vs_main{end}"] for end in ("", "_low", "_high")] == ["50.00", "0.00", "100.00"]
    alone = rows_of(frames[0], scored("CW", "11110000", "0" * 8, "hot"), count=400)[1]
    assert 0 < float(alone["ImGT_A_vs_main_low"]) < float(alone["ImGT_A_vs_main_high"]) < 100


def test_it_is_written_in_four_forms_that_say_what_it_is_of(tmp_path):
    frames = [scored("OW", "10", "10"), scored("OW", "11", "10", "hot", status="-x")]
    table = sensitivity(pl.concat(frames), DIFFERING, MODELS, STUDY, 100)
    write(table, tmp_path / "t.csv")
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".md", ".html", ".tex"}
    text = " ".join(as_markdown(table).split())
    assert "data; ImGT: Old labels; ReGT: New labels" in text
    assert "| A | OW | hot | put hot | 2 | 1 | 2 | 100.00 | 50.00 |" in text


def test_without_any_answer_it_is_its_header():
    assert rows_of(scored("OW", "", "")) == []


FLAGS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9)


@given(FLAGS, st.randoms())
@settings(max_examples=5)
def test_the_order_of_rows_changes_nothing_and_a_way_that_answers_alike_differs_by_0(images, random):
    signs = ["".join("01"[image[place]] for image in images) for place in (0, 1)]
    frames = [scored("OW", *signs), scored("OW", *signs, "hot", 0), scored("OW", *signs, "hot", 1)]
    found = rows_of(*frames)
    shuffled = pl.concat(frames).sample(fraction=1, shuffle=True, seed=random.randrange(2**32))
    assert rows_of(shuffled) == found
    differences = [found[1][f"{name}_A_vs_main{end}"] for name in ("ImGT", "ReGT") for end in ("", "_low", "_high")]
    assert set(differences) == {"0.00"}
    assert (found[1]["ImGT_A_p"], found[1]["ImGT_A"]) == ("1", found[0]["ImGT_A"])
