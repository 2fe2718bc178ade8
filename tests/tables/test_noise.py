import csv
import io

import numpy as np
import polars as pl
import pytest
from cleanlab.rank import get_label_quality_scores
from hypothesis import given
from hypothesis import strategies as st
from mllm_classify.tables.noise import best_task, gains, named_classes, precision, quality, suspects
from mllm_classify.tables.tables import SCORINGS, Study, ranking, table4, write

from mllm_classify.io import parquet
from mllm_classify.predict.rows import ranking_rows
from mllm_classify.score.score import predicted_by_ranking, score
from mllm_classify.tables.breakdown import abstention, aurc, breakdown, oop_texts, out_of_prompt, risk_coverage
from tests import plain, plain_noise
from tests.tables.test_tables import ENTRIES, VARIANTS, make_study, scored

STUDY = Study("data", "Old labels", "New labels", "pairs.v1", "names.txt (10)")


def rows(table):
    return list(csv.DictReader(io.StringIO(table.figures.write_csv())))


def read(folder, kind, name):
    return parquet.read(next((folder / kind).rglob(f"{name}.parquet")))


def as_read(table):
    """A table as its CSV is read: text, null where a cell is empty."""
    return pl.read_csv(io.StringIO(table.figures.write_csv()), infer_schema=False)


FROM_ENTRIES = pl.DataFrame([{"model": e["name"], "label": e["label"], "family": plain.family(e)} for e in ENTRIES])


def main_scores(scores):
    return scores.filter((pl.col("variant") == "") & pl.col("scoring").is_in(SCORINGS))


def made(folder, scores, labels, classes, study):
    """All tables of a study's files."""
    models = FROM_ENTRIES
    worded = {e["name"]: read(folder, "mapping", e["name"]) for e in ENTRIES if plain.worded(e)}
    ranked = {e["name"]: read(folder, "predictions", e["name"]) for e in ENTRIES if not plain.worded(e)}
    keys = ["image_id", "task", "variant", "repeat"]
    answers = pl.concat(
        out_of_prompt(mapping.join(read(folder, "predictions", name).select(*keys, "text"), on=keys), name, scores)
        for name, mapping in sorted(worded.items())
    )
    found = {
        "breakdown": breakdown(scores, models, study),
        "oop_texts": oop_texts(answers, classes, models, study),
        "abstention": abstention(answers, scores, models, study),
    }
    evaluated = labels.filter(labels["excluded"].is_null())
    main = main_scores(scores)
    if study.regt:
        found["gains"] = gains(main, evaluated.select("image_id", "category"), models, study, 50)
    shown = best_task(main, study.n_images)
    qualities = quality((ranked[e["name"]] for e in ENTRIES if e["kind"] in plain_noise.PROBABLE), evaluated)
    named = named_classes(shown, ranked, worded, classes)
    found["suspects"] = suspects(shown, named, qualities, evaluated, classes, study)
    found["precision"] = precision(as_read(found["suspects"]), study)
    return found


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set", "n_images", "several"),
    [
        (1, 4, True, "correct", "wrong"),
        (2, 12, True, "correct", "first"),
        (3, 40, True, "excluded", "any"),
        (4, 150, True, "correct", "wrong"),
        (5, 40, False, "correct", "any"),
    ],
)
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count, second_label_set, n_images, several):
    """Equal names, equivalences, ties, errors, empty answers, lists of names, single tasks, fewer images."""
    study = STUDY._replace(n_images=n_images, regt="New labels" if second_label_set else None)
    scores, _, labels, classes = make_study(tmp_path, seed, count, second_label_set, one_way=False, several=several)
    found = made(tmp_path, scores, labels, classes, study)
    expected = plain_noise.tables(
        tmp_path, ENTRIES, equivalences=tmp_path / "pairs.csv", n_images=n_images, several=several, variants=VARIANTS
    )
    for name, table in found.items():
        assert len(expected[name]) == table.figures.height > 0, name
        for row, wanted in zip(rows(table), expected[name], strict=True):
            # cosines of 32 bits may be rounded the other way
            close = {key for key in ("similarity", "margin", "threshold") if wanted.get(key)}
            assert {key: float(row[key]) for key in close} == {
                key: pytest.approx(float(wanted[key]), abs=1.1e-3) for key in close
            }
            assert {key: row[key] for key in wanted if key not in close} == {
                key: value for key, value in wanted.items() if key not in close
            }, name


MODELS = pl.DataFrame(
    [{"model": name, "label": name.upper(), "family": family} for name, family in
     {"a": "MLLM", "b": "supervised", "c": "supervised", "d": "VLM"}.items()]
)  # fmt: skip
CLASSES = pl.DataFrame(
    {"class_id": [0, 1, 2, 3], "name": ["cat", "dog", "missile", "missile"], "same_name": [[0], [1], [2, 3], [2, 3]]},
    schema_overrides={"class_id": pl.Int32, "same_name": pl.List(pl.Int32)},
)


def answered(*answers, category="S+"):
    """OOP answers as `out_of_prompt` gives them: text, nearest class, similarity, margin, imgt, regt."""
    return pl.DataFrame(
        [("a", "CW+", f"i{n}", "ok", category, *answer) for n, answer in enumerate(answers)],
        schema={"model": pl.String, "scoring": pl.String, "image_id": pl.String, "status": pl.String,
                "category": pl.String, "text": pl.String, "nearest_class": pl.Int32, "similarity": pl.Float32,
                "margin": pl.Float32, "imgt": pl.Boolean, "regt": pl.Boolean},
        orient="row",
    )  # fmt: skip


def test_breakdown_counts_right_wrong_and_empty_answers_by_category():
    """Of six answers one is in prompt and one an error; the empty one is right as its image is in N."""
    cw = scored("a", "CW+", "010010", "110011", "S+ S- M+ N N N", oop="110 11", status="---x-e")
    found = {(row["label_set"], row["statistic"]): row for row in rows(breakdown(cw, MODELS, STUDY))}
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
    found = rows(breakdown(cw, MODELS, STUDY._replace(n_images="excluded")))
    assert {(row["label_set"], row["A"], row["N"]) for row in found if row["statistic"] == "out of prompt"} == {
        ("ImGT", "2", "1"),
        ("ReGT", "1", "0"),
    }


def test_a_model_without_answers_out_of_prompt_has_rows_of_zeros_and_one_without_cw_none(tmp_path):
    scores = pl.concat([scored("a", "CW+", "11", "11", "S+ S+", oop="00"), scored("b", "OW", "11", "11", "S+ S+")])
    found = rows(breakdown(scores, MODELS, STUDY))
    assert {(row["model"], row["A"]) for row in found} == {("A", "0"), ("A", "")}
    for table in (
        breakdown(scores.clear(), MODELS, STUDY),
        oop_texts(answered(), CLASSES, MODELS, STUDY),
        abstention(answered(), scores, MODELS, STUDY),
    ):
        assert table.figures.height == 0
        write(table, tmp_path / "t.csv")
        assert table.title in (tmp_path / "t.md").read_text()


def test_texts_are_shown_by_how_often_they_are_given_and_are_no_formula():
    answers = answered(
        ("kitten", 0, 0.9, 0.1, True, True), (" kitten ", 0, 0.9, 0.1, False, True), ("=1+1", 2, 0.2, 0.0, False, False),
        ("", None, None, None, False, False), ("\u202egnp", 1, 0.25, 0.125, False, False),
    )  # fmt: skip
    found = rows(oop_texts(answers, CLASSES, MODELS, STUDY))
    columns = ["text", "answers", "share", "nearest", "similarity", "margin", "ImGT_right", "ReGT_right", "n_N"]
    assert [[row[name] for name in columns] for row in found] == [
        ["kitten", "2", "40.00", "cat", "0.900", "0.100", "1", "2", "0"],
        ["(empty)", "1", "20.00", "", "", "", "0", "0", "0"],
        ["'=1+1", "1", "20.00", "missile", "0.200", "0.000", "0", "0", "0"],
        ["\\u202egnp", "1", "20.00", "dog", "0.250", "0.125", "0", "0", "0"],
    ]
    (none,) = rows(oop_texts(answered(("x", 0, 0.5, 0.5, False, True), category="N"), CLASSES, MODELS, STUDY))
    assert (none["ReGT_right"], none["n_N"]) == ("0", "1")


def test_risk_at_every_coverage_and_the_area_below():
    """Right, wrong, right, wrong: risks 0, 1/2, 1/3, 1/2."""
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert aurc(confidence, right) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert risk_coverage(confidence, right).rows() == [
        (0.9, 25.0, 1, 1), (0.8, 50.0, 2, 1), (0.7, 75.0, 3, 2), (0.6, 100.0, 4, 2),
    ]  # fmt: skip
    assert aurc(np.array([1.0, 0.5, 0.5]), np.array([True, True, False])) == pytest.approx((0 + 1 / 4 + 1 / 3) / 3)
    assert np.isnan(aurc(np.empty(0), np.empty(0, bool)))
    assert risk_coverage(np.empty(0), np.empty(0, bool)).height == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60), st.randoms())
def test_a_risk_coverage_curve_ends_at_all_answers_and_knows_no_order(pairs, shuffled):
    def both(pairs):
        confidence, right = (np.array(values) for values in zip(*pairs, strict=True))
        return aurc(confidence.astype(float), right), risk_coverage(confidence.astype(float), right)

    area, points = both(pairs)
    right = sum(hit for _, hit in pairs)
    assert points.row(-1)[1:] == (100.0, len(pairs), right)
    assert points["kept"].is_sorted()
    assert points["kept"].is_unique().all()
    assert points["threshold"].is_sorted(descending=True)
    assert 0 <= area <= 1
    assert both(shuffled.sample(pairs, len(pairs)))[0] == pytest.approx(area)
    assert aurc(np.zeros(len(pairs)), np.array([hit for _, hit in pairs])) == pytest.approx(1 - right / len(pairs))


def test_all_kept_is_cw_plus_and_none_would_be_cw(tmp_path):
    scores, _, labels, classes = make_study(tmp_path, 4, 150, second_label_set=True, one_way=False, several="wrong")
    found = made(tmp_path, scores, labels, classes, STUDY)
    by_task = {(row["model"], row["task"]): row for row in rows(table4(main_scores(scores), FROM_ENTRIES, STUDY))}
    points = [row for row in rows(found["abstention"]) if row["coverage"] == "100.00"]
    assert {row["signal"] for row in points} == {"similarity", "margin"}
    assert len(points) > 8
    for row in points:
        whole = by_task[row["model"], "CW+"][f"{row['label_set']}_A"]
        assert row["accuracy"] == whole
        without = by_task[row["model"], "CW"][f"{row['label_set']}_A"]
        assert float(whole) - float(without) == pytest.approx(100 * int(row["right"]) / int(row["n"]), abs=0.011)


def labelled(*images):
    """Labels from image, imgt, regt and category."""
    return pl.DataFrame(
        [(image, imgt, regt, [imgt], regt, category, None, None) for image, imgt, regt, category in images],
        schema={"image_id": pl.String, "imgt": pl.Int32, "regt": pl.List(pl.Int32), "imgt_admissible": pl.List(pl.Int32),
                "regt_admissible": pl.List(pl.Int32), "category": pl.String, "excluded": pl.String,
                "expert": pl.List(pl.Int32)},
        orient="row",
    )  # fmt: skip


def ranked(*answers, probabilities=None):
    """Rankings of one model from image and classes."""
    images, class_ids = zip(*answers, strict=True)
    return ranking_rows(list(images), [list(it) for it in class_ids], probabilities)


IMAGES = labelled(("=i", 0, [1], "S-"), ("j", 0, [0], "S+"), ("k", 1, [2, 3], "M-"))


def suspected():
    models = {
        "a": ranked(("=i", [1]), ("j", [0]), ("k", [2])),
        "b": ranked(("=i", [1]), ("j", [1]), ("k", [3])),
        "c": ranked(("=i", [2]), ("j", [2]), ("k", [0])),
    }
    labels = IMAGES.with_columns(expert_admissible="expert")
    scores = pl.concat(score(name, predicted_by_ranking(frame), labels) for name, frame in models.items())
    shown = best_task(scores, "correct")
    kept = [ranked(("=i", [1, 0]), ("j", [0, 1]), ("k", [2, 3]), probabilities=[[0.6, 0.2], [0.9, 0.1], [0.4, 0.3]]),
            ranked(("=i", [0, 1]), ("k", [1, 3]), probabilities=[[0.5, 0.1], [0.6, 0.4]])]  # fmt: skip
    return suspects(shown, named_classes(shown, models, {}, CLASSES), quality(kept, IMAGES), IMAGES, CLASSES, STUDY)


def test_suspects_are_ranked_by_what_models_agree_on_against_the_label():
    """Two of three models name `missile` for k, under both its ids; on j they agree on nothing."""
    columns = ["rank", "image_id", "imgt_label", "other", "votes", "right", "models", "regt_labels", "category", "gained",
               "lost", "quality", "quality_rank"]  # fmt: skip
    assert [[row[name] for name in columns] for row in rows(suspected())] == [
        ["1", "'=i", "cat", "dog", "2", "0", "3", "dog", "S-", "2", "0", "0.5000", "2"],
        ["2", "k", "dog", "missile", "2", "0", "3", "missile | missile", "M-", "2", "0", "0.4500", "1"],
        ["3", "j", "cat", "dog", "1", "1", "3", "cat", "S+", "0", "0", "0.9000", "3"],
    ]


def test_precision_among_the_first():
    """By disagreement the hits are 1 and 2 of 3, by quality too."""
    found = rows(precision(as_read(suspected()), STUDY))
    assert [(row["ranking"], row["criterion"][:9], row["first"], row["hits"], row["precision"], row["base"],
             row["average_precision"]) for row in found] == [
        (name, criterion, "3", "2", "66.67", "66.67", "100.00")
        for name in ("disagreement of models", "label quality (cleanlab)")
        for criterion in ("ReGT has ", "ReGT lack")
    ]  # fmt: skip


def test_precision_of_many_and_of_experts_and_where_nothing_is_known():
    """Of 30 the tenth, and every third of those that experts saw; without categories or experts there is no row."""
    frame = pl.DataFrame(
        {
            "rank": [str(n) for n in range(1, 31)],
            "quality_rank": None,
            "category": ["S+"] * 9 + ["M-"] + ["S+"] * 20,
            "expert": [("differs" if n % 3 == 0 else "agrees") if n < 15 else None for n in range(30)],
        },
        schema_overrides={"quality_rank": pl.String},
    )
    found = {(row["criterion"], row["first"]): row for row in rows(precision(frame, STUDY))}
    assert {key: (row["hits"], row["n"]) for key, row in found.items()} == {
        ("ReGT has other labels (S-, M-)", "10"): ("1", "30"),
        ("ReGT has other labels (S-, M-)", "30"): ("1", "30"),
        ("ReGT lacks the label (S-, M-, N)", "10"): ("1", "30"),
        ("ReGT lacks the label (S-, M-, N)", "30"): ("1", "30"),
        ("the experts lack the label", "10"): ("4", "15"),
        ("the experts lack the label", "15"): ("5", "15"),
    }
    assert found["ReGT has other labels (S-, M-)", "30"]["average_precision"] == "10.00"
    nothing = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in ("category", "expert"))
    assert precision(nothing, STUDY).figures.height == 0


def test_gains_are_means_over_models_and_of_one_model_the_change_of_the_ranking():
    categories = "S+ S- M+ M- N S- S+ S+"
    frames = [
        scored("a", "CW", "10100011", "11111011", categories),
        scored("b", "CW", "11000110", "11001110", categories),
        scored("c", "CW", "11100111", "11101111", categories),
    ]
    images = frames[0].select("image_id", "category")
    found = {row["paradigm"]: row for row in rows(gains(pl.concat(frames), images, MODELS, STUDY, 200))}
    (alone,) = rows(ranking(frames[0], images, MODELS, STUDY, 200))
    assert list(found) == ["supervised", "MLLM", "all models"]
    assert [found["MLLM"][f"gain{end}"] for end in ("", "_low", "_high")] == [
        alone[f"change{end}"] for end in ("", "_low", "_high")
    ]
    assert (found["supervised"]["gain"], found["supervised"]["models"]) == ("12.50", "2")
    assert (found["all models"]["gain_min"], found["all models"]["gain_max"]) == ("12.50", "37.50")
    assert (found["MLLM"]["vs_supervised"], found["supervised"]["vs_supervised"]) == ("25.00", "")
    assert float(found["MLLM"]["vs_supervised_low"]) < 25 < float(found["MLLM"]["vs_supervised_high"])
    (one,) = rows(gains(frames[0], images, MODELS, STUDY, 20))
    assert one["paradigm"] == "MLLM"


def test_people_see_the_first_rows_only_and_programs_all(tmp_path):
    write(suspected(), tmp_path / "t.csv", 1)
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 4
    assert "missile" not in (tmp_path / "t.md").read_text()
    assert "'=i" in (tmp_path / "t.html").read_text().replace("&#x27;", "'")


@given(st.integers(0, 2**32 - 1))
def test_quality_of_whole_rankings_is_cleanlabs_of_the_whole_matrix(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), 3)
    order = np.argsort(-probabilities, axis=1)
    kept = np.take_along_axis(probabilities, order, axis=1)
    frame = ranked(*zip(IMAGES["image_id"], order.tolist(), strict=True), probabilities=kept.tolist())
    expected = get_label_quality_scores(IMAGES["imgt"].to_numpy(), probabilities, method="normalized_margin")
    found = quality([frame], IMAGES).sort("image_id")
    assert found["quality"].to_numpy() == pytest.approx(expected, abs=1e-6)
