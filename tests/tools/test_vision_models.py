import pytest

from mllm_classify.config.vision import KnnModel, OpenClipModel, TimmModel
from mllm_classify.io.files import PROJECT, InputError, read_csv
from tools import vision_models as architectures
from tools.vision_models import described, vision_models


@pytest.fixture(scope="module")
def known():
    return {model.name: model for model in vision_models()}


@pytest.fixture(scope="module")
def descriptions():
    return architectures.descriptions()


def test_the_page_is_that_of_the_code_and_the_installed_libraries(descriptions):
    """`make reference` brings it up to date."""
    assert architectures.PAGE.read_text() == architectures.page(descriptions)


def test_the_preset_has_every_model_of_the_paper_that_looks_at_images_itself(known):
    rows = read_csv(str(PROJECT / "resources/published/table3.csv"), "model", "task")
    worded = {row["model"] for _, row in read_csv(str(PROJECT / "resources/published/table4.csv"), "model")}
    assert {model.published for model in known.values()} == {row["model"] for _, row in rows} - worded


def test_classifiers_have_imagenets_classes_and_neighbours_the_class_token(known, descriptions):
    for model in known.values():
        if isinstance(model, TimmModel):
            assert descriptions[model.name].returns == "1000 classes"
    knn = descriptions["dinov3-7b-knn"]
    assert knn.returns == "4096 features, pooled by token"
    assert 6.7e9 < knn.parameters < 6.72e9


def test_siglips_squash_images_and_read_canonical_texts_of_64_tokens(known, descriptions):
    found = [descriptions[model.name] for model in known.values() if isinstance(model, OpenClipModel)]
    assert len(found) == 3
    assert {(it.size, it.crop, it.mean, it.context, it.cleaning, it.returns) for it in found} == {
        ("384 x 384", "squash", (0.5, 0.5, 0.5), 64, "canonicalize", "sigmoid")
    }


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        ("eva02", "architecture", "eva02_large_patch14_448.renamed"),
        ("siglip-so400m", "model", "ViT-SO400M-14-SigLIP-385"),
        ("siglip2-gopt", "pretrained", "webli2"),
    ],
)
def test_an_identifier_that_a_library_no_longer_has_is_an_input_error(known, model, key, value):
    with pytest.raises(InputError, match="is not among the pretrained models of"):
        described(known[model].model_copy(update={key: value}))


def test_only_neighbours_need_a_training_set(known):
    assert [name for name, model in known.items() if isinstance(model, KnnModel)] == ["dinov3-7b-knn"]
