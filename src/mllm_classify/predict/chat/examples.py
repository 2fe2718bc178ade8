"""Pictures of a training split that stand before a question, with their names (few-shot).

None of them is an evaluated picture, by SHA-256. Which they are depends on the seed, on the pictures' own ids and, for the
nearest, on the image: on no order of images or records.
"""

import logging
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from mllm_classify.choices import draws
from mllm_classify.dataset.classes import Lookup
from mllm_classify.io import places
from mllm_classify.io.files import InputError, file_sha256, sha256
from mllm_classify.io.reading import AS_PILLOW, Reading
from mllm_classify.io.records import image_id, read_records
from mllm_classify.io.text import shown
from mllm_classify.predict.chat.pictures import data_url
from mllm_classify.predict.images import Images

if TYPE_CHECKING:
    import torch

    from mllm_classify.config.chat import ChatModel, Picture
    from mllm_classify.config.tasks import Examples
    from mllm_classify.config.vision import KnnModel, TrainingImages
    from mllm_classify.predict.job import PredictJob
    from mllm_classify.predict.vision.inference import Network

log = logging.getLogger(__name__)

DIGEST = re.compile(r"[0-9a-f]{64}")
HELD = 1024
"""Pictures that are held as they are sent: examples stand before many questions."""


class NotStoredError(Exception):
    """Features would have to be computed."""


class Candidate(NamedTuple):
    """A labelled picture."""

    digest: str
    image_id: str  # and the file
    class_id: int
    place: int  # in the file of records


class Example(NamedTuple):
    """A picture with its name, as it stands before a question."""

    digest: str
    name: str
    told: str  # what tells it apart: the picture's SHA-256, how it is sent, and the name
    url: Callable[[], str]


class Chosen:
    """The labelled pictures that may be examples, and which of them stand before a question, by their places among these.

    Of each image they are the same (`same`), or others, by the SHA-256 of its file; the last stands next to the image.
    """

    def __init__(
        self,
        among: list[Candidate],
        folder: str,
        picture: "Picture",
        reading: Reading = AS_PILLOW,
        same: tuple[int, ...] = (),
        by_digest: dict[str, tuple[int, ...]] | None = None,
    ) -> None:
        self._among, self._folder, self._picture, self._reading = among, folder, picture, reading
        self._same, self._by_digest = same, by_digest
        self._url = lru_cache(HELD)(self._sent)

    @property
    def count(self) -> int:
        """How many stand before each question."""
        return len(self._same if self._by_digest is None else next(iter(self._by_digest.values()), ()))

    def before(self, digest: str, names: list[str], classes: list[int] | None = None) -> tuple[Example, ...]:
        """The examples of an image, with the names of their classes: of all, or of some classes only.

        An image that cannot be decoded has none most like it.
        """
        how = "/".join(self._picture.formats) + (" obeyed" if self._reading.metadata == "obey" else "")
        found = []
        for place in self._same if self._by_digest is None else self._by_digest.get(digest, ()):
            it = self._among[place]
            if classes is not None and it.class_id not in classes:
                continue
            name = names[it.class_id]
            told = f"example {it.digest} {how}: {name}"
            found.append(Example(it.digest, name, told, partial(self._url, place)))
        return tuple(found)

    def _sent(self, place: int) -> str:
        """An example as it is sent. Raises InputError where its file is not what the records say."""
        name = self._among[place].image_id
        told = f"examples.train.images: {name}: {places.told(name, self._folder)}"
        try:
            content = places.read(name, self._folder)
        except OSError as error:
            msg = f"{told} cannot be read ({error.strerror}); examples.train.folder says where pictures are"
            raise InputError(msg) from None
        if (now := sha256(content)) != self._among[place].digest:
            msg = f"{told} has the SHA-256 {now}, and the records say {self._among[place].digest}; correct them, or the file"
            raise InputError(msg)
        try:
            return data_url(content, self._picture, self._reading)
        except InputError as error:
            msg = f"{told} {error}"
            raise InputError(msg) from None


def candidates(train: "TrainingImages", classes: pl.DataFrame, evaluated: set[str]) -> tuple[list[Candidate], int]:
    """The labelled pictures that may be examples, by their ids, each picture once; and how many are evaluated ones.

    Of a picture under several ids the first id is taken. Raises InputError where a record has no class or SHA-256, or an
    image appears twice.
    """
    lookup = Lookup(classes)
    found: dict[str, Candidate] = {}
    known: set[str] = set()
    left_out = 0
    for number, (place, record) in enumerate(read_records(train.images, "image_id", "class", "sha256")):
        name, digest = image_id(place, record), str(record["sha256"]).strip().lower()
        if name in known:
            msg = f"{place}: the image {shown(name)} appears twice"
            raise InputError(msg)
        known.add(name)
        if not DIGEST.fullmatch(digest):
            msg = f"{place}: sha256: {shown(record['sha256'], 80)} is no SHA-256; 64 digits from 0 to f are needed"
            raise InputError(msg)
        candidate = Candidate(digest, name, lookup.one(place, record["class"]), number)
        if digest in evaluated:
            left_out += 1
        elif digest not in found or name < found[digest].image_id:
            found[digest] = candidate
    return sorted(found.values(), key=lambda it: it.image_id), left_out


def drawn(examples: "Examples", among: list[Candidate]) -> tuple[int, ...]:
    """The places of examples that are the same for all images, in the order of the draw.

    A larger number keeps those of a smaller. Raises InputError where there are fewer.
    """
    order = draws.draw(draws.key("examples"), np.uint64(examples.seed), draws.keys(it.digest for it in among))
    ranked = [int(place) for place in np.argsort(order, kind="stable")]
    if examples.choose == "random":
        if len(ranked) < examples.n:
            raise InputError(_too_few(examples, len(ranked)))
        return tuple(ranked[: examples.n])
    of_class: dict[int, list[int]] = {}
    for place in ranked:
        of_class.setdefault(among[place].class_id, []).append(place)
    fewest = min(map(len, of_class.values()), default=0)
    if fewest < examples.n:
        raise InputError(_too_few(examples, fewest, " of a class"))
    chosen = {place for of in of_class.values() for place in of[: examples.n]}
    return tuple(place for place in ranked if place in chosen)


def _too_few(examples: "Examples", count: int, of: str = "") -> str:
    return (
        f"examples: n: {examples.n}: {examples.train.images} has {count} pictures{of} that are not evaluated; set a smaller "
        "number, or name more"
    )


def nearest(
    job: "PredictJob[ChatModel]", examples: "Examples", among: list[Candidate], *, compute: bool
) -> dict[str, tuple[int, ...]]:
    """By each image's SHA-256, the places of the pictures whose features are most like its own, the most alike last.

    The features are those of the k-NN entry that `neighbours` names, and lie where it keeps them. Raises NotStoredError
    where some are missing, and none may be computed.
    """
    import torch

    from mllm_classify.predict.vision import features
    from mllm_classify.predict.vision.neighbours import nearest as most_alike

    if len(among) < examples.n:
        raise InputError(_too_few(examples, len(among)))
    model = job.neighbours[str(examples.neighbours)]
    decodable = job.images.filter(pl.col("problem").is_null())
    images = Images(decodable, job.dataset.root, job.dataset.reading)
    names = [image_id(place, record) for place, record in read_records(examples.train.images, "image_id")]
    train = features.Files(names, examples.train.folder, job.dataset.reading)
    weights = None if model.weights is None else file_sha256(model.weights)
    load = cache(lambda: _encoder(model, compute=compute))
    kept = features.stored(model, weights, train, train.seen(), load, job.progress(len(names), "examples"), job.shard)
    queries = features.stored(model, weights, images, images.seen(), load, job.progress(len(images), "images"))
    if not len(images):
        return {}
    place_of = {candidate.place: place for place, candidate in enumerate(among)}
    rows = sorted(place_of)

    def allowed() -> "Iterator[torch.Tensor]":
        first = 0
        for part in kept.read():
            yield part[[row - first for row in rows if first <= row < first + len(part)]]
            first += len(part)

    unit = torch.cat(list(queries.read())).to(model.device)
    found = most_alike(unit, allowed(), examples.n)[1].cpu().numpy()
    return {
        digest: tuple(place_of[rows[row]] for row in reversed(of))
        for digest, of in zip(images.digests, found.tolist(), strict=True)
    }


def _encoder(model: "KnnModel", *, compute: bool) -> "Network":
    from mllm_classify.predict.vision import features

    if not compute:
        raise NotStoredError
    return features.encoder(model)


def chosen(job: "PredictJob[ChatModel]", examples: "Examples", *, compute: bool = True) -> Chosen:
    """Which pictures stand before the questions of a job.

    Evaluated pictures are left out, and counted in the log. With `compute` false, where the nearest are not known yet, they
    are so many others: as many requests and pictures, for an estimate.
    """
    among, left_out = candidates(examples.train, job.classes, set(job.images["sha256"].to_list()))
    if left_out:
        log.warning("%s: %d pictures are evaluated ones, and no examples", examples.train.images, left_out)
    put = partial(Chosen, among, examples.train.folder, job.model.picture, job.dataset.reading)
    if examples.choose != "nearest":
        return put(drawn(examples, among))
    try:
        by_digest = nearest(job, examples, among, compute=compute)
    except NotStoredError:
        by_digest = dict.fromkeys(job.images["sha256"], tuple(range(examples.n)))
    return put(by_digest=by_digest)
