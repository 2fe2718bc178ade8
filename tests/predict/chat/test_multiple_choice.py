import polars as pl
import pytest

from mllm_classify.choices.draws import shuffled_classes
from mllm_classify.choices.options import CHOICES
from mllm_classify.config.chat import EndpointModel
from mllm_classify.config.tasks import TaskPrompt, Variant
from mllm_classify.predict.chat.questions import MultipleChoice, Questionnaire
from mllm_classify.predict.images import Images
from tests.chat_server import prompt_of

NAMES = ["espresso", "lens cap, lens cover", "# hash", "maze", "A"]
IMAGES = Images(pl.DataFrame({"image_id": ["a", "b"], "file": ["a.png", "b.png"], "sha256": ["11", "22"]}), None)
ROWS = [
    ("a", "few", 0, [2, 1]),
    ("a", "few", 1, [1, 2]),
    ("b", "few", 0, [0, 3]),
    ("b", "few", 1, []),
    ("b", "CW first", 0, [1, 0, 2]),
    ("a", "ImGT + 999 (CW)", 0, None),
    ("b", "ImGT + 999 (CW)", 0, None),
    ("a", "ImGT + 999 (CW)", 1, None),
    ("elsewhere", "few", 0, [0, 1]),
]


@pytest.fixture
def tasks(tmp_path):
    for name, text in {
        "OW": "What?",
        "CW": "Which of all?\n{classes}",
        "MC": "# ours\nWhich?\n{options}\nOne.",
    }.items():
        (tmp_path / name).write_text(text)
    return {name: TaskPrompt(prompt=str(tmp_path / name)) for name in ("OW", "CW", "MC")}


def questions(prompts, answer="name", rows=ROWS, **options):
    """All questions of a model; by default it is asked multiple choice only."""
    entry = EndpointModel(
        **{"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q", "tasks": ["MC"]} | options
    )
    schema = {name: dtype for name, dtype in CHOICES.items() if name != "origins"}
    multiple = MultipleChoice(pl.DataFrame(rows, schema=schema, orient="row"), answer)
    return list(Questionnaire(entry, prompts, IMAGES, NAMES, multiple=multiple))


def places(found):
    return [(IMAGES.ids[one.images[0]], one.variant, one.repeat) for one in found]


def test_options_are_listed_in_their_order_by_name(tasks):
    found = {
        place: prompt_of(one.template.body)
        for place, one in zip(places(questions(tasks)), questions(tasks), strict=True)
    }
    assert found["a", "few", 0] == "Which?\n- # hash\n- lens cap, lens cover\nOne."
    assert found["a", "few", 1] == "Which?\n- lens cap, lens cover\n- # hash\nOne."


def test_or_behind_letters_but_never_those_of_a_long_list(tasks):
    found = {
        place: prompt_of(one.template.body)
        for place, one in zip(places(questions(tasks)), questions(tasks, "letter"), strict=True)
    }
    assert found["b", "few", 0] == "Which?\nA. espresso\nB. maze\nOne."
    assert found["b", "CW first", 0] == "Which of all?\n- lens cap, lens cover\n- espresso\n- # hash"


def test_all_classes_stand_in_the_repeats_order_the_same_for_every_image(tasks):
    found = {
        place: prompt_of(one.template.body)
        for place, one in zip(places(questions(tasks)), questions(tasks), strict=True)
    }
    first, same, other = (found[image, "ImGT + 999 (CW)", repeat] for image, repeat in [("a", 0), ("b", 0), ("a", 1)])
    assert first == same != other
    order = shuffled_classes(len(NAMES), 1)
    assert other == "Which of all?\n" + "\n".join(f"- {NAMES[class_id]}" for class_id in order)


def test_what_has_no_options_and_images_of_other_jobs_are_not_asked(tasks):
    assert sorted(places(questions(tasks))) == sorted(row[:3] for row in ROWS if row[3] != [] and row[0] != "elsewhere")


def test_what_a_prefix_cache_can_serve_stands_together(tasks):
    together = [place[1:] for place in places(questions(tasks, rows=ROWS[::-1]))]
    assert together == sorted(together)


def test_every_question_has_a_key_of_its_own_and_keeps_it(tasks):
    found = {place: one.key for place, one in zip(places(questions(tasks)), questions(tasks), strict=True)}
    assert len(set(found.values())) == len(found)
    fewer = {
        place: one.key
        for place, one in zip(places(questions(tasks, rows=ROWS[:3])), questions(tasks, rows=ROWS[:3]), strict=True)
    }
    assert fewer.items() < found.items()


def test_the_same_question_in_another_repeat_is_asked_again(tasks):
    rows = [("a", "few", repeat, [0, 1]) for repeat in range(3)]
    assert len({one.key for one in questions(tasks, rows=rows)}) == 3


def test_other_tasks_stand_beside_choices_in_the_order_of_the_entry(tasks):
    found = questions(tasks, tasks=["OW", "MC", "CW"])
    assert [one.task for one in found] == ["OW"] * 2 + ["MC"] * (len(found) - 4) + ["CW"] * 2
    assert {(one.variant, one.repeat) for one in found if one.task != "MC"} == {("", 0)}


@pytest.mark.parametrize("tasks_asked", [["OW", "CW", "MC"], ["MC"], ["CW"]])
def test_images_that_cannot_be_decoded_are_in_no_request_and_refused_once_for_each_question(tasks, tasks_asked):
    entry = EndpointModel(name="m", label="M", kind="endpoint", url="http://x/v1", model="q", tasks=tasks_asked)
    both = {"name": "both", "task": "CW", "prompt": "resources/prompts/cw-several.v1.txt", "images": 2}
    variants = [Variant(**both), Variant(name="again", task="CW", repeats=2)]
    variants = variants if "CW" in tasks_asked else []
    schema = {name: dtype for name, dtype in CHOICES.items() if name != "origins"}
    multiple = MultipleChoice(pl.DataFrame(ROWS, schema=schema, orient="row"), "name")
    options = {"multiple": multiple, "variants": variants}
    every = Questionnaire(entry, tasks, IMAGES, NAMES, **options)
    some = Questionnaire(entry, tasks, IMAGES, NAMES, **options, unreadable={"a": "is torn"})

    def told(questions):
        return sorted((one.task, one.variant, one.repeat, place) for one in questions for place in one.images)

    assert {place for *_, place in told(some)} == {1}
    assert {place for *_, place in told(some.refused())} == {0}
    assert sorted(told(some) + told(some.refused())) == told(every)
    assert list(every.refused()) == []


def test_a_shard_refuses_what_is_its_own(tasks):
    entry = EndpointModel(name="m", label="M", kind="endpoint", url="http://x/v1", model="q", tasks=["OW"])
    found = [
        [one.images for one in Questionnaire(entry, tasks, IMAGES, NAMES, shard=(shard, 2), unreadable={"b": "torn"}).refused()]
        for shard in (1, 2)
    ]  # fmt: skip
    assert found == [[], [(1,)]]
