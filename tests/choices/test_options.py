from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.choices import confusions, draws, options
from mllm_classify.choices.options import CHOICES, Rules
from mllm_classify.choices.variants import EARLIER, FIRST, SEMANTIC, VARIANTS
from mllm_classify.config.tasks import Choices, Earlier
from mllm_classify.dataset.equivalences import admissible
from mllm_classify.dataset.labels import category
from mllm_classify.io.files import InputError
from tests.choices.rules import Study, check

PAPER = list(VARIANTS)


def labels(rows, admitted):
    """Labels of images `image0`, ..., given as pairs of ImGT and the set of ReGT labels."""
    return pl.DataFrame(
        [
            {
                "image_id": f"image{number}",
                "imgt": imgt,
                "regt": sorted(regt),
                "imgt_admissible": sorted(admissible(frozenset({imgt}), admitted)),
                "regt_admissible": sorted(admissible(frozenset(regt), admitted)),
                "category": category(imgt, frozenset(regt), {}),
                "excluded": None,
            }
            for number, (imgt, regt) in enumerate(rows)
        ],
        schema_overrides={"regt": pl.List(pl.Int32), "regt_admissible": pl.List(pl.Int32), "excluded": pl.String},
    )


def questions(frame, rules, variants=PAPER):
    return pl.concat(options.choices(frame, variants, rules))


@st.composite
def studies(draw):
    """A label set, an equivalence set, names, and a matrix of confusions, of a few classes."""
    classes = draw(st.integers(8, 14))
    ids = st.integers(0, classes - 1)
    rows = draw(st.lists(st.tuples(ids, st.frozensets(ids, max_size=3)), min_size=1, max_size=6))
    pairs = draw(st.lists(st.tuples(ids, ids), max_size=3))
    admitted = {}
    for one, other in pairs:
        if one != other:
            admitted.setdefault(one, set()).add(other)
            admitted.setdefault(other, set()).add(one)
    admitted = {one: frozenset(others) for one, others in admitted.items()}
    same = list(range(classes))
    if draw(st.booleans()):
        same[1] = same[0]
    same_name = [[other for other in range(classes) if same[other] == same[one]] for one in range(classes)]
    confused = np.array(draw(st.lists(st.integers(0, 3), min_size=classes**2, max_size=classes**2)))
    found = confused.reshape(classes, classes)
    frame = pl.DataFrame(
        [[one, other, found[one, other], 0.0, None] for one in range(classes) for other in range(classes)],
        schema=confusions.CONFUSIONS,
        orient="row",
    )
    rules = Rules(
        n=draw(st.integers(2, 4)),
        repeats=draw(st.integers(1, 3)),
        conflict=options.conflicts(same_name, admitted),
        ranking=confusions.rankings(frame, classes, None),
        confused=found,
        imgt_distractors=draw(st.booleans()),
    )
    return rows, admitted, same_name, rules


@settings(deadline=None, max_examples=60)
@given(studies())
def test_every_question_keeps_every_rule(study):
    rows, admitted, same_name, rules = study
    try:
        found = questions(labels(rows, admitted), rules)
    except InputError:
        reject()
    assert dict(found.schema) == CHOICES
    assert found.height == len(rows) * rules.repeats * len(PAPER)
    plain = Study(admitted, same_name, rules.n, rules.imgt_distractors)
    for image_id, variant, _, shown, origins in found.iter_rows():
        check(plain, plain.label(*rows[int(image_id.removeprefix("image"))]), variant, shown, origins)


@settings(deadline=None, max_examples=60)
@given(studies(), st.integers(1, 5))
def test_other_images_and_variants_change_no_options(study, count):
    rows, admitted, _, rules = study
    frame = labels(rows, admitted)
    more = frame.with_columns(image_id="other" + pl.col("image_id"))
    try:
        alone = questions(frame.head(count), rules, PAPER[:2])
        together = questions(pl.concat([more, frame.reverse()]), rules, PAPER[::-1])
    except InputError:
        reject()
    expected = together.join(alone, on=["image_id", "variant", "repeat"], how="semi")
    keys = ["variant", "image_id", "repeat"]
    assert_frame_equal(alone.sort(keys), expected.sort(keys))


def ordered(confused):
    classes = len(confused)
    frame = pl.DataFrame(
        [[one, other, confused[one][other], 0.0, None] for one in range(classes) for other in range(classes)],
        schema=confusions.CONFUSIONS,
        orient="row",
    )
    return confusions.rankings(frame, classes, None), np.array(confused)


@pytest.fixture
def rules():
    """Twelve classes; of class 0, and of class 1, some are confused with others."""
    confused = np.zeros((12, 12), dtype=int)
    confused[0, [0, 2, 3, 4, 5]] = [40, 4, 3, 2, 2]
    confused[1, [1, 6, 2, 3]] = [30, 5, 3, 1]
    ranking, confused = ordered(confused.tolist())
    return Rules(4, 40, options.conflicts([[n] for n in range(12)], {}), ranking, confused, imgt_distractors=True)


def sets(frame, rules, variant, image="image0"):
    """Options by their origin, over all repeats."""
    rows = questions(frame, rules, [variant]).filter(pl.col("image_id") == image)
    return {
        tuple(sorted(zip(origins, shown, strict=True)))
        for shown, origins in rows.select("options", "origins").iter_rows()
    }


def test_distractors_are_the_most_frequent_confusions(rules):
    """Of class 0: 2, 3, then 4 or 5, which tie."""
    ((*options_,),) = sets(labels([(0, {0})], {}), rules, "ImGT + confEVA(ImGT)")
    assert options_[:3] == [("both", 0), ("confusion", 2), ("confusion", 3)]
    assert options_[3] in [("tie", 4), ("tie", 5)]
    # without the tie, and with one that is never confused
    five = rules._replace(n=5)
    ((*options_,),) = sets(labels([(0, {0})], {}), five, "ImGT + confEVA(ImGT)")
    assert {it[0] for it in options_[1:]} == {"confusion"}
    six = rules._replace(n=6)
    ((*options_,),) = sets(labels([(0, {0})], {}), six, "ImGT + confEVA(ImGT)")
    assert [it[0] for it in options_] == ["both", "confusion", "confusion", "confusion", "confusion", "fallback"]


def test_right_classes_and_their_equivalents_are_no_distractors(rules):
    """3 is right under ReGT; 2 counts as 0."""
    conflict = options.conflicts([[n] for n in range(12)], {0: frozenset({2}), 2: frozenset({0})})
    frame = labels([(0, {0, 3})], {0: frozenset({2}), 2: frozenset({0})})
    ((*options_,),) = sets(frame, rules._replace(conflict=conflict), "ImGT + confEVA(ImGT)")
    assert options_[:3] == [("both", 0), ("confusion", 4), ("confusion", 5)]
    assert options_[3][0] == "fallback"


def test_both_lists_alternate(rules):
    """Confusions of 0: 2, 3; of 1: 6."""
    expected = {(("confusion", 2), ("confusion", 6), ("imgt", 0), ("regt", 1))}
    assert sets(labels([(0, {1})], {}), rules, "ImGT + ReGT + confEVA(ImGT, ReGT)") == expected
    # one label, one list
    ((*options_,),) = sets(labels([(0, {0})], {}), rules, "ImGT + ReGT + confEVA(ImGT, ReGT)")
    assert options_[:3] == [("both", 0), ("confusion", 2), ("confusion", 3)]


def test_the_regt_option_is_drawn_from_the_labels_but_imgt(rules):
    frame = labels([(0, {0, 1, 7})], {})
    drawn = {dict(found)["regt"] for found in sets(frame, rules, "ImGT + ReGT + random")}
    assert drawn == {1, 7}
    found = sets(frame, rules, "ReGT + confEVA(ReGT)")
    assert {dict(options_).get("regt") for options_ in found} == {1, 7}
    # ImGT is right, and was not drawn
    assert not [options_ for options_ in found if dict(options_).get("both")]


def test_imgt_may_be_a_distractor_where_only_regt_is_named(rules):
    rules.confused[1, 0] = 9
    ranking, confused = ordered(rules.confused.tolist())
    rules = rules._replace(ranking=ranking, confused=confused)
    frame = labels([(0, {1})], {})
    assert sets(frame, rules, "ReGT + confEVA(ReGT)") == {
        (("confusion", 2), ("confusion", 6), ("imgt", 0), ("regt", 1))
    }
    assert sets(frame, rules._replace(imgt_distractors=False), "ReGT + confEVA(ReGT)") == {
        (("confusion", 2), ("confusion", 3), ("confusion", 6), ("regt", 1))
    }


def test_random_distractors_and_the_order_vary_with_the_repeat(rules):
    found = questions(labels([(0, {0})], {}), rules, ["ImGT + random", "ImGT + confEVA(ImGT)"])
    for variant, count in {"ImGT + random": 30, "ImGT + confEVA(ImGT)": 1}.items():
        shown = found.filter(pl.col("variant") == variant)["options"].to_list()
        assert len({frozenset(it) for it in shown}) >= count
        assert len(set(map(tuple, shown))) > 10
        # the right option stands everywhere
        assert {it.index(0) for it in shown} == {0, 1, 2, 3}


def test_too_few_classes_are_an_error_that_names_the_image(rules):
    frame = labels([(0, {0}), (1, set(range(1, 11)))], {})
    for variant in ("ImGT + random", "ImGT + confEVA(ImGT)"):
        with pytest.raises(InputError) as caught:
            questions(frame, rules, [variant])
        assert str(caught.value) == (
            "choices.n: 4: image 'image1' has only 3 classes that may stand together; lower it"
        )


def test_without_an_image_that_can_be_asked_about_it_is_said():
    frame = labels([(0, {0})], {}).with_columns(excluded=pl.lit("uncertain"))
    classes = pl.DataFrame({"class_id": range(12), "name": map(str, range(12)), "same_name": [[n] for n in range(12)]})
    nothing = SimpleNamespace(equivalences=None)
    with pytest.raises(InputError, match="choices: there is no image to ask about"):
        options.make(Choices(reference="m"), nothing, frame, classes, pl.DataFrame(schema=confusions.CONFUSIONS), None)


def test_the_order_of_class_embeddings_in_their_file_changes_no_option():
    """They decide which distractors are likely where the reference was never wrong."""
    rng = np.random.default_rng(1)
    frame = labels([(number % 12, {number % 12}) for number in range(24)], {})
    classes = pl.DataFrame(
        {"class_id": range(12), "name": map(str, range(12)), "synset": None, "same_name": [[n] for n in range(12)]}
    )
    vectors = rng.normal(size=(12, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embeddings = pl.DataFrame({"class_id": range(12), "embedding": vectors})
    asked = Choices(reference="m", n=3, repeats=2, variants=["ImGT + confEVA(ImGT)"], per_class="all")
    nothing = SimpleNamespace(equivalences=None)
    never_wrong = pl.DataFrame(schema=confusions.CONFUSIONS)
    found, same = (
        options.make(asked, nothing, frame, classes, never_wrong, options.vectors(of))
        for of in (embeddings, embeddings.reverse())
    )
    assert_frame_equal(same, found)
    for row in found.head(4).iter_rows(named=True):
        imgt = int(row["image_id"].removeprefix("image")) % 12
        similar = np.argsort(-(vectors @ vectors[imgt]), kind="stable")
        assert sorted(row["options"]) == sorted([imgt, *[int(it) for it in similar if it != imgt][:2]])
    assert options.numbers(found) == (48, 24)


def test_samples_are_nested_and_of_every_class():
    rng = np.random.default_rng(0)
    frame = labels([(int(imgt), {int(imgt)}) for imgt in rng.integers(0, 20, 400)], {})
    samples = [set(draws.sampled(frame, count, 7)["image_id"]) for count in (1, 2, 5)]
    assert samples[0] < samples[1] < samples[2]
    assert [len(it) for it in samples] == [20, 40, 100]
    assert set(draws.sampled(frame, 1, 7)["imgt"]) == set(range(20))
    assert set(draws.sampled(frame, 1, 8)["image_id"]) != samples[0]
    assert draws.sampled(frame, None, 7).height == 400
    # another image takes nobody's place but one of its class
    fewer = frame.filter(pl.col("imgt") != 3)
    assert set(draws.sampled(fewer, 1, 7)["image_id"]) == samples[0] - set(frame.filter(imgt=3)["image_id"])


def test_images_that_a_label_set_leaves_open_are_not_sampled():
    frame = labels([(0, {0}), (0, {0})], {})
    frame = frame.with_columns(excluded=pl.Series([None, "uncertain"]))
    assert draws.sampled(frame, None, 0)["image_id"].to_list() == ["image0"]


def earlier(frame, rules, embeddings=None, **asked):
    return pl.concat(options.earlier(frame, Earlier(**asked), rules, embeddings))


@settings(deadline=None, max_examples=40)
@given(studies(), st.integers(2, 4), st.integers(2, 7))
def test_questions_of_earlier_work_keep_the_rules_too(study, n, classes):
    """ImGT, and distractors none of which is right; the first classes are on the list whatever they are."""
    rows, admitted, same_name, rules = study
    vectors = np.eye(len(same_name), dtype=np.float32)
    try:
        found = earlier(labels(rows, admitted), rules, vectors, n=n, classes=classes, repeats=2)
    except InputError:
        reject()
    assert dict(found.schema) == CHOICES
    plain = Study(admitted, same_name, n, imgt_distractors=False)
    for image_id, variant, repeat, shown, origins in found.iter_rows():
        imgt, regt = rows[int(image_id.removeprefix("image"))]
        label = plain.label(imgt, regt)
        assert imgt in shown
        assert repeat in (0, 1)
        if variant == FIRST:
            assert sorted(shown) == list(range(classes))
            assert imgt < classes
            assert set(origins) <= {"imgt", "regt", "both", "listed"}
            continue
        assert len(shown) == (classes if variant == "CW random" else n)
        assert not [1 for place, a in enumerate(shown) for b in shown[place + 1 :] if plain.one(a, b)]
        assert not set(shown) - {imgt} & (label.right_imgt | label.right_regt)
        assert set(origins) <= {"imgt", "both", "similar" if variant == SEMANTIC else "random"}
    asked = {FIRST: sum(imgt < classes for imgt, _ in rows)}
    for variant in (*EARLIER, FIRST):
        assert found.filter(pl.col("variant") == variant).height == 2 * asked.get(variant, len(rows))


def test_semantic_distractors_have_the_most_similar_names(rules):
    """Of class 0: 5, then 3, then 1, whatever it is confused with; 7 is right."""
    angles = np.array([0, 0.6, 2, 0.4, 2.2, 0.2, 2.4, 0.1, 2.6, 2.8, 3, 3.1])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = earlier(labels([(0, {0, 7})], {}), rules, vectors, variants=[SEMANTIC], n=4, repeats=3)
    assert [sorted(shown) for shown in found["options"]] == [[0, 1, 3, 5]] * 3
    assert len(set(map(tuple, found["options"].to_list()))) > 1


def test_the_first_classes_stand_in_the_repeats_order_for_every_image(rules):
    found = earlier(labels([(0, {0}), (3, set()), (9, {9})], {}), rules, variants=[FIRST], classes=5, repeats=2)
    assert found.select("image_id", "repeat").rows() == [("image0", 0), ("image0", 1), ("image1", 0), ("image1", 1)]
    assert found["options"][0].to_list() == found["options"][2].to_list() == draws.shuffled_classes(5, 0).tolist()
    assert found["options"][1].to_list() == draws.shuffled_classes(5, 1).tolist()


def test_too_few_classes_for_earlier_questions_name_their_key(rules):
    for variant, key in {"MC random": "earlier.n: 12", "CW random": "earlier.classes: 12"}.items():
        with pytest.raises(InputError, match=f"choices.{key}: image 'image0' has only 11 classes"):
            earlier(labels([(0, {0, 1})], {}), rules, variants=[variant], n=12, classes=12)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 13}, "choices.n: 13: there are 12 classes only"),
        ({"earlier": {"n": 13}}, "choices.earlier.n: 13: there are 12 classes only"),
        ({"earlier": {"n": 4, "classes": 13}}, "choices.earlier.classes: 13: there are 12 classes only"),
    ],
)
def test_more_options_than_classes_are_refused(asked, message):
    with pytest.raises(InputError) as caught:
        options.make(Choices(reference="m", **asked), None, None, pl.DataFrame({"class_id": range(12)}), None, None)
    assert str(caught.value) == message


@pytest.mark.parametrize(("asked", "key"), [({"n": 27}, "n: 27"), ({"earlier": {"n": 30}}, "earlier.n: 30")])
def test_more_options_than_letters_are_refused(asked, key):
    """But not on the long lists, which are answered by name."""
    classes = pl.DataFrame({"class_id": range(1000)})
    with pytest.raises(InputError, match=f"choices.{key}: there are fewer letters; set choices.answer: name"):
        options.make(Choices(reference="m", answer="letter", **asked), None, None, classes, None, None)


@pytest.mark.parametrize("n", [40, 997, 998])
def test_there_may_be_as_many_options_as_classes_that_can_stand_together(n):
    """Of 1,000 classes two pairs share a name; 998 options are all the others, and one of each pair."""
    same_name = [[number] for number in range(1000)]
    same_name[3] = same_name[4] = [3, 4]
    same_name[10] = same_name[900] = [10, 900]
    found = np.random.default_rng(0).poisson(0.01, (1000, 1000))
    ranking, confused = ordered(found.tolist())
    rules = Rules(n, 1, options.conflicts(same_name, {}), ranking, confused, imgt_distractors=True)
    shown = questions(labels([(7, {7})], {}), rules, ["ImGT + random", "ImGT + confEVA(ImGT)"])
    plain = Study({}, same_name, n, imgt_distractors=True)
    for _, variant, _, classes, origins in shown.iter_rows():
        check(plain, plain.label(7, frozenset({7})), variant, classes, origins)
    with pytest.raises(InputError, match="has only 998 classes that may stand together"):
        questions(labels([(7, {7})], {}), rules._replace(n=999), ["ImGT + confEVA(ImGT)"])
