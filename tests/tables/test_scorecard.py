import json

import polars as pl
import pytest

from mllm_classify.config.study import Config
from mllm_classify.io.files import PROJECT, InputError, read_csv, read_text
from mllm_classify.plan import values
from mllm_classify.plan.values import OFFICIAL, PAPER_NAMES
from mllm_classify.tables.scorecard import ASKED_CHOICES, COMPARED, LATER, LATER_RULES, QUESTIONS, SCORECARD, scorecard

NAMES = json.loads(read_text(PAPER_NAMES))

COUNTS = ["31250", "18071", "16177", "1894", "11834", "10756", "1078", "1345"]
SUBSETS = ["A", "S", "S+", "S-", "M", "M+", "M-", "N"]
STUDY = {
    "dataset": "ImageNet",
    "imgt": "ImGT",
    "regt": "ReImageNet",
    "equivalences": "the paper's",
    "classes": "c.json (1000)",
    "n_images": "correct",
    "excluded": "0",
    "n": "31250",
    "rules": LATER_RULES,
}
PUBLISHED = {table: [row for _, row in read_csv(f"{values.PUBLISHED}/{table}.csv")] for table in values.PAPER_TABLES}


def as_read(rows):
    """Rows as their CSV is read: text, null where a cell is empty."""
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0] if rows else ["model"], pl.String))
    return frame.with_columns(pl.all().replace("", None))


def rows_of(table, label, published, about, figures, task, questions):
    """Rows of a table of ours that has the paper's figures of a model, but for what is changed."""
    rows = []
    for paper in PUBLISHED[table]:
        if paper.get("model", ASKED_CHOICES) != published:
            continue
        row = {name: value for name, value in paper.items() if "rank" not in name and name != "model"}
        if table != "table5":
            row |= {f"{name}_{end}": paper[name] for name in COMPARED[table] for end in ("low", "high")}
        row |= about | (questions or {} if table == "table6" else {})
        row |= {column: value for (of, column), value in figures.items() if of == table}
        rows.append(row | {"model": label} | ({"task": task} if task else {}))
    return rows


@pytest.fixture
def card(folder):
    """A scorecard of models that have the paper's figures, but for what is changed. Keys of rows are (table, column)."""

    def card(
        models,
        *,
        counts=COUNTS,
        pairs=OFFICIAL + "\n",
        names=NAMES,
        study=(),
        figures=(),
        task=None,
        questions=QUESTIONS,
        shares=(),
        reimagenet=(),
    ):
        (folder / "pairs.csv").write_text(f"# Pairs.\n{pairs}classes,admits,source\n0|1,,same\n")
        (folder / "c.json").write_text(json.dumps(names))
        entries = []
        for number, (label, published) in enumerate(models.items()):
            entry = {"name": f"m{number}", "label": label, "kind": "recorded", "file": "answers.csv"}
            entries.append(entry | ({"published": published} if published else {}))
        dataset = {
            "source": "table",
            "name": "d",
            "label": "d",
            "classes": "c.json",
            "imgt": {"label": "l", "file": "l"},
        }
        dataset |= {"equivalences": {"label": "e", "file": "pairs.csv"} if pairs is not None else None}
        config = Config.model_validate({"dataset": dataset, "models": entries})
        about = STUDY | dict(study)
        tables = {"table2": [{"statistic": "count"} | dict(zip(SUBSETS, counts, strict=True)) | about]}
        if shares:
            tables["table2"].append({"statistic": "percent"} | dict.fromkeys(SUBSETS, "0.0") | dict(shares) | about)
        for table in COMPARED:
            tables[table] = []
            for label, published in models.items():
                tables[table] += rows_of(table, label, published, about, dict(figures), task, questions)
        if questions is None:
            del tables["table6"]
        return scorecard(
            **{"table6": None} | {name: as_read(rows) for name, rows in tables.items()},
            reimagenet=list(reimagenet),
            published=values.published(config),
            other_names=values.other_names(config),
            official_pairs=values.official_pairs(config),
            paper=values.paper(config),
        )

    return card


def verdicts(frame):
    return set(frame.select("comparable", "mismatches", "agrees").rows())


def test_the_papers_own_figures_are_comparable_and_agree(card):
    found = card({"Ours": "GPT-4o-2024-08-06"})
    assert found.schema == SCORECARD
    assert found.group_by("table", "task", maintain_order=True).len().rows() == [
        ("table3", "CW+", 9),
        ("table4", "OW", 8),
        ("table4", "CW+", 8),
        ("table4", "CW", 8),
        ("table5", "CW", 8),
        *(("table6", row["distractors"], 8) for row in PUBLISHED["table6"]),
    ]
    assert set(found["difference"]) == {"+0.00"}
    assert set(found["comparable"]) == {"yes"}
    assert set(found["mismatches"]) == {""}
    assert set(found.filter(table="table5")["agrees"]) == {""}
    assert set(found.filter(found["table"] != "table5")["agrees"]) == {"yes"}
    assert found["ours"].cast(float).equals(found["paper"].cast(float), check_names=False)


def test_a_row_says_whose_figure_it_is_beside(card):
    found = card({"Ours": "EVA-02 ViT-L-14-448", "Not in the paper": None, "Other": "EfficientNet-L2"})
    assert found.select("model", "published", "table", "task").unique(maintain_order=True).rows() == [
        ("Ours", "EVA-02 ViT-L-14-448", "table3", "CW"),
        ("Other", "EfficientNet-L2", "table3", "CW"),
    ]
    assert found["figure"].to_list() == COMPARED["table3"] * 2
    assert found.filter(model="Ours", figure="ReGT_S-")["paper"].to_list() == ["26.82"]


@pytest.mark.parametrize(
    ("value", "difference"), [("90.00", "-0.13"), ("90.14", "+0.01"), ("90.13", "+0.00"), ("", "")]
)
def test_differences_are_ours_minus_the_papers(card, value, difference):
    found = card({"Ours": "EVA-02 ViT-L-14-448"}, figures={("table3", "ImGT_A"): value})
    assert found.filter(figure="ImGT_A").select("ours", "paper", "difference").rows() == [(value, "90.13", difference)]
    assert set(found.filter(found["figure"] != "ImGT_A")["difference"]) == {"+0.00"}


@pytest.mark.parametrize(
    ("low", "high", "agrees"),
    [("90.00", "90.13", "yes"), ("90.14", "91.00", "no"), ("89.00", "90.12", "no"), ("", "", "")],
)
def test_a_comparable_figure_agrees_where_our_interval_holds_the_papers(card, low, high, agrees):
    changed = {("table3", "ImGT_A_low"): low, ("table3", "ImGT_A_high"): high}
    found = card({"Ours": "EVA-02 ViT-L-14-448"}, figures=changed)
    assert found.filter(figure="ImGT_A").select("comparable", "agrees").rows() == [("yes", agrees)]


MISMATCHES = {
    "fewer images": ({"study": {"n": "31249"}}, ["images: 31249, the paper has 31250"]),
    "other categories": (
        {"counts": ["31250", "18071", "16176", "1895", *COUNTS[4:]]},
        ["label set ReImageNet: images in S+, S- (16176, 1895) are not the paper's (16177, 1894)"],
    ),
    "no second label set": (
        {"counts": ["31250"] + [""] * 7, "study": {"regt": ""}},
        ["label set none: images in S, S+, S-, M, M+, M-, N (none, none"],
    ),
    "other names": (
        {"names": [*NAMES[:-1], "toilet roll"]},
        [f"class list: c.json (1000) has other names than {PAPER_NAMES}"],
    ),
    "fewer names": ({"names": NAMES[:625]}, ["class list: c.json (1000) has other names"]),
    "another order of names": ({"names": NAMES[::-1]}, ["class list: c.json (1000) has other names"]),
    "own pairs": ({"pairs": "# Origin: ours. Not the paper's.\n"}, ["equivalences: the paper's, the paper has a set"]),
    "pairs of no origin": ({"pairs": ""}, ["equivalences: the paper's, the paper has a set of its own"]),
    "origin within a line": ({"pairs": f"# Not {OFFICIAL}\n"}, ["equivalences: the paper's, the paper has a set of its own"]),
    "no pairs": ({"pairs": None, "study": {"equivalences": ""}}, ["equivalences: none, the paper has a set of its own"]),
    "other rule for N": ({"study": {"n_images": "excluded"}}, ["images in N: left out, the paper counts every answer"]),
    "all at once": (
        {
            "study": {"n": "10", "n_images": "excluded"},
            "names": ["a", "b"],
            "counts": ["10", *COUNTS[1:7], "10"],
            "pairs": "",
        },
        ["images: 10,", "images in N (10) are not the paper's (1345)", "class list:", "equivalences:", "images in N: left"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISMATCHES)
def test_each_mismatch_is_named_and_leaves_no_verdict(card, case):
    changes, expected = MISMATCHES[case]
    found = card({"Ours": "GPT-4o-2024-08-06"}, questions=None, **changes)
    ((comparable, named, agrees),) = verdicts(found)
    assert (comparable, agrees) == ("no", "")
    assert all(part in named for part in expected)
    starts = ("images: ", "label set ", "class list: ", "equivalences: ", "images in N: ")
    assert [part for part in named.split("; ") if part.startswith(starts)] == named.split("; ")
    assert len(named.split("; ")) == len(expected)
    assert set(found["difference"]) == {"+0.00"}


def test_a_row_of_fewer_images_is_not_comparable_and_others_are(card):
    found = card({"Ours": "GPT-4o-2024-08-06"}, figures={("table5", "n"): "31000"}, questions=None)
    assert found.group_by("table", "comparable", maintain_order=True).len().rows() == [
        ("table3", "yes", 9),
        ("table4", "yes", 24),
        ("table5", "no", 8),
    ]


def test_the_papers_images_may_be_chosen_by_a_list_of_classes(card):
    """The paper evaluates the images of 625 classes, and prompts and labels keep all 1,000 names."""
    listed = "c.json, images of reannotated.txt (1000)"
    assert set(card({"Ours": "EVA-02 ViT-L-14-448"}, study={"classes": listed})["comparable"]) == {"yes"}


def test_a_published_name_that_does_not_exist_is_an_error(card):
    with pytest.raises(
        InputError, match=r"models: Other: published: 'GPT-5' is not a row of Table 3; write one of .*EfficientNet-L2"
    ):
        card({"Ours": "EfficientNet-L2", "Other": "GPT-5"})


def test_without_a_published_name_there_is_a_header(card):
    found = card({"Ours": None})
    assert (found.height, found.schema) == (0, SCORECARD)


def test_published_rows_of_a_task_that_we_have_not_are_left_out(card):
    found = card({"Ours": "GPT-4o-2024-08-06"}, task="OW", questions=None)
    assert set(found.filter(found["table"] != "table5").select("table", "task").rows()) == {("table4", "OW")}


def test_other_questions_of_multiple_choice_are_named(card):
    found = card({"Ours": ASKED_CHOICES}, questions=QUESTIONS | {"n_M-": "18", "n_S-": "", "repeats": "5"})
    (mismatches,) = set(found.filter(table="table6")["mismatches"])
    assert mismatches == "questions: n_S- none, n_M- 18, repeats 5, the paper has 36, 19, 31"
    assert set(found.filter(found["table"] != "table6")["comparable"]) == {"yes"}


def test_the_questions_of_table_6_are_those_of_its_caption():
    lines = (PROJECT / "resources/published/table6.csv").read_text().splitlines()
    said = dict(it.split() for it in lines[2].removeprefix("# Images: ").rstrip(".").split(", "))
    assert {f"n_{name}": number for name, number in said.items()} | {"n": said["A"]} == {
        **{name: number for name, number in QUESTIONS.items() if name != "repeats"}, "n_A": said["A"]
    }  # fmt: skip


REIMAGENET = [row for _, row in read_csv(f"{values.PUBLISHED}/reimagenet.csv")]


@pytest.mark.parametrize(
    ("study", "reasons"),
    [
        ({"n": "50000"}, ""),
        ({}, "images: 31250, the paper has 50000"),
        ({"n": "50000", "rules": "uncertain: left out"}, f"rules: uncertain: left out; the paper's are {LATER_RULES}"),
    ],
)
def test_shares_of_images_stand_beside_those_of_the_later_paper(card, study, reasons):
    shares = {"M": "33.5", "N": "3.8"}
    found = card({"Ours": None}, study=study, shares=shares, reimagenet=REIMAGENET)
    said = ["published", "table", "figure", "ours", "paper", "difference", "comparable", "mismatches", "agrees"]
    comparable = "no" if reasons else "yes"
    assert found.select(said).rows() == [
        ("", LATER, "M", "33.5", "33.3", "+0.20", comparable, reasons, ""),
        ("", LATER, "N", "3.8", "3.8", "+0.00", comparable, reasons, ""),
    ]


def test_published_tables_are_whole_and_name_the_models_of_table_3():
    names = [row["model"] for row in PUBLISHED["table3"]]
    assert (len(names), len(set(names))) == (13, 13)
    assert {row["model"] for table in ("table4", "table5") for row in PUBLISHED[table]} | {ASKED_CHOICES} <= set(names)
    for table, columns in COMPARED.items():
        assert all(0 <= float(row[name]) <= 100 for row in PUBLISHED[table] for name in columns)
    for table in ("table4", "table5"):
        assert len({(row["model"], row.get("task")) for row in PUBLISHED[table]}) == len(PUBLISHED[table])
    for table in PUBLISHED:
        assert f"\n{OFFICIAL}" in (PROJECT / f"resources/published/{table}.csv").read_text()


def test_published_figures_agree_with_each_other():
    """Table 3 shows rows of Table 4 again, and wholes are the sums of their parts."""
    fourth = {(row["model"], row["task"]): row for row in PUBLISHED["table4"]}
    for row in PUBLISHED["table3"]:
        for name, value in fourth.get((row["model"], row["task"]), {}).items():
            assert row[name] == value
    counts = dict(zip(SUBSETS, map(int, COUNTS), strict=True))
    for row in PUBLISHED["table3"] + PUBLISHED["table4"]:
        correct = {name: float(row[f"ReGT_{name}"]) * counts[name] / 100 for name in SUBSETS[:-1]}
        assert correct["S+"] + correct["S-"] == pytest.approx(correct["S"], abs=4)
        assert correct["M+"] + correct["M-"] == pytest.approx(correct["M"], abs=4)
        assert correct["S"] + correct["M"] + counts["N"] == pytest.approx(correct["A"], abs=8)
