import re

import polars as pl
import pytest

from mllm_classify.tables.render import as_markdown, write
from tests.tables.studies import MODELS, ONE_LABEL_SET, SMALL, STUDY, TABLES, scored, weasels


@pytest.mark.parametrize("table", ["table3", "table4"])
@pytest.mark.parametrize("status", ["---", "-xx", "es-"])
def test_people_see_errors_only_where_there_are_any(table, status):
    frames = [scored("a", name, "100", "110", "S+ S+ N", oop="001", status=status) for name in ("OW", "CW", "CW+")]
    shown = as_markdown(TABLES[table](pl.concat(frames), MODELS, STUDY))
    assert ("| Errors |" in re.sub(" +", " ", shown)) == ("x" in status)
    assert ("ReGT at best" in shown) == ("x" in status)
    assert ("They count as wrong" in shown) == ("x" in status)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("regt", ["101", None])
def test_every_table_is_written_in_four_forms_with_its_labels_unharmed(tmp_path, table, regt):
    categories = "S+ M- N" if regt else None
    frames = [scored("a", name, "110", regt, categories, oop="100") for name in ("OW", "CW", "CW+")]
    models = MODELS.with_columns(label=pl.col("label").replace("Model A", 'A|B & C_D <E>, "5 %"'))
    study = STUDY if regt else ONE_LABEL_SET
    write(TABLES[table](pl.concat(frames), models, study), tmp_path / "t.csv")
    shown = {
        "csv": '"A|B & C_D <E>, ""5 %"""',
        "md": 'A\\|B & C_D \\<E>, "5 %"',
        "html": "A|B &amp; C_D &lt;E&gt;,",
        "tex": "A|B \\& C\\_D \\textless{}E\\textgreater{},",
    }
    assert {path.name for path in tmp_path.iterdir()} == {f"t.{suffix}" for suffix in shown}
    for suffix, label in shown.items():
        assert label in (tmp_path / f"t.{suffix}").read_text()


@pytest.mark.parametrize("table", [*TABLES, "mustelidae"])
@pytest.mark.parametrize("suffix", ["md", "html", "tex"])
def test_renderings_name_the_study_and_its_label_sets(tmp_path, table, suffix):
    study = STUDY._replace(excluded=3)
    if table == "mustelidae":
        content = weasels(scored("a", "CW", "1100", expert="1011"), study=study)[1]
    else:
        content = TABLES[table](
            pl.concat([*SMALL, scored("a", "CW", "1100", "1111", "S+ S+ M- N", oop="0000")]), MODELS, study
        )
    write(content, tmp_path / "t.csv")
    text = (tmp_path / f"t.{suffix}").read_text()
    for name in (
        "data",
        "ImGT: Old labels",
        "equivalences: pairs.v1",
        "classes: names.txt (10)",
        "3 images with an open",
    ):
        assert name in text
    assert "ReGT: New labels" in text
    if table != "table5":
        cell = {"md": "| ImGT (Old labels) |", "html": ">ImGT (Old labels)</th>", "tex": "& ImGT (Old labels) &"}[
            suffix
        ]
        assert cell in re.sub(" +", " ", text)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_a_second_label_set_or_equivalences_says_so(tmp_path, table):
    frames = [scored("a", name, "110", oop=oop) for name, oop in (("OW", None), ("CW", "100"))]
    write(TABLES[table](pl.concat(frames), MODELS, ONE_LABEL_SET), tmp_path / "t.csv")
    for suffix in ("md", "html", "tex"):
        text = (tmp_path / f"t.{suffix}").read_text()
        assert "ReGT: none; equivalences: none" in text
        assert "left out" not in text


def test_renderings_show_what_would_turn_their_text_around(tmp_path):
    evil = "\u202egnp.exe\x1b[31m"
    models = MODELS.with_columns(pl.lit(evil).alias("label"))
    study = STUDY._replace(dataset=evil, imgt=evil)
    write(TABLES["table3"](pl.concat(SMALL), models, study), tmp_path / "t.csv")
    for suffix in ("md", "html", "tex"):
        text = (tmp_path / f"t.{suffix}").read_text()
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "u202egnp.exe" in text


def test_markdown_holds_no_tag_and_no_link_of_others(tmp_path):
    evil = "a<img src=x onerror=alert(1)> [b](javascript:alert(1)) | &lt;"
    models = MODELS.with_columns(pl.lit(evil).alias("label"))
    write(TABLES["table3"](pl.concat(SMALL), models, STUDY._replace(dataset=evil, imgt=evil)), tmp_path / "t.csv")
    text = (tmp_path / "t.md").read_text()
    assert "](" not in text
    assert text.count("<") == text.count("\\<img") > 2
    assert "a\\<img src=x onerror=alert(1)> [b]\\(javascript:alert(1)) \\| &lt;" in text
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
