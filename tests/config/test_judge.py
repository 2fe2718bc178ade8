import pytest

from mllm_classify.config.identity import identity
from mllm_classify.config.judge import JUDGES, EndpointJudge
from mllm_classify.config.kinds import KINDS
from mllm_classify.config.marks import DISPLAY, RUNTIME
from tests.config.given import OPENAI, RECORDED, TIMM, VLLM, loaded, refusal, whole

JUDGE = {"name": "j", "label": "J", "kind": "endpoint", "url": "http://127.0.0.1:1/v1", "model": "q"}
WORDED = RECORDED | {"column": "text"}


@pytest.fixture(autouse=True)
def files(folder):
    for name in ("c.txt", "i.csv", "l.csv", "r.csv", "e.csv", "t.txt", "ow.txt", "cw.txt", "ids.txt", "p.csv"):
        (folder / name).write_text(f"content of {name}")


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (JUDGE | {"kind": "timm"}, "config.yaml: judge.kind: 'timm' is no kind of model; one of 'endpoint', 'openai', 'eng"),
        ({key: value for key, value in JUDGE.items() if key != "kind"},
         "config.yaml: judge.kind: missing; one of endpoint, engine, openai, vllm"),
        (JUDGE | {"tasks": ["OW"]}, "config.yaml: judge.tasks: unknown key (value ['OW'])"),
        (JUDGE | {"shards": 2}, "config.yaml: judge.shards: unknown key (value 2)"),
        (JUDGE | {"nearest": 0}, "config.yaml: judge.nearest: 0: input should be greater than 0"),
        (JUDGE | {"budget": 3}, "config.yaml: judge (j): budget: 3: needs prices:"),
        (JUDGE | {"url": "http://me:secret@x/v1"}, "config.yaml: judge (j): url: holds a user or a password"),
        (JUDGE | {"extra_body": {"structured_outputs": {}}}, "config.yaml: judge (j): extra_body: 'structured_outputs' is not"),
        (JUDGE | {"own": ["nobody"]}, "config.yaml: judge.own: 'nobody' is not among the models, which are lite, conse, api"),
    ],
    ids=range(9),
)  # fmt: skip
def test_what_is_wrong_with_a_judge_is_told_by_its_key(folder, judge, message):
    assert refusal(folder, whole(judge=judge)).startswith(message)


def test_judges_have_names_and_labels_of_their_own_and_a_main_one(folder):
    other = JUDGE | {"name": "k", "label": "K"}
    assert "judges[0] (k): is compared with the main one; add judge:" in refusal(folder, whole(judges=[other]))
    for judges, key, value, others in [
        ([JUDGE | {"label": "K"}], "judges[0].name", "j", "judge"),
        ([other, other | {"name": "l"}], "judges[1].label", "K", "judges[0]"),
    ]:
        said = refusal(folder, whole(judge=JUDGE, judges=judges))
        assert f"{key}: {value!r} is also {others}'s; give each its own" in said
    found = loaded(folder, whole(judge=JUDGE, judges=[other]))
    assert [judge.name for judge in found.every_judge] == ["j", "k"]


def test_every_kind_of_chat_model_may_judge(folder):
    chat = [kind for kind in KINDS if kind in ("endpoint", "openai", "engine", "vllm")]
    assert chat == JUDGES
    entries = [
        OPENAI,
        VLLM | {"chat_template": None},
        {"name": "e", "label": "E", "kind": "engine", "model": "m", "command": ["x"]},
    ]
    found = loaded(folder, whole(judge=JUDGE, judges=entries))
    assert [judge.kind for judge in found.every_judge] == ["endpoint", "openai", "vllm", "engine"]


def test_a_judge_without_answers_to_judge_is_none(folder):
    given = whole(judge=JUDGE, models=[TIMM], tasks=None, variants=None)
    assert loaded(folder, given).every_judge == []
    assert loaded(folder, given | {"models": [TIMM, WORDED]}).every_judge[0].name == "j"


def test_what_a_judge_says_depends_on_its_prompt_and_not_on_where_it_runs():
    entry = EndpointJudge(**JUDGE)
    kept = identity(entry)
    assert {"prompt", "controls", "nearest", "repeats", "request", "model", "constrained_by"} <= kept.keys()
    marked = {key for key, field in EndpointJudge.model_fields.items() if {RUNTIME, DISPLAY} & {*field.metadata}}
    assert not marked & kept.keys()
    assert {"label", "own", "url", "budget", "prices", "concurrency", "max_errors"} <= marked
    assert identity(EndpointJudge(**JUDGE, prompt="resources/prompts/judge.v2.txt")) != kept
