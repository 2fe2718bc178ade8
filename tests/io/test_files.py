import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.io import files
from mllm_classify.io.files import (
    PROJECT,
    InputError,
    locate,
    portable,
    read_bytes,
    read_csv,
    read_text,
    sha256,
    written,
)
from mllm_classify.io.limits import FILE_BYTES


def message(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def test_sha256_is_the_published_one():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_package_is_located_without_importing_it(folder, monkeypatch):
    (folder / "oddpackage").mkdir()
    (folder / "oddpackage/__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "oddpackage/data.txt").write_text("inside")
    monkeypatch.syspath_prepend(folder)
    assert locate("package:oddpackage/data.txt") == folder / "oddpackage/data.txt"
    assert read_text("package:oddpackage/data.txt") == "inside"


def test_no_package_is_imported_to_find_one_within_it(folder, monkeypatch):
    (folder / "outerpackage/inner").mkdir(parents=True)
    (folder / "outerpackage/__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "outerpackage/inner/__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    assert "is not installed here" in message(locate, "package:outerpackage.inner/a.txt")
    assert locate("package:outerpackage/inner/a.txt") == folder / "outerpackage/inner/a.txt"


@pytest.mark.parametrize("name", ["/dev/zero", "a" * 5000, "a\0b", "a\ud800", "."])
def test_what_is_no_file_is_refused_without_reading_it(folder, name):
    assert ": cannot be read (" in message(read_bytes, name)
    assert len(message(read_bytes, name)) < 1000
    assert ": cannot be read (" in message(files.file_sha256, name)


def test_a_file_of_more_than_a_gigabyte_is_refused_before_it_is_read(folder):
    """It takes no room on the disk, nor in memory."""
    for name, more in {"most.json": 0, "over.json": 1}.items():
        with (folder / name).open("wb") as file:
            file.truncate(FILE_BYTES + more)
    assert files.regular(folder / "most.json") == folder / "most.json"
    for read in (read_bytes, files.read_text, read_csv):
        assert "over.json: cannot be read (" in message(read, "over.json")


@pytest.mark.parametrize("package", ["no_such_package", "no_such_package.data", "csv"])
def test_a_package_that_is_not_there_is_named(package):
    name = f"package:{package}/a.txt"
    assert message(locate, name) == f"{name}: the package {package!r} is not installed here"


def test_the_working_directory_comes_before_the_project(folder):
    assert locate("pyproject.toml") == PROJECT / "pyproject.toml"
    assert locate("no-such-file") == Path("no-such-file")
    (folder / "pyproject.toml").touch()
    assert locate("pyproject.toml").absolute() == folder / "pyproject.toml"


def test_a_variable_names_a_folder_in_place_of_the_working_directory(folder, monkeypatch):
    for place in ("Snakefile", "given/Snakefile", "a.txt"):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).touch()
    monkeypatch.setenv(files.FILES, str(folder / "given"))
    assert locate("Snakefile") == folder / "given/Snakefile"
    assert locate("a.txt") == folder / "given/a.txt"
    assert locate("pyproject.toml") == PROJECT / "pyproject.toml"
    assert locate(str(folder / "a.txt")) == folder / "a.txt"


def test_a_folder_comes_before_all_but_packages_and_absolute_paths(folder):
    assert locate("pyproject.toml", "pictures") == Path("pictures/pyproject.toml")
    assert locate(str(folder / "a.png"), "pictures") == folder / "a.png"
    assert locate("package:PIL/a.png", "pictures").parent.name == "PIL"


def test_an_absent_file_is_named_with_where_it_was_looked_for(folder):
    assert message(read_bytes, "a.csv") == (
        f"a.csv: cannot be read (No such file or directory); looked for {folder / 'a.csv'}"
    )


def test_text_is_utf8_with_or_without_a_byte_order_mark(folder):
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    (folder / "b.txt").write_bytes(b"caf\xe9")
    assert read_text("a.txt") == "café"
    assert message(read_text, "b.txt") == "b.txt: not UTF-8 text (byte 3)"


def test_rows_know_the_line_of_the_file(folder):
    (folder / "a.csv").write_text('# a comment\nimage_id, class\n\na, 1 \n# another\n"b","x, y"\n')
    assert read_csv("a.csv", "class") == [
        ("a.csv:4", {"image_id": "a", "class": "1"}),
        ("a.csv:6", {"image_id": "b", "class": "x, y"}),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("image_id,class\na,1\nb,1,2\n", "a.csv:3: 3 values under a header of 2: 'b,1,2'"),
        ("image_id,class\na\n", "a.csv:2: 1 values under a header of 2: 'a'"),
        ("image_id,klass\na,1\n", "a.csv: no column 'class'; the header is 'image_id,klass'"),
        ("", "a.csv: no column 'image_id'; the header is ''"),
        ('image_id,class\na,"1\n', "a.csv:2: not CSV (unexpected end of data)"),
        ("image_id,class,class\na,1,2\n", "a.csv: the column 'class' appears twice"),
    ],
)
def test_a_broken_table_is_named_by_file_line_and_value(folder, content, expected):
    (folder / "a.csv").write_text(content)
    assert message(read_csv, "a.csv", "image_id", "class").startswith(expected)


VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8)


@given(st.lists(st.tuples(VALUES.filter(str.strip), VALUES), max_size=6))
def test_what_a_spreadsheet_writes_is_read_back_stripped(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "spreadsheet.csv"
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    path.write_text(text.getvalue(), encoding="utf-8")
    assert read_csv(str(path), "a", "b") == [
        (f"{path}:{line}", {"a": first.strip(), "b": second.strip()})
        for line, (first, second) in enumerate(rows, start=2)
    ]


def test_a_written_file_appears_at_the_end_and_whole(folder):
    path = folder / "new/folder/a.txt"
    with written(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_leaves_nothing_behind_and_the_old_file_as_it_was(folder, before):
    path = folder / "a.txt"
    if before:
        path.write_text(before)

    with pytest.raises(KeyboardInterrupt), written(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == ([("a.txt", before)] if before else [])


WRITER = """
import sys
from mllm_classify.io.files import written
with written("out.txt") as temporary, temporary.open("w") as file:
    for _ in range(20):
        print(sys.argv[1] * 1000, file=file, flush=True)
        print(flush=True)
        sys.stdin.readline()
"""


def test_several_processes_that_write_one_file_each_write_all_of_it(folder):
    """Their lines alternate; each time that one ends, its file is there whole."""
    writers = {
        letter: subprocess.Popen(
            [sys.executable, "-c", WRITER, letter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for letter in "AB"
    }
    for _ in range(20):
        for process in writers.values():
            process.stdout.readline()
            process.stdin.write("\n")
            process.stdin.flush()
    for process in writers.values():
        process.communicate()
        assert process.returncode == 0
    assert (folder / "out.txt").read_text() in [f"{letter * 1000}\n" * 20 for letter in "AB"]
    assert [path.name for path in folder.iterdir()] == ["out.txt"]


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_another_writes_is_not(folder):
    killed, writes = (
        subprocess.Popen([sys.executable, "-c", WRITER, "A"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    )
    for process in (killed, writes):
        process.stdout.readline()
    killed.kill()
    killed.communicate()
    assert len(list(folder.iterdir())) == 2
    with written(folder / "out.txt") as temporary:
        temporary.write_text("B")
    assert sorted(path.name.rpartition("-")[2] for path in folder.iterdir()) == [f"{writes.pid}.tmp", "out.txt"]
    writes.communicate(b"\n" * 20)
    assert (folder / "out.txt").read_text() == f"{'A' * 1000}\n" * 20


@pytest.mark.parametrize(
    "text",
    [
        "", "best.pth", "weights/best.pth", "package:skimage/data/coffee.png", "timm/eva02", "http://127.0.0.1:8000/v1",
        "--model=Qwen/Qwen3", "--url=http://node7:8000/v1", "{python}", "--port={port}", "1/2", "a photo / of",
    ],
)  # fmt: skip
def test_what_is_no_path_of_the_machine_is_portable(text):
    assert portable(text) == text


@pytest.mark.parametrize(
    ("text", "before", "name"),
    [
        ("/data/runs/best.pth", "", "best.pth"),
        ("~/best.pth", "", "best.pth"),
        ("../best.pth", "", "best.pth"),
        ("runs/../../best.pth", "", "best.pth"),
        ("/data of mine/best one.pth", "", "best one.pth"),
        ("--weights=/data/best.pth", "--weights=", "best.pth"),
        ("serve /data/best.pth", "serve ", "best.pth"),
    ],
)
def test_a_path_of_the_machine_becomes_one_inside(text, before, name):
    found = portable(text)
    assert re.fullmatch(rf"{re.escape(before)}elsewhere/[0-9a-f]{{8}}/{name}", found)
    assert portable(found) == found


def test_files_of_one_name_in_two_folders_stay_two():
    assert portable("/one/best.pth") != portable("/other/best.pth")
