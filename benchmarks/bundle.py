"""The bundle's seconds, memory and size, next to plain `zip` of the very same files.

    python benchmarks/bundle.py [--recorded FOLDER] [--runs 5] [--study FOLDER]

Two studies are made and archived, or the finished one in the folder --study: the embedded default, and twelve recorded models on ImageNet's 50,000 images. FOLDER
holds their Parquet files as docs/recorded.md makes them; without it, predictions are simulated. Bundling and zipping
take turns; bundling includes its start, the search for keys and paths of the machine, all sums and the RO-Crate.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stated import origin
from studies import write_config, write_simulated
from tabulate import tabulate

PROJECT = Path(__file__).parents[1]
MODELS = 12


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--directory", str(folder), "--cores", "2", *arguments]
    done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout + done.stderr


def bundle_command(folder: Path) -> str:
    """What the workflow runs for the bundle."""
    shown = snakemake(folder, "results/bundle.zip", "--dry-run", "--printshellcmds", "--forcerun", "bundle")
    (command,) = (line for line in shown.splitlines() if "mllm_classify bundle" in line)
    command = command.partition("Shell command: ")[2].partition(" 2>&1")[0]
    return command.replace("python", sys.executable, 1)


def timed(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(folder: Path, runs: int, *, verified: bool = True) -> list[str]:
    snakemake(folder, "all", "results/bundle.zip")
    bundling = ["bash", "-c", bundle_command(folder)]
    bundle, plain, unpacked = folder / "results/bundle.zip", folder / "plain.zip", folder / "unpacked"
    shutil.unpack_archive(bundle, unpacked)
    zipping = ["zip", "-q", "-X", "-r", str(plain), "."]
    ours, zips = [], []
    for _ in range(runs):
        plain.unlink(missing_ok=True)
        zips.append(timed(zipping, unpacked))
        ours.append(timed(bundling, folder))
    sizes = [path.stat().st_size / 1e6 for path in (bundle, plain)]
    files = [path for path in unpacked.rglob("*") if path.is_file()]
    verifying = timed([sys.executable, "-m", "mllm_classify.bundle.verify", str(bundle)], PROJECT) if verified else None
    return [
        f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB",
        *(f"{min(times):.2f} s" for times in (ours, zips)),
        *(f"{size:.1f} MB" for size in sizes),
        f"{min(ours) / min(zips):.1f}",
        f"{sizes[0] / sizes[1]:.2f}",
        "" if verifying is None else f"{verifying:.0f} s",
    ]


def both(folder: Path, args: argparse.Namespace) -> dict[str, list[str]]:
    """What is measured of the embedded default and of ImageNet, which are made in the folder."""
    default, imagenet = folder / "default", folder / "imagenet"
    default.mkdir()
    shutil.copy(PROJECT / "config.yaml", default)
    columns = {"embedded default": measure(default, args.runs)}
    imagenet.mkdir()
    # inside of the study, as a user would have them
    if args.recorded is None:
        write_simulated(imagenet / "recorded")
    else:
        shutil.copytree(args.recorded, imagenet / "recorded")
    os.chdir(imagenet)
    write_config(imagenet / "config.yaml", Path("recorded"), MODELS)
    columns[f"{MODELS} models, ImageNet"] = measure(imagenet, args.runs)
    os.chdir(PROJECT)
    return columns


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--recorded", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--study", type=Path, help="a finished study, which is archived alone, and not verified")
    args = parser.parse_args()
    if shutil.which("zip") is None:
        sys.exit("zip is needed: apt-get install zip")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    columns: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        if args.study is not None:
            columns[args.study.name] = measure(
                shutil.copytree(args.study, Path(name) / "study"), args.runs, verified=False
            )
        else:
            columns = both(Path(name), args)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows = zip(
        ["in it", "bundle", "zip", "bundle", "zip", "ratio of the times", "ratio of the sizes", "verified in"],
        *columns.values(),
        strict=True,
    )
    print(origin(), end="\n\n")
    print(f"The fastest of {args.runs} runs each; the largest process took {peak:.0f} MB\n")
    print(tabulate(rows, ["", *columns], tablefmt="pipe"))


if __name__ == "__main__":
    main()
