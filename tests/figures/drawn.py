"""Rows of tables as their CSV is read (text), made by hand, and what an SVG shows of a figure."""

import xml.etree.ElementTree as ET

import polars as pl

from mllm_classify.figures.style import save


def texts(path):
    """What an SVG shows as text."""
    return ["".join(element.itertext()) for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def drawn_texts(figure, path):
    """What a figure shows as text once it is saved in the folder `path`."""
    save(figure, path / "figure.svg")
    assert (path / "figure.pdf").read_bytes().startswith(b"%PDF")
    return texts(path / "figure.svg")


def written(columns, *rows):
    """A table as its CSV is read: text."""
    return pl.DataFrame(rows, schema=dict.fromkeys(columns.split(), pl.String), orient="row")


TABLE3 = written(
    "model task ImGT_A ImGT_compared ImGT_compared_low ImGT_compared_high ReGT_A ReGT_A_low ReGT_A_high change n_compared "
    "imgt regt",
    ("worst", "CW", "62.00", "60.00", "50.00", "70.00", "55.00", "45.00", "65.00", "-5.00", "40", "old", "new"),
    ("$b$ <s>", "OW", "81.00", "80.00", "70.00", "90.00", "92.50", "85.00", "95.00", "12.50", "40", "old", "new"),
)

TABLE4 = written(
    "model task ImGT_A ImGT_A_low ImGT_A_high ReGT_A ReGT_A_low ReGT_A_high",
    *((model, task, f"{value}", "1", "99", f"{value + 1}", "2", "99.5")
      for model, start in {"one": 10.0, "other": 50.0}.items() for task, value in {"OW": start, "CW+": start + 20, "CW": start + 10}.items()),
)  # fmt: skip

SIZES = "A S S+ S- M M+ M- N n n_S n_S+ n_S- n_M n_M+ n_M- n_N"
TABLE5 = written(
    f"model {SIZES}",
    ("m", "12.5", "0.0", None, "100.0", *[None] * 4, "8", "4", "0", "1", *["0"] * 4),
    ("other", "25.0", "5.0", None, "50.0", *[None] * 4, "8", "4", "0", "1", *["0"] * 4),
)

TABLE6 = pl.DataFrame(
    [
        ("M", "ImGT + random", "99.1", "98.0", "100.0", "90.0", "89.0", "91.0", "0.5", "4"),
        ("M", "ImGT + 999 (CW)", "70.1", "65.0", "75.0", "80.0", "70.0", "90.0", "20.0", "1000"),
        ("M", "ReGT + confEVA(ReGT)", "50.0", None, None, "80.0", None, None, "10.0", "4"),
        ("<N>", "ImGT + random", "60.0", "50.0", "70.0", "60.0", "50.0", "70.0", "0.5", "4"),
    ],
    schema=["model", "distractors", "ImGT_A", "ImGT_A_low", "ImGT_A_high", "ReGT_A", "ReGT_A_low", "ReGT_A_high",
            "difficulty", "options"],
    orient="row",
)  # fmt: skip

RANKING = written(
    "model ImGT_A ReGT_A ImGT_A_place ImGT_A_place_low ImGT_A_place_high ReGT_A_place ReGT_A_place_low ReGT_A_place_high "
    "tau tau_low tau_high imgt regt n",
    *((*row, "0.50", "0.10", "0.90", "old", "new", "40") for row in [
        ("a", "70.00", "80.00", "2", "1", "3", "1", "1", "1"),
        ("b", "70.00", "75.00", "2", "2", "3", "2", "1", "3"),
        ("c", "90.00", "60.00", "1", "1", "1", "3", "2", "3"),
    ]),
)  # fmt: skip

USAGE = written(
    "model task variant requests prompt_tokens cached_tokens completion_tokens reasoning_tokens cost",
    ("priced", "OW", "", "10", "20000", "5000", "300", "100", "1.25"),
    ("priced", "MC", "one", "10", "1000000", "0", "300", "0", "1.00"),
    ("priced", "MC", "other", "10", "2000000", "0", "300", "0", "1.50"),
    ("silent", "OW", "", "7", None, None, None, None, None),
)

ABSTENTION = written(
    "model label_set signal coverage risk risk_low risk_high aurc imgt regt",
    *((model, label_set, signal, f"{part}0.00", f"{part + 2}.00", "1.00", "30.00", f"1{number}.50", "old", "new")
      for number, model in enumerate(["one", "other"]) for label_set in ("ImGT", "ReGT")
      for signal in ("similarity", "margin") for part in (5, 10)),
)  # fmt: skip

SENSITIVITY = pl.DataFrame(
    [
        ("M", "CW+", "main", None, None, None, None, None, None, None, None),
        ("M", "CW+", "hot", "5.00", "1.00", "9.00", "0.0312", "-5.00", "-9.00", "0.50", "1"),
        ("M", "CW", "hot", "-30.00", "-45.00", "-15.00", "<1e-12", "-3.00", "-9.00", "0.50", "0.4"),
        ("M", "CW-constrained", "main", "1.00", "0.00", "2.00", "0.6", None, None, None, None),
        ("$N$", "CW", "hot", "0.00", "0.00", "0.00", "1", "0.00", "0.00", "0.00", "1"),
    ],
    schema=["model", "task", "variant",
            *(f"{name}_A_{end}" for name in ("ImGT", "ReGT") for end in ("vs_main", "vs_main_low", "vs_main_high", "p_holm"))],
    orient="row",
)  # fmt: skip

DATASETS = written(
    "model task measure family A_p A_p_low A_p_high n_p A_q A_q_low A_q_high n_q macro",
    ("$b$ <s>", "CW+", "ImGT", "MLLM", "40.00", "30.00", "50.00", "9", "90.00", "80.00", "95.00", "9", "65.00"),
    ("$b$ <s>", "CW", "ImGT", "MLLM", "30.00", "20.00", "40.00", "9", "90.00", "80.00", "95.00", "9", "60.00"),
    ("a", "CW", "ImGT", "VLM", "50.00", "40.00", "60.00", "9", "60.00", "50.00", "70.00", "9", "55.00"),
    ("a", "CW", "ReGT", "VLM", "10.00", "5.00", "20.00", "9", None, None, None, None, None),
    ("c", "CW", "ImGT", "VLM", "99.00", "90.00", "99.90", "9", None, None, None, None, None),
)
DATASET_LABELS = {"p": "Photographs", "q": "Q"}

ROBUSTNESS = written(
    "base dataset measure model family n_base n base_A A robustness",
    ("p", "q", "ImGT", "farthest", "VLM", "8", "8", "75.00", "50.00", "5.00"),
    ("p", "q", "ImGT", "near", "VLM", "8", "8", "50.00", "25.00", "-1.00"),
    ("p", "q", "ImGT", "other", "MLLM", "8", "8", "25.00", "10.00", "-2.00"),
    ("p", "r", "ImGT", "near", "VLM", "8", "8", "50.00", "40.00", None),
)
