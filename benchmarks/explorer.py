"""How fast the explorer is in a browser, and how much memory it takes there.

.venv/bin/python benchmarks/explorer.py results/explorer.html

Needs Debian's chromium and chromium-driver (make test-browser installs them). `--models 20` also makes a page of that
many invented models that answer 50,000 images (--images) in words, each answer another.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import stated
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait
from tabulate import tabulate

from mllm_classify.measures.counting import SUBSETS
from mllm_classify.report.explorer.data import FIXED, FLAGS, Data
from mllm_classify.report.explorer.document import write
from mllm_classify.report.explorer.pictures import with_pictures
from mllm_classify.tables.table import Study

REPEATS = 5
CLASSES = 1000
MEASURES = "return Object.fromEntries(performance.getEntriesByType('measure').map((it) => [it.name, it.duration]))"
FILTER = """
const [view, done] = arguments;
const start = performance.now();
addEventListener('hashchange', () => requestAnimationFrame(() => setTimeout(() =>
  done([performance.now() - start, document.getElementById('count').textContent]))), { once: true });
location.hash = view;
"""
SCROLL = """
const [share, done] = arguments;
const start = performance.now();
scrollTo(0, document.documentElement.scrollHeight * share);
// who scrolled is told before the next frame is drawn
requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
"""
FILTERS = {
    "category": "category=M-",
    "class": "class=281&is=any",
    "agreement": "right=3-5&distinct=4-",
    "text": "text=9999",
    "sorted by class": "order=imgt-desc",
    "one image": "image={image}",
    "grid": "layout=grid",
    "confusions": "layout=confusions",
}


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def measured(path: Path, repeats: int) -> list[tuple[str, str]]:
    """What was measured of one page, in words."""
    found = [("page, MB", f"{path.stat().st_size / 1e6:.1f}")]
    views, filters = [], {}
    driver = browser()
    try:
        for _ in range(repeats):
            driver.get("about:blank")
            start = time.perf_counter()
            driver.get(path.absolute().as_uri())
            WebDriverWait(driver, 120, 0.02).until(
                lambda it: it.execute_script("return 'ready' in document.documentElement.dataset")
            )
            views.append((time.perf_counter() - start, driver.execute_script(MEASURES)["first view"] / 1000))
        rows = driver.execute_script("return [...document.querySelectorAll('#shown option')].length")
        image = driver.execute_script("return document.querySelector('button.open').textContent")
        two = driver.execute_script(
            "for (let i = 0; i < 2; i++) document.getElementById('add').click(); return location.hash.slice(1)"
        )
        for name, view in {**FILTERS, "one model right, another wrong": two}.items():
            times = []
            for _ in range(repeats):
                driver.execute_async_script(FILTER, "under=imgt")
                times.append(driver.execute_async_script(FILTER, view.format(image=image)))
            filters[name] = statistics.median(seconds for seconds, _ in times), times[0][1]
        driver.execute_async_script(FILTER, "layout=grid")
        frames = [driver.execute_async_script(SCROLL, share) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
        driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        heap = driver.execute_cdp_cmd("Runtime.getHeapUsage", {})
    finally:
        driver.quit()
    found += [("rows", str(rows))]
    found += [
        (
            "first view, s (median, worst)",
            f"{statistics.median(w for w, _ in views):.2f}, {max(w for w, _ in views):.2f}",
        )
    ]
    found += [(f"{name}, ms until drawn", f"{taken:.0f}   ({count})") for name, (taken, count) in filters.items()]
    found += [("grid scrolled elsewhere, ms until drawn", f"{statistics.median(frames):.0f}")]
    memory = heap["usedSize"] + heap.get("backingStorageSize", 0) + heap.get("embedderHeapUsedSize", 0)
    return [*found, ("memory, MB", f"{memory / 1e6:.0f}")]


def invented(models: int, images: int) -> Data:
    """A page's columns for models that answer every image in other words, 60 characters each, three tasks a model."""
    generator = np.random.default_rng(0)
    names = [f"model-{number}" for number in range(models)]
    texts = [f"answer {number} of a model that says what it sees, at some length" for number in range(models * images)]
    several = {"sets": ["", *map(str, range(CLASSES))], "names": [f"class {number}" for number in range(CLASSES)]}
    columns = {
        **several,
        "ids": [f"ILSVRC2012_val_{number:08}" for number in range(1, images + 1)],
        "categories": generator.integers(0, len(SUBSETS["A"]), images).astype(np.uint8),
        "imgt": generator.integers(1, CLASSES + 1, images).astype(np.uint16),
        "regt": generator.integers(1, CLASSES + 1, images).astype(np.uint16),
        "texts": texts,
        "full_lengths": np.array([len(text) for text in texts], dtype=np.uint32),
        "nearest": generator.integers(1, CLASSES + 1, len(texts)).astype(np.uint16),
        "similarity": generator.integers(0, FIXED, len(texts)).astype(np.int16),
        "margin": generator.integers(0, FIXED, len(texts)).astype(np.int16),
    }
    answers, rows = [], []
    for place, name in enumerate(names):
        columns[f"answer{place}"] = np.arange(1, images + 1, dtype=np.uint32) + place * images
        answers.append({"model": name, "task": "CW", "variant": "", "repeat": 0, "column": f"answer{place}"})
        for scoring in ("CW+", "CW", "CW inclusion"):
            columns[f"set{len(rows)}"] = generator.integers(1, CLASSES + 1, images).astype(np.uint16)
            columns[f"flags{len(rows)}"] = (FLAGS["asked"] | 2 * generator.integers(0, 8, images)).astype(np.uint8)
            rows.append(answers[-1] | {"scoring": scoring, "main": scoring == "CW+", "answer": place, "ranking": None})
    study = Study(f"{models} invented models", "one", "all", None, f"classes ({CLASSES})")
    facts = {
        "study": study._asdict() | {"said": str(study)},
        "models": [{"model": name, "label": name} for name in names],
        "subsets": SUBSETS, "answers": answers, "rankings": [], "rows": rows, "flags": FLAGS, "fixed": FIXED,
    }  # fmt: skip
    nothing = pl.DataFrame(schema=dict.fromkeys(["image_id", "file", "sha256"], pl.String))
    return with_pictures(Data(facts, columns), nothing, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE")
    parser.add_argument("--models", type=int, default=0, help="of a page with invented answers in words")
    parser.add_argument("--images", type=int, default=50_000, help="of that page")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    args = parser.parse_args()
    print(stated.origin())
    for path in args.pages:
        print(f"\n{path}\n{tabulate(measured(path, args.repeats))}")
    if args.models:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "explorer.html"
            write(invented(args.models, args.images), path)
            print(f"\n{args.models} invented models that answer in words\n{tabulate(measured(path, args.repeats))}")


if __name__ == "__main__":
    main()
