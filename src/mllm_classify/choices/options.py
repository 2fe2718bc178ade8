"""The options of every multiple-choice question (Sec. 2.3, Task 2; Table 6).

With g the image's ImGT label and L its ReGT labels: variants name g, one of L, or both; the other options are
distractors. No distractor is admissible under g or L (eq. 1), no two options count as one, and none shares its name with
another.
"""

import string
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from mllm_classify.choices import confusions, draws
from mllm_classify.choices.confusions import Matrix
from mllm_classify.choices.variants import ALL, EARLIER, FIRST, SEMANTIC, VARIANTS, Variant
from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.equivalences import admits
from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.files import InputError

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.tasks import Choices, Earlier

ORIGINS = ["imgt", "regt", "both", "random", "confusion", "tie", "fallback", "similar", "listed"]
"""What an option is: a label, or a distractor and how it came about. `tie`: chosen among classes that were confused as
often; `fallback`: never confused; `similar`: of a similar name; `listed`: on the list that all images share."""
IMGT, REGT, BOTH, RANDOM, CONFUSION, TIE, FALLBACK, SIMILAR, LISTED = range(len(ORIGINS))
CHOICES: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "variant": pl.String(),
    "repeat": pl.Int32(),
    # class ids, in the order in which they are shown; empty where nothing is asked; null where all classes are options
    "options": pl.List(pl.Int32),
    "origins": pl.List(pl.Enum(ORIGINS)),
}
BLOCK = 65536
"""Questions of a variant that are made at once."""

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def conflicts(same_name: list[list[int]], admitted: dict[int, frozenset[int]]) -> Flags:
    """Which classes cannot be options of one question: themselves, those of one name, those that count as one.

    Shape: (classes + 1) squared; the last stands for no class.
    """
    result = np.zeros((len(same_name) + 1,) * 2, dtype=np.bool_)
    for one, others in enumerate(same_name):
        result[one, others] = True
    for one, them in admitted.items():
        result[one, list(them)] = result[list(them), one] = True
    return result


def make(
    section: "Choices",
    dataset: "AnyDataset",
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    confused: pl.DataFrame,
    embeddings: FloatArray | None,
) -> pl.DataFrame:
    """The questions that a configuration asks.

    `confused` are the reference's confusions; `embeddings` (classes x d, unit length) decide where it was never wrong.
    Raises InputError where there is nothing to ask about, or more options than classes, letters, or an image's labels allow.
    """
    _check_numbers(section, classes.height)
    images = draws.sampled(labels, None if section.per_class == "all" else section.per_class, section.seed)
    if not images.height:
        msg = "choices: there is no image to ask about: a label set leaves every one open"
        raise InputError(msg)
    rules = Rules(
        section.n,
        section.repeats,
        conflicts(classes["same_name"].to_list(), admits(dataset.equivalences, Lookup(classes))),
        confusions.rankings(confused, classes.height, embeddings),
        confusions.counts(confused, classes.height),
        section.imgt_distractors,
    )
    questions = choices(images, list(section.variants), rules)
    return pl.concat(
        [*questions, *earlier(images, section.earlier, rules, embeddings)] if section.earlier else questions
    )


def vectors(class_embeddings: pl.DataFrame) -> FloatArray:
    """Class embeddings as an array (classes x d), in the order of ids."""
    return class_embeddings.sort("class_id")["embedding"].to_numpy()


def numbers(choices: pl.DataFrame) -> tuple[int, int]:
    """How many questions there are, and about how many images."""
    questions = choices.filter(pl.col("options").is_null() | (pl.col("options").list.len() > 0))
    return questions.height, questions["image_id"].n_unique()


def _check_numbers(section: "Choices", classes: int) -> None:
    numbers = {"choices.n": section.n}
    if section.earlier is not None:
        numbers |= {"choices.earlier.n": section.earlier.n, "choices.earlier.classes": section.earlier.classes}
    for key, number in numbers.items():
        if number > classes:
            msg = f"{key}: {number}: there are {classes} classes only"
            raise InputError(msg)
        if section.answer == "letter" and number > len(string.ascii_uppercase) and not key.endswith("classes"):
            msg = f"{key}: {number}: there are fewer letters; set choices.answer: name"
            raise InputError(msg)


class Rules(NamedTuple):
    """What options are made by."""

    n: int
    repeats: int
    conflict: Flags  # of conflicts()
    ranking: Matrix  # of confusions.rankings()
    confused: Matrix  # of confusions.counts()
    imgt_distractors: bool  # whether ImGT may be a distractor where ReGT alone is named
    key: str = "choices.n"  # which number n is, for messages


def choices(labels: pl.DataFrame, variants: list[str], rules: Rules) -> Iterator[pl.DataFrame]:
    """The questions of these images, in all variants and repeats: blocks of images, and then of variants.

    Raises InputError where an image has fewer than n classes that may stand together.
    """
    for block in _blocks(labels, rules):
        images = _Images(block, rules)
        for name in variants:
            yield images.all_classes() if name == ALL else images.questions(name, VARIANTS[name])


def earlier(
    labels: pl.DataFrame, section: "Earlier", rules: Rules, embeddings: FloatArray | None
) -> Iterator[pl.DataFrame]:
    """The questions of earlier work about these images. Raises InputError as `choices` does."""
    rules = rules._replace(n=section.n, repeats=section.repeats, key="choices.earlier.n")
    unconfused = np.zeros_like(rules.confused)
    similar = confusions.rankings(pl.DataFrame(schema=confusions.CONFUSIONS), len(unconfused), embeddings)
    by_variant = {
        SEMANTIC: rules._replace(ranking=similar, confused=unconfused),
        "CW random": rules._replace(n=section.classes, key="choices.earlier.classes"),
    }
    for block in _blocks(labels, rules):
        for name in section.variants:
            images = _Images(block, by_variant.get(name, rules))
            yield images.first_classes(section.classes) if name == FIRST else images.questions(name, EARLIER[name])


def _blocks(labels: pl.DataFrame, rules: Rules) -> Iterator[pl.DataFrame]:
    """Images in blocks of BLOCK questions a variant."""
    return labels.iter_slices(max(1, BLOCK // rules.repeats))


class _Images:
    """Some images, and what their labels allow. -1 stands for no class."""

    def __init__(self, labels: pl.DataFrame, rules: Rules) -> None:
        self.rules = rules
        self.ids = labels["image_id"]
        self.keys = draws.keys(self.ids)
        self.imgt: Ids = labels["imgt"].to_numpy().astype(np.int64)
        classes = len(rules.conflict) - 1
        self.right_imgt = _members(labels["imgt_admissible"], classes)
        self.right_regt = _members(labels["regt_admissible"], classes)
        self.labelled = (labels["regt"].list.len() > 0).fill_null(value=False).to_numpy()
        # L without g and what counts as g; else g
        others = [
            [label for label in regt or [] if not rules.conflict[imgt, label]] or [imgt]
            for imgt, regt in labels.select("imgt", "regt").iter_rows()
        ]
        self.others = np.array([len(it) for it in others])
        self.other = np.full((len(others), self.others.max(initial=1)), -1)
        for row, ids in enumerate(others):
            self.other[row, : len(ids)] = ids

    def questions(self, name: str, variant: Variant) -> pl.DataFrame:
        """One variant's questions, by image and repeat."""
        rules = self.rules
        image = np.repeat(np.arange(len(self.keys)), rules.repeats)
        repeat = np.tile(np.arange(rules.repeats), len(self.keys))
        key = draws.draw(draws.key(name), self.keys[image], repeat.astype(np.uint64))
        drawn = draws.below(draws.draw(key, draws.key("regt")), self.others[image])
        imgt = self.imgt[image]
        regt = np.where(self.labelled[image], self.other[image, drawn], -1)
        if variant.imgt:
            # where both would be one, it stands once
            named = np.stack([imgt, np.where(regt == imgt, -1, regt) if variant.regt else np.full_like(imgt, -1)])
            has_options = np.ones(len(image), dtype=np.bool_)
        else:
            named = np.stack([np.full_like(imgt, -1), regt])
            has_options = regt >= 0
        of = {"imgt": imgt, "regt": np.where(regt < 0, imgt, regt)}
        lists = np.stack([of[label] for label in variant.confused_with], axis=1) if variant.confused_with else None
        filled = _Filled(self._forbidden(variant), image[has_options], named.T[has_options], key[has_options], rules)
        filled.fill(None if lists is None else lists[has_options], self.ids)
        options, origins = filled.shown()
        if name == SEMANTIC:
            origins[:] = SIMILAR
        self._say_labels(options, origins, image[has_options])
        return _frame(self.ids, name, image, repeat, has_options, options, origins)

    def all_classes(self) -> pl.DataFrame:
        """Questions whose options are all classes, in the order of the repeat."""
        repeats = pl.DataFrame({"variant": ALL, "repeat": range(self.rules.repeats)})
        questions = self.ids.to_frame().join(repeats, how="cross")
        return questions.select(
            pl.col(name).cast(dtype) if name in questions.columns else pl.lit(None, dtype).alias(name)
            for name, dtype in CHOICES.items()
        )

    def first_classes(self, count: int) -> pl.DataFrame:
        """Questions about images of the first classes, whose options are these, in the order of the repeat."""
        among = np.flatnonzero(self.imgt < count)
        image = np.repeat(among, self.rules.repeats)
        repeat = np.tile(np.arange(self.rules.repeats), len(among))
        orders = np.stack([draws.shuffled_classes(count, number) for number in range(self.rules.repeats)])
        options = orders[repeat]
        origins = np.full_like(options, LISTED)
        self._say_labels(options, origins, image)
        return _frame(self.ids, FIRST, image, repeat, np.ones(len(image), dtype=np.bool_), options, origins)

    def _forbidden(self, variant: Variant) -> Flags:
        """Classes that are right for an image are no distractors of it. Shape: images x classes."""
        forbidden = self.right_imgt | self.right_regt
        if not variant.imgt and self.rules.imgt_distractors:
            rows = np.arange(len(self.imgt))
            forbidden[rows, self.imgt] = self.right_regt[rows, self.imgt]
        return forbidden

    def _say_labels(self, options: Ids, origins: Ids, image: Ids) -> None:
        """What each option that is a label is, whether or not it was drawn as one."""
        imgt = options == self.imgt[image][:, None]
        regt = self.right_regt[image[:, None], options]
        origins[imgt] = np.where(regt[imgt], BOTH, IMGT)
        origins[regt & ~imgt] = REGT


class _Filled:
    """Questions whose options are being found. Shapes: questions, or questions x n."""

    def __init__(self, forbidden: Flags, image: Ids, named: Ids, key: draws.Keys, rules: Rules) -> None:
        self.forbidden, self.image, self.key, self.rules = forbidden, image, key, rules
        self.nothing = len(rules.conflict) - 1
        self.chosen = np.full((len(image), rules.n), self.nothing)
        self.filled = np.zeros(len(image), dtype=np.int64)
        # the classes that each class excludes, few of many; `nothing` fills up, and is never taken
        self.excludes = np.full((self.nothing + 1, int(rules.conflict.sum(axis=1).max())), self.nothing)
        for one, others in enumerate(rules.conflict):
            excluded = np.flatnonzero(others)
            self.excludes[one, : len(excluded)] = excluded
        self.taken = np.zeros((len(image), self.nothing + 1), dtype=np.bool_)
        for column in named.T:
            rows = np.flatnonzero(column >= 0)
            self._choose(rows, column[rows])
        self.named = self.filled.copy()
        self.origins = np.full(self.chosen.shape, RANDOM)

    def fill(self, lists: Ids | None, ids: pl.Series) -> None:
        """Take distractors at random, or from the lists of likely confusions of some classes, in turn.

        `lists` has a column for each list: the class whose confusions it is. Equal ones are one list.
        """
        classes = self.nothing
        count = 1 if lists is None else np.where((lists == lists[:, :1]).all(axis=1), 1, lists.shape[1])
        tried = np.zeros((len(self.image), 1 if lists is None else lists.shape[1]), dtype=np.int64)
        source = np.zeros_like(self.chosen)  # from which list
        limit = classes if lists is not None else 100 * classes
        while (rows := np.flatnonzero(self.filled < self.rules.n)).size:
            turn = (self.filled[rows] - self.named[rows]) % (count if lists is None else count[rows])  # type: ignore[index]
            attempt = tried[rows, turn]
            if attempt.max() >= limit:
                short = rows[int(attempt.argmax())]
                msg = (
                    f"{self.rules.key}: {self.rules.n}: image {ids[int(self.image[short])]!r} has only {self.filled[short]} classes "
                    "that may stand together; lower it"
                )
                raise InputError(msg)
            if lists is None:
                candidate = draws.below(
                    draws.draw(self.key[rows], draws.key("distractor"), attempt.astype(np.uint64)), classes
                )
            else:
                candidate = self.rules.ranking[lists[rows, turn], attempt]
            tried[rows, turn] += 1
            free = self._free(rows, candidate)
            rows, candidate = rows[free], candidate[free]
            source[rows, self.filled[rows]] = turn[free]
            self._choose(rows, candidate)
        if lists is not None:
            self._say_how(lists, tried, source)

    def _choose(self, rows: Ids, classes: Ids) -> None:
        self.chosen[rows, self.filled[rows]] = classes
        self.taken[rows, classes] = True
        self.filled[rows] += 1

    def _free(self, rows: Ids, candidate: Ids) -> Flags:
        """Whether a class may stand beside what is chosen already."""
        beside = self.taken[rows[:, None], self.excludes[candidate]].any(axis=1)
        free: Flags = ~self.forbidden[self.image[rows], candidate] & ~beside
        return free

    def _say_how(self, lists: Ids, tried: Ids, source: Ids) -> None:
        """Whether distractors were confused more often than the next one that could have stood there."""
        slots = np.arange(self.rules.n)
        for turn in range(lists.shape[1]):
            of = lists[:, turn]
            after = self._next(of, tried[:, turn])
            images = self.rules.confused[of[:, None], np.minimum(self.chosen, self.nothing - 1)]
            origins = np.where(images <= 0, FALLBACK, np.where(images == after[:, None], TIE, CONFUSION))
            here = (source == turn) & (slots >= self.named[:, None])
            self.origins[here] = origins[here]

    def _next(self, of: Ids, tried: Ids) -> Ids:
        """How often the likeliest of the classes that remain was confused; -1 where none remains."""
        counts = np.full(len(of), -1)
        tried = tried.copy()
        rows = np.arange(len(of))
        while (rows := rows[tried[rows] < self.nothing]).size:
            candidate = self.rules.ranking[of[rows], tried[rows]]
            tried[rows] += 1
            free = self._free(rows, candidate)
            counts[rows[free]] = self.rules.confused[of[rows[free]], candidate[free]]
            rows = rows[~free]
        return counts

    def shown(self) -> tuple[Ids, Ids]:
        """Options and their origins in the order of the question's own shuffle."""
        slots = np.arange(self.rules.n, dtype=np.uint64)
        order = np.argsort(draws.draw(self.key[:, None], draws.key("order"), slots), axis=1, kind="stable")
        return np.take_along_axis(self.chosen, order, axis=1), np.take_along_axis(self.origins, order, axis=1)


def _members(lists: pl.Series, classes: int) -> Flags:
    """Which classes each list holds. Shape: lists x classes."""
    result = np.zeros((len(lists), classes), dtype=np.bool_)
    lengths = lists.list.len().fill_null(0).to_numpy()
    held = lists.explode().drop_nulls().to_numpy()
    result[np.repeat(np.arange(len(lists)), lengths), held] = True
    return result


def _frame(
    ids: pl.Series, variant: str, image: Ids, repeat: Ids, has_options: Flags, options: Ids, origins: Ids
) -> pl.DataFrame:
    questions = pl.DataFrame(
        {
            "image_id": ids.gather(image),
            "variant": pl.repeat(variant, len(image), eager=True),
            "repeat": pl.Series(repeat, dtype=pl.Int32),
        }
    )

    def lists(flat: pl.Series) -> pl.Series:
        return flat.reshape(options.shape).arr.to_list()

    kinds = pl.Series(ORIGINS, dtype=pl.Enum(ORIGINS)).gather(origins.reshape(-1))
    shown = pl.DataFrame({"options": lists(pl.Series(options.reshape(-1), dtype=pl.Int32)), "origins": lists(kinds)})
    if has_options.all():
        return questions.hstack(shown)
    nothing = pl.DataFrame({"options": [[]], "origins": [[]]}, schema={name: CHOICES[name] for name in shown.columns})
    place = np.where(has_options, np.cumsum(has_options) - 1, len(shown))
    return questions.hstack(pl.concat([shown, nothing])[place])
