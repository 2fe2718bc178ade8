"""`snakemake -n` on a configuration of many models, next to an empty workflow of as many jobs.

    python benchmarks/dry_run.py [--models 67] [--runs 5] [--smallest]

The empty workflow has the same rules in number and shape: files, wildcards and shell commands, no configuration.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stated import origin
from studies import write_config, write_simulated
from tabulate import tabulate

PROJECT = Path(__file__).parents[1]
EMPTY = """
MODELS = [f"model{{number:02}}" for number in range({models})]
TABLES = [f"table{{number}}" for number in range({tables})]


rule all:
    input:
        expand("{{table}}.csv", table=TABLES),


rule first:
    output:
        "images.txt",
    shell:
        "touch {{output}}"


rule labels:
    input:
        "images.txt",
    output:
        "labels.txt",
    shell:
        "touch {{output}}"


rule each:
    input:
        "images.txt",
    output:
        "{{model}}.out",
    shell:
        "touch {{output}}"


rule gather:
    input:
        "labels.txt",
        expand("{{model}}.out", model=MODELS),
    output:
        "scores.txt",
    shell:
        "touch {{output}}"


rule table:
    input:
        "scores.txt",
    output:
        "{{table}}.csv",
    shell:
        "touch {{output}}"
"""


def dry_run(folder: Path, snakefile: Path, *arguments: str) -> tuple[float, int]:
    """Seconds, and the number of jobs."""
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "--snakefile", str(snakefile), *arguments]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    return seconds, int(re.search(r"^total\s+(\d+)$", done.stdout + done.stderr, re.MULTILINE)[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=67)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--smallest", action="store_true", help="two models of few images, once: whether it works")
    args = parser.parse_args()
    models, runs, classes = (2, 1, 2) if args.smallest else (args.models, args.runs, 1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_simulated(folder / "recorded", classes)
        write_config(folder / "config.yaml", folder / "recorded", models, classes)
        (folder / "empty").mkdir()
        ours = (folder, PROJECT / "Snakefile", "--configfile", "config.yaml")
        _, jobs = dry_run(*ours)
        # images, labels, the models, scores and `all` are not tables
        (folder / "empty/Snakefile").write_text(EMPTY.format(models=models, tables=jobs - models - 4))
        empty = (folder / "empty", folder / "empty/Snakefile")
        assert dry_run(*empty)[1] == jobs
        # in turns, so that both see the same machine
        pairs = [(dry_run(*ours)[0], dry_run(*empty)[0]) for _ in range(runs)]
    rows = [
        (what, f"{min(times):.2f} s", f"{statistics.median(times):.2f} s")
        for what, times in zip((f"{models} recorded models", "empty workflow"), zip(*pairs, strict=True), strict=True)
    ]
    ratio = [
        statistics.median(one / other for one, other in pairs),
        min(p[0] for p in pairs) / min(p[1] for p in pairs),
    ]
    print(origin(), end="\n\n")
    print(f"snakemake -n, {jobs} jobs, {runs} runs in turns\n")
    print(
        tabulate([*rows, ("ratio", f"{ratio[1]:.2f}", f"{ratio[0]:.2f}")], ["", "fastest", "median"], tablefmt="pipe")
    )


if __name__ == "__main__":
    main()
