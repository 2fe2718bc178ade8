import polars as pl

from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.score.score import SCORES
from mllm_classify.tables.protocols import STORED, protocols, with_options
from mllm_classify.tables.render import as_markdown
from mllm_classify.tables.table import Study
from tests.measures.test_similarity import ANSWERS, CLASSES, CONCEPTS, said
from tests.measures.test_similarity import IMAGES as LABELS

MODELS = pl.DataFrame({"model": ["m", "r"], "label": ["Model", "Ranks"], "family": ["MLLM", "supervised"]})
STUDY = Study("data", "Old", "New", None, "names.txt (10)")
OPTIONS = {"few": 4, "n": 26, "classes": 100, "encoder": "minilm"}
IMAGES = pl.DataFrame({"image_id": ["a", "b"], "category": ["S+", "N"]})


def scores(*rows):
    """From (image, scoring, variant, repeat, right under ImGT, under ReGT, whether OOP)."""
    cells = [
        (
            "m",
            image,
            scoring[:2],
            variant,
            repeat,
            "e",
            scoring,
            "ok",
            oop,
            imgt,
            regt,
            {"a": "S+", "b": "N"}[image],
            *[None] * 4,
        )
        for image, scoring, variant, repeat, imgt, regt, oop in rows
    ]
    return pl.DataFrame(cells, schema=SCORES, orient="row")


def of(*rows):
    return protocols(scores(*rows), IMAGES, MODELS, STUDY, 50, OPTIONS, {}, IMAGES, {}, {}, None)


def test_each_protocol_has_its_row_of_its_own_answers_in_one_order():
    table = of(
        *[(image, "MC", "MC semantic", repeat, repeat == 0, True, repeat == 1) for image in "ab" for repeat in (0, 1)],
        ("a", "MC", "CW first", 0, True, False, False),
        ("a", "CW", "", 0, True, True, False),
        ("b", "CW", "", 0, False, True, True),
        ("a", "OW inclusion", "", 0, False, False, None),
        # asked, but no protocol of earlier work
        ("a", "MC", "ReGT + confEVA(ReGT)", 0, True, True, False),
    )
    columns = ["model", "protocol", "n", "repeats", "ImGT_A", "ReGT_A", "OOP"]
    assert table.rows.select(columns).rows() == [
        ("Model", "OW, inclusion", 1, 1, "0.00", "0.00", None),
        ("Model", "CW", 2, 1, "50.00", "100.00", "50.00"),
        ("Model", "MC, 26 semantic", 2, 2, "50.00", "100.00", "50.00"),
        ("Model", "CW, first 100", 1, 1, "100.00", "0.00", "0.00"),
    ]
    text = as_markdown(table)
    assert "n = 1 to 2" in text
    assert "the 25 classes of the most similar names, by minilm" in text


def test_intervals_are_over_the_images_of_the_row():
    """Repeats are of one image: they make no interval."""
    low, high = (
        of(*[("a", "MC", "MC random", repeat, repeat < 2, True, False) for repeat in range(4)])
        .rows.select("ImGT_A_low", "ImGT_A_high")
        .row(0)
    )
    assert (low, high) == ("50.00", "50.00")


def test_models_that_rank_classes_have_no_row():
    ranked = scores(("a", "CW", "", 0, True, True, None)).with_columns(
        model=pl.lit("r"), encoder=pl.lit(None, pl.String)
    )
    assert protocols(ranked, IMAGES, MODELS, STUDY, 50, OPTIONS, {}, IMAGES, {}, {}, None).rows.height == 0


def test_likelihoods_stand_beside_answers_in_words_paired_and_with_their_tokens():
    """All scorings of a task share its requests; what no cache had is known only where the server says what one had."""
    found = scores(
        ("a", "CW+", "", 0, True, True, False),
        ("b", "CW+", "", 0, True, True, False),
        ("a", "CW-constrained", "", 0, False, True, False),
        ("b", "CW-constrained", "", 0, False, True, False),
        ("a", "CW-likelihood", "", 0, False, True, None),
        ("b", "CW-likelihood", "", 0, True, True, None),
        # of one image only
        ("a", "CW-likelihood PMI", "", 0, True, True, None),
        ("b", "OW-likelihood", "", 0, False, True, None),
    )
    likely = pl.col("scoring").str.contains("likelihood")
    found = found.with_columns(
        task=pl.when(likely)
        .then("scoring")
        .when(pl.col("scoring") == "CW-constrained")
        .then("scoring")
        .otherwise("task"),
        encoder=pl.when(~likely).then("encoder"),
    )
    cost = ["prompt_tokens", "cached_tokens", "completion_tokens"]
    rows = [
        ("a", "CW", 100, 90, 2), ("b", "CW", 100, 70, 2), ("a", "CW-constrained", 100, None, 2), ("b", "CW-constrained", 100, 50, 2),
        ("a", "CW-likelihood", 1000, 980, 10), ("b", "CW-likelihood", 3000, 2940, 30), ("a", "CW-likelihood PMI", None, None, None),
        ("b", "OW-likelihood", None, None, None),
    ]  # fmt: skip
    schema = {name: PREDICTIONS[name] for name in ("image_id", "task", *cost)}
    used = pl.DataFrame(rows, schema=schema, orient="row").with_columns(variant=pl.lit(""), repeat=pl.lit(0, pl.Int32))
    table = protocols(found, IMAGES, MODELS, STUDY, 50, OPTIONS, {"m": used.lazy()}, IMAGES, {}, {}, None)
    columns = ["protocol", "ImGT_A", "ImGT_A_vs_CWplus", "ReGT_A_vs_CWplus", "tokens", "forward_tokens", "n"]
    assert table.rows.select(columns).rows() == [
        ("CW+", "100.00", None, None, "102.00", "22.00", 2),
        ("CW, constrained", "0.00", "-100.00", "0.00", "102.00", None, 2),
        ("CW, likelihood", "50.00", "-50.00", "0.00", "2020.00", "60.00", 2),
        ("CW, likelihood PMI", "100.00", "0.00", "0.00", "2020.00", "60.00", 1),
        ("OW, likelihood", "0.00", "-100.00", "0.00", None, None, 1),
    ]
    assert table.rows.filter(protocol="CW, constrained")["ImGT_A_vs_CWplus_low"].to_list() == ["-100.00"]


def test_every_protocol_says_whose_it_is_and_what_it_asks():
    every = [*STORED.values(), *with_options(**OPTIONS).values()]
    assert all(all(protocol) for protocol in every)
    assert len({protocol.name for protocol in every}) == len(every)


def test_similarities_stand_beside_accuracies():
    """Means of cosines in percent, over the images with a label; what is no accuracy has no OOP."""
    answers = said("a cat", "dogs", "dogs")
    embedded = {("classes", ""): CLASSES, ("answers", "m"): ANSWERS, ("concepts", "m"): CONCEPTS}
    table = protocols(
        scores(("a", "OW inclusion", "", 0, True, True, None)), IMAGES, MODELS, STUDY, 50, None, {}, LABELS,
        {"m": answers.lazy()}, {key: frame.lazy() for key, frame in embedded.items()}, "minilm (bare.txt)",
    )  # fmt: skip
    assert table.rows.select("protocol", "n", "ImGT_A", "ReGT_A", "OOP").rows() == [
        ("OW, inclusion", 1, "100.00", "100.00", None),
        ("OW, semantic similarity", 3, "-33.33", "40.00", None),
        ("OW, concept similarity", 3, "46.67", "90.00", None),
    ]
    for row in table.rows.rows(named=True)[1:]:
        assert float(row["ImGT_A_low"]) <= float(row["ImGT_A"]) <= float(row["ImGT_A_high"])
        assert "by minilm (bare.txt)" in row["what"]
