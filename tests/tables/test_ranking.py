import polars as pl

from mllm_classify.tables.render import as_markdown
from tests.tables.studies import MODELS, STUDY, TABLES, rows_of, scored


def test_ranking_of_three_models():
    frames = [
        scored("a", "OW", "11100", "11000", "S+ " * 5),
        scored("a", "CW+", "11000", "11111", "S+ " * 5),
        scored("v", "CW", "11110", "11000", "S+ " * 5),
        scored("w", "CW", "11111", "11100", "S+ " * 5),
    ]
    found = rows_of("ranking", *frames)
    shown = ("model", "task", "ImGT_A", "ImGT_A_rank", "ReGT_A", "ReGT_A_rank", "change", "tau", "family", "n")
    assert [[row[name] for name in shown] for row in found] == [
        ["Model A", "OW", "60.00", "3", "40.00", "2", "-20.00", "0.82", "MLLM", "5"],
        ["Vision", "CW", "80.00", "2", "40.00", "2", "-40.00", "0.82", "supervised", "5"],
        ["Vision 2", "CW", "100.00", "1", "60.00", "1", "-40.00", "0.82", "supervised", "5"],
    ]


def test_a_tie_above_the_last_leaves_it_last():
    """Its dense rank is that of the paper's tables; its place counts the rows above it, as intervals do."""
    frames = [
        scored("a", "CW", "1111", "1110", "S+ " * 4),
        scored("v", "CW", "1110", "1110", "S+ " * 4),
        scored("w", "CW", "0000", "0000", "S+ " * 4),
    ]
    last = rows_of("ranking", *frames)[0]
    assert [last[f"ReGT_A_{name}"] for name in ("rank", "place", "place_low", "place_high")] == ["2", "3", "3", "3"]
    assert last["ImGT_A_place"] == "3"


def test_places_that_every_resample_has_are_certain():
    frames = [scored("v", "CW", "1" * 9, "0" * 9, "S+ " * 9), scored("w", "CW", "0" * 9, "1" * 9, "S+ " * 9)]
    text = as_markdown(TABLES["ranking"](pl.concat(frames), MODELS, STUDY))
    first, second = rows_of("ranking", *frames)
    assert places_of(first, "ImGT") == ["2", "2", "2"]
    assert places_of(first, "ReGT") == ["1", "1", "1"]
    assert places_of(second, "ReGT") == ["2", "2", "2"]
    assert [first[f"change{end}"] for end in ("", "_low", "_high")] == ["100.00", "100.00", "100.00"]
    assert (first["tau"], first["tau_low"], first["tau_high"]) == ("-1.00", "-1.00", "-1.00")
    assert "tau between both rankings: -1.00 (-1.00 to -1.00)" in text


def test_a_ranking_of_one_model_has_no_tau():
    (row,) = rows_of("ranking", scored("v", "CW", "10", "11", "S+ S+"))
    assert (row["ImGT_A_rank"], row["ReGT_A_rank"], row["tau"], row["tau_low"]) == ("1", "1", "", "")
    assert "tau" not in as_markdown(TABLES["ranking"](scored("v", "CW", "10", "11", "S+ S+"), MODELS, STUDY))


def places_of(row, measure):
    return [row[f"{measure}_A_place{end}"] for end in ("", "_low", "_high")]


def test_where_a_resample_has_no_image_to_judge_there_is_no_interval_of_ranks():
    """As there is none of the accuracy: N alone is drawn often here."""
    frames = [scored("v", "CW", "100", "111", "S+ N N"), scored("w", "CW", "010", "011", "S+ N N")]
    for row in rows_of("ranking", *frames, study=STUDY._replace(n_images="excluded")):
        assert (row["change_low"], row["tau_low"]) == ("", "")
        for measure in ("ImGT", "ReGT"):
            assert places_of(row, measure)[1:] == ["", ""]
            assert places_of(row, measure)[0] in ("1", "2")


def test_where_images_without_a_label_are_excluded_everything_is_over_the_others():
    """Under ImGT Vision is the better one with the images in N, and the worse one without them."""
    frames = [scored("v", "CW", "1000111", "1100111", "S+ S+ S- M+ N N N"),
              scored("w", "CW", "1100000", "1110111", "S+ S+ S- M+ N N N")]  # fmt: skip
    found = {row["model"]: row for row in rows_of("ranking", *frames, study=STUDY._replace(n_images="excluded"))}
    shown = ("ImGT_A", "ImGT_A_rank", "ReGT_A", "ReGT_A_rank", "change", "tau", "n")
    assert [found["Vision"][name] for name in shown] == ["25.00", "2", "50.00", "2", "25.00", "1.00", "4"]
    assert [found["Vision 2"][name] for name in shown] == ["50.00", "1", "75.00", "1", "25.00", "1.00", "4"]


def test_a_row_of_few_images_has_a_rank_and_no_interval_of_it():
    frames = [scored("v", "CW", "1000", "1111", "S+ " * 4), scored("w", "CW", "1", "1", "S+")]
    found = {row["model"]: row for row in rows_of("ranking", *frames)}
    assert places_of(found["Vision 2"], "ImGT") == ["1", "", ""]
    assert places_of(found["Vision"], "ImGT")[0] == "2"
    assert set(places_of(found["Vision"], "ImGT")[1:]) <= {"", "1", "2"}


def test_the_tie_between_tasks_is_broken_by_the_accuracy_that_is_shown():
    """Answers that ended in errors on images in N count against OW only where those images count."""
    frames = [scored("a", "OW", "1000", "1000", "S+ S+ N N"), scored("a", "CW+", "0100", "0011", "S+ S+ N N")]
    tasks = {
        n_images: [
            rows_of(table, *frames, study=STUDY._replace(n_images=n_images))[0]["task"]
            for table in ("table3", "ranking")
        ]
        for n_images in ("correct", "excluded")
    }
    assert tasks == {"correct": ["CW+", "CW+"], "excluded": ["OW", "OW"]}
