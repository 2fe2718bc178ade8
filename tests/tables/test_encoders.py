import random
from typing import NamedTuple

import polars as pl
import pytest

from mllm_classify.dataset.labels import LABELS
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError
from mllm_classify.mapping.mapping import MAPPING, map_answers
from mllm_classify.tables.encoder_pairs import encoder_pairs
from mllm_classify.tables.encoders import CROSSFIT, OPTIMISTIC, encoders
from mllm_classify.tables.render import write
from tests import plain
from tests.plain.encoders import encoder_tables
from tests.tables.random_studies import ENTRIES, MODELS_OF, VARIANTS, assert_the_same, make_study, unit_vectors
from tests.tables.studies import STUDY, rows

MODELS = pl.DataFrame({"model": ["m"], "label": ["M"], "family": ["MLLM"]})
AMONG = [["a", "t.txt", "templates"], ["b", "u.txt", "bare"]]
BY_ID = frozenset(it["name"] for it in VARIANTS if it.get("answer") == "id")
TWO = pl.DataFrame(
    {"class_id": [0, 1], "same_name": [[0], [1]]}, schema={"class_id": pl.Int32, "same_name": pl.List(pl.Int32)}
)


class Given(NamedTuple):
    """What the tables of encoders are given, in the order of their parameters."""

    encoded: dict[tuple[str, str], pl.LazyFrame]
    labels: pl.DataFrame
    classes: pl.DataFrame


def given(tasks: tuple[str, ...] = ("CW",), **right: str) -> Given:
    """Answers by encoder: for each image 1 where it is right under both label sets, and 0; all to CW are out of prompt."""
    encoded = {
        (encoder, "m"): pl.DataFrame(
            [
                {"image_id": str(image), "task": task, "variant": "", "repeat": 0, "encoder": encoder, "status": "ok",
                 "in_prompt": False if task == "CW" else None, "exact_classes": [], "nearest_class": 1 - int(flag)}
                for task in tasks
                for image, flag in enumerate(flags)
            ],
            schema=MAPPING,
        ).lazy()
        for encoder, flags in right.items()
    }  # fmt: skip
    labels = pl.DataFrame(
        [
            {"image_id": str(image), "imgt": 0, "regt": [0], "imgt_admissible": [0], "regt_admissible": [0], "category": "S+"}
            for image in range(max(map(len, right.values())))
        ],
        schema=LABELS,
    )  # fmt: skip
    return Given(encoded, labels, TWO)


def by_encoder(of: Given, among: list[list[str]] = AMONG) -> dict[str, dict]:
    table = encoders(*of, MODELS, STUDY, among)
    return {row["encoder"]: row for row in table.rows.to_dicts()}


def halves(count: int) -> list[int]:
    return [plain.selection.half(str(image)) for image in range(count)]


def test_each_half_is_scored_with_the_encoder_that_is_best_on_the_other():
    """a is always right on half 0 and never on half 1, b the other way round: whoever chooses on the other half loses."""
    of = halves(40)
    found = by_encoder(given(a="".join(str(1 - half) for half in of), b="".join(map(str, of))))
    assert found[CROSSFIT]["ImGT_A"] == "0.00"
    assert found[CROSSFIT]["chosen"] == "b / a"
    better = max(found["a"]["ImGT_A"], found["b"]["ImGT_A"], key=float)
    assert found[OPTIMISTIC]["ImGT_A"] == better
    assert float(better) >= 50
    assert found[OPTIMISTIC]["selection"] == "highest ImGT_A on these same images"
    assert [found[name]["selection"] for name in "ab"] == [None, None]


def test_of_equal_encoders_the_first_of_the_configuration_is_chosen():
    same = given(a="1100" * 5, b="1100" * 5)
    assert by_encoder(same)[OPTIMISTIC]["chosen"] == "a"
    assert by_encoder(same, AMONG[::-1])[OPTIMISTIC]["chosen"] == "b"
    assert by_encoder(same)[CROSSFIT]["chosen"] == "a"


def test_encoders_that_differ_significantly_name_each_other():
    """19 images of 20 on which only one is right: p = 4e-5; 3 of 20: 0.25."""
    found = by_encoder(given(a="1" * 20, b="0" * 19 + "1"))
    assert [found[name]["differs_from"] for name in "ab"] == ["b", "a"]
    assert found[CROSSFIT]["differs_from"] is None
    close = by_encoder(given(a="1" * 20, b="000" + "1" * 17))
    assert [close[name]["differs_from"] for name in "ab"] == [None, None]


def test_answers_out_of_prompt_are_counted_where_they_are_mapped():
    table = encoders(*given(("OW", "CW"), a="1100", b="0100"), MODELS, STUDY, AMONG).rows
    shown = table.filter(pl.col("encoder").is_in(["a", "b"])).select("task", "encoder", "OOP_n", "OOP_ImGT")
    expected = [("OW", "a", None, None), ("OW", "b", None, None), ("CW+", "a", 4, "50.00"), ("CW+", "b", 4, "25.00")]
    assert shown.rows() == expected


def test_every_rendering_shows_the_rules_by_which_an_encoder_is_chosen(tmp_path):
    write(encoders(*given(a="1100", b="0101"), MODELS, STUDY, AMONG), tmp_path / "encoders.csv")
    for suffix in ("csv", "md", "html", "tex"):
        shown = (tmp_path / f"encoders.{suffix}").read_text()
        assert CROSSFIT in shown
        assert OPTIMISTIC in shown


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set", "n_images"),
    [(1, 4, True, "correct"), (2, 12, True, "excluded"), (3, 50, True, "correct"), (4, 30, False, "correct")],
)
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count, second_label_set, n_images):
    """Three encoders, of which two have random vectors; equal names, errors, empty answers, single tasks, fewer images."""
    _, labels, classes = make_study(tmp_path, seed, count, second_label_set, one_way=False, several="first")
    rng = random.Random(seed)
    words = [entry for entry in ENTRIES if plain.files.worded(entry)]
    config = {"encoder": {"name": "e", "templates": "t.txt"}, "models": ENTRIES, "variants": VARIANTS,
              "mapping": {"several": "first"},
              "encoders": [{"name": "z", "templates": "u.txt", "answers": "bare"}, {"name": "d", "templates": "t.txt"}],
              }  # fmt: skip
    first = classes["same_name"].list.first()
    for entry in config["encoders"]:
        vectors = unit_vectors(rng, classes.height)
        folder = tmp_path / f"embeddings/{entry['name']}/d"
        schema = {"class_id": pl.Int32(), "embedding": pl.Array(pl.Float32, 4)}
        same = [vectors[place] for place in first]
        embedded = pl.DataFrame({"class_id": classes["class_id"], "embedding": same}, schema=schema)
        parquet.write(embedded, schema, folder / "classes.parquet")
        for model in words:
            of_main = pl.read_parquet(tmp_path / f"embeddings/e/d/{model['name']}.parquet")
            answers = of_main.with_columns(
                pl.Series("embedding", unit_vectors(rng, of_main.height), dtype=of_main.schema["embedding"])
            )
            parquet.write(answers, dict(answers.schema), folder / f"{model['name']}.parquet")
    encoded = {}
    for entry in [config["encoder"], *config["encoders"]]:
        folder = tmp_path / f"embeddings/{entry['name']}/d"
        for model in words:
            predictions = pl.read_parquet(tmp_path / f"predictions/d/{model['name']}.parquet")
            vectors = [pl.read_parquet(folder / f"{name}.parquet") for name in ("classes", model["name"])]
            mapped = map_answers(predictions, classes, *vectors, entry["name"], None, "first", BY_ID)
            encoded[entry["name"], model["name"]] = mapped.lazy()
    among = [
        [it["name"], it["templates"], it.get("answers", "templates")] for it in [config["encoder"], *config["encoders"]]
    ]
    of, study = Given(encoded, labels, classes), STUDY._replace(n_images=n_images)
    expected = encoder_tables(tmp_path, config, tmp_path / "pairs.csv", n_images)
    assert_the_same(rows(encoders(*of, MODELS_OF, study, among)), expected["encoders"])
    pairs = encoder_pairs(*of, MODELS_OF, study)
    assert_the_same(
        [{k: v or "" for k, v in row.items()} for row in pairs.cast(pl.String).to_dicts()], expected["encoder_pairs"]
    )


def test_a_mapping_of_another_encoder_is_refused():
    of = given(a="10")
    with pytest.raises(InputError, match="m: a mapping was made with 'a', not with 'b'"):
        encoder_pairs({("b", "m"): of.encoded["a", "m"]}, of.labels, of.classes, MODELS, STUDY)
