"""Snakemake's own report of files that are there: with captions, what made them, and how long that took.

It opens on the first page, and links of pages lead to the other files of the report.
"""

import json
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZipFile

from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.io.text import short
from mllm_classify.plan.files import OVERVIEW, START

PAGE = "report.html"
LINKING = (OVERVIEW, PurePosixPath(START.path).name)
"""Pages with links."""
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
    """Copy a report to `path`, so that it opens on the page `shown`, and links of pages lead to the report's files."""
    with ZipFile(report) as archive, ZipFile(path, "w", ZIP_DEFLATED) as changed:
        names = archive.namelist()
        places = placed(archive.read(next(it for it in names if PurePosixPath(it).name == PAGE)).decode(), names)
        pages = {places[path]: path for path in places if PurePosixPath(path).name in LINKING}
        for name in names:
            content = archive.read(name)
            if name in pages:
                content = linked(content.decode(), pages[name], places).encode()
            elif PurePosixPath(name).name == PAGE:
                # libraries in the page have the tag in their texts
                before, end, after = content.decode().rpartition("</body>")
                content = f"{before}{OPENING.replace('PATH', json.dumps(shown))}{end}{after}".encode()
            changed.writestr(name, content)


def placed(page: str, names: list[str]) -> dict[str, str]:
    """Where each result lies in a report, by its path, as Snakemake's own page says it."""
    listed = re.search(r'^[^{\n]*=\s*(\{"[^"\n]*": \{"name".*\})\s*;?\s*$', page, re.MULTILINE)
    if listed is None:
        msg = "Snakemake's report lists its results in another way than this project knows"
        raise InputError(msg)
    folder = next(PurePosixPath(name).parent for name in names if PurePosixPath(name).name == PAGE)
    return {path: str(folder / entry["data_uri"]) for path, entry in json.loads(listed[1]).items()}


def linked(html: str, page: str, places: dict[str, str]) -> str:
    """A page whose links lead to files of an archive, by their `places` there; `page` is its own path.

    >>> linked('<a href="table3.html#x">', "results/overview.html", {"results/overview.html": "report/1/overview.html",
    ...        "results/table3.html": "report/2/table3.html"})
    '<a href="../2/table3.html#x">'
    """

    def leading(match: re.Match[str]) -> str:
        place = places.get(posixpath.normpath(posixpath.join(posixpath.dirname(page), match[1])))
        return match[0] if place is None else f'href="{posixpath.relpath(place, posixpath.dirname(places[page]))}'

    return re.sub(r'href="([^"#]+)', leading, html)
