"""Few-shot: which labelled pictures stand before a question, and how they are sent and journalled."""

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mllm_classify.api import journal, replies
from mllm_classify.config.tasks import Examples, TaskPrompt, Variant
from mllm_classify.config.vision import KnnModel, TrainingImages
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.estimate import estimate
from mllm_classify.predict.chat.examples import candidates, drawn
from mllm_classify.predict.chat.questions import questionnaire_of
from mllm_classify.predict.images import Images
from tests.chat_server import chat_server, images_of
from tests.predict.endpoint.pictures import model
from tests.predict.jobs import job

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ["red", "green", "blue"]
CLASSES = pl.DataFrame(
    {"class_id": range(3), "name": NAMES, "synset": [None] * 3}, schema_overrides={"synset": pl.String}
)


def picture(number):
    """A picture of its class's colour; of equal numbers the same."""
    colour = np.array([[200, 50, 50], [50, 200, 50], [50, 50, 200]][number % 3])
    noise = np.random.default_rng(number).integers(-50, 50, (40, 40, 3))
    content = io.BytesIO()
    Image.fromarray((colour + noise).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """12 training pictures, of which 3 and 4 are evaluated ones, and the images 100 to 103, 3 and 4."""
    root = tmp_path_factory.mktemp("shots")
    (root / "train").mkdir()
    for number in range(12):
        (root / f"train/{number:02}.png").write_bytes(picture(number))
    for number in (100, 101, 102, 103, 3, 4):
        (root / f"{number}.png").write_bytes(picture(number))
    (root / "cw.txt").write_text("Which?\n{classes}")
    torch.manual_seed(0)
    safetensors.torch.save_file(timm.create_model("test_vit").state_dict(), root / "w.safetensors")
    written(root, "train.csv", range(12))
    return root


def written(root, name, numbers, digest=lambda number: sha256(picture(number))):
    lines = [f"{number:02}.png,{NAMES[number % 3]},{digest(number)}" for number in numbers]
    (root / name).write_text("\n".join(["image_id,class,sha256", *lines, ""]))


@pytest.fixture
def asked(root, tmp_path):
    def made(
        examples, *, evaluated=(100, 101, 102, 103, 3, 4), url="http://x/v1", train="train.csv", variants=(), **options
    ):
        rows = [{"image_id": f"i{n}", "file": f"{n}.png", "sha256": sha256(picture(n))} for n in evaluated]
        entry = model(url=url, tasks=["CW"], retries=0, variants=[it.name for it in variants], **options)
        given_ = {"train": {"folder": str(root / "train"), "images": str(root / train)}} | examples
        tasks = {"CW": TaskPrompt(prompt=str(root / "cw.txt"), examples=Examples(**given_))}
        knn = KnnModel(name="knn", label="K", kind="knn", architecture="test_vit", weights=str(root / "w.safetensors"),
                       train=tasks["CW"].examples.train, k=1, features=str(tmp_path / "features"))  # fmt: skip
        images = Images(pl.DataFrame(rows), str(root))
        return job(entry, images, CLASSES, tasks=tasks, variants=list(variants), neighbours={"knn": knn},
                   journal=tmp_path / "journal")  # fmt: skip

    return made


def digests(question):
    return [example.digest for example in question.examples]


EVERY = [
    {"choose": "random", "n": 5},
    {"choose": "per_class", "n": 2, "seed": 3},
    {"choose": "nearest", "n": 4, "neighbours": "knn"},
]


@pytest.mark.parametrize("examples", EVERY, ids=lambda it: it["choose"])
def test_no_evaluated_picture_is_an_example_and_those_left_out_are_counted(asked, examples, caplog):
    """3 and 4 are in the training split, too, and nearest to themselves."""
    evaluated = {sha256(picture(number)) for number in (100, 101, 102, 103, 3, 4)}
    questions = list(questionnaire_of(asked(examples)))
    assert len(questions) == 6
    for question in questions:
        assert len(question.examples) == (6 if examples["choose"] == "per_class" else examples["n"])
        assert not evaluated & set(digests(question))
        assert len(set(digests(question))) == len(question.examples)
    assert "train.csv: 2 pictures are evaluated ones, and no examples" in caplog.text


def test_an_evaluated_picture_under_a_false_digest_is_never_sent(asked, root):
    """Records that say of every picture that it is another one."""
    written(root, "false.csv", range(12), lambda number: sha256(b"%d" % number).upper())
    with chat_server() as server, pytest.raises(InputError, match=r"has the SHA-256 [0-9a-f]{64}, and the records say"):
        endpoint.predict(asked(EVERY[0], train="false.csv", url=server.url))
    assert server.requests == []


def test_digests_in_capitals_are_the_same_digests(asked, root):
    written(root, "capitals.csv", range(12), lambda number: sha256(picture(number)).upper())
    for question in questionnaire_of(asked({"choose": "per_class", "n": 3}, train="capitals.csv", evaluated=(100, 3))):
        assert sha256(picture(3)) not in digests(question)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=40, unique=True),
    st.sets(st.integers(0, 60)),
    st.integers(1, 6),
    st.integers(0, 5),
    st.sampled_from(["random", "per_class"]),
    st.randoms(use_true_random=False),
)
def test_what_is_drawn_depends_on_the_seed_and_the_pictures_only(
    tmp_path_factory, numbers, evaluated, n, seed, choose, rng
):
    """In any order of records, no evaluated picture is drawn, and a larger number keeps those of a smaller."""
    root = Path(tmp_path_factory.getbasetemp())
    left_out = {sha256(b"%d" % number) for number in evaluated}

    def of(numbers, n):
        written(root, "drawn.csv", numbers, lambda number: sha256(b"%d" % number))
        train = TrainingImages(folder=str(root), images=str(root / "drawn.csv"))
        among, count = candidates(train, CLASSES, left_out)
        assert count == len(evaluated & set(numbers))
        examples = Examples(train=train, choose=choose, n=n, seed=seed)
        return [among[place] for place in drawn(examples, among)], among

    try:
        found, among = of(numbers, n)
    except InputError as error:
        assert f"n: {n}: " in str(error)  # noqa: PT017
        return
    assert not left_out & {it.digest for it in found}
    by_class = [sum(it.class_id == class_id for it in found) for class_id in {it.class_id for it in among}]
    assert set(by_class) == {n} if choose == "per_class" else len(found) == n
    shuffled = list(numbers)
    rng.shuffle(shuffled)
    assert [it.digest for it in of(shuffled, n)[0]] == [it.digest for it in found]
    assert {it.digest for it in of(numbers, 1)[0]} <= {it.digest for it in found}


def test_the_nearest_are_those_of_highest_cosine_the_most_alike_last(asked, root):
    """By a plain computation with the same encoder."""
    encoder = timm.create_model("test_vit", checkpoint_path=str(root / "w.safetensors")).eval()
    encoder.reset_classifier(0)
    config = timm.data.resolve_data_config({}, model=encoder)
    transform = timm.data.create_transform(**config)

    def feature(number):
        with torch.inference_mode():
            vector = encoder(transform(Image.open(io.BytesIO(picture(number)))).unsqueeze(0))[0]
        return torch.nn.functional.normalize(vector, dim=0)

    train = [number for number in range(12) if number not in (3, 4)]
    cosines = {number: feature(number) for number in train}
    questionnaire = questionnaire_of(asked(EVERY[2]))
    for question, number in zip(questionnaire, (100, 101, 102, 103, 3, 4), strict=True):
        alike = sorted(train, key=lambda it: float(feature(number) @ cosines[it]))[-4:]
        assert digests(question) == [sha256(picture(it)) for it in alike]


@pytest.mark.parametrize("examples", EVERY, ids=lambda it: it["choose"])
def test_the_order_of_images_changes_nothing(asked, examples):
    def seen(evaluated):
        questionnaire = questionnaire_of(asked(examples, evaluated=evaluated))
        return {questionnaire.images.ids[it.images[0]]: (it.key, digests(it)) for it in questionnaire}

    assert seen((100, 101, 102, 3, 4)) == seen((4, 102, 3, 101, 100))


@pytest.mark.parametrize("layout", ["image_last", "system", "image_first"])
def test_a_request_is_text_then_pictures_each_before_its_name_then_the_image(asked, layout):
    with chat_server() as server:
        endpoint.predict(asked({"choose": "random", "n": 2}, evaluated=(100,), url=server.url, layout=layout))
    (body,) = server.requests
    content = body["messages"][-1]["content"]
    kinds = [part["type"] for part in content]
    examples = ["image_url", "text", "image_url", "text", "image_url"]
    assert kinds == {"image_last": ["text", *examples], "system": examples, "image_first": [*examples, "text"]}[layout]
    numbers = {sha256(picture(number)): number for number in (*range(12), 100)}
    sent = [numbers[sha256(base64.b64decode(url.partition("base64,")[2]))] for url in images_of(body)]
    assert sent[-1] == 100
    names = [part["text"] for part in content if part["type"] == "text" and "Which" not in part["text"]]
    assert names == [NAMES[number % 3] for number in sent[:-1]]


def test_what_all_images_share_is_the_same_up_to_the_image(asked):
    with chat_server() as server:
        endpoint.predict(asked({"choose": "random", "n": 3}, evaluated=(100, 101, 102), url=server.url))
    assert len({json.dumps(body["messages"][0]["content"][:-1]) for body in server.requests}) == 1


def test_an_answer_is_to_its_examples_pictures_and_names_and_the_journal_says_which(asked, root, tmp_path):
    def keys(**options):
        return [it.key for it in questionnaire_of(asked({"choose": "random", "n": 2} | options, evaluated=(100,)))]

    assert len({*keys(), *keys(seed=1), *keys(n=3), *keys(n=1)}) == 4
    others = [(root / "train.csv").read_text().replace(f",{name},", f",{NAMES[(number + 1) % 3]},")
              for number, name in enumerate(NAMES)]  # fmt: skip
    (root / "relabelled.csv").write_text(others[0].replace(",blue,", ",red,"))
    with chat_server() as server:
        made = asked({"choose": "random", "n": 2}, evaluated=(100,), url=server.url)
        endpoint.predict(made)
        endpoint.predict(made)
    assert len(server.requests) == 1
    (record,) = journal.read(made.journal, replies.check_record).values()
    (question,) = questionnaire_of(made)
    assert record["examples"] == [[it.digest, it.name] for it in question.examples]
    assert question.key not in [it.key for it in questionnaire_of(
        asked({"choose": "random", "n": 2}, evaluated=(100,), train="relabelled.csv"))]  # fmt: skip


def test_a_variant_has_examples_beside_a_task_without_or_with_others(asked):
    few = Examples(train=TrainingImages(folder="f", images="i"), choose="random", n=1)
    with pytest.raises(ValueError, match="examples: are for one image in a request; remove images"):
        Variant(name="v", task="CW", prompt="p", images=2, examples=few)
    put = asked({"choose": "random", "n": 2})
    examples = put.tasks["CW"].examples.model_copy(update={"n": 4})
    ids = Variant(name="ids", task="CW", prompt=put.tasks["CW"].prompt, answer="id", examples=examples)
    counted = {
        question.variant: {example.name for example in question.examples}
        for question in questionnaire_of(asked({"choose": "random", "n": 2}, variants=[ids]))
    }
    assert counted[""] <= set(NAMES)
    assert counted["ids"] <= {"0", "1", "2"}
    assert ids.differs(put.tasks["CW"], put.model).endswith("4 examples drawn")


@pytest.mark.parametrize(("examples", "tokens", "cached"), [(EVERY[0], 36, 25), (EVERY[1], 42, 30), (EVERY[2], 30, 0)])
def test_the_estimate_counts_examples_and_those_that_a_prefix_cache_serves(
    asked, examples, tokens, cached, monkeypatch
):
    """Six images behind 5, 6 or 4 examples, of 1,000 tokens each. No feature is computed for it."""
    monkeypatch.setattr("mllm_classify.predict.vision.features.encoder", lambda *_: pytest.fail("computed"))
    put = asked(examples, image_tokens=1000, prices={"input": 1, "cached_input": 0, "output": 0})
    row = estimate([put]).row(0, named=True)
    assert (row["requests"], row["image_tokens"]) == (6, tokens * 1000)
    if cached:
        assert row["cached_tokens"] // 1000 == cached
    assert row["cost"] == pytest.approx((row["image_tokens"] + row["text_tokens"]) / 1e6, abs=1e-4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("00.png,red,", "sha256: '' is no SHA-256; 64 digits from 0 to f are needed"),
        (f"00.png,red,{'g' * 64}", "is no SHA-256"),
        (f"00.png,mauve,{'0' * 64}", "'mauve' is not a class"),
        (f"00.png,red,{'0' * 64}\n00.png,red,{'1' * 64}", "the image '00.png' appears twice"),
        (
            f"00.png,red,{'0' * 64}",
            "n: 5: .* has 1 pictures that are not evaluated; set a smaller number, or name more",
        ),
    ],
)
def test_records_that_are_no_examples_are_refused_before_anything_is_asked(asked, root, line, said):
    (root / "wrong.csv").write_text(f"image_id,class,sha256\n{line}\n")
    with pytest.raises(InputError, match=said):
        questionnaire_of(asked(EVERY[0], train="wrong.csv"))


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"choose": "nearest", "n": 1}, "'nearest' needs neighbours:, a model of kind knn"),
        ({"choose": "random", "n": 1, "neighbours": "x"}, "'random' knows no neighbours; remove them"),
    ],
)
def test_neighbours_are_for_the_nearest(given_, said):
    with pytest.raises(ValueError, match=said):
        Examples(train=SimpleNamespace(folder="f", images="i").__dict__, **given_)
