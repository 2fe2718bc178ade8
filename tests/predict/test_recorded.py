import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.config.dataset import ImagenetDataset, TableDataset
from mllm_classify.config.every_dataset import LabelSet
from mllm_classify.config.models import RecordedModel
from mllm_classify.io.files import InputError
from mllm_classify.predict import recorded
from mllm_classify.predict.rows import PREDICTIONS

TABLE = TableDataset(source="table", name="d", label="D", classes="c.txt", imgt=LabelSet(label="I", file="l.csv"))
IMAGENET = ImagenetDataset(source="imagenet", name="i", label="I")
ENDINGS = ["parquet", "csv", "jsonl"]
TEXTS = ["cat", "", " A cat. ", "two, in one", "Katze \N{CAT}", "N", "0"]


def entry(file, column="class_id", **options):
    return RecordedModel(name="m", label="M", kind="recorded", file=str(file), column=column, **options)


def write(folder, ending, rows):
    """Records in a file of that ending; in CSV a list stands with | between."""
    file = f"p.{ending}"
    match ending:
        case "parquet":
            pl.DataFrame(rows).write_parquet(folder / file)
        case "jsonl":
            (folder / file).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        case "csv":
            cells = [
                {key: "|".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()}
                for row in rows
            ]
            pl.DataFrame(cells).write_csv(folder / file)
    return file


def ranked(*rankings):
    return [{"image_id": image_id, "class_id": ids} for image_id, ids in rankings]


def said(*answers):
    keys = ("image_id", "text", "task")
    return [dict(zip(keys, answer, strict=False)) for answer in answers]


def read(file, column="class_id", ids="abc", dataset=TABLE, classes=10, left_out=(), **options):
    return recorded.recorded(entry(file, column, **options), dataset, list(ids), classes, left_out).select(*PREDICTIONS)


def refusal(*arguments, **options):
    with pytest.raises(InputError) as caught:
        read(*arguments, **options)
    return str(caught.value)


def frame(**columns):
    """Predictions with these columns; of the others nothing is known."""
    height = len(columns["image_id"])
    known = {"variant": [""] * height, "repeat": [0] * height, "status": ["ok"] * height} | columns
    return pl.DataFrame({name: known.get(name, [None] * height) for name in PREDICTIONS}, schema=PREDICTIONS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_class_ids_in_the_order_of_the_registered_images(folder, ending):
    file = write(folder, ending, ranked(("c", 9), ("a", 0), ("b", 3)))
    assert_frame_equal(read(file), frame(image_id=["a", "b", "c"], task=["CW"] * 3, class_ids=[[0], [3], [9]]))


@pytest.mark.parametrize("ending", ENDINGS)
def test_rankings(folder, ending):
    file = write(folder, ending, ranked(("b", [3, 1, 0]), ("a", [9]), ("c", [0, 9])))
    expected = frame(image_id=["a", "b", "c"], task=["CW"] * 3, class_ids=[[9], [3, 1, 0], [0, 9]])
    assert_frame_equal(read(file), expected)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("task", ["CW", "OW"])
def test_answers_in_words(folder, ending, task):
    file = write(folder, ending, said(("c", "a cat"), ("b", "two, in one"), ("a", 'a "dog"')))
    expected = frame(image_id=["a", "b", "c"], task=[task] * 3, text=['a "dog"', "two, in one", "a cat"])
    assert_frame_equal(read(file, "text", task=task), expected)


def test_answers_are_kept_as_they_are(folder):
    ids = [str(number) for number in range(len(TEXTS))]
    for ending in ("parquet", "jsonl"):
        file = write(folder, ending, said(*zip(ids, TEXTS, strict=True)))
        assert read(file, "text", ids)["text"].to_list() == TEXTS


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_of_several_answers_the_first_counts_and_all_are_kept(folder, ending):
    """A null behind the first is an answer without words."""
    lists = [["cat", "dog"], ["dog"], ["", None, "cat"]]
    file = write(folder, ending, said(*zip("abc", lists, strict=True)))
    lists[2][1] = ""
    expected = frame(image_id=["a", "b", "c"], task=["CW"] * 3, text=["cat", "dog", ""], texts=lists)
    assert_frame_equal(read(file, "text"), expected)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_column_says_what_each_answer_was_given_to(folder, ending):
    rows = [
        ("b", "cat", "CW"),
        ("a", "dog", "OW"),
        ("a", "cat", "CW"),
        ("c", "x", "CW"),
        ("c", "y", "OW"),
        ("b", "z", "OW"),
    ]
    expected = frame(
        image_id=["a", "b", "c"] * 2, task=["OW"] * 3 + ["CW"] * 3, text=["dog", "z", "y", "cat", "cat", "x"]
    )
    assert_frame_equal(read(write(folder, ending, said(*rows)), "text", task="OW"), expected)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_column_may_hold_one_task_only(folder, ending):
    file = write(folder, ending, said(("a", "x", "OW"), ("b", "y", "OW")))
    assert_frame_equal(read(file, "text", "ab"), frame(image_id=["a", "b"], task=["OW"] * 2, text=["x", "y"]))


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64])
def test_parquet_may_have_any_integers_in_lists_and_arrays(folder, dtype):
    for kind in (dtype, pl.List(dtype), pl.Array(dtype, 2)):
        values = [1, 2] if kind is dtype else [[1, 2], [3, 4]]
        pl.DataFrame({"image_id": ["a", "b"], "class_id": pl.Series(values, dtype=kind)}).write_parquet(
            folder / "p.parquet"
        )
        assert read("p.parquet", ids="ab")["class_ids"].to_list() == ([[1], [2]] if kind is dtype else values)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_answer_is_empty_text(folder, ending):
    file = write(folder, ending, said(("a", ""), ("b", "cat")))
    assert read(file, "text", "ab")["text"].to_list() == ["", "cat"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_class_id_may_say_that_an_answer_was_no_class(folder, ending):
    rows = ranked(("a", "several"), ("b", "7"), ("c", "oop"), ("d", "1|2"), ("e", "empty"))
    found = read(write(folder, ending, rows), ids="abcde")
    assert found["class_ids"].to_list() == [[], [7], [], [1, 2], []]
    assert found["status"].to_list() == ["several", "ok", "ok", "ok", "empty"]


def test_other_columns_do_not_matter(folder):
    rows = [{"image_id": "a", "class_id": 1, "text": None, "task": "MC", "score": 0.5}]
    assert read(write(folder, "jsonl", rows), ids="a")["class_ids"].to_list() == [[1]]


def test_a_csv_may_have_blanks_and_comments(folder):
    (folder / "p.csv").write_text("# note\nimage_id, class_id\n a , 1 | 2 \n\n# note\nb,07\n")
    assert read("p.csv", ids="ab")["class_ids"].to_list() == [[1, 2], [7]]


@pytest.mark.parametrize("images", ["all", "intersection"])
def test_images_of_imagenet_are_known_by_their_numbers(folder, images):
    ids = [f"ILSVRC2012_val_{number:08d}" for number in (1, 2, 3)]
    rows = ranked((ids[1], 1), (f"{ids[0]}.JPEG", 0), (f"val/n01440764/{ids[2]}.JPEG", 2))
    found = read(write(folder, "csv", rows), ids=ids, dataset=IMAGENET, images=images)
    assert_frame_equal(found, frame(image_id=ids, task=["CW"] * 3, class_ids=[[0], [1], [2]]))


def test_one_image_of_imagenet_in_two_spellings_stands_twice(folder):
    image_id = "ILSVRC2012_val_00000001"
    file = write(folder, "csv", ranked((image_id, 1), (f"n01440764/{image_id}.JPEG", 1)))
    assert refusal(file, ids=[image_id], dataset=IMAGENET) == f"p.csv: 1 rows repeat an image: {image_id!r}"


HINT = "`images: intersection` in the model's entry evaluates the images that both have"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 1)], "p.{}: 2 of 3 predictions are missing: 'b', 'c'; " + HINT),
        (
            [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)],
            "p.{}: 2 images are not registered: 'd', 'e'; registered images are such as 'a'; " + HINT,
        ),
        (
            [("x", 1), ("y", 2), ("z", 3), ("zz", 4)],
            "p.{}: 4 images are not registered: 'x', 'y', 'z' ...; registered images are such as 'a'; 3 of 3 predictions "
            "are missing: 'a', 'b', 'c'; " + HINT,
        ),
        ([("a", 1), ("b", 1), ("a", 2), ("c", 1)], "p.{}: 1 rows repeat an image: 'a'"),
        ([("a", 1), ("b", 1), ("a", 1), ("c", 1), ("a", 1), ("b", 2)], "p.{}: 3 rows repeat an image: 'a', 'b'"),
    ],
)
def test_the_file_has_each_image_once_and_no_others(folder, ending, rows, expected):
    assert refusal(write(folder, ending, ranked(*rows))) == expected.format(ending)


@pytest.mark.parametrize("ending", ENDINGS)
def test_images_that_no_table_has_need_no_predictions_and_may_have_them(folder, ending):
    file = write(folder, ending, ranked(("a", 1), ("d", 2)))
    assert read(file, ids="abcd", left_out="bcd")["image_id"].to_list() == ["a", "d"]
    assert "1 of 2 predictions are missing: 'b'" in refusal(file, ids="abcd", left_out="cd")


def test_only_three_examples_are_given(folder):
    file = write(folder, "jsonl", ranked(("a", 1)))
    assert refusal(file, ids="abcdef") == f"p.jsonl: 5 of 6 predictions are missing: 'b', 'c', 'd' ...; {HINT}"


def test_each_task_has_each_image(folder):
    rows = [("a", "x", "OW"), ("b", "x", "OW"), ("a", "x", "CW"), ("c", "x", "CW")]
    assert refusal(write(folder, "csv", said(*rows)), "text") == (
        f"p.csv: 2 of 6 predictions are missing: 'c' (OW), 'b' (CW); {HINT}"
    )


RANKING = (
    "rows do not give an image_id and its class_id (an id from 0 to 9, a ranking of ids, or one of oop, empty, several)"
)
ANSWER = "rows do not give an image_id and its text (text, or a list of texts)"


@pytest.mark.parametrize(
    "value",
    [
        True, False, 1.0, 0.5, None, -1, 10, 10**30, [], [1, 1], [0, 1, 2, 0], [1, 10], [1, -1], [1, None], [1, True],
        [1.0], [10**30], [[1]], {"a": 1}, "cat", "", "1.0", "-1", "10", "1|1", "1|", "1||2", "1,2", "²",
    ],
)  # fmt: skip
def test_what_is_no_ranking_is_named_with_its_line(folder, value):
    file = write(folder, "jsonl", ranked(("a", 1), ("b", value), ("c", 3)))
    assert refusal(file).startswith(f"p.jsonl: 1 of 3 {RANKING}: 2 (image_id 'b', class_id {value!r})")


@pytest.mark.parametrize("value", ["cat", "", "1.0", "-1", "10", "1" * 30, "1|1", "1|", "|", "1;2", "True"])
def test_what_is_no_ranking_in_a_csv_is_named_with_its_line(folder, value):
    (folder / "p.csv").write_text(f"# note\nimage_id,class_id\na,{value}\n")
    assert refusal("p.csv", ids="a").startswith(f"p.csv: 1 of 1 {RANKING}: 3 (image_id 'a', class_id {value!r})")


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([1.0, 2.0]), pl.Series([True, False]), pl.Series([-1, 10]), pl.Series([None, None]),
        pl.Series([2**64 - 1, 2**63], dtype=pl.UInt64), pl.Series([[1, 1], []], dtype=pl.List(pl.Int32)),
        pl.Series([[1.0], [2.0]]), pl.Series([[None], [1, None]], dtype=pl.List(pl.Int32)), pl.Series(["-1", "cat"]),
        pl.Series([[1, 10], [-1, 1]], dtype=pl.Array(pl.Int64, 2)), pl.Series([[[1]], [[2]]]), pl.Series([{"a": 1}] * 2),
    ],
)  # fmt: skip
def test_what_is_no_ranking_in_parquet_is_named_with_its_row(folder, values):
    pl.DataFrame({"image_id": ["a", "b"], "class_id": values}).write_parquet(folder / "p.parquet")
    first, second = pl.read_parquet(folder / "p.parquet")["class_id"].to_list()
    assert refusal("p.parquet", ids="ab").startswith(
        f"p.parquet: 2 of 2 {RANKING}: row 1 (image_id 'a', class_id {first!r}), row 2 (image_id 'b', class_id {second!r})"
    )


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], [None], [1, "cat"], [["cat"]], {"a": "cat"}])
def test_what_is_no_answer_is_named_with_its_line(folder, value):
    file = write(folder, "jsonl", said(("a", "cat"), ("b", value), ("c", "dog")))
    assert refusal(file, "text").startswith(f"p.jsonl: 1 of 3 {ANSWER}: 2 (image_id 'b', text {value!r})")


@pytest.mark.parametrize(
    "values",
    [pl.Series([None, None], dtype=pl.String), pl.Series([1, 2]), pl.Series([[None], []], dtype=pl.List(pl.String))],
)
def test_what_is_no_answer_in_parquet_is_named_with_its_row(folder, values):
    pl.DataFrame({"image_id": ["a", "b"], "text": values}).write_parquet(folder / "p.parquet")
    assert refusal("p.parquet", "text", ids="ab").startswith(f"p.parquet: 2 of 2 {ANSWER}: row 1 (image_id 'a', text ")


@pytest.mark.parametrize("task", ["MC", "ow", "", None, 1, ["OW"]])
def test_what_is_no_task_is_named_with_its_line(folder, task):
    file = write(folder, "jsonl", said(("a", "x", "OW"), ("b", "y", task), ("c", "z", "OW")))
    assert f": 2 (image_id 'b', text 'y', task {task!r})" in refusal(file, "text")


def test_a_task_is_needed_in_each_line_where_one_has_it(folder):
    file = write(folder, "jsonl", said(("a", "x", "OW"), ("b", "y")))
    assert f"p.jsonl: 1 of 2 {ANSWER}: 2 (image_id 'b', text 'y', task None)" in refusal(file, "text", ids="ab")


@pytest.mark.parametrize("image_id", [None, 1.5, True, ["a"], {}])
def test_what_is_no_image_id_is_named_with_its_line(folder, image_id):
    file = write(folder, "jsonl", ranked(("a", 1), (image_id, 2)))
    assert f"1 of 2 {RANKING}: 2 (image_id {image_id!r}, class_id 2)" in refusal(file, ids="a")


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_image_ids_may_be_integers(folder, ending):
    file = write(folder, ending, [{"image_id": 7, "class_id": 1}, {"image_id": 8, "class_id": 2}])
    assert_frame_equal(read(file, ids=["7", "8"]), frame(image_id=["7", "8"], task=["CW"] * 2, class_ids=[[1], [2]]))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_mistakes_of_all_kinds_are_counted_in_one_message(folder, ending):
    rows = [("a", "x"), ("b", "-1"), ("b", "10"), ("c", ""), ("a", "1"), ("b", "2"), ("a", "3"), ("d", "4"), ("e", "5")]
    file = write(folder, ending, ranked(*rows))
    first = 2 if ending == "csv" else 1
    places = [f"{first + at} (image_id {rows[at][0]!r}, class_id {rows[at][1]!r})" for at in range(3)]
    nulls = "; `nulls: count` counts nulls as requests that failed" if ending == "csv" else ""
    assert refusal(file, ids="abcf") == (
        f"{file}: 4 of 9 {RANKING}: {', '.join(places)} ...{nulls}; 1 rows repeat an image: 'a'; 2 images are not registered: "
        f"'d', 'e'; registered images are such as 'a'; 1 of 4 predictions are missing: 'f'; {HINT}"
    )


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("column", ["class_id", "text"])
@pytest.mark.parametrize("images", ["all", "intersection"])
def test_a_file_without_predictions_is_refused(folder, ending, column, images):
    if ending == "parquet":
        pl.DataFrame(schema={"image_id": pl.String, column: pl.String}).write_parquet(folder / "p.parquet")
    else:
        (folder / f"p.{ending}").write_text(f"image_id,{column}\n" if ending == "csv" else "\n")
    assert refusal(f"p.{ending}", column, images=images).startswith(f"p.{ending}: no predictions")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("column", "other"), [("class_id", "text"), ("text", "class_id")])
def test_a_missing_column_is_named(folder, ending, column, other):
    found = refusal(write(folder, ending, [{"image_id": "a", other: "1"}]), column)
    assert found.startswith(f"p.{ending}")
    assert column in found


@pytest.mark.parametrize("column", ["class_id", "text"])
def test_a_json_object_has_no_predictions(folder, column):
    (folder / "p.json").write_text('{"a": 1}')
    assert refusal("p.json", column).startswith("p.json: ")


@pytest.mark.parametrize("ending", ENDINGS)
def test_of_an_intersection_the_images_that_both_have_are_kept(folder, ending):
    file = write(folder, ending, ranked(("x", [7]), ("c", [3, 1]), ("a", [2]), ("y", [8])))
    expected = frame(image_id=["a", "c"], task=["CW"] * 2, class_ids=[[2], [3, 1]])
    assert_frame_equal(read(file, images="intersection"), expected)


def test_an_intersection_is_of_each_task(folder):
    rows = [("a", "x", "OW"), ("z", "x", "OW"), ("c", "y", "CW"), ("a", "z", "CW")]
    expected = frame(image_id=["a", "a", "c"], task=["OW", "CW", "CW"], text=["x", "z", "y"])
    assert_frame_equal(read(write(folder, "csv", said(*rows)), "text", images="intersection"), expected)


def test_an_empty_intersection_is_refused(folder):
    file = write(folder, "csv", ranked(("x", 1), ("y", 2)))
    assert refusal(file, images="intersection") == (
        "p.csv: no image is registered: 'x', 'y'; registered images are such as 'a'"
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 1), ("b", 10)], "p.csv: 1 of 2 rows do not give an image_id"),
        ([("a", 1), ("x", -1)], "p.csv: 1 of 2 rows do not give an image_id"),
        ([("a", 1), ("a", 2)], "p.csv: 1 rows repeat an image: 'a'"),
    ],
)
def test_an_intersection_excuses_no_other_mistakes(folder, rows, expected):
    assert refusal(write(folder, "csv", ranked(*rows)), images="intersection").startswith(expected)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, unique=True), min_size=1, max_size=8), st.randoms())
def test_the_order_of_rows_changes_nothing(tmp_path_factory, rankings, random):
    folder = tmp_path_factory.getbasetemp()
    rows = ranked(*((f"i{number}", ranking) for number, ranking in enumerate(rankings)))
    ids = [row["image_id"] for row in rows]
    for ending in ENDINGS:
        before = read(folder / write(folder, ending, rows), ids=ids)
        after = read(folder / write(folder, ending, random.sample(rows, len(rows))), ids=ids)
        assert_frame_equal(before, after)
        assert before["class_ids"].to_list() == rankings


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=8), st.randoms(), st.sampled_from(["all", "intersection"]))
def test_the_order_of_answers_changes_nothing(tmp_path_factory, texts, random, images):
    folder = tmp_path_factory.getbasetemp()
    ids = [f"i{number}" for number in range(len(texts))]
    rows = said(*((image_id, text, task) for task in ("OW", "CW") for image_id, text in zip(ids, texts, strict=True)))
    file = folder / write(folder, "jsonl", random.sample(rows, len(rows)))
    expected = frame(image_id=ids * 2, task=["OW"] * len(ids) + ["CW"] * len(ids), text=texts * 2)
    assert_frame_equal(read(file, "text", ids, images=images), expected)
