"""What a bundle of restricted labels gives away: aggregates of at least ten images, and SHA-256s."""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest
import yaml

from mllm_classify.bundle import archive, withheld
from mllm_classify.bundle.verify import verify
from mllm_classify.bundle.withheld import influenced, left_out, withheld_results
from mllm_classify.config.load import load
from mllm_classify.io.files import InputError
from mllm_classify.outputs import OUTPUTS, parts
from mllm_classify.plan.files import PATTERNS
from mllm_classify.plan.lineage import Lineages
from tests.bundle.made import CATEGORIES, SECRET, Made, id_of, labels_of, name_of

pytestmark = pytest.mark.study

ABOUT = {"withheld.json", "SHA256SUMS", "ro-crate-metadata.json"}
"""What lists files with their sums."""


def files_of(output):
    return [f"results/{name}" for name in output.files]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Made(tmp_path_factory.mktemp("restricted"), patch).make()


@pytest.fixture
def bundle(made, tmp_path):
    archive.write(made.contents(), tmp_path / "b.zip")
    return tmp_path / "b.zip"


def rows_of(name, content):
    """The rows of a file as text; of a JSON file, which may have all in one line, whatever stands in braces."""
    if name.endswith(".parquet"):
        return [str(row) for row in pl.read_parquet(io.BytesIO(content)).rows()]
    return re.split(r"[\n{}]", content.decode(errors="replace"))


def secrets():
    """For each image, what tells of its secret labels: their names and numbers."""
    for image, category in enumerate(CATEGORIES):
        ids = {number for number in SECRET if name_of(number) in labels_of(image, category).split("|")}
        if ids:
            yield id_of(image), [*map(name_of, ids), *map(str, ids)]


def tells(row, image, signs):
    words = re.escape
    return re.search(rf"\b{words(image)}\b", row) and any(
        re.search(rf"(?<![\w.-]){words(it)}(?![\w.-])", row) for it in signs
    )


def test_no_row_of_the_bundle_tells_an_image_and_its_label(bundle):
    with zipfile.ZipFile(bundle) as opened:
        files = {it: opened.read(it) for it in opened.namelist()}
    looked = [(name, row) for name, content in files.items() for row in rows_of(name, content) if "image " in row]
    assert len(looked) > 4 * len(CATEGORIES)
    signs = dict(secrets())
    for name, row in looked:
        for image in re.findall(r"image \d+", row):
            assert not tells(row, image, signs.get(image, [])), (name, row)


def test_the_search_finds_a_label_that_is_there(made):
    found = [row for row in rows_of("regt.csv", Path("regt.csv").read_bytes()) if "image " in row]
    signs = dict(secrets())
    assert sum(bool(tells(row, row.split(",")[0], signs.get(row.split(",")[0], []))) for row in found) == len(signs)
    labels = Path(PATTERNS["labels"].format(dataset="d"))
    assert any(tells(row, id_of(20), signs[id_of(20)]) for row in rows_of(labels.name, labels.read_bytes()))


def test_of_a_restricted_file_there_is_the_sum_alone_whatever_it_is_called(made):
    contents = made.contents()
    listed = json.loads(contents["withheld.json"])
    digest = hashlib.sha256(Path("regt.csv").read_bytes()).hexdigest()
    assert listed["files"] == {"regt.csv": digest}
    assert {"imgt.csv", "classes.txt", "m0.csv"} <= contents.keys()
    assert digest not in {archive.digest(source) for source in contents.values()}
    assert b"What is left out" in contents["README-bundle.md"]


def test_whatever_follows_from_labels_and_has_a_row_an_image_is_left_out(made):
    out = withheld_results(made.config)
    left = {PATTERNS[it].format(results="results", dataset="d") for it in ("labels", "scores", "choices", "confusions")}
    assert left <= out.keys()
    kept = set(made.results) - out.keys()
    assert {PATTERNS["images"].format(dataset="d"), PATTERNS["predictions"].format(dataset="d", model="m0")} <= kept
    assert {"results/table2.csv", "results/table3.csv", "results/table3.html", "results/accuracy.parquet"} <= kept
    revealing = {path for output in OUTPUTS.values() if output.reveals for path in files_of(output)}
    assert not kept & revealing
    assert out["results/suspects.csv"] == "tells of single labels"


def test_what_is_drawn_or_counted_from_a_revealing_table_reveals():
    for output in OUTPUTS.values():
        if any(OUTPUTS[part].reveals for part in parts(output) if part in OUTPUTS and part not in PATTERNS):
            assert output.reveals, output.name


@pytest.mark.parametrize("changes", [{0: "S-"}, {25: "M-", 26: "M-"}])
def test_another_label_changes_declared_aggregates_alone(made, changes):
    before = {name: archive.digest(source) for name, source in made.contents().items()}
    with made.labelled(changes):
        after = {name: archive.digest(source) for name, source in made.contents().items()}
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    aggregates = {path for output in OUTPUTS.values() if not output.reveals for path in files_of(output)}
    assert changed - ABOUT <= aggregates
    assert {"results/table2.csv", "results/table3.csv"} <= changed


def test_a_table_with_a_figure_of_few_images_is_left_out(made):
    with made.labelled({60: "S+"}):
        out = withheld_results(made.config)
    for name in ("table2.csv", "table2.md", "table3.csv", "change.svg"):
        assert out[f"results/{name}"] == "has a figure of fewer than 10 images"


def test_figures_of_models_that_lack_a_few_images_are_left_out(tmp_path, monkeypatch):
    """m1 lacks two images. Numbers of images by category, with and without them, would say of which categories the two are."""
    study = Made(tmp_path, monkeypatch)
    config = yaml.safe_load(Path("config.yaml").read_text())
    config["models"][1]["images"] = "intersection"
    Path("config.yaml").write_text(yaml.safe_dump(config))
    lines = Path("m1.csv").read_text().splitlines()
    Path("m1.csv").write_text("\n".join([*lines[:3], *lines[5:]]) + "\n")
    study.config = load("config.yaml")
    study.make()
    out = withheld_results(study.config)
    for name in ("table3.csv", "table3.html", "accuracy.parquet", "change.svg"):
        assert out[f"results/{name}"] == "has a figure that differs from another's by fewer than 10 images"
    assert "results/table2.csv" not in out


def test_numbers_of_labels_that_few_images_have_are_few(tmp_path):
    rows = {"statistic": ["labels", "labels"], "value": ["1", "2"], "n": ["50", "3"]}
    pl.DataFrame(rows).write_csv(tmp_path / "l.csv")
    assert withheld._sizes(str(tmp_path / "l.csv")) == {"": {50.0, 3.0}}
    counts = {"statistic": ["count", "percent"], "A": ["20", "100.0"], "S": ["12", "5.0"]}
    pl.DataFrame(counts).write_csv(tmp_path / "t.csv")
    assert withheld._sizes(str(tmp_path / "t.csv")) == {"A": {20.0}, "S": {12.0}}
    earlier = {"set": ["R", "R", "Q"], "before": ["N", "S+", "N"], "after": ["N"] * 3, "n": ["20", "30", "45"]}
    pl.DataFrame(earlier).write_csv(tmp_path / "c.csv")
    assert withheld._sizes(str(tmp_path / "c.csv")) == {"": {20.0, 30.0, 45.0}, "A": {50.0, 45.0}}


def test_without_its_file_a_bundle_says_what_is_not_checked_and_refuses_another(bundle, tmp_path, caplog):
    caplog.set_level("INFO")
    assert verify(bundle) == []
    assert "only the sums are checked: no table can be made anew without regt.csv" in caplog.text
    other = tmp_path / "other.csv"
    other.write_text("image_id,classes\n")
    with pytest.raises(InputError, match=r"other.csv: has the SHA-256 \w+, which is none of withheld.json"):
        verify(bundle, restricted=[other])


def test_with_its_file_every_table_is_made_anew_and_the_one_that_was_tampered_with_found(made, tmp_path, caplog):
    caplog.set_level("INFO")
    contents = made.contents()
    table = Path("results/table3.csv").read_bytes()
    contents["results/table3.csv"] = re.sub(rb"\d\d\.\d\d", b"99.99", table, count=1)
    sums = {name: archive.digest(source) for name, source in contents.items() if name != "SHA256SUMS"}
    contents["SHA256SUMS"] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    archive.write(contents, tmp_path / "b.zip")
    found = verify(tmp_path / "b.zip", restricted=[Path("regt.csv").resolve()])
    assert [it.partition(":")[0] for it in found] == ["results/table3.csv"]
    assert "files made anew and compared" in caplog.text


@pytest.mark.parametrize("content", ["[]", "{}", '{"files": [], "results": {}}', '{"files": {"a": 1}, "results": {}}'])
def test_a_broken_list_of_what_is_left_out_is_named(tmp_path, content):
    (tmp_path / "withheld.json").write_text(content)
    with pytest.raises(InputError, match="must have files"):
        left_out(tmp_path)


def test_without_anything_restricted_nothing_is_left_out(made):
    config = yaml.safe_load(Path("config.yaml").read_text())
    config["dataset"]["regt"]["restricted"] = False
    Path("open.yaml").write_text(yaml.safe_dump(config))
    contents = archive.contents("open.yaml", load("open.yaml"), made.results)
    assert set(made.results) <= contents.keys()
    assert "withheld.json" not in contents


@pytest.mark.parametrize(
    ("change", "reached", "spared"),
    [
        (lambda it: it["models"][1].update(restricted=True), {"predict/m1", "score", "table3"}, {"labels", "predict/m0", "table2"}),
        (lambda it: it["models"][0].update(restricted=True), {"predict/m0", "choices", "confusions"}, {"labels", "predict/m1"}),
        (lambda it: it["dataset"].update(restricted=True), {"images", "labels", "predict/m0", "table2"}, set()),
        (lambda it: it["dataset"]["imgt"].update(restricted=True), {"images", "predict/m0"}, set()),
        (lambda it: it["dataset"].update(equivalences={"label": "E", "file": "e.json"}), {"labels", "choices"}, {"images", "predict/m0"}),
    ],
)  # fmt: skip
def test_what_a_restricted_file_reaches_follows_from_the_lineages(made, change, reached, spared):
    """A recorded file, the reference's, the class list, labels that say which images there are, ReImageNet's groups."""
    config = yaml.safe_load(Path("config.yaml").read_text())
    config["dataset"]["regt"]["restricted"] = False
    change(config)
    Path("e.json").write_text('{"eq_classes": {"a": [1, 2]}}')
    Path("other.yaml").write_text(yaml.safe_dump(config))
    read = load("other.yaml")
    found = influenced(read, Lineages(read))
    assert reached <= found
    assert not spared & found
