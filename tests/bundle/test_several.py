"""Archives of several data sets: all of each is made anew, and what is restricted of one is left out there alone."""

import hashlib
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from mllm_classify.bundle import archive
from mllm_classify.bundle.verify import _shared, verify
from mllm_classify.outputs import OUTPUTS
from mllm_classify.tables.revealing import withheld_results
from tests.bundle.made import Made, write_labels

pytestmark = pytest.mark.study
OPEN = {"regt": {"restricted": False}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data sets d and f, and e, whose second labels may not be handed on."""
    with pytest.MonkeyPatch.context() as patch:
        secret = {"label": "R", "file": "secret.csv", "restricted": True}
        folder = tmp_path_factory.mktemp("several")
        patch.chdir(folder)
        write_labels("secret.csv", [(0, "S-"), (1, "S-")])
        yield Made(folder, patch, further={"e": {"regt": secret}, "f": {}}, **OPEN).make()


def rebuilt(made, path, **changes):
    """The archive with other contents, and sums that fit."""
    contents = made.contents() | {name.replace("__", "/"): content for name, content in changes.items()}
    sums = {name: archive.digest(source) for name, source in contents.items() if name != "SHA256SUMS"}
    contents["SHA256SUMS"] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    archive.write(contents, path)
    return path


def secret():
    return Path("secret.csv").resolve()


def test_it_holds_every_data_set_and_what_stands_across(made):
    held = made.contents().keys()
    for name in ("results/table3.csv", "results/e/table3.csv", "results/f/table3.csv", "results/datasets.csv"):
        assert name in held
    assert {f"results/predictions/{name}/m0.parquet" for name in "def"} <= held
    assert "open.csv" in held


def test_what_is_restricted_is_left_out_of_its_data_set_alone(made):
    contents, out = made.contents(), withheld_results(made.config)
    assert out
    assert all(name.startswith("results/e/") or name == "results/dataset/e/labels.parquet" for name in out)
    assert not out.keys() & contents.keys()
    revealing = {f"results/{folder}{name}" for folder in ("", "f/", "e/") for it in OUTPUTS.values() if it.reveals
                 for name in it.files} & {*made.results}  # fmt: skip
    assert revealing & contents.keys() == {name for name in revealing if not name.startswith("results/e/")}
    digest = hashlib.sha256(secret().read_bytes()).hexdigest()
    assert "secret.csv" not in contents
    assert digest not in {archive.digest(source) for source in contents.values()}


def test_a_table_across_with_a_figure_of_few_images_is_left_out(made):
    """Of the restricted data set: it goes with what is reached, whatever the folder."""
    path = Path("results/datasets.csv")
    before = path.read_bytes()
    try:
        frame = pl.read_csv(path, infer_schema=False)
        frame.with_columns(n_e=pl.lit("9")).write_csv(path)
        out = withheld_results(made.config)
    finally:
        path.write_bytes(before)
    assert out["results/datasets.csv"] == out["results/datasets.html"] == "has a figure of fewer than 10 images"


def test_every_table_of_each_data_set_is_made_anew(made, tmp_path, caplog):
    caplog.set_level("INFO")
    assert verify(rebuilt(made, tmp_path / "b.zip"), restricted=[secret()]) == []
    (count,) = re.findall(r"(\d+) files made anew and compared", caplog.text)
    shown = {name for name in made.results if name not in withheld_results(made.config)}
    assert int(count) > 0.8 * len([it for it in shown if it.endswith((".csv", ".md", ".tex", ".html", ".svg", ".pdf"))])


def test_what_was_tampered_with_in_another_data_set_is_found(made, tmp_path):
    """Its table, its labels, its answers, and the table across, each with sums that fit."""

    def changed(name):
        return re.sub(rb"\d\d\.\d\d", b"99.99", Path(name).read_bytes(), count=1)

    answers = pl.read_parquet("results/predictions/f/m1.parquet")
    ranking = answers["class_ids"].to_list()
    ranking[3] = [7]
    answers.with_columns(class_ids=pl.Series(ranking, dtype=answers.schema["class_ids"])).write_parquet(tmp_path / "m1")
    changes = {
        "results__f__table3.csv": changed("results/f/table3.csv"),
        "results__e__table3.csv": changed("results/e/table3.csv"),
        "results__datasets.csv": changed("results/datasets.csv"),
        "results__predictions__f__m1.parquet": (tmp_path / "m1").read_bytes(),
        "results__f__table9.csv": b"a\n",
    }
    found = "\n".join(verify(rebuilt(made, tmp_path / "b.zip", **changes), restricted=[secret()]))
    for expected in (
        "results/f/table3.csv: does not follow from the archived answers and labels",
        "results/e/table3.csv: does not follow from the archived answers and labels",
        "results/datasets.csv: does not follow from the archived answers and labels",
        "results/predictions/f/m1.parquet: is not what the archived file of predictions says",
        "results/f/table9.csv: in the archive, but no part of this study",
    ):
        assert expected in found
    assert "results/table3.csv" not in found


def test_labels_of_another_data_set_that_were_changed_are_found(made, tmp_path):
    kept = Path("open.csv").read_bytes()
    lines = kept.decode().splitlines()
    lines[1] = lines[1].partition(",")[0] + ",N"
    changes = {"open.csv": "\n".join([*lines, ""]).encode()}
    found = verify(rebuilt(made, tmp_path / "b.zip", **changes), restricted=[secret()])
    assert any(it.startswith("results/dataset/f/labels.parquet: does not follow") for it in found)
    assert not any(it.startswith(("results/dataset/d/", "results/table3")) for it in found)


def test_an_archive_without_a_data_set_s_answers_says_so(made, tmp_path):
    contents = made.contents()
    contents.pop("results/predictions/f/m0.parquet")
    sums = {name: archive.digest(source) for name, source in contents.items() if name != "SHA256SUMS"}
    contents["SHA256SUMS"] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    archive.write(contents, tmp_path / "b.zip")
    assert "results/predictions/f/m0.parquet: missing" in verify(tmp_path / "b.zip", restricted=[secret()])


def test_recorded_predictions_of_each_data_set_are_archived(tmp_path, monkeypatch):
    """Their names hold the data set's, and may be of this machine."""
    study = Made(tmp_path, monkeypatch, further={"f": {}}, **OPEN)
    elsewhere = tmp_path / "answers of mine"
    elsewhere.mkdir()
    text = Path("config.yaml").read_text()
    for dataset in "df":
        shutil.copy("m0.csv", elsewhere / f"{dataset}.csv")
    Path("config.yaml").write_text(text.replace("file: m0.csv", f"file: {elsewhere}/{{dataset}}.csv"))
    from mllm_classify.config.load import load

    study.config = load("config.yaml")
    (elsewhere / "f.csv").write_text((elsewhere / "f.csv").read_text().replace(",1\n", ",2\n"))
    study.make()
    contents = study.contents()
    held = sorted(name for name in contents if name.startswith("elsewhere/"))
    assert [name.rpartition("/")[2] for name in held] == ["d.csv", "f.csv"]
    assert str(tmp_path).encode() not in contents["config.yaml"]
    archive.write(contents, tmp_path / "b.zip")
    assert verify(tmp_path / "b.zip") == []


@pytest.mark.parametrize(("datasets", "count", "processes"), [("d", 1, 1), ("d", 3, 3), ("def", 2, 3), ("def", 4, 6)])
def test_each_output_is_made_once_and_data_sets_share_the_cores(datasets, count, processes):
    names = [f"table{number}" for number in range(7)]
    made = list(_shared([(dataset, name) for name in names for dataset in datasets], count))
    assert len(made) == processes
    for dataset in datasets:
        mine = [it[:-1] for it in made if it[-1] == f"--dataset={dataset}"]
        assert sorted(name for share in mine for name in share) == names


def test_records_in_an_archive_know_no_marks_of_asking():
    """An archive has none: with them, Snakemake would make predictions again whose inputs are fewer than it recorded."""
    mark, images = "results/asked/m/0123.json", "results/dataset/d/images.parquet"
    record = {"input": [images, mark], "input_checksums": {images: "a", mark: "b"}, "rule": "predict"}
    expected = {"input": [images], "input_checksums": {images: "a"}, "rule": "predict"}
    assert archive._without_marks(record) == expected
    assert archive._without_marks(expected) is expected
