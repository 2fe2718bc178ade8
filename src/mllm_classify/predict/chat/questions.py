"""What chat models are asked: prompts, requests, and the key of each."""

import json
import string
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from mllm_classify.choices import draws
from mllm_classify.choices.variants import lists_classes
from mllm_classify.io.files import InputError, portable_values, read_bytes, read_text, sha256

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.config.tasks import Layout, Sample, TaskPrompt, Variant
    from mllm_classify.predict.images import Images
    from mllm_classify.tasks import TaskName

IMAGE = "{image}"
"""Stands in a template's body where an image's data URL will."""


class MultipleChoice(NamedTuple):
    """The options of MC, as the choices stage made them, and whether they are shown as names or behind letters."""

    choices: pl.DataFrame
    answer: str

    def asked(self, image_ids: list[str]) -> pl.DataFrame:
        """The questions about some images, by variant and repeat."""
        something = pl.col("options").is_null() | (pl.col("options").list.len() > 0)
        return self.choices.filter(pl.col("image_id").is_in(image_ids) & something).sort(
            "variant", "repeat", maintain_order=True
        )


class Prompt(NamedTuple):
    """A prompt file: its text without comments, and the SHA-256 of all of it."""

    text: str
    digest: str


class Template(NamedTuple):
    """A request without its images, for which IMAGE stands. What many requests share exists once."""

    digest: str
    body: dict[str, Any]
    prompt: str  # SHA-256 of the prompt file
    numbered: bool = False  # whether it asks for answers behind the images' numbers

    def with_images(self, urls: list[str]) -> dict[str, Any]:
        """The request's body."""
        waiting = iter(urls)

        def filled(part: dict[str, Any]) -> dict[str, Any]:
            if part["type"] != "image_url":
                return part
            return part | {"image_url": part["image_url"] | {"url": next(waiting)}}

        messages = [
            message
            if isinstance(message["content"], str)
            else message | {"content": [filled(part) for part in message["content"]]}
            for message in self.body["messages"]
        ]
        return self.body | {"messages": messages}

    @property
    def characters(self) -> int:
        """Length of all text."""
        contents = [message["content"] for message in self.body["messages"]]
        parts = [[{"type": "text", "text": part}] if isinstance(part, str) else part for part in contents]
        return sum(len(part["text"]) for content in parts for part in content if part["type"] == "text")


class Question(NamedTuple):
    """One request that may have to be sent. `images` are places in the data set."""

    key: str
    task: "TaskName"
    images: tuple[int, ...]
    template: Template
    variant: str = ""
    repeat: int = 0
    group: int | None = (
        None  # which of a variant's groups of images in one repeat; None where images are asked about alone
    )


class Way(NamedTuple):
    """How a task is put: the main one, or a variant of it."""

    task: "TaskName"
    prompt: Prompt
    layout: "Layout"
    variant: str = ""
    ids: bool = False  # whether classes are answered by id
    temperature: float | None = None  # in place of the entry's
    repeats: int = 1
    images: int = 1  # in one request
    order: str = "listed"
    seed: int = 0
    sample: "Sample | None" = None
    classes: str = "listed"  # or shuffled


def read_prompt(file: str) -> Prompt:
    """A prompt file. Lines that begin with # are comments."""
    lines = (line for line in read_text(file).splitlines() if not line.startswith("#"))
    return Prompt("\n".join(lines).strip(), sha256(read_bytes(file)))


def listed(names: Iterable[str]) -> str:
    """Names as prompts list them."""
    return "\n".join(f"- {name}" for name in names)


def numbered(names: Mapping[int, str]) -> str:
    """Names behind the ids by which they are answered."""
    return "\n".join(f"{number}: {name}" for number, name in names.items())


def lettered(names: Iterable[str]) -> str:
    """Names behind the letters by which they may be answered."""
    return "\n".join(f"{letter}. {name}" for letter, name in zip(string.ascii_uppercase, names, strict=False))


def messages(layout: "Layout", text: str, images: int, detail: str | None = None) -> list[dict[str, Any]]:
    """The messages of a request. What all images share stands first, unless the layout is image_first.

    One of several images stands behind its number.
    """
    url = {"url": IMAGE} if detail is None else {"url": IMAGE, "detail": detail}
    image = {"type": "image_url", "image_url": url}
    pictures: list[dict[str, Any]] = [image]
    if images > 1:
        pictures = [part for n in range(images) for part in ({"type": "text", "text": f"Image {n + 1}:"}, image)]
    words: dict[str, Any] = {"type": "text", "text": text}
    match layout:
        case "image_last":
            return [{"role": "user", "content": [words, *pictures]}]
        case "image_first":
            return [{"role": "user", "content": [*pictures, words]}]
        case "system":
            return [{"role": "system", "content": text}, {"role": "user", "content": pictures}]


def template(
    model: "ChatModel", way: Way, text: str, images: int = 1, seed: int | None = None, choice: list[str] | None = None
) -> Template:
    """The request that puts `text` and so many images to a model; `choice` are the only answers that it may give."""
    sent = model.request.model_dump(exclude_none=True, exclude={"detail"})
    if way.temperature is not None:
        sent["temperature"] = way.temperature
    if seed is not None:
        sent["seed"] = seed
    for limit in ("max_tokens", "max_completion_tokens"):
        if limit in sent:
            sent[limit] *= images
    body = {
        "model": model.served,
        "messages": messages(way.layout, text, images, model.request.detail),
        **sent,
        **model.extra_body,
    }
    if choice is not None:
        body["structured_outputs"] = {"choice": choice}
    digest = sha256(json.dumps(body, sort_keys=True).encode())
    return Template(digest, body, way.prompt.digest, "{n}" in way.prompt.text)


def answer_identity(model: "ChatModel") -> dict[str, Any]:
    """What besides the request decides an answer: who is asked, and how images are sent.

    Neither URL nor port, concurrency, or number of GPUs.
    """
    file = getattr(model, "chat_template", None)
    return {
        "revision": model.revision,
        "command": portable_values(getattr(model, "command", [])),
        "flags": portable_values(getattr(model, "flags", {})),
        "chat_template": file and sha256(read_bytes(file)),
        "picture": model.picture.model_dump(),
    }


def question_key(asked: Template, images: list[str], repeat: int, identity: dict[str, Any]) -> str:
    """The digest of the request's body, its images' SHA-256s, the repeat's number and the entry's identity."""
    return sha256(json.dumps([asked.digest, images, repeat, identity], sort_keys=True).encode())


def grouped(places: list[int], way: Way, image_ids: list[str], imgt: dict[str, int], repeat: int) -> list[list[int]]:
    """Which images stand together in one request, each in one group; the last may be smaller.

    A shuffled order comes from the images, the seed and the repeat; images of a class stand in the order of the file.
    """
    if way.order == "shuffled":
        ids = draws.keys(image_ids[place] for place in places)
        drawn = draws.draw(draws.key("groups"), np.uint64(way.seed), np.uint64(repeat), ids)
        places = [places[index] for index in np.argsort(drawn, kind="stable")]
    elif way.order == "class":
        places = sorted(places, key=lambda place: imgt[image_ids[place]])
    return [places[start : start + way.images] for start in range(0, len(places), way.images)]


class Questionnaire:
    """All requests of a model, by task, variant and repeat, and then by image: what a prefix cache can serve together.

    It can be gone through any number of times, and holds no request. `labels` are needed where a sample or an order
    depends on ImGT. A shard's are those of every so many images (or groups of images). Images that are `unreadable` (why,
    by id) are asked about in no request; `refused` has what would be asked.
    """

    def __init__(
        self,
        model: "ChatModel",
        tasks: "dict[TaskName, TaskPrompt]",
        images: "Images",
        names: list[str],
        *,
        variants: "Iterable[Variant]" = (),
        multiple: MultipleChoice | None = None,
        labels: pl.DataFrame | None = None,
        shard: tuple[int, int] = (1, 1),
        unreadable: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.model = model
        self.images = images
        self.names = names
        self._tasks = tasks
        self._multiple = multiple
        self._labels = labels
        self._shard = shard
        self.unreadable = unreadable
        self.ways = [self._way(task) for task in model.tasks if task != "MC"]
        main = {way.task: way for way in self.ways}
        self.ways += [self._varied(variant, main[variant.task]) for variant in variants]
        self._identity = answer_identity(model)

    def _way(self, task: "TaskName") -> Way:
        asked = self._tasks[task]
        return Way(task, read_prompt(asked.prompt), self.model.layout, sample=asked.sample)

    def _varied(self, variant: "Variant", main: Way) -> Way:
        return Way(
            variant.task,
            read_prompt(variant.prompt) if variant.prompt else main.prompt,
            variant.layout or main.layout,
            variant.name,
            variant.answer == "id",
            variant.temperature,
            variant.repeats,
            variant.images,
            variant.order,
            variant.seed,
            variant.sample or main.sample,
            variant.classes,
        )

    def __iter__(self) -> Iterator[Question]:
        for task in self.model.tasks:
            if task == "MC":
                yield from self._choices()
            for way in self.ways:
                if way.task == task:
                    yield from self._asked(way)

    def by_way(self) -> list[Iterator[Question]]:
        """The same, apart for each way in which a task is put, and multiple choice."""
        choices = [self._choices()] if "MC" in self.model.tasks else []
        return [self._asked(way) for way in self.ways] + choices

    def _labelled(self) -> pl.DataFrame:
        if self._labels is None:
            msg = f"--labels: needed for {self.model.name}, whose sample or order of images depends on ImGT"
            raise InputError(msg)
        return self._labels

    @cached_property
    def imgt(self) -> dict[str, int]:
        """The ImGT class of every image that has one; others have none that is greater."""
        known = self._labelled().select("image_id", pl.col("imgt").fill_null(-1))
        return dict(known.iter_rows())

    def rows(self) -> int:
        """The number of answers that there will be: one an image, task, variant and repeat."""
        return sum(len(question.images) for question in self)

    def _places(self, way: Way) -> list[int]:
        """The images that a task is about."""
        if way.sample is None:
            return list(range(len(self.images)))
        drawn = draws.sampled(self._labelled(), way.sample.per_class, way.sample.seed)
        chosen = set(drawn["image_id"])
        return [place for place, image_id in enumerate(self.images.ids) if image_id in chosen]

    def _ours(self, place: int) -> bool:
        """Whether an image is this shard's. One that the data set holds twice is so both times: it is asked about once."""
        return self._in_shard(self._first[self.images.digests[place]])

    def _in_shard(self, number: int) -> bool:
        shard, shards = self._shard
        return number % shards == shard - 1

    @cached_property
    def _first(self) -> dict[str, int]:
        """Where every picture stands first."""
        return {digest: place for place, digest in reversed(list(enumerate(self.images.digests)))}

    def put(self, way: Way, images: int = 1, repeat: int = 0) -> Template:
        """The request by which a task is put."""
        order: Iterable[int] = range(len(self.names))
        if way.classes == "shuffled":
            purpose = draws.key(way.variant), np.uint64(way.seed)
            order = draws.shuffled_classes(len(self.names), repeat, *purpose).tolist()
        names = {class_id: self.names[class_id] for class_id in order}
        classes = numbered(names) if way.ids else listed(names.values())
        text = way.prompt.text.replace("{classes}", classes).replace("{n}", str(images))
        seed = (self.model.request.seed or 0) + repeat if way.repeats > 1 else None
        choice = list(dict.fromkeys(self.names)) if way.task == "CW-constrained" else None
        return template(self.model, way, text, images, seed, choice)

    def lists_classes(self, question: Question) -> bool:
        """Whether a question is the main one of a task whose prompt lists all classes."""
        return any(
            (way.task, way.variant) == (question.task, question.variant) and "{classes}" in way.prompt.text
            for way in self.ways
            if not way.variant
        )

    def without_list(self, question: Question) -> Template:
        """The same request without the class list: its tokens are those that are not the list's."""
        way = next(way for way in self.ways if (way.task, way.variant) == (question.task, question.variant))
        return template(self.model, way, way.prompt.text.replace("{classes}", ""))

    def probe(self, put: Template, place: int) -> Question:
        """A request about one image that is no question of the study."""
        return Question("", "OW", (place,), put)

    def refused(self) -> Iterator[Question]:
        """The questions about images that cannot be decoded. Each is about one image, and never sent."""
        if not self.unreadable:
            return
        for way in self.ways:
            for repeat in range(way.repeats):
                put = self.put(way, repeat=repeat)
                for place in self._places(way):
                    if self.images.ids[place] in self.unreadable and self._ours(place):
                        yield self._question(put, way, (place,), repeat)
        if "MC" in self.model.tasks:
            yield from self._choices(refused=True)

    def _asked(self, way: Way) -> Iterator[Question]:
        places = [place for place in self._places(way) if self.images.ids[place] not in self.unreadable]
        for repeat in range(way.repeats):
            if way.images == 1:
                put = self.put(way, repeat=repeat)
                yield from (self._question(put, way, (place,), repeat) for place in places if self._ours(place))
                continue
            imgt = self.imgt if way.order == "class" else {}
            groups = grouped(places, way, self.images.ids, imgt, repeat)
            put_as = {size: self.put(way, size, repeat) for size in {len(group) for group in groups}}
            for number, group in enumerate(groups):
                if self._in_shard(number):
                    yield self._question(put_as[len(group)], way, tuple(group), repeat, number)

    def _question(
        self, put: Template, way: Way, places: tuple[int, ...], repeat: int, group: int | None = None
    ) -> Question:
        digests = [self.images.digests[place] for place in places]
        key = question_key(put, digests, repeat, self._identity)
        return Question(key, way.task, places, put, way.variant, repeat, group)

    def _choices(self, *, refused: bool = False) -> Iterator[Question]:
        """The requests of MC. Long lists are put with the prompt of CW; that of all classes is in the repeat's order."""
        if self._multiple is None:
            return
        letters = self._multiple.answer == "letter"
        places = {image_id: index for index, image_id in enumerate(self.images.ids)}
        few = Way("MC", read_prompt(self._tasks["MC"].prompt), self.model.layout)
        many = few._replace(prompt=read_prompt(self._tasks["CW"].prompt)) if "CW" in self._tasks else few
        asked = self._multiple.asked(self.images.ids)
        for (variant, repeat), rows in asked.group_by("variant", "repeat", maintain_order=True):
            number = int(str(repeat))
            every = draws.shuffled_classes(len(self.names), number).tolist()
            long = lists_classes(variant)
            way = (many if long else few)._replace(variant=variant)

            def put(options: list[int], *, long: bool = long, way: Way = way) -> Template:
                shown = [self.names[class_id] for class_id in options]
                placeholder = "{classes}" if long else "{options}"
                listing = lettered if letters and not long else listed
                return template(self.model, way, way.prompt.text.replace(placeholder, listing(shown)))

            all_classes = put(every) if long else None
            for image_id, options in rows.select("image_id", "options").iter_rows():
                if self._ours(places[image_id]) and (image_id in self.unreadable) == refused:
                    shown = put(options) if options else all_classes or put(every)
                    yield self._question(shown, way, (places[image_id],), number)
