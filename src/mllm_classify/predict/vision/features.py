"""Image features of a timm encoder, kept on disk in parts: computed once, whoever asks, and however often interrupted.

A part is written beside its name and renamed: what is there is whole. Several jobs may fill one folder.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch.utils.data import BatchSampler

from mllm_classify.io import places
from mllm_classify.io.files import InputError, digest, written
from mllm_classify.io.pictures import decoded
from mllm_classify.io.reading import AS_PILLOW, Reading
from mllm_classify.loading.devices import usable_device
from mllm_classify.loading.timm import loaded, transform
from mllm_classify.predict.vision.inference import Network, outputs
from mllm_classify.predict.vision.loader import Readable

if TYPE_CHECKING:
    from PIL import Image

    from mllm_classify.config.vision import KnnModel

ROWS = 4096
"""Images in a part: minutes of work for the largest encoders, and a few hundred files for ImageNet."""
VERSION = 1
"""Of what is computed. A change of this module that makes other features must raise it; others leave the parts alone."""
TENSOR = "features"
TYPES = {"fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True)
class Files:
    """Pictures by their places in a folder, read as they are."""

    names: list[str]
    folder: str
    reading: Reading = AS_PILLOW

    def picture(self, place: int) -> "Image.Image":
        """The picture of a file. Raises InputError where it cannot be read or decoded."""
        name = self.names[place]
        told = f"train.images: {name}: {places.told(name, self.folder)}"
        try:
            return decoded(places.read(name, self.folder), self.reading)
        except OSError as error:
            msg = f"{told} cannot be read ({error.strerror}); train.folder says where"
        except InputError as error:
            msg = f"{told} {error}"
        raise InputError(msg)

    def seen(self) -> list[str]:
        """What tells the pictures apart as models see them: their names, and whether metadata are obeyed."""
        return self.names if self.reading.metadata == "ignore" else [f"{name} obeyed" for name in self.names]


def encoder(config: "KnnModel") -> Network:
    """The encoder of a configuration, without a classification head. Raises InputError as `loaded` does."""
    device, model = usable_device(config.device), loaded(config)
    headless(model, config.pool)
    return Network(device, transform(model, config), model.eval().to(device))


def headless(model: Any, pool: str | None) -> None:
    """Replace the classification head by nothing, and the pooling by another, if any."""
    try:
        model.reset_classifier(0, **({} if pool is None else {"global_pool": pool}))
    except (AssertionError, ValueError) as error:
        msg = f"pool: {pool!r} is not a pooling of this architecture ({error})"
        raise InputError(msg) from None


def about(config: "KnnModel", weights: str | None, images: Sequence[str], rows: int) -> dict[str, object]:
    """What features depend on. `images` tell the pictures, in their order; `weights` the checkpoint, if it is a file."""
    known = config.model_dump(include={"architecture", "revision", "size", "pool", "precision", "stored"})
    listed = {"images": len(images), "names": digest(list(images)), "rows": rows}
    return known | {"version": VERSION, "weights": weights} | listed


class Store:
    """The features of so many images, in parts `part-00000.safetensors`, ... of a folder."""

    def __init__(self, folder: Path, images: int, rows: int = ROWS) -> None:
        self.folder, self.images, self.rows = folder, images, rows

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
        with written(self.path(part)) as temporary:
            safetensors.torch.save_file({TENSOR: features}, temporary)

    def read(self) -> Iterator[torch.Tensor]:
        """Features (m x d) of the parts in order."""
        for part in range(len(self)):
            yield safetensors.torch.load_file(self.path(part))[TENSOR]


def stored(
    config: "KnnModel",
    weights: str | None,
    images: Readable,
    names: Sequence[str],
    load: Callable[[], Network],
    progress: Callable[[int], None],
    share: tuple[int, int] = (1, 1),
    rows: int = ROWS,
) -> Store:
    """The features of images, of length 1, computed where they are not in `config.features` yet.

    `names` tell the pictures apart, and `weights` is the digest of the checkpoint, if that is a file; the encoder is
    loaded only if something is missing. fp16 keeps 11 bits of each component: of unit vectors of 4,096 that moves
    cosines by about 1e-5.
    """
    known = about(config, weights, names, rows)
    folder = Path(config.features) / digest(known)[:32]
    store = Store(folder, len(names), rows)
    done = sum(len(store.places(part)) for part in range(len(store)) if store.complete(part))
    progress(done)
    if next(store.missing(share), None) is None:
        return store
    with written(folder / "about.json") as temporary:
        temporary.write_text(json.dumps(known, indent=2) + "\n")
    begun: deque[int] = deque()

    def wanted() -> Iterator[list[int]]:
        for part in store.missing(share):
            begun.append(part)
            yield from BatchSampler(store.places(part), config.batch_size, drop_last=False)

    features: list[torch.Tensor] = []
    for output in outputs(load(), images, config, config.resources.cpus, wanted()):
        unit = torch.nn.functional.normalize(torch.from_numpy(output.values), dim=1)
        features.append(unit.to(TYPES[config.stored]))
        if (count := sum(map(len, features))) == len(store.places(begun[0])):
            store.write(begun.popleft(), torch.cat(features))
            done += count
            progress(min(done, len(names)))
            features = []
    return store
