"""Questionnaires: how variants are put, which images stand together, and who asks what."""

from collections import Counter
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.choices import confusions, draws, options
from mllm_classify.config.chat import EndpointModel
from mllm_classify.config.tasks import Choices, Sample, TaskPrompt, Variant
from mllm_classify.dataset.classes import CLASSES
from mllm_classify.dataset.labels import LABELS
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict.chat.prompts import Prompt, Way, messages, numbered, template
from mllm_classify.predict.chat.question import question_key
from mllm_classify.predict.chat.questions import Questionnaire, grouped
from mllm_classify.predict.images import Images
from tests.chat_server import prompt_of

NAMES = ["espresso", "lens cap, lens cover", "# hash", "espresso"]
TEXT = {"type": "text", "text": "Which?"}
PICTURE = {"type": "image_url", "image_url": {"url": "{image}"}}
SEVERAL = "There are {n}.\n{classes}"


def entry(**options):
    return EndpointModel(
        **{"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q", "tasks": ["CW"]} | options
    )


def pictures(count):
    """Images that exist by their digests only."""
    ids = [f"image{number}" for number in range(count)]
    return Images(pl.DataFrame({"image_id": ids, "file": ids, "sha256": [f"{n:064x}" for n in range(count)]}), None)


def labelled(count, classes=3):
    """Labels of `pictures`; classes in turn."""
    rows = [{"image_id": f"image{number}", "imgt": number % classes} for number in range(count)]
    return pl.DataFrame(rows, schema=LABELS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prompts")
    texts = {"OW": "What?", "CW": "Which?\n{classes}", "several": SEVERAL, "ids": "By id.\n{classes}"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: str(folder / name) for name in texts}


def questionnaire(files, count=6, variants=(), sample=None, names=NAMES, **options):
    tasks = {"OW": TaskPrompt(prompt=files["OW"]), "CW": TaskPrompt(prompt=files["CW"], sample=sample)}
    tasks["CW-constrained"] = tasks["CW"]
    more = {key: options.pop(key) for key in ("labels", "shard") if key in options}
    more = {"labels": labelled(count)} | more
    asked = entry(variants=[variant.name for variant in variants], **options)
    return Questionnaire(asked, tasks, pictures(count), names, variants=variants, **more)


def groups_of(files, **options):
    """A variant of several images in a request."""
    return Variant(**{"name": "v", "task": "CW", "prompt": files["several"]} | options)


# parameters of variants


def test_a_variants_temperature_takes_the_place_of_the_entrys(files):
    hot, as_before = (Variant(name=name, task="CW", temperature=t) for name, t in (("hot", 1.0), ("same", None)))
    sent = {
        question.variant: question.template.body.get("temperature")
        for question in questionnaire(files, variants=[hot, as_before], request={"temperature": 0.3})
    }
    assert sent == {"": 0.3, "hot": 1.0, "same": 0.3}


def test_a_variant_is_sent_the_temperature_that_the_entry_does_not_send(files):
    asked = questionnaire(
        files, variants=[Variant(name="cold", task="CW", temperature=0)], request={"temperature": None}
    )
    assert {question.variant: question.template.body.get("temperature") for question in asked} == {"": None, "cold": 0}


@pytest.mark.parametrize(("seed", "seeds"), [("repeats", [0, 1, 2]), (5, [5, 6, 7]), (None, [None] * 3)])
def test_repeats_have_seeds_of_their_own_and_keys(files, seed, seeds):
    asked = questionnaire(files, 2, [Variant(name="again", task="CW", repeats=3)], request={"seed": seed})
    found = [(question.variant, question.repeat, question.template.body.get("seed")) for question in asked]
    assert found[:2] == [("", 0, 5 if seed == 5 else None)] * 2
    assert found[2:] == [("again", repeat, seeds[repeat]) for repeat in range(3) for _ in range(2)]
    keys = [question.key for question in asked]
    # the first repeat is the main question where it is sent as that
    assert len(set(keys)) == len(keys) - (0 if seed == "repeats" else 2)


# constrained, and by id


def test_a_constrained_answer_can_be_each_name_once(files):
    constrained, plain = questionnaire(files, 1, tasks=["CW-constrained", "CW"])
    assert constrained.template.body == plain.template.body | {
        "structured_outputs": {"choice": ["espresso", "lens cap, lens cover", "# hash"]}
    }
    assert constrained.key != plain.key


def test_answers_by_id_see_every_class_behind_its_id(files):
    ids = Variant(name="ids", task="CW", answer="id", prompt=files["ids"])
    (_, asked) = questionnaire(files, 1, [ids])
    assert prompt_of(asked.template.body) == f"By id.\n{numbered(dict(enumerate(NAMES)))}"
    assert asked.template.prompt == sha256(b"By id.\n{classes}")


@pytest.mark.parametrize("layout", ["system", "image_first"])
def test_a_variants_layout_takes_the_place_of_the_entrys(files, layout):
    (main, varied) = questionnaire(files, 1, [Variant(name="v", task="CW", layout=layout)])
    assert main.template.body["messages"] == messages("image_last", prompt_of(main.template.body), 1)
    assert varied.template.body["messages"] == messages(layout, prompt_of(main.template.body), 1)


# another order of the class list


MANY = [f"class {number}" for number in range(30)]


def listings(files, *variants, names=MANY, **options):
    """By variant and repeat, the lists that requests have: one for all images."""
    asked = questionnaire(files, 3, variants, names=names, tasks=["CW"], **options)
    found = {}
    for question in asked:
        lines = prompt_of(question.template.body).splitlines()[1:]
        found.setdefault((question.variant, question.repeat), set()).add(tuple(lines))
    assert all(len(lists) == 1 for lists in found.values())
    return {key: list(*lists) for key, lists in found.items()}


def test_a_shuffled_list_is_the_same_for_all_images_and_another_for_each_variant_seed_and_repeat(files):
    ways = [
        Variant(name="a", task="CW", classes="shuffled", repeats=2),
        Variant(name="b", task="CW", classes="shuffled"),
        Variant(name="again", task="CW", repeats=2),
    ]
    found = listings(files, *ways)
    main = [f"- {name}" for name in MANY]
    assert found["", 0] == found["again", 0] == found["again", 1] == main
    others = [found[key] for key in (("a", 0), ("a", 1), ("b", 0))]
    others += [listings(files, way.model_copy(update={"seed": 1}))[way.name, 0] for way in ways[:2]]
    assert len({tuple(lines) for lines in others}) == 5
    assert all(sorted(lines) == sorted(main) != lines for lines in others)
    assert listings(files, *ways[::-1]) == found


def test_in_a_shuffled_list_every_class_keeps_its_id(files):
    way = Variant(name="v", task="CW", classes="shuffled", answer="id", prompt=files["ids"])
    found = listings(files, way)["v", 0]
    expected = numbered(dict(enumerate(MANY))).splitlines()
    assert sorted(found) == sorted(expected)
    assert found != expected


def test_a_constrained_answer_is_held_to_the_same_names_in_any_order_of_the_list(files):
    way = Variant(name="v", task="CW-constrained", classes="shuffled")
    bodies = [
        question.template.body for question in questionnaire(files, 1, [way], tasks=["CW-constrained"], names=MANY)
    ]
    assert [body["structured_outputs"] for body in bodies] == [{"choice": MANY}] * 2
    assert prompt_of(bodies[0]) != prompt_of(bodies[1])


# several images in a request


def test_several_images_are_told_their_number_and_have_as_many_limits(files):
    variants = [groups_of(files, images=4)]
    asked = questionnaire(files, 10, variants, request={"max_tokens": 7, "max_completion_tokens": 9})
    found = [question for question in asked if question.variant]
    assert [question.images for question in found] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    for question in found:
        count = len(question.images)
        body = question.template.body
        assert prompt_of(body).startswith(f"There are {count}.\n- espresso\n")
        assert (body["max_tokens"], body["max_completion_tokens"]) == (7 * count, 9 * count)
        assert sum(part["type"] == "image_url" for part in body["messages"][0]["content"]) == count
    assert all(question.template.body["max_tokens"] == 7 for question in asked if not question.variant)


def test_one_image_left_over_is_asked_about_without_a_number(files):
    *_, last = questionnaire(files, 5, [groups_of(files, images=4)])
    assert last.images == (4,)
    assert [part["type"] for part in last.template.body["messages"][0]["content"]] == ["text", "image_url"]


ORDERS = st.sampled_from(["listed", "shuffled", "class"])


@given(ORDERS, st.integers(0, 40), st.integers(2, 9), st.integers(0, 3), st.integers(0, 3))
def test_every_image_is_in_one_group_and_only_the_last_is_smaller(order, count, images, seed, repeat):
    ids = [f"image{number}" for number in range(count)]
    imgt = {image_id: number % 3 - 1 for number, image_id in enumerate(ids)}
    way = Way("CW", Prompt("", ""), "image_last", "v", images=images, order=order, seed=seed)
    found = grouped(list(range(count)), way, ids, imgt, repeat)
    assert sorted(place for group in found for place in group) == list(range(count))
    assert [len(group) for group in found[:-1]] == [images] * (len(found) - 1)
    assert all(1 <= len(group) <= images for group in found)
    flat = [place for group in found for place in group]
    if order == "listed":
        assert flat == list(range(count))
    if order == "class":
        assert flat == sorted(range(count), key=lambda place: (place % 3 - 1, place))


def test_a_shuffled_order_depends_on_seed_repeat_and_images_only():
    ids = [f"image{number}" for number in range(30)]
    way = Way("CW", Prompt("", ""), "image_last", "v", images=3, order="shuffled")

    def order(ids=ids, seed=0, repeat=0):
        found = grouped(list(range(len(ids))), way._replace(seed=seed), ids, {}, repeat)
        return [ids[place] for group in found for place in group]

    assert order() == order()
    assert len({tuple(order(seed=seed, repeat=repeat)) for seed in range(3) for repeat in range(3)}) == 9
    assert order(ids=ids[::-1]) == order()
    assert [image_id for image_id in order() if image_id != "image7"] == order(
        ids=[image_id for image_id in ids if image_id != "image7"]
    )


def test_each_repeat_has_groups_of_its_own(files):
    asked = questionnaire(files, 12, [groups_of(files, images=4, order="shuffled", repeats=2)])
    by_repeat = {repeat: [q.images for q in asked if q.variant and q.repeat == repeat] for repeat in (0, 1)}
    assert by_repeat[0] != by_repeat[1]
    for found in by_repeat.values():
        assert sorted(place for group in found for place in group) == list(range(12))


def test_a_group_has_its_number_and_what_is_asked_alone_has_none(files):
    asked = questionnaire(files, 10, [groups_of(files, images=4, repeats=2)])
    assert {question.group for question in asked if not question.variant} == {None}
    assert [(q.repeat, q.group) for q in asked if q.variant] == [(r, g) for r in (0, 1) for g in (0, 1, 2)]
    sharded = [question for part in (1, 2) for question in
               questionnaire(files, 10, [groups_of(files, images=4, repeats=2)], shard=(part, 2))]  # fmt: skip
    assert sorted((q.images, q.repeat, q.group) for q in sharded if q.variant) == sorted(
        (q.images, q.repeat, q.group) for q in asked if q.variant
    )


def test_the_key_of_a_group_is_that_of_its_images_in_their_order(files):
    put = template(entry(), Way("CW", Prompt("", ""), "image_last"), "Which?", 2)
    keys = {question_key(put, images, repeat, {}) for images in (["1", "2"], ["2", "1"]) for repeat in (0, 1)}
    assert len(keys) == 4


# samples


@given(st.integers(0, 60), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 9))
def test_samples_are_nested_and_hold_so_many_of_each_class(count, classes, fewer, more, seed):
    labels = labelled(count, classes)
    small, large = (set(draws.sampled(labels, number, seed)["image_id"]) for number in (fewer, fewer + more))
    assert small <= large
    sizes = Counter(labels["imgt"])
    taken = Counter(labels.filter(pl.col("image_id").is_in(list(small)))["imgt"])
    assert taken == {imgt: min(fewer, size) for imgt, size in sizes.items()}


def places(asked, variant=""):
    return [question.images[0] for question in asked if question.variant == variant]


def test_a_sampled_task_asks_about_its_sample_and_its_variants_too(files):
    labels = labelled(12)
    one, three = (
        questionnaire(files, 12, [Variant(name="hot", task="CW")], Sample(per_class=number)) for number in (1, 3)
    )
    drawn = set(draws.sampled(labels, 1, 0)["image_id"])
    assert {f"image{place}" for place in places(one)} == drawn
    assert places(one, "hot") == places(one) == sorted(places(one))
    assert (len(places(one)), len(places(three))) == (3, 9)
    assert {q.key for q in one} < {q.key for q in three}


def test_a_variants_sample_takes_the_place_of_the_tasks_and_the_seed_draws_others(files):
    variants = [Variant(name=f"seed {seed}", task="CW", sample=Sample(per_class=2, seed=seed)) for seed in range(4)]
    asked = questionnaire(files, 30, variants)
    assert places(asked) == list(range(30))
    drawn = {variant.name: tuple(places(asked, variant.name)) for variant in variants}
    assert len(set(drawn.values())) == 4
    assert {len(found) for found in drawn.values()} == {6}


@pytest.mark.parametrize("seed", [0, 3])
def test_multiple_choice_of_the_same_seed_is_about_the_same_images(files, seed):
    labels = labelled(12).with_columns(
        imgt_admissible=pl.concat_list("imgt"), regt=pl.concat_list("imgt"), regt_admissible=pl.concat_list("imgt"),
        category=pl.lit("S+"),
    )  # fmt: skip
    classes = pl.DataFrame(
        {"class_id": range(4), "name": list("abcd"), "synset": None, "same_name": [[0], [1], [2], [3]]}, schema=CLASSES
    )
    data = SimpleNamespace(equivalences=None)
    chosen = Choices(reference="r", n=2, repeats=1, per_class=2, seed=seed, variants=["ImGT + random"])
    made = options.make(chosen, data, labels, classes, pl.DataFrame(schema=confusions.CONFUSIONS), None)
    asked = questionnaire(files, 12, sample=Sample(per_class=2, seed=seed), labels=labels)
    assert {f"image{place}" for place in places(asked)} == set(made["image_id"])
    assert len(places(asked)) == made.height == 6


def test_images_that_a_label_set_leaves_open_are_in_no_sample(files):
    labels = labelled(6).with_columns(excluded=pl.Series(["uncertain", *[None] * 5]))
    asked = questionnaire(files, 6, sample=Sample(per_class=9), labels=labels)
    assert places(asked) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "options",
    [{"sample": Sample(per_class=1)}, {"order": "class"}],
    ids=str,
)
def test_without_labels_what_depends_on_them_is_an_error(files, options):
    variants = [groups_of(files, images=2, order="class")] if "order" in options else []
    asked = questionnaire(files, 4, variants, options.get("sample"), labels=None)
    with pytest.raises(InputError, match="--labels: needed for m, whose sample or order of images depends on ImGT"):
        list(asked)


# all questions


@given(st.integers(1, 20), st.integers(1, 7), st.integers(2, 5), ORDERS, st.integers(1, 2))
def test_shards_ask_all_that_one_job_asks_and_nothing_twice(files, count, shards, images, order, repeats):
    variants = [
        groups_of(files, images=images, order=order, repeats=repeats),
        Variant(name="hot", task="OW", sample=Sample(per_class=2), repeats=repeats),
    ]
    options = {"tasks": ["OW", "CW"], "sample": Sample(per_class=3)}
    whole = list(questionnaire(files, count, variants, **options))
    parts = [
        list(questionnaire(files, count, variants, shard=(number, shards), **options))
        for number in range(1, shards + 1)
    ]
    assert sorted(q.key for part in parts for q in part) == sorted(q.key for q in whole)
    for part in parts:
        kept = {question.key for question in part}
        assert [question.key for question in whole if question.key in kept] == [question.key for question in part]


def test_questions_stand_by_task_then_variant_then_repeat(files):
    variants = [Variant(name="b", task="CW", repeats=2), Variant(name="a", task="OW"), Variant(name="c", task="CW")]
    asked = questionnaire(files, 2, variants, tasks=["CW", "OW"])
    ways = list(dict.fromkeys((q.task, q.variant, q.repeat) for q in asked))
    assert ways == [("CW", "", 0), ("CW", "b", 0), ("CW", "b", 1), ("CW", "c", 0), ("OW", "", 0), ("OW", "a", 0)]
    assert asked.rows() == len(list(asked)) == 12
    assert sum(len(list(way)) for way in asked.by_way()) == 12


def test_a_questionnaire_can_be_gone_through_again(files):
    asked = questionnaire(files, 5, [groups_of(files, images=2, order="shuffled")])
    assert [question.key for question in asked] == [question.key for question in asked]
    assert asked.rows() == 10


def test_what_many_requests_share_exists_once(files):
    asked = list(questionnaire(files, 50))
    assert len({id(question.template) for question in asked}) == 1


def test_which_questions_list_all_classes(files):
    ids = Variant(name="ids", task="CW", answer="id", prompt=files["ids"])
    asked = questionnaire(files, 1, [ids], tasks=["OW", "CW"])
    assert [(q.task, q.variant, asked.lists_classes(q)) for q in asked] == [
        ("OW", "", False), ("CW", "", True), ("CW", "ids", False)
    ]  # fmt: skip
    assert [prompt_of(asked.listing_only(q, range(0)).body) for q in asked] == ["What?", "Which?\n", "By id.\n"]


def test_shuffled_orders_are_fixed_for_ever():
    """Answers are found again by them."""
    way = Way("CW", Prompt("", ""), "image_last", "v", images=3, order="shuffled", seed=1)
    assert grouped(list(range(6)), way, [f"image{n}" for n in range(6)], {}, 2) == [[4, 5, 0], [1, 3, 2]]
