import numpy as np
import open_clip
import pytest
import torch
from open_clip.tokenizer import canonicalize_text

from mllm_classify.config.vision import OpenClip
from mllm_classify.embed.texts import averaged
from mllm_classify.io.files import InputError
from mllm_classify.loading import open_clip as vlm
from tests.tiny_vlms import CLIP, CONTEXT, SIGLIP, save

SIGLIPS = ["ViT-SO400M-14-SigLIP-384", "ViT-SO400M-16-SigLIP2-384", "ViT-gopt-16-SigLIP2-384"]
TEMPLATES = ["a photo of the {}.", "itap of a {}.", "a {} in a video game."]
NAMES = ["cat", "Grey-Whale", "dog", "missile", "small cat"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("vlms")
    return {name: save(root / name, content) for name, content in (("clip", CLIP), ("siglip", SIGLIP))}


def tower(folder, **options):
    return vlm.open_clip_tower(OpenClip(model=str(folder)), "cpu", **options)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("texts", [2, 256])
def test_class_weights_are_those_of_open_clips_own_zero_shot_classifier(folders, kind, texts):
    name = f"local-dir:{folders[kind]}"
    model = open_clip.create_model(name).eval()
    expected = open_clip.build_zero_shot_classifier(model, open_clip.get_tokenizer(name), NAMES, TEMPLATES).T
    found = averaged(tower(folders[kind], texts=texts).encode_texts, NAMES, TEMPLATES)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.abs(found @ found.T - np.eye(len(NAMES))).max() > 0.01
    alone = vlm.open_clip_text(OpenClip(model=str(folders[kind])), "cpu", texts)
    assert (averaged(alone, NAMES, TEMPLATES) == found).all()


def given(folder, texts):
    """The token ids that reach a model."""
    seen = []

    def record(tokens):
        seen.append(tokens)
        return torch.ones(len(tokens), 2)

    vlm.text_function(record, vlm.tokenizer(f"local-dir:{folder}"), "cpu", 256)(texts)
    return seen[0]


def test_siglip_reads_canonical_text_padded_to_its_context_length(folders):
    """Token ids are those that the tokenizer itself makes of lower-cased text without punctuation, padded to 64."""
    texts = ["A Photo of the CAT.", "a photo of the Grey-Whale!", "itap of a_dog", " ".join(["cat"] * 100)]
    tokens = given(folders["siglip"], texts)
    own = vlm.tokenizer(f"local-dir:{folders['siglip']}").tokenizer
    plain = ["a photo of the cat", "a photo of the greywhale", "itap of a dog", " ".join(["cat"] * 100)]
    assert [canonicalize_text(text) for text in texts] == plain
    expected = own(plain, padding="max_length", max_length=CONTEXT, truncation=True)["input_ids"]
    assert tokens.tolist() == expected
    assert tokens.shape == (4, CONTEXT)
    assert (tokens[:3, 7:] == own.pad_token_id).all()
    assert own.unk_token_id not in tokens
    assert given(folders["siglip"], ["a photo of the cat"]).tolist() == expected[:1]


def test_clip_reads_what_its_own_tokenizer_makes_of_the_text(folders):
    texts = ["A photo of the Cat.", "a {0} %s"]
    assert given(folders["clip"], texts).tolist() == open_clip.tokenize(texts).tolist()
    assert given(folders["clip"], ["A Cat."]).tolist() == given(folders["clip"], ["a cat."]).tolist()


@pytest.mark.parametrize("name", SIGLIPS)
def test_siglips_of_open_clip_ask_for_canonical_text_of_64_tokens(name):
    text = open_clip.get_model_config(name)["text_cfg"]
    assert text["context_length"] == 64
    assert text["tokenizer_kwargs"] == {"clean": "canonicalize"}


@pytest.mark.parametrize("name", SIGLIPS)
def test_a_file_for_a_name_is_prepared_as_the_names_tags_say(tmp_path, name):
    """open_clip alone would take CLIP's mean and crop the middle: SigLIP's pictures are squashed."""
    (tmp_path / "w.safetensors").touch()
    found = vlm.source(OpenClip(model=name, pretrained=str(tmp_path / "w.safetensors")))
    with torch.device("meta"):
        preprocessing = vlm.built(found).visual.preprocess_cfg
    assert preprocessing["mean"] == preprocessing["std"] == (0.5, 0.5, 0.5)
    assert preprocessing["resize_mode"] == "squash"
    assert preprocessing["size"] == (384, 384)


def test_a_tag_is_downloaded_at_the_revision_and_says_how_images_are_prepared(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        vlm, "download_pretrained_from_hf", lambda *names, **options: asked.append((names, options)) or tmp_path / "w"
    )
    found = vlm.source(OpenClip(model=SIGLIPS[0], pretrained="webli", revision="abc"))
    assert asked == [((f"timm/{SIGLIPS[0]}",), {"filename": None, "revision": "abc"})]
    assert (found.weights, found.preprocessing["resize_mode"]) == (tmp_path / "w", "squash")


def test_a_model_of_the_hub_is_fetched_at_the_revision_and_without_files_that_may_hold_code(monkeypatch, folders):
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download",
        lambda *names, **options: asked.append((names, options)) or str(folders["siglip"]),
    )
    found = vlm.source(OpenClip(model="hf-hub:timm/x", revision="abc"))
    assert found.name == f"local-dir:{folders['siglip']}"
    ((names, options),) = asked
    assert (names, options["revision"]) == (("timm/x",), "abc")
    assert not [pattern for pattern in options["allow_patterns"] if pattern.endswith((".bin", ".pt", ".pth", "*"))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ViT-B-33"}, r"model: 'ViT-B-33' is not a model of open_clip .*hf-hub:OWNER/NAME, or folder"),
        ({"model": "."}, r"model: \. needs open_clip_config.json and one of open_clip_model.safetensors"),
        ({"model": SIGLIPS[0]}, f"pretrained: missing; {SIGLIPS[0]} has webli"),
        ({"model": SIGLIPS[0], "pretrained": "laion"}, r"pretrained: 'laion' is neither a tag of .* \(webli\) nor a"),
        ({"model": ".", "pretrained": "webli"}, "pretrained: 'webli': the folder . has weights of its own"),
        ({"model": "ViT-B-32", "pretrained": "openai"}, "of another activation"),
        ({"model": "ViT-L-14", "pretrained": "w.pt"}, "the tags of ViT-L-14 differ in how they prepare images"),
    ],
)
def test_models_that_are_not_there_are_input_errors(folder, options, message):
    (folder / "w.pt").touch()
    with pytest.raises(InputError, match=message):
        vlm.source(OpenClip(**options))


def test_what_the_hub_does_not_give_is_an_input_error(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network\nmore")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr(vlm, "download_pretrained_from_hf", refuse)
    monkeypatch.setattr(open_clip, "get_tokenizer", refuse)
    for what in (
        lambda: vlm.source(OpenClip(model="hf-hub:timm/x")),
        lambda: vlm.source(OpenClip(model=SIGLIPS[0], pretrained="webli")),
        lambda: vlm.tokenizer(SIGLIPS[0]),
    ):
        with pytest.raises(InputError, match=r"could not be had \(no network\); docs/models.md"):
            what()


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_inside_a_checkpoint_is_refused_and_does_not_run(folders, tmp_path):
    torch.save({"logit_scale": Payload(tmp_path / "executed")}, tmp_path / "w.pt")
    found = vlm.source(OpenClip(model=str(folders["clip"])))._replace(weights=tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt is not a checkpoint of .*, or not of tensors alone"):
        vlm.weighted(found)
    assert not (tmp_path / "executed").exists()


def test_weights_of_another_model_are_an_input_error(folders):
    found = vlm.source(OpenClip(model=str(folders["clip"])))
    other = folders["siglip"] / "open_clip_model.safetensors"
    with pytest.raises(InputError, match=r"pretrained: .* is not a checkpoint of local-dir"):
        vlm.weighted(found._replace(weights=other))


def test_a_checkpoint_of_tensors_is_the_same_in_either_format(folders, tmp_path):
    found = vlm.source(OpenClip(model=str(folders["clip"])))
    expected = vlm.weighted(found).state_dict()
    torch.save({"state_dict": expected}, tmp_path / "w.pt")
    again = vlm.weighted(found._replace(weights=tmp_path / "w.pt")).state_dict()
    assert all((again[name] == tensor).all() for name, tensor in expected.items())
