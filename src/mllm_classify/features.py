"""Image features of a timm encoder, kept on disk in parts: computed once, whoever asks, and however often interrupted.

A part is written beside its name and renamed: what is there is whole. Several jobs may fill one folder.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import safetensors
import safetensors.torch
import timm
import torch
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from mllm_classify import vision
from mllm_classify.files import InputError, portable, written
from mllm_classify.lineage import digest
from mllm_classify.predict.batches import Readable, batches
from mllm_classify.vlm import autocast

if TYPE_CHECKING:
    from mllm_classify.config import KnnModel

ROWS = 4096
"""Images in a part: minutes of work for the largest encoders, and a few hundred files for ImageNet."""
VERSION = 1
"""Of what is computed. A change of this module that makes other features must raise it; others leave the parts alone."""
TENSOR = "features"


@dataclass(frozen=True)
class Files:
    """Files of a folder, read as they are."""

    names: list[str]
    folder: str

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> bytes:
        """The bytes of a file. Raises InputError where it cannot be read."""
        path = Path(self.folder) / self.names[index]
        try:
            return path.read_bytes()
        except OSError as error:
            msg = f"train.images: {self.names[index]}: {path.absolute()} cannot be read ({error.strerror}); train.folder says where"
            raise InputError(msg) from None


class Encoder(NamedTuple):
    """An encoder, and how it wants images."""

    model: torch.nn.Module
    transform: Callable[[Image.Image], torch.Tensor]


def encoder(config: "KnnModel") -> Encoder:
    """The encoder of a configuration, without a classification head. Raises InputError as `vision.Classifier` does."""
    if not timm.is_model(config.architecture):
        msg = f"architecture: {config.architecture!r} is not a model of timm {timm.__version__}; see timm.list_models()"
        raise InputError(msg)
    model = timm.create_model(config.architecture, pretrained=config.weights is None)
    if config.weights is not None:
        vision._load(model, config.weights)  # noqa: SLF001 (the one reader of timm's weights)
    headless(model, config.pool)
    preprocessing: dict[str, Any] = resolve_data_config(model=model)  # type: ignore[no-untyped-call]
    return Encoder(model.eval().to(config.device), create_transform(**preprocessing, is_training=False))


def headless(model: Any, pool: str | None) -> None:
    """Replace the classification head by nothing, and the pooling by another, if any."""
    try:
        model.reset_classifier(0, **({} if pool is None else {"global_pool": pool}))
    except (AssertionError, ValueError) as error:
        msg = f"pool: {pool!r} is no pooling of this architecture ({error})"
        raise InputError(msg) from None


def identity(config: "KnnModel", images: Sequence[str]) -> str:
    """A digest of what features depend on. `images` tell the pictures, in their order."""
    return digest(
        {
            "version": VERSION,
            "rows": ROWS,
            "architecture": config.architecture,
            "weights": config.weights and portable(config.weights),
            "pool": config.pool,
            "precision": config.precision,
            "stored": config.stored,
            "images": digest(list(images)),
        }
    )


class Store:
    """The features of so many images, in parts `part-00000.safetensors`, ... of a folder."""

    def __init__(self, folder: Path, images: int, rows: int = ROWS) -> None:
        self.folder = folder
        self.images = images
        self.rows = rows

    def __len__(self) -> int:
        return len(range(0, self.images, self.rows))

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:05}.safetensors"

    def places(self, part: int) -> range:
        """The images of a part."""
        return range(part * self.rows, min((part + 1) * self.rows, self.images))

    def complete(self, part: int) -> bool:
        """Whether a part is there, as long as its header says, and of all its images."""
        try:
            with safetensors.safe_open(self.path(part), "pt") as opened:
                return bool(opened.get_slice(TENSOR).get_shape()[0] == len(self.places(part)))
        except (OSError, safetensors.SafetensorError):
            return False

    def missing(self, share: tuple[int, int] = (1, 1)) -> Iterator[int]:
        """The parts that are to be computed, asked for one at a time.

        Of N jobs, the Ith computes every Nth part, and then what others have not begun, from the end: what two of them
        compute at once is a part or so each.
        """
        number, jobs = share
        own = range(number - 1, len(self), jobs)
        others = [part for part in reversed(range(len(self))) if part not in own]
        return (part for part in [*own, *others] if not self.complete(part))

    def write(self, part: int, features: torch.Tensor) -> None:
        # two jobs may write one part: each to a name of its own
        beside = self.path(part).with_name(f"{self.path(part).name}.{socket.gethostname()}-{os.getpid()}")
        with written(beside) as temporary:
            safetensors.torch.save_file({TENSOR: features.contiguous()}, temporary)
        beside.replace(self.path(part))

    def read(self) -> Iterator[torch.Tensor]:
        """The parts in order."""
        for part in range(len(self)):
            yield safetensors.torch.load_file(self.path(part))[TENSOR]


def stored(
    config: "KnnModel",
    images: Readable,
    names: Sequence[str],
    load: Callable[[], Encoder],
    progress: Callable[[int], None],
    share: tuple[int, int] = (1, 1),
    rows: int = ROWS,
) -> Store:
    """The features of images, of length 1, computed where they are not in `config.features` yet.

    `names` tell the pictures apart; the encoder is loaded only if something is missing. fp16 keeps 11 bits of each
    component: of unit vectors of 4,096 that moves cosines by about 1e-5.
    """
    store = Store(Path(config.features) / identity(config, names)[:32], len(images), rows)
    done = sum(len(store.places(part)) for part in range(len(store)) if store.complete(part))
    progress(done)
    model: Encoder | None = None
    for part in store.missing(share):
        model = model or load()
        if not store.folder.exists():
            with written(store.folder / "about.json") as temporary:
                about = config.model_dump(
                    mode="json", include={"architecture", "weights", "pool", "precision", "stored"}
                )
                temporary.write_text(json.dumps(about | {"images": len(images), "rows": rows}, indent=2) + "\n")
        computed = _computed(config, model, images, store.places(part))
        store.write(part, computed)
        done += len(computed)
        progress(min(done, len(images)))
    return store


@torch.inference_mode()
def _computed(config: "KnnModel", model: Encoder, images: Readable, places: range) -> torch.Tensor:
    found = []
    for batch in batches(
        images,
        model.transform,
        batch_size=config.batch_size,
        workers=config.workers,
        device=config.device,
        places=places,
    ):
        with autocast(config.device, config.precision):
            features = model.model(batch.tensor)
        vectors = torch.nn.functional.normalize(features.float(), dim=1)
        found.append(vectors.to(torch.float16 if config.stored == "fp16" else torch.float32).cpu())
    return torch.cat(found)
