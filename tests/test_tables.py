import csv
import io
import math
import random
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify import parquet
from mllm_classify.dataset.labels import LABELS, admissible, category
from mllm_classify.mapping import MAPPING, map_answers
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.score import SCORES, predicted_by_ranking, predicted_by_text, score
from mllm_classify.tables import SUBSETS, fold, table2, table3, table4, table5, write
from tests import plain

TABLES = {"table3": table3, "table4": table4, "table5": table5}
HEADERS = {
    "table2": "statistic,A,S,S+,S-,M,M+,M-,N",
    "table3": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-,ImGT_and_ReGT",
    "table4": "model,task,ImGT_A,ReGT_A,ReGT_S,ReGT_S+,ReGT_S-,ReGT_M,ReGT_M+,ReGT_M-",
    "table5": "model,A,S,S+,S-,M,M+,M-,N",
}
ACCURACIES = HEADERS["table3"].split(",")[2:]
FIRST, SECOND = ["i1", "i3", "i5", "i8"], ["i0", "i2", "i4", "i6"]
"""Images of the two halves between which tasks are chosen."""
MODELS = pl.DataFrame(
    [
        {"model": "a", "label": "Model A", "family": "MLLM"},
        {"model": "b", "label": "Model B", "family": "MLLM"},
        {"model": "v", "label": "Vision", "family": "supervised"},
        {"model": "w", "label": "Vision 2", "family": "supervised"},
    ]
)


def scored(model, scoring, imgt, regt=None, categories=None, oop=None, images=None):
    """Scores of one model from strings of 0 and 1, one sign per image, and from categories in words."""
    count = len(imgt)
    flags = [[None] * count if signs is None else [sign == "1" for sign in signs] for signs in (imgt, regt, oop)]
    return pl.DataFrame(
        {
            "model": model,
            "image_id": images or [f"i{number}" for number in range(count)],
            "task": scoring.removesuffix("+"),
            "variant": "",
            "repeat": 0,
            "encoder": None,
            "scoring": scoring,
            "oop": flags[2],
            "imgt": flags[0],
            "regt": flags[1],
            "category": categories.split() if categories else [None] * count,
        },
        schema=SCORES,
    )


def worded(model, **imgt_and_regt):
    """Scores of a model that answers in words: (imgt, regt) under OW, CW and CWplus; all images are S+."""
    frames = [
        scored(model, name.replace("plus", "+"), imgt, regt, " ".join(["S+"] * len(imgt)))
        for name, (imgt, regt) in imgt_and_regt.items()
    ]
    return pl.concat(frames)


def rows(table):
    """The CSV file's rows as text."""
    return list(csv.DictReader(io.StringIO(table.figures.write_csv())))


def made(table, *frames, models=MODELS):
    return rows(TABLES[table](pl.concat(frames), models, "data"))


def test_table_2_is_the_papers():
    """But for M-: 1,078 of 31,250 are 3.4496 %, which the paper prints as 3.5."""
    counts = {"S+": 16177, "S-": 1894, "M+": 10756, "M-": 1078, "N": 1345}
    names = [name for name, count in counts.items() for _ in range(count)]
    count, percent = rows(table2(pl.Series(names), "data"))
    assert list(count.values())[:9] == ["count", "31250", "18071", "16177", "1894", "11834", "10756", "1078", "1345"]
    assert list(percent.values())[:9] == ["percent", "100.0", "57.8", "51.8", "6.1", "37.9", "34.4", "3.4", "4.3"]


def test_table_2_without_a_second_label_set_has_the_total_only():
    for row, total in zip(rows(table2(pl.Series([None, None], dtype=pl.String), "data")), ["2", "100.0"], strict=True):
        assert [row[name] for name in SUBSETS] == [total, "", "", "", "", "", "", ""]


@given(st.lists(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), min_size=1))
def test_table_2_parts_the_images(names):
    count = {name: int(value) for name, value in rows(table2(pl.Series(names), "data"))[0].items() if name in SUBSETS}
    assert count["A"] == len(names) == count["S"] + count["M"] + count["N"]
    assert count["S"] == count["S+"] + count["S-"]
    assert count["M"] == count["M+"] + count["M-"]


@pytest.mark.parametrize("table", HEADERS)
def test_the_first_columns_are_the_papers(table):
    frame = pl.concat([worded("a", OW=("1", "1"), CW=("1", "1"), CWplus=("1", "1")), scored("v", "CW", "1", "1", "S+")])
    made_table = table2(pl.Series(["N"]), "data") if table == "table2" else TABLES[table](frame, MODELS, "data")
    assert made_table.figures.write_csv().startswith(HEADERS[table] + ",")


def test_table_3_on_nine_images():
    frame = scored("v", "CW", "110100110", "101110010", "S+ S+ S- M+ M+ M- M- N N")
    (row,) = made("table3", frame)
    expected = {
        "model": "Vision",
        "task": "CW",
        "family": "supervised",
        "ImGT_A": "55.56",
        "ReGT_A": "55.56",
        "ReGT_S": "66.67",
        "ReGT_S+": "50.00",
        "ReGT_S-": "100.00",
        "ReGT_M": "50.00",
        "ReGT_M+": "100.00",
        "ReGT_M-": "0.00",
        "ImGT_and_ReGT": "33.33",
        "change": "0.00",
        "selection": "only task",
        "crossfit_task": "CW",
        "crossfit_ImGT_A": "55.56",
        "crossfit_ReGT_A": "55.56",
        "dataset": "data",
        **{f"{name}_rank": "1" for name in ACCURACIES},
        **dict(zip([f"n_{name}" for name in SUBSETS], "93214222", strict=True)),
    }
    assert {name: value for name, value in row.items() if not name.endswith(("_low", "_high"))} == expected


def test_an_empty_category_has_empty_cells():
    frame = pl.concat([worded("a", OW=("10", "10"), CW=("00", "00"), CWplus=("00", "00"))])
    (row,) = made("table3", frame)
    for name in ("ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"):
        assert [row[name + end] for end in ("", "_rank", "_low", "_high")] == ["", "", "", ""]
    assert (row["n_M"], row["n_N"]) == ("0", "0")
    assert {row["ReGT_M"] + row["ReGT_M_vs_CW"] for row in made("table4", frame)} == {""}
    (row,) = made("table5", scored("a", "CW", "10", "10", "S+ S+", oop="01"))
    assert [row[name] for name in SUBSETS] == ["50.0", "50.0", "50.0", "", "", "", "", ""]


@pytest.mark.parametrize("table", TABLES)
def test_without_a_second_label_set_its_columns_are_empty(table):
    frames = [scored("a", name, "110", oop=oop) for name, oop in (("OW", None), ("CW", "100"), ("CW+", "100"))]
    for row in made(table, *frames, scored("v", "CW", "011")):
        empty = {name for name in row if name.startswith("ReGT") or name in ("change", "ImGT_and_ReGT", *SUBSETS)}
        assert {row[name] for name in empty - {"A"}} == {""}
        assert row.get("ImGT_A", "66.67") == "66.67"
        assert row.get("A", "33.3") == "33.3"


def test_rows_ascend_by_imgt_then_regt_then_name():
    frames = [
        scored("w", "CW", "0111", "1111", "S+ S+ S+ N"),
        scored("v", "CW", "1100", "1111", "S+ S+ S+ N"),
        worded("b", CWplus=("1100", "1101")),
        worded("a", OW=("0011", "0111")),
    ]
    found = made("table3", *frames)
    assert [row["model"] for row in found] == ["Model A", "Model B", "Vision", "Vision 2"]
    assert [row["ImGT_A"] for row in found] == ["50.00", "50.00", "50.00", "75.00"]


def test_ranks_are_dense_per_column_from_the_highest():
    regt = {"a": "11100", "b": "00111", "v": "01110", "w": "11111"}
    frames = [
        scored(model, "CW", "1" * n + "0" * (5 - n), regt[model], "S+ S+ S+ M- M-") for n, model in enumerate(regt)
    ]
    found = {row["model"]: row for row in made("table3", *frames)}
    ranks = {
        name: [found[label][f"{name}_rank"] for label in ("Model A", "Model B", "Vision", "Vision 2")]
        for name in ("ImGT_A", "ReGT_A", "ReGT_S", "ReGT_M", "ReGT_S-")
    }
    assert ranks == {
        "ImGT_A": ["4", "3", "2", "1"],
        "ReGT_A": ["2", "2", "2", "1"],
        "ReGT_S": ["1", "3", "2", "1"],
        "ReGT_M": ["3", "1", "2", "1"],
        "ReGT_S-": ["", "", "", ""],
    }


def test_equal_shares_of_unequal_counts_tie():
    found = made(
        "table3", scored("v", "CW", "100", "100", "S+ S+ S+"), scored("w", "CW", "110000", "110000", "S+ " * 6)
    )
    assert [row["ImGT_A_rank"] for row in found] == ["1", "1"]


@pytest.mark.parametrize(
    ("ow", "cw_plus", "task"),
    [
        (("110", "000"), ("100", "111"), "OW"),
        (("100", "111"), ("110", "000"), "CW+"),
        (("100", "100"), ("010", "110"), "CW+"),
        (("100", "110"), ("010", "100"), "OW"),
        (("100", "010"), ("001", "100"), "OW"),
        (None, ("000", "000"), "CW+"),
        (("000", "000"), None, "OW"),
    ],
)
def test_table_3_shows_the_better_task_by_imgt_then_regt_then_ow(ow, cw_plus, task):
    found = {name: value for name, value in (("CWplus", cw_plus), ("OW", ow)) if value}
    plain_cw = {} if cw_plus is None else {"CW": ("111", "111")}
    (row,) = made("table3", worded("a", **found, **plain_cw))
    assert row["task"] == task
    assert row["selection"] == "best ImGT_A of OW and CW+ on these same images (optimistic)"


def test_halves_are_fixed_by_the_images_ids():
    assert [fold(f"i{number}") for number in range(9)] == [1, 0, 1, 0, 1, 0, 1, 1, 0]
    assert {fold(image) for image in FIRST} == {0}
    assert {fold(image) for image in SECOND} == {1}


def crossfit(images, **imgt):
    frames = [
        scored("a", name.replace("plus", "+"), signs, signs, "S+ " * len(images), images=images)
        for name, signs in imgt.items()
    ]
    (row,) = made("table3", *frames)
    return [row["crossfit_task"], row["crossfit_ImGT_A"], row["crossfit_ReGT_A"]]


def test_each_half_is_scored_by_the_task_that_is_best_on_the_other():
    images = [*FIRST, *SECOND]
    assert crossfit(images, OW="11100000", CWplus="00011110") == ["CW+ / OW", "12.50", "12.50"]
    assert crossfit(images, OW="00001110", CWplus="11110001") == ["OW / CW+", "12.50", "12.50"]
    assert crossfit(images, OW="11101110", CWplus="11001000") == ["OW", "75.00", "75.00"]
    assert crossfit(images, CWplus="11001000") == ["CW+", "37.50", "37.50"]


def test_a_tie_on_the_other_half_goes_to_ow():
    assert crossfit([*FIRST, *SECOND], CWplus="11110000", OW="00000000") == ["OW / CW+", "0.00", "0.00"]


@pytest.mark.parametrize("images", [FIRST, SECOND])
def test_without_another_half_there_is_no_cross_fit(images):
    assert crossfit(images, OW="1110", CWplus="1000") == ["", "", ""]


def test_table_4_has_every_task_and_its_difference_to_cw():
    frames = [
        worded("a", CW=("1100", "1110"), CWplus=("1110", "1111"), OW=("1000", "0110")),
        worded("b", OW=("1111", "0000")),
        scored("v", "CW", "1111", "1111", "S+ S+ S+ S+"),
    ]
    found = [
        [row[name] for name in ("model", "task", "ImGT_A", "ReGT_A", "change", "ImGT_A_vs_CW", "ReGT_S+_vs_CW")]
        for row in made("table4", *frames)
    ]
    assert found == [
        ["Model A", "OW", "25.00", "50.00", "25.00", "-25.00", "-25.00"],
        ["Model A", "CW+", "75.00", "100.00", "25.00", "25.00", "25.00"],
        ["Model A", "CW", "50.00", "75.00", "25.00", "0.00", "0.00"],
        ["Model B", "OW", "100.00", "0.00", "-100.00", "", ""],
    ]


def test_table_5_is_the_share_of_out_of_prompt_answers_per_category():
    categories = "S+ S+ S- M+ M- M- N"
    frames = [
        scored("a", "CW", "0000000", "0000000", categories, oop="1001010"),
        scored("a", "CW+", "0000000", "0000000", categories, oop="1111111"),
        scored("b", "CW", "0000000", "0000000", categories, oop="0000001"),
        scored("b", "OW", "0000000", "0000000", categories),
        scored("v", "CW", "0000000", "0000000", categories),
    ]
    found = [[row[name] for name in ("model", *SUBSETS)] for row in made("table5", *frames)]
    assert found == [
        ["Model B", "14.3", "0.0", "0.0", "0.0", "0.0", "0.0", "0.0", "100.0"],
        ["Model A", "42.9", "33.3", "50.0", "0.0", "66.7", "100.0", "50.0", "0.0"],
    ]


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=25)
def test_intervals_are_wilsons(counts):
    correct, total = counts
    signs = "1" * correct + "0" * (total - correct)
    (row,) = made("table3", scored("v", "CW", signs, signs, "S+ " * total))
    z = 1.9599639845400545
    p = correct / total
    middle = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    for name in ("ImGT_A", "ReGT_A", "ReGT_S+", "ImGT_and_ReGT"):
        assert float(row[f"{name}_low"]) == pytest.approx(100 * (middle - half), abs=0.00501)
        assert float(row[f"{name}_high"]) == pytest.approx(100 * (middle + half), abs=0.00501)
        assert 0 <= float(row[f"{name}_low"]) <= float(row[name]) <= float(row[f"{name}_high"]) <= 100


IMAGE = st.tuples(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), st.booleans(), st.booleans())


def from_images(images):
    """A vision model's scores; on N it is right under ReGT."""
    signs = ["".join("01"[image[place]] for image in images) for place in (1, 2)]
    signs[1] = "".join("1" if image[0] == "N" else sign for image, sign in zip(images, signs[1], strict=True))
    return scored("v", "CW", *signs, " ".join(image[0] for image in images))


@given(st.lists(IMAGE, min_size=1, max_size=20), st.randoms())
@settings(max_examples=30)
def test_the_whole_is_the_sum_of_its_parts_in_any_order_of_images(images, order):
    (row,) = made("table3", from_images(images))

    def correct(name, subset):
        return round(Fraction(row[name] or 0) * int(row[f"n_{subset}"]) / 100)

    assert correct("ReGT_S", "S") == correct("ReGT_S+", "S+") + correct("ReGT_S-", "S-")
    assert correct("ReGT_M", "M") == correct("ReGT_M+", "M+") + correct("ReGT_M-", "M-")
    assert correct("ReGT_A", "A") == correct("ReGT_S", "S") + correct("ReGT_M", "M") + int(row["n_N"])
    shuffled = from_images(images).sample(fraction=1, shuffle=True, seed=order.randrange(2**32))
    assert made("table3", shuffled) == [row]


@pytest.mark.parametrize("table", TABLES)
def test_the_order_of_models_changes_nothing_and_another_model_no_accuracy(table):
    rng = random.Random(table)
    signs = lambda: "".join(rng.choice("01") for _ in range(8))  # noqa: E731
    names = " ".join(rng.choices(["S+", "S-", "M+", "N"], k=8))
    frames = [scored(model, name, signs(), signs(), names, oop=None if name == "OW" else signs())
              for model in "ab" for name in ("OW", "CW", "CW+")]  # fmt: skip
    frames.append(scored("v", "CW", signs(), signs(), names))
    found = made(table, *frames)
    assert made(table, *reversed(frames), models=MODELS.reverse()) == found
    more = made(table, *frames, scored("w", "CW", signs(), signs(), names))
    kept = [
        {name: value for name, value in row.items() if "rank" not in name} for row in more if row["model"] != "Vision 2"
    ]
    assert kept == [{name: value for name, value in row.items() if "rank" not in name} for row in found]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("regt", ["101", None])
def test_every_table_is_written_in_four_forms_with_its_labels_unharmed(tmp_path, table, regt):
    categories = "S+ M- N" if regt else None
    frames = [scored("a", name, "110", regt, categories, oop="100") for name in ("OW", "CW", "CW+")]
    models = MODELS.with_columns(label=pl.col("label").replace("Model A", 'A|B & C_D <E>, "5 %"'))
    write(TABLES[table](pl.concat(frames), models, "data"), tmp_path / "t.csv")
    shown = {
        "csv": '"A|B & C_D <E>, ""5 %"""',
        "md": 'A\\|B & C_D <E>, "5 %"',
        "html": "A|B &amp; C_D &lt;E&gt;,",
        "tex": "A|B \\& C\\_D \\textless{}E\\textgreater{},",
    }
    assert {path.name for path in tmp_path.iterdir()} == {f"t.{suffix}" for suffix in shown}
    for suffix, label in shown.items():
        assert label in (tmp_path / f"t.{suffix}").read_text()


@pytest.mark.parametrize("table", ["table4", "table5"])
def test_without_a_model_that_answers_in_words_a_table_is_its_header(tmp_path, table):
    write(TABLES[table](scored("v", "CW", "1", "1", "S+"), MODELS, "data"), tmp_path / "t.csv")
    (header,) = (tmp_path / "t.csv").read_text().splitlines()
    assert header.startswith(HEADERS[table] + ",")
    assert HEADERS[table].split(",")[1] in (tmp_path / "t.md").read_text()


NAMES = ["cat", "Missile", "dog", "missile ", "laptop", "notebook", "tabby", "clock", "book", "pen"]
WORDS = ["", " ", "Cat", "DOG\n", "missile", "rocket", "a laptop", "Tabby", "pen", "something else", "book|pen"]
ENTRIES = [
    {"name": "v1", "label": "Vision 1", "kind": "timm"},
    {"name": "v2", "label": "Vision 2", "kind": "conse"},
    {"name": "both", "label": "Both tasks", "kind": "endpoint"},
    {"name": "again", "label": "Both tasks again", "kind": "engine"},
    {"name": "open", "label": "Open world only", "kind": "endpoint", "tasks": ["OW"]},
    {"name": "closed", "label": "Closed world only", "kind": "engine", "tasks": ["CW"]},
]
EQUIVALENT = {frozenset((1, 3)), frozenset((4, 5)), frozenset((5, 8))}


def unit_vectors(rng, count):
    drawn = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(count)]
    return [[x / math.hypot(*vector) for x in vector] for vector in drawn]


def make_study(folder, seed, count, second_label_set):
    """All of a run's files with random contents, as the stages after `predict` write them. Returns the scores."""
    rng = random.Random(seed)
    ids = list(range(len(NAMES)))
    keys = [name.lower().strip() for name in NAMES]
    same = [[other for other in ids if keys[other] == key] for key in keys]
    classes = pl.DataFrame(
        {"class_id": ids, "name": NAMES, "same_name": same},
        schema={"class_id": pl.Int32, "name": pl.String, "same_name": pl.List(pl.Int32)},
    )
    parquet.write(classes, dict(classes.schema), folder / "dataset/d/classes.parquet")
    images = [f"picture {number}" for number in range(count)]
    labelled = []
    for image in images:
        imgt, regt = rng.choice(ids), rng.sample(ids, rng.choice([0, 1, 1, 1, 2, 3]))
        regt = sorted({imgt, *regt[1:]}) if regt and rng.random() < 0.6 else sorted(regt)
        known = (regt, sorted(admissible(set(regt), EQUIVALENT)), category(imgt, set(regt)))
        known = known if second_label_set else (None, None, None)
        labelled.append((image, imgt, known[0], sorted(admissible({imgt}, EQUIVALENT)), known[1], known[2]))
    labels = pl.DataFrame(labelled, schema=LABELS, orient="row")
    parquet.write(labels, LABELS, folder / "dataset/d/labels.parquet")
    of_classes = unit_vectors(rng, len(ids))
    schema = {"class_id": pl.Int32(), "embedding": pl.Array(pl.Float32, 4)}
    embedded = pl.DataFrame({"class_id": ids, "embedding": [of_classes[group[0]] for group in same]}, schema=schema)
    parquet.write(embedded, schema, folder / "embeddings/e/d/classes.parquet")
    scores = []
    for entry in ENTRIES:
        ranks = entry["kind"] in ("timm", "conse")
        cells = []
        for task in ["CW"] if ranks else entry.get("tasks", ["OW", "CW"]):
            for image in images:
                answer = {"class_ids": rng.sample(ids, 5)} if ranks else {"text": rng.choice(WORDS + NAMES)}
                status = "error" if rng.random() < 0.05 else "ok"
                cells.append({"image_id": image, "task": task, "variant": "", "repeat": 0, "status": status} | answer)
        predictions = pl.DataFrame(cells, schema=PREDICTIONS)
        parquet.write(predictions, PREDICTIONS, folder / f"predictions/d/{entry['name']}.parquet")
        if ranks:
            scores.append(score(entry["name"], predicted_by_ranking(predictions), labels))
            continue
        texts = sorted({row["text"].strip() for row in cells} - {""})
        schema = {"text": pl.String(), "embedding": pl.Array(pl.Float32, 4)}
        answers = pl.DataFrame({"text": texts, "embedding": unit_vectors(rng, len(texts))}, schema=schema)
        parquet.write(answers, schema, folder / f"embeddings/e/d/{entry['name']}.parquet")
        mapped = map_answers(predictions, classes, embedded, answers, "e").select(list(MAPPING))
        scores.append(score(entry["name"], predicted_by_text(mapped, classes), labels))
    return pl.concat(scores), labels


@pytest.mark.parametrize(
    ("seed", "count", "second_label_set"), [(1, 3, True), (2, 12, True), (3, 12, True), (4, 150, True), (5, 40, False)]
)
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count, second_label_set):
    """Equal names, equivalences, ties, errors, empty answers, single tasks, empty categories."""
    scores, labels = make_study(tmp_path, seed, count, second_label_set)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("class_a,class_b\n" + "".join("{},{}\n".format(*sorted(pair)) for pair in EQUIVALENT))
    expected = plain.tables(tmp_path, ENTRIES, pairs)
    families = {"timm": "supervised", "conse": "supervised + text", "endpoint": "MLLM", "engine": "MLLM"}
    models = pl.DataFrame([{"model": e["name"], "label": e["label"], "family": families[e["kind"]]} for e in ENTRIES])
    found = {name: rows(make(scores, models, "data")) for name, make in TABLES.items()}
    found["table2"] = rows(table2(labels["category"], "data"))
    for name, table in found.items():
        assert len(table) == len(expected[name]) > 1
        for row, other in zip(table, expected[name], strict=True):
            assert {column: value for column, value in row.items() if column not in ("dataset", "n")} == other
