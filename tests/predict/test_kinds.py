"""Each kind of model is one module of one shape, and its job's code digest covers what decides its rows, and no more."""

import ast

import pytest

from mllm_classify.config.kinds import KINDS
from mllm_classify.plan.code import PACKAGE, reached

CHAT = {"endpoint", "openai", "engine", "vllm"}
BUILDS_ON = {"conse": {"timm"}}


def covered(kind):
    """All modules of the package whose code is in the digest of a kind's job."""
    return reached(f"predict.{kind}")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_is_a_module_with_one_entry_point(kind):
    tree = ast.parse((PACKAGE / f"predict/{kind}.py").read_text())
    (entry,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "predict")
    assert [argument.arg for argument in entry.args.args] == ["job"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_digest_covers_no_other_kind_and_nothing_that_decides_no_rows(kind):
    modules = covered(kind)
    assert {other for other in KINDS if f"predict.{other}" in modules} == {kind} | BUILDS_ON.get(kind, set())
    rooms = {module.partition(".")[0] for module in modules}
    assert rooms.isdisjoint({"config", "plan", "cli", "outputs", "__main__"})
    strange = "predict.vision" if kind in CHAT | {"recorded"} else "predict.chat"
    # the pictures before a question may be the nearest ones, by an image encoder
    known = reached("predict.chat.examples") if kind in CHAT else set()
    assert not [module for module in modules if module.startswith(strange) and module not in known]
    assert modules.isdisjoint({"predict.command", "predict.vision.adopt", "predict.chat.estimate"})


@pytest.mark.parametrize("kind", sorted(set(KINDS) - CHAT - {"recorded"}))
def test_which_images_a_model_sees_and_how_errors_are_told_is_covered(kind):
    assert {"predict.images", "predict.rows", "predict.vision.ranking"} <= covered(kind)


@pytest.mark.parametrize("kind", sorted(CHAT))
def test_what_is_asked_and_how_it_is_collected_is_covered(kind):
    assert {"predict.chat.questions", "predict.chat.prompts", "predict.chat.collecting", "predict.rows"} <= covered(
        kind
    )
