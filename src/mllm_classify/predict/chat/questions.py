"""What chat models are asked: all requests of a model, and the key of each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from mllm_classify.choices import draws
from mllm_classify.choices.variants import lists_classes
from mllm_classify.io.files import InputError
from mllm_classify.predict.chat import altered
from mllm_classify.predict.chat.examples import chosen
from mllm_classify.predict.chat.pictures import data_url, sent_anew
from mllm_classify.predict.chat.prompts import Template, Way, lettered, listed, numbered, read_prompt, template
from mllm_classify.predict.chat.question import Question, answer_identity, question_key
from mllm_classify.predict.images import Images
from mllm_classify.tasks import CW, CW_CONSTRAINED, MC, OW, TASK

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.config.tasks import Examples, TaskPrompt, Variant
    from mllm_classify.predict.chat.examples import Chosen, Example
    from mllm_classify.predict.job import PredictJob
    from mllm_classify.tasks import TaskName

CLASS_LIST, OPTIONS = str(CW.placeholder), str(MC.placeholder)
"""What prompts have in place of the classes' names, and of a question's options."""


class MultipleChoice(NamedTuple):
    """The options of MC, as the choices stage made them, and whether they are shown as names or behind letters."""

    choices: pl.DataFrame
    answer: str

    def about(self, image_ids: list[str]) -> pl.DataFrame:
        """The questions about some images, by variant and repeat."""
        something = pl.col("options").is_null() | (pl.col("options").list.len() > 0)
        return self.choices.filter(pl.col("image_id").is_in(image_ids) & something).sort(
            "variant", "repeat", maintain_order=True
        )


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
        chosen: "Callable[[Examples], Chosen] | None" = None,
    ) -> None:
        self.model = model
        self.images = images
        self.names = names
        self._tasks = tasks
        self._multiple = multiple
        self._labels = labels
        self._shard = shard
        self.unreadable = unreadable
        self.ways = [self._way(task) for task in model.tasks if not (TASK[task].options or TASK[task].ranked)]
        self.ranked_ways = [self._way(task) for task in model.tasks if TASK[task].ranked]
        main = {way.task: way for way in self.ways}
        self.ways += [self._varied(variant, main[variant.task]) for variant in variants]
        self._choosing = [self._way(task) for task in (MC.name, CW.name) if MC.name in model.tasks and task in tasks]
        self.identity = answer_identity(model)
        wanted = {way.examples for way in (*self.ways, *self._choosing) if way.examples is not None}
        self._chosen = {it: chosen(it) for it in wanted} if chosen is not None else {}

    def _way(self, task: "TaskName") -> Way:
        entry = self._tasks[task]
        return Way(task, read_prompt(entry.prompt), self.model.layout, sample=entry.sample, examples=entry.examples)

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
            variant.pixels,
            variant.examples or main.examples,
        )

    def __iter__(self) -> Iterator[Question]:
        for task in self.model.tasks:
            if task == MC.name:
                yield from self._choices()
            for way in self.ways:
                if way.task == task:
                    yield from self._put_in(way)

    def by_way(self) -> list[Iterator[Question]]:
        """The same, apart for each way in which a task is put, and multiple choice."""
        choices = [self._choices()] if MC.name in self.model.tasks else []
        return [self._put_in(way) for way in self.ways] + choices

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

    def body(self, question: Question) -> dict[str, Any]:
        """A whole request, images included. Raises InputError where one of them is gone, or another one."""
        names = (example.name for example in question.examples)
        return question.template.with_images(self.urls(question), names)

    def about(self, question: Question) -> str:
        return f"image {self.images.ids[question.images[0]]!r}"

    def asked_about(self, way: Way, *, refused: bool = False) -> list[int]:
        """The images of this shard that a task is about; or those of them that cannot be decoded."""
        places = (place for place in self.places(way) if self.ours(place))
        return [place for place in places if (self.images.ids[place] in self.unreadable) == refused]

    def sent(self, place: int) -> str:
        """What tells an image apart, as it is sent."""
        return self._sent[place]

    def text(self, way: Way) -> str:
        """The words of a prompt that lists all classes, where it lists any."""
        return way.prompt.text.replace(CLASS_LIST, self._listing(way, range(len(self.names))))

    def key(self, put: Template, place: int | None) -> str:
        """The key of a request that is no question: about an image, or, as text alone, about none."""
        return question_key(put, [] if place is None else [self._sent[place]], 0, self.identity)

    def places(self, way: Way) -> list[int]:
        """The images that a task is about."""
        if way.sample is None:
            return list(range(len(self.images)))
        drawn = draws.sampled(self._labelled(), way.sample.per_class, way.sample.seed)
        chosen = set(drawn["image_id"])
        return [place for place, image_id in enumerate(self.images.ids) if image_id in chosen]

    def ours(self, place: int) -> bool:
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
        text = way.prompt.text.replace(CLASS_LIST, self._listing(way, order)).replace("{n}", str(images))
        first = self.model.request.seed
        seed = (first if isinstance(first, int) else 0) + repeat if way.repeats > 1 and first is not None else None
        choice = list(dict.fromkeys(self.names)) if way.task == CW_CONSTRAINED.name else None
        shown = 0 if way.pixels == "none" else images
        return template(
            self.model, way, text, shown, seed, choice, self._chosen[way.examples].count if way.examples else 0
        )

    def _listing(self, way: Way, class_ids: Iterable[int]) -> str:
        names = {class_id: self.names[class_id] for class_id in class_ids}
        return numbered(names) if way.ids else listed(names.values())

    def by_letter(self, question: Question) -> bool:
        """Whether a question's options stand behind letters."""
        if question.task != MC.name or self._multiple is None:
            return False
        return self._multiple.answer == "letter" and not lists_classes(question.variant)

    def lists_classes(self, question: Question) -> bool:
        """Whether a question is the main one of a task whose prompt lists all classes."""
        return any(
            (way.task, way.variant) == (question.task, question.variant) and CLASS_LIST in way.prompt.text
            for way in self.ways
            if not way.variant
        )

    def listing_only(self, question: Question, class_ids: Iterable[int]) -> Template:
        """The same request with these classes only: by its tokens, those of the class list are known."""
        way = next(way for way in self.ways if (way.task, way.variant) == (question.task, question.variant))
        text = way.prompt.text.replace(CLASS_LIST, self._listing(way, class_ids))
        return template(self.model, way, text, examples=len(question.examples))

    def probe(self, put: Template, place: int, like: Question | None = None) -> Question:
        """A request about one image that is no question of the study, behind the examples of one that it is like."""
        probing = Question("", OW.name, (place,), put)
        return probing if like is None else probing._replace(examples=like.examples)

    def refused(self) -> Iterator[Question]:
        """The questions about images that cannot be decoded. Each is about one image, and never sent."""
        if not self.unreadable:
            return
        for way in self.ways:
            for repeat in range(way.repeats):
                put = self.put(way, repeat=repeat)
                for place in self.places(way):
                    if self.images.ids[place] in self.unreadable and self.ours(place):
                        yield self._question(put, way, (place,), repeat)
        if MC.name in self.model.tasks:
            yield from self._choices(refused=True)

    def _put_in(self, way: Way) -> Iterator[Question]:
        places = [place for place in self.places(way) if self.images.ids[place] not in self.unreadable]
        for repeat in range(way.repeats):
            if way.images == 1:
                put = self.put(way, repeat=repeat)
                yield from (self._question(put, way, (place,), repeat) for place in places if self.ours(place))
                continue
            imgt = self.imgt if way.order == "class" else {}
            groups = grouped(places, way, self.images.ids, imgt, repeat)
            put_as = {size: self.put(way, size, repeat) for size in {len(group) for group in groups}}
            for number, group in enumerate(groups):
                if self._in_shard(number):
                    yield self._question(put_as[len(group)], way, tuple(group), repeat, number)

    @cached_property
    def _sent(self) -> list[str]:
        """What tells the pictures apart as they are sent: a file's SHA-256, and how, where once that was otherwise."""
        picture, reading = self.model.picture, self.images.reading
        ways = [sent_anew(look, picture, reading) if look else "" for look in self.images.looks]
        return [f"{digest} {way}".strip() for digest, way in zip(self.images.digests, ways, strict=True)]

    def _question(
        self,
        put: Template,
        way: Way,
        places: tuple[int, ...],
        repeat: int,
        group: int | None = None,
        options: list[int] | None = None,
    ) -> Question:
        sent = [it for place in places if (it := self._shown(way, place)) is not None]
        examples = self._examples(way, places[0], options)
        key = question_key(put, [*(example.told for example in examples), *sent], repeat, self.identity)
        return Question(key, way.task, places, put, way.variant, repeat, group, way.pixels, way.seed, examples)

    def _examples(self, way: Way, place: int, options: list[int] | None) -> "tuple[Example, ...]":
        """What stands before the question about an image, with the names, or ids, by which classes are answered."""
        if way.examples is None:
            return ()
        names = [str(class_id) for class_id in range(len(self.names))] if way.ids else self.names
        of = options if way.examples.choose == "per_class" else None  # of each option, where there are some
        return self._chosen[way.examples].before(self.images.digests[place], names, of)

    def _shown(self, way: Way, place: int) -> str | None:
        """What tells apart what is shown of an image; None where nothing is."""
        if way.pixels == "own":
            return self._sent[place]
        images = self.images
        purpose = f"{way.variant} {way.seed}"
        return altered.told(way.pixels, purpose, images.digests[place], images.looks[place], images.reading)

    def urls(self, question: Question) -> list[str]:
        """The pictures that a question shows, as they are sent: its examples' first. Raises InputError as `Images.read` does."""
        return [*(example.url() for example in question.examples), *self._own_urls(question)]

    def _own_urls(self, question: Question) -> list[str]:
        if question.pixels == "none":
            return []
        images, picture = self.images, self.model.picture
        contents = [images.read(place) for place in question.images]
        if question.pixels == "own":
            looks = [images.looks[place] for place in question.images]
            return [
                data_url(content, picture, images.reading, look) for content, look in zip(contents, looks, strict=True)
            ]
        purpose = draws.key(question.variant), np.uint64(question.seed), np.uint64(question.repeat)
        # it is a PNG file whatever the image was: which formats go as they are changes nothing, as its key says
        picture = picture.model_copy(update={"formats": ["PNG"]})
        return [
            data_url(altered.picture(content, question.pixels, purpose, picture, images.reading), picture)
            for content in contents
        ]

    def _choices(self, *, refused: bool = False) -> Iterator[Question]:
        """The requests of MC. Long lists are put with the prompt of CW; that of all classes is in the repeat's order."""
        if self._multiple is None:
            return
        letters = self._multiple.answer == "letter"
        places = {image_id: index for index, image_id in enumerate(self.images.ids)}
        few, *many = (way._replace(task=MC.name) for way in self._choosing)
        of_images = self._multiple.about(self.images.ids)
        for (variant, repeat), rows in of_images.group_by("variant", "repeat", maintain_order=True):
            number = int(str(repeat))
            every = draws.shuffled_classes(len(self.names), number).tolist()
            long = lists_classes(variant)
            way = (many[0] if long and many else few)._replace(variant=variant)

            def put(options: list[int], count: int, *, long: bool = long, way: Way = way) -> Template:
                listing = (lettered if letters and not long else listed)([self.names[class_id] for class_id in options])
                text = way.prompt.text.replace(CLASS_LIST if long else OPTIONS, listing)
                return template(self.model, way, text, examples=count)

            all_classes = cache(lambda count, every=every, put=put: put(every, count))
            for image_id, options in rows.select("image_id", "options").iter_rows():
                place = places[image_id]
                if self.ours(place) and (image_id in self.unreadable) == refused:
                    count = len(self._examples(way, place, options))
                    shown = put(options, count) if options else all_classes(count)
                    yield self._question(shown, way, (place,), number, options=options)


def questionnaire_of(job: "PredictJob[ChatModel]", *, compute: bool = True) -> Questionnaire:
    """What a job asks its model. Raises InputError where that is multiple choice, and there are no options.

    With `compute` false, no features are computed that the choice of examples may need (`examples.chosen`).
    """
    multiple = None
    if MC.name in job.model.tasks:
        if job.choices is None:
            msg = f"--choices: needed for {job.model.name}, which is asked multiple-choice questions"
            raise InputError(msg)
        multiple = MultipleChoice(job.choices, job.answer)
    return Questionnaire(
        job.model,
        job.tasks,
        Images(job.images, job.dataset.root, job.dataset.reading),
        job.classes.sort("class_id")["name"].to_list(),
        variants=job.variants,
        multiple=multiple,
        labels=job.labels,
        shard=job.shard,
        unreadable=dict(job.images.select("image_id", "problem").drop_nulls().iter_rows()),
        chosen=lambda examples: chosen(job, examples, compute=compute),
    )
