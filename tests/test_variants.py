import csv
import io

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.score import SCORES
from mllm_classify.tables import Study, as_markdown, write
from mllm_classify.variants import variants

STUDY = Study("data", "Old labels", "New labels", "pairs.v1", "names.txt (10)")
MODELS = pl.DataFrame([{"model": name, "label": name.upper(), "family": "MLLM"} for name in "abc"])
ASKED = ["cold", "hot", "ids"]
SHOWN = ["n", "repeats", "ImGT_A", "ImGT_A_sd", "ImGT_A_vs_main", "ReGT_A", "ReGT_A_sd", "ReGT_A_vs_main", "OOP",
         "n_errors", "n_empty", "n_several"]  # fmt: skip
STATUS = {"-": "ok", "x": "error", "e": "empty", "s": "several"}


def scored(scoring, imgt, regt, variant="", repeat=0, model="a", oop=None, status=None, categories=None, start=0):
    """Scores from strings of 0 and 1, one sign an image; of statuses there are the signs of STATUS."""
    count = len(imgt)
    flags = [[None] * count if signs is None else [{"0": False, "1": True}.get(sign) for sign in signs]
             for signs in (imgt, regt, oop)]  # fmt: skip
    return pl.DataFrame(
        {
            "model": model,
            "image_id": [f"i{start + number}" for number in range(count)],
            "task": scoring.removesuffix("+"),
            "variant": variant,
            "repeat": repeat,
            "encoder": "e",
            "scoring": scoring,
            "status": [STATUS[sign] for sign in status or "-" * count],
            "oop": flags[2],
            "imgt": flags[0],
            "regt": flags[1],
            "category": (categories or "S+ " * count).split() if regt is not None else None,
            "expert": None,
        },
        schema=SCORES,
    )


def made(*frames, study=STUDY, count=100):
    table = variants(pl.concat(frames), MODELS, study, ASKED, count)
    return list(csv.DictReader(io.StringIO(table.figures.write_csv())))


def shown(rows):
    return {(row["model"], row["task"], row["variant"]): [row[name] for name in SHOWN] for row in rows}


def test_each_way_stands_beside_the_main_one():
    """Two repeats of a variant: 50 % and 75 %, against 50 %: SD is 25 / sqrt(2)."""
    found = made(
        scored("CW", "1100", "0000", oop="0010"),
        scored("CW", "1100", "1000", "hot", 0, oop="0010", status="--es"),
        scored("CW", "1110", "1000", "hot", 1, oop="0000", status="--x-"),
    )
    assert shown(found) == {
        ("A", "CW", "main"): ["4", "1", "50.00", "", "", "0.00", "", "", "25.00", "0", "0", "0"],
        ("A", "CW", "hot"): ["4", "2", "62.50", "17.68", "12.50", "25.00", "0.00", "25.00", "12.50", "1", "1", "1"],
    }
    main, hot = found
    assert [main[f"ImGT_A_vs_main_{end}"] for end in ("low", "high")] == ["", ""]
    assert float(hot["ImGT_A_vs_main_low"]) <= 12.5 <= float(hot["ImGT_A_vs_main_high"])


def test_the_difference_is_over_the_images_that_both_have():
    """A sample of images 2 and 3, on which the main way is right once."""
    found = shown(made(scored("OW", "1110", "1111"), scored("OW", "11", "00", "cold", start=2)))
    assert found["A", "OW", "cold"][:8] == ["2", "1", "100.00", "", "50.00", "0.00", "", "-100.00"]
    assert found["A", "OW", "cold"][8] == ""


def test_without_a_common_image_there_is_no_difference():
    found = shown(made(scored("OW", "11", "11"), scored("OW", "11", "00", "cold", start=5)))
    assert found["A", "OW", "cold"][:8] == ["2", "1", "100.00", "", "", "0.00", "", ""]


def test_images_without_a_label_follow_the_rule():
    frames = [
        scored("CW", "1000", "1001", categories="S+ M- N N"),
        scored("CW", "1000", "0011", "hot", categories="S+ M- N N"),
    ]
    found = {
        rule: shown(made(*frames, study=STUDY._replace(n_images=rule)))["A", "CW", "hot"][5:8:2]
        for rule in ("correct", "excluded")
    }
    assert found == {"correct": ["50.00", "0.00"], "excluded": ["0.00", "-50.00"]}


def test_a_constrained_answer_is_compared_with_what_it_would_replace():
    found = shown(
        made(
            scored("CW", "1000", "1000"),
            scored("CW+", "1100", "1110"),
            scored("CW-constrained", "1110", "1111"),
            scored("CW-constrained", "1111", "1111", "hot"),
        )
    )
    assert {key[1:]: (row[4], row[7]) for key, row in found.items()} == {
        ("CW+", "main"): ("", ""),
        ("CW", "main"): ("", ""),
        ("CW-constrained", "main"): ("25.00", "25.00"),
        ("CW-constrained", "hot"): ("25.00", "0.00"),
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
    assert list(shown(made(*frames))) == [
        ("A", "CW+", "main"), ("A", "CW+", "hot"), ("A", "CW", "main"), ("A", "CW", "hot"),
        ("C", "CW", "main"), ("C", "CW-constrained", "main"),
    ]  # fmt: skip


def test_variants_stand_in_the_order_of_the_configuration():
    frames = [scored("OW", "10", "10", variant) for variant in ("ids", "hot", "", "cold")]
    assert [row["variant"] for row in made(*frames)] == ["main", "cold", "hot", "ids"]


def test_without_a_second_label_set_its_columns_are_empty():
    found = made(scored("OW", "10", None), scored("OW", "11", None, "hot"), study=STUDY._replace(regt=None))
    for row in found:
        assert {value for name, value in row.items() if name.startswith("ReGT")} == {""}
    assert [row["ImGT_A"] for row in found] == ["50.00", "100.00"]


def test_it_is_written_in_four_forms_that_say_what_it_is_of(tmp_path):
    frames = [scored("OW", "10", "10"), scored("OW", "11", "10", "hot", status="-x")]
    table = variants(pl.concat(frames), MODELS, STUDY, ASKED, 100)
    write(table, tmp_path / "t.csv")
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".md", ".html", ".tex"}
    text = " ".join(as_markdown(table).split())
    assert "data; ImGT: Old labels; ReGT: New labels" in text
    assert "| A | OW | hot | 2 | 1 | 100.00 | | 50.00 |" in text


FLAGS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9)


@given(FLAGS, st.randoms())
@settings(max_examples=20)
def test_the_order_of_rows_changes_nothing_and_a_way_that_answers_alike_differs_by_0(images, random):
    signs = ["".join("01"[image[place]] for image in images) for place in (0, 1)]
    frames = [scored("OW", *signs), scored("OW", *signs, "hot", 0), scored("OW", *signs, "hot", 1)]
    found = made(*frames)
    shuffled = pl.concat(frames).sample(fraction=1, shuffle=True, seed=random.randrange(2**32))
    assert made(shuffled) == found
    differences = [found[1][f"{name}_A_vs_main{end}"] for name in ("ImGT", "ReGT") for end in ("", "_low", "_high")]
    assert set(differences) == {"0.00"}
    assert (found[1]["ImGT_A_sd"], found[1]["ImGT_A"]) == ("0.00", found[0]["ImGT_A"])
