"""Checking a bundle: its sums, and every table made anew from the archived answers, labels and embeddings.

`python -m mllm_classify.bundle.verify results/bundle.zip` (`make verify-bundle BUNDLE=...`). It needs no pictures, weights, GPU,
network or key. Nothing of the archive is run: this checkout's workflow makes the tables, asks no model, and sees only
the archive's data (`confined`).
"""

import argparse
import json
import logging
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from itertools import zip_longest
from pathlib import Path

import polars as pl

from mllm_classify.bundle import confined
from mllm_classify.bundle.archive import CODE, ENVIRONMENT, SUMS
from mllm_classify.bundle.crate import CRATE, RECORDS
from mllm_classify.bundle.unpacking import unpacked
from mllm_classify.bundle.withheld import PACKAGED, WITHHELD, LeftOut, left_out, put_back
from mllm_classify.config.encoders import OpenAIEncoder
from mllm_classify.config.load import load
from mllm_classify.config.marks import CLASSES
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.study import Config
from mllm_classify.io.borders import UnforeseenError, border, kept_traceback
from mllm_classify.io.environment import environment
from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.outputs import ACROSS, OUTPUTS
from mllm_classify.plan.across import before, existing, files_of_each
from mllm_classify.plan.files import bundled, inputs, output_inputs, written
from mllm_classify.plan.outline import outline
from mllm_classify.plan.replaced import noted
from mllm_classify.plan.values import PUBLISHED
from mllm_classify.score.score import SCORES

log = logging.getLogger("mllm_classify")

TOLERANCE = 1e-4
"""Largest difference of an embedding's component (of a vector of length 1) that another machine's arithmetic explains."""
MAKING = ("labels", "hierarchy", "choices", "mapping", "score")
"""The only rules that may run before tables are made. None of them starts a program or reads a model that the archive names."""
EMBEDDING = ("embed_classes", "embed_answers", "embed_concepts", "embed_synonyms")
EMBEDDINGS = ("results/embeddings/", "results/concepts/", "results/synonyms/")
"""Folders of vectors, by encoder."""


def verify(bundle: Path, *, embed: bool = False, restricted: Iterable[Path] = ()) -> list[str]:
    """What differs, a line each; nothing where the bundle is whole and its tables follow from its answers.

    `restricted` are files that the bundle could not hold, known by their SHA-256. Where one lacks, only sums are checked,
    and the log says so. Raises InputError where the file is no bundle, or a restricted file none of its.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-") as name:
        archived = Path(name) / "archived"
        problems, names = unpacked(bundle, archived)
        if problems:
            return problems
        log.info("%s: %d files, as %s says", bundle, len(names), SUMS)
        try:
            config = load(archived / "config.yaml")
        except InputError as error:
            return str(error).replace(f"{archived}/", "").splitlines()
        _report_other_code(archived)
        left = left_out(archived)
        missing = put_back(archived, left, restricted)
        names |= left.files.keys()
        _report_strangers(names, config)
        if left.results:
            log.warning("%d results are left out, as %s says: none of them is compared", len(left.results), WITHHELD)
        if missing := missing or sorted(name for name in needed(config) if name in left.results.keys() - _anew(config)):
            log.warning("only the sums are checked: no table can be made anew without %s", ", ".join(missing))
            return []
        problems = [f"{name}: missing" for name in needed(config) if name not in names | left.results.keys()]
        problems += confined.unfit(config, names)
        problems += confined.unfit_weights(config, names) if embed else []
        problems = problems or list(_of_another_version(archived, config))
        if problems:
            return problems
        problems = list(_made_anew(archived, Path(name) / "anew", config, left))
        if embed:
            problems += _embedded_anew(archived, Path(name) / "embedded", config)
        if problems:
            _report_other_packages(archived)
        return problems


def needed(config: Config) -> list[str]:
    """What models answered, on what, what judges said, and embeddings: from these, all else in results/ is made anew."""
    files = []
    for dataset, study in config.studies.items():
        files += [f"results/dataset/{dataset}/{name}.parquet" for name in ("images", "classes")]
        files += [f"results/predictions/{dataset}/{model.name}.parquet" for model in study.models]
        files += [f"results/probe/{dataset}/{name}.parquet" for name in (study.probe.models if study.probe else [])]
        files += [it.path for it in inputs(outline(study), "judgements").values()]
        worded = [model.name for model in study.models if model.worded]
        for encoder in study.every_encoder:
            # the bundle holds the classes of every encoder, whoever needs them
            files += [f"{EMBEDDINGS[0]}{encoder.name}/{dataset}/{it}.parquet" for it in (CLASSES, *worded)]
        files += [
            f"results/reranked/{it.name}/{dataset}/{model}.parquet"
            for it in study.every_encoder
            if it.reranker
            for model in worded
        ]
        if study.dataset.hierarchy is not None and study.encoders:
            files += [f"{EMBEDDINGS[2]}{encoder.name}/{dataset}.parquet" for encoder in study.every_encoder]
        files += [f"{EMBEDDINGS[1]}{study.similarity}/{dataset}/{it}.parquet" for it in worded if study.similarity]
    return files


def _anew(config: Config) -> set[str]:
    """What models answered, where that can be read again: from files of recorded predictions."""
    return {f"results/predictions/{dataset}/{model}.parquet" for dataset, model in _recorded(config)}


def _recorded(config: Config) -> list[tuple[str, str]]:
    """Data set and model of recorded predictions."""
    of_each = [(name, model) for name, study in config.studies.items() for model in study.models]
    return [(name, model.name) for name, model in of_each if isinstance(model, RecordedModel)]


def _of_another_version(archived: Path, config: Config) -> Iterator[str]:
    """Why an archive of a version whose scores have other columns cannot be checked here."""
    for place in (f"{study.results}/scores.parquet" for study in config.studies.values()):
        try:
            columns = list(pl.read_parquet_schema(archived / place))
        except (pl.exceptions.PolarsError, OSError):
            continue  # what is missing or torn is told when it is compared
        if columns == list(SCORES):
            continue
        others = sorted({*columns} ^ {*SCORES})
        yield (
            f"{place}: by another version of mllm-classify ({', '.join(others)[:100]}); check this bundle in a "
            "checkout of that version, or with the code in it, if you trust that"
        )


def _report_other_code(archived: Path) -> None:
    """Say where the archive's code is another than the one that checks it."""
    differing = sorted(
        name
        for name in {"Snakefile", *_code(archived), *_code(PROJECT)}
        if any(not (root / name).is_file() for root in (archived, PROJECT))
        or difference(archived / name, PROJECT / name)
    )
    if differing:
        log.warning(
            "the tables were made with other code than this checkout's, which checks them (%d files differ, %s first); "
            "to check with that code, which you then have to trust, unpack the bundle and run make verify-bundle there",
            len(differing), differing[0],
        )  # fmt: skip


def _code(root: Path) -> Iterator[str]:
    """What makes tables: the package, the rules, and the paper's figures."""
    for place in ("src/mllm_classify/**/*.py", "workflow/rules/*.smk", f"{PUBLISHED}/*.csv"):
        yield from (path.relative_to(root).as_posix() for path in root.glob(place))


def _report_strangers(names: set[str], config: Config) -> None:
    """Say where the archive has files that are neither the project's nor a study's: who unpacks it, has them, too."""
    places = {*CODE, PACKAGED, "results"}
    own = {"config.yaml", "README-bundle.md", ENVIRONMENT, CRATE, SUMS, *confined.named(config)}
    others = sorted(
        name for name in names - own if name.partition("/")[0] not in places and not name.startswith(RECORDS)
    )
    if others:
        log.warning("%d files belong to no study and are not used, %s first", len(others), others[0])


def _report_other_packages(archived: Path) -> None:
    """Say which packages are of other versions than where the archive was made."""
    try:
        theirs = json.loads((archived / ENVIRONMENT).read_bytes())["archived with"]["packages"]
        ours = environment()["packages"]
        differing = [
            f"{name} {theirs[name]} there, {ours[name]} here"
            for name in sorted(theirs.keys() & ours.keys())
            if theirs[name] != ours[name]
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    if differing:
        log.warning("packages of other versions, which may be why: %s", "; ".join(differing[:20]))


def _made_anew(archived: Path, anew: Path, config: Config, left: LeftOut) -> Iterator[str]:
    """Make all tables elsewhere, from what models answered, and compare them with the archived ones."""
    kept = set(needed(config))
    work = confined.lay_out(archived, anew, config, kept - left.results.keys())
    results = {path.relative_to(archived).as_posix() for path in (archived / "results").rglob("*") if path.is_file()}
    results -= {noted(name).as_posix() for name in config.studies}
    for dataset, model in _recorded(config):
        yield from _recorded_anew(archived, work, dataset, model, left)
    log.info("making the tables anew")
    if error := _make(work, config, kept):
        yield f"the tables cannot be made anew: {error}"
        return
    remade = {path.relative_to(work).as_posix() for path in (work / "results").rglob("*") if path.is_file()}
    yield from (f"{name}: in the archive, but no part of this study" for name in sorted(results - remade))
    yield from (f"{name}: missing" for name in sorted(remade - results - left.results.keys()))
    compared = sorted((results & remade) - kept)
    for name in compared:
        if mismatch := difference(archived / name, work / name):
            yield f"{name}: does not follow from the archived answers and labels: {mismatch}"
    log.info("%d files made anew and compared", len(compared))


def _make(work: Path, config: Config, kept: set[str]) -> str:
    """Make there all that follows from what is `kept`; the last words where that failed.

    Tables and figures are made many to a process: to start one for each would take most of the time.
    """
    outlines = {name: outline(study) for name, study in config.studies.items()}
    outputs = {path for of in outlines.values() for name in of.outputs for path in written(of, OUTPUTS[name])}
    across = existing(config)
    outputs |= {path for name in across for path in written(outlines[config.dataset.name], ACROSS[name])}
    rules = MAKING if len(outlines) == 1 else (*MAKING, *(f"{rule}_further" for rule in MAKING))
    done = [confined.snakemake(work, sorted(set(bundled(outlines.values(), across)) - kept - outputs), rules)]
    takes = {
        (dataset, name): {(dataset, it.job) for it in output_inputs(of, OUTPUTS[name]) if it.job in OUTPUTS}
        for dataset, of in outlines.items()
        for name in of.outputs
    }
    takes |= {
        ("", name): {
            *((dataset, it.job) for dataset, of in outlines.items() for it in files_of_each(ACROSS[name], of)
              if it.job in OUTPUTS),
            *(("", it) for it in before(ACROSS[name])),
        }
        for name in across
    }  # fmt: skip
    order = TopologicalSorter(takes)
    order.prepare()
    count = os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        while order.is_active() and not done[-1].returncode:
            ready = order.get_ready()
            shares = list(_shared(ready, count))
            done += pool.map(lambda names: confined.run(work, "mllm_classify", "make", *names), shares)
            order.done(*ready)
    return next((_last_words(it) for it in done if it.returncode), "")


def _shared(ready: Iterable[tuple[str, str]], count: int) -> Iterator[list[str]]:
    """Arguments of processes that make these outputs: one for each data set, or more where that leaves some of `count` idle."""
    of_each: dict[str, list[str]] = {}
    for dataset, name in ready:
        of_each.setdefault(dataset, []).append(name)
    parts = math.ceil(count / len(of_each))
    for dataset, names in of_each.items():
        option = [f"--dataset={dataset}"] if dataset else []
        yield from ([*names[number::parts], *option] for number in range(min(parts, len(names))))


def _recorded_anew(archived: Path, work: Path, dataset: str, model: str, left: LeftOut) -> Iterator[str]:
    """Read a recorded model's file again: it is in the archive, or was put there."""
    place = f"results/predictions/{dataset}/{model}.parquet"
    read = work / (place if place in left.results else f".{model}.parquet")
    read.parent.mkdir(parents=True, exist_ok=True)
    registered = f"results/dataset/{dataset}"
    done = confined.run(
        work, "mllm_classify", "predict", f"--model={model}", f"--dataset={dataset}", "--config=config.yaml", f"--output={read}",
        f"--images={registered}/images.parquet", f"--classes={registered}/classes.parquet",
    )  # fmt: skip
    if not done.returncode and place in left.results:
        return
    problem = _last_words(done) if done.returncode else difference(archived / place, read)
    if problem:
        yield f"{place}: is not what the archived file of predictions says: {problem}"


def _embedded_anew(archived: Path, anew: Path, config: Config) -> Iterator[str]:
    """Embed all texts elsewhere, and compare with the archived vectors.

    Encoders behind an address are left out: nothing, and no key, is sent to where an archive says.
    """
    served = {it.name for it in config.every_encoder if isinstance(it, OpenAIEncoder)}
    if served:
        log.warning("not embedded anew, for servers would have to be asked: %s", ", ".join(sorted(served)))
    kept = needed(config)
    names = [name for name in kept if name.startswith(EMBEDDINGS) and name.split("/")[2] not in served]
    if not names:
        return
    work = confined.lay_out(archived, anew, config, set(kept) - set(names))
    log.info("making the embeddings anew")
    done = confined.snakemake(work, names, EMBEDDING)
    if done.returncode:
        yield f"the embeddings cannot be made anew: {_last_words(done)}"
        return
    for name in names:
        one, other = pl.read_parquet(archived / name), pl.read_parquet(work / name)
        if not one.drop("embedding").equals(other.drop("embedding")) or one.schema != other.schema:
            yield f"{name}: embeddings of other texts, or of another length, than made anew"
            continue
        largest = float(abs(one["embedding"].to_numpy() - other["embedding"].to_numpy()).max(initial=0))
        log.info("%s: the largest difference of a component is %.2g", name, largest)
        if not largest <= TOLERANCE:
            yield f"{name}: embeddings made anew differ by {largest:.2g}, more than {TOLERANCE:g}"


def difference(archived: Path, anew: Path) -> str:
    """Where two files differ first; nothing where they are the same to the bit (Parquet: the same rows)."""
    if archived.read_bytes() == anew.read_bytes():
        return ""
    if archived.suffix == ".parquet":
        return _difference_of_rows(archived, anew)
    lines = (path.read_text(errors="backslashreplace").split("\n") for path in (archived, anew))
    for number, (one, other) in enumerate(zip_longest(*lines), 1):
        if one != other:
            return f"line {number}: {_shown(one)}, made anew {_shown(other)}"
    return "bytes that are no text"


def _difference_of_rows(archived: Path, anew: Path) -> str:
    try:
        one, other = pl.read_parquet(archived), pl.read_parquet(anew)
    except pl.exceptions.PolarsError as error:
        return f"not a Parquet file ({str(error).splitlines()[0]})"
    if one.schema != other.schema or one.height != other.height:
        return f"{one.height} rows of {', '.join(one.columns)}, made anew {other.height} of {', '.join(other.columns)}"
    differing = pl.DataFrame({name: one[name].ne_missing(other[name]) for name in one.columns})
    rows = differing.select(row=pl.any_horizontal(pl.all()))["row"].arg_true()
    if not rows.len():
        return ""
    row = rows[0]
    column = next(name for name in one.columns if differing[name][row])
    return (
        f"{rows.len()} of {one.height} rows, the first of them row {row + 1}, {column}: {_shown(one[column][row])}, "
        f"made anew {_shown(other[column][row])}"
    )


def _shown(value: object) -> str:
    return "nothing" if value is None else ascii(value)[:100]


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(done.stdout.strip().splitlines()[-20:]) or "no message"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mllm_classify.bundle.verify", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--embed", action="store_true", help="embed all texts anew, too; needs the text encoder's weights"
    )
    parser.add_argument(
        "--restricted", type=Path, nargs="*", default=[], metavar="FILE", help="files that the bundle leaves out"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with border(args.bundle):
            problems = verify(args.bundle.absolute(), embed=args.embed, restricted=args.restricted)
    except UnforeseenError as error:
        problems = [f"{error}; {kept_traceback(error, 'verify')}"]
    except InputError as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{args.bundle}: {len(problems)} thing{'s' * (len(problems) > 1)} wrong", file=sys.stderr)
        return 1
    print(f"{args.bundle}: whole; every table that was made anew follows from the archived answers, to the bit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
