"""Snakemake's own report of files that are there: with captions, what made them, and how long that took.

It opens on the page of key figures, whose links lead to the other files of the report.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZipFile

from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.io.text import short

OPENING = """<script>
(function open() {
  if (!document.querySelector("#app nav")) return setTimeout(open, 20);
  app.setView({ content: "html", contentPath: results[PATH].data_uri, resultPath: PATH });
})();
</script>
"""
"""Shows a result as soon as Snakemake's page is there, in place of the graph of rules."""


def assemble(files: list[str], config_file: str, path: Path) -> None:
    """Write `path` (.zip), the report of these outputs of the workflow, which opens on the first. Runs no job.

    Raises InputError with the end of what Snakemake says where it cannot make one.
    """
    # the reporter looks at the ending, and names the folder in the archive like the file
    folder = path.with_name(f".{path.name}.tmp")
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "snakemake", *files, "--snakefile", str(PROJECT / "Snakefile")),
        *("--configfile", config_file, "--report", str(folder / path.name)),
    ]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            said = " ".join(done.stderr.split())
            msg = f"{path}: Snakemake cannot make the report: {short(said[-400:], 400)}"
            raise InputError(msg)
        open_on(files[0], folder / path.name, folder / "opening.zip")
        (folder / "opening.zip").replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_on(shown: str, report: Path, path: Path) -> None:
    """Copy a report to `path`, so that it opens on the page `shown`, and that page's links lead to the report's files."""
    with ZipFile(report) as archive, ZipFile(path, "w", ZIP_DEFLATED) as changed:
        names = archive.namelist()
        page = next(name for name in names if PurePosixPath(name).name == PurePosixPath(shown).name)
        for name in names:
            content = archive.read(name)
            if name == page:
                content = linked(content.decode(), page, names).encode()
            elif PurePosixPath(name).name == "report.html":
                # libraries in the page have the tag in their texts
                before, end, after = content.decode().rpartition("</body>")
                content = f"{before}{OPENING.replace('PATH', json.dumps(shown))}{end}{after}".encode()
            changed.writestr(name, content)


def linked(html: str, page: str, names: list[str]) -> str:
    """A page whose links lead to files of an archive in which each lies in a folder of its own.

    >>> linked('<a href="table3.html#x">', "report/1/overview.html", ["report/2/table3.html"])
    '<a href="../2/table3.html#x">'
    """
    places = {PurePosixPath(name).name: PurePosixPath(name).relative_to(PurePosixPath(page).parents[1]) for name in names
              if PurePosixPath(name).is_relative_to(PurePosixPath(page).parents[1])}  # fmt: skip
    return re.sub(
        r'href="([^"#]+)',
        lambda match: f'href="../{places[match[1]]}' if match[1] in places else match[0],
        html,
    )
