import polars as pl

from mllm_classify.tables.gains import gains
from mllm_classify.tables.ranking import ranking
from tests.tables.studies import PARADIGMS, STUDY, rows, scored


def test_gains_are_means_over_models_and_of_one_model_the_change_of_the_ranking():
    categories = "S+ S- M+ M- N S- S+ S+"
    frames = [
        scored("a", "CW", "10100011", "11111011", categories),
        scored("b", "CW", "11000110", "11001110", categories),
        scored("c", "CW", "11100111", "11101111", categories),
    ]
    images = frames[0].select("image_id", "category")
    found = {row["paradigm"]: row for row in rows(gains(pl.concat(frames), images, PARADIGMS, STUDY, 200))}
    (alone,) = rows(ranking(frames[0], images, PARADIGMS, STUDY, 200))
    assert list(found) == ["supervised", "MLLM", "all models"]
    assert [found["MLLM"][f"gain{end}"] for end in ("", "_low", "_high")] == [
        alone[f"change{end}"] for end in ("", "_low", "_high")
    ]
    assert (found["supervised"]["gain"], found["supervised"]["models"]) == ("12.50", "2")
    assert (found["all models"]["gain_min"], found["all models"]["gain_max"]) == ("12.50", "37.50")
    assert (found["MLLM"]["vs_supervised"], found["supervised"]["vs_supervised"]) == ("25.00", "")
    assert float(found["MLLM"]["vs_supervised_low"]) < 25 < float(found["MLLM"]["vs_supervised_high"])
    excluded = STUDY._replace(n_images="excluded")
    (mllm,) = rows(gains(frames[0], images, PARADIGMS, excluded, 20))
    assert [mllm[name] for name in ("ImGT_A", "ReGT_A", "gain", "n")] == ["57.14", "85.71", "28.57", "7"]
    (one,) = rows(gains(frames[0], images, PARADIGMS, STUDY, 20))
    assert one["paradigm"] == "MLLM"
