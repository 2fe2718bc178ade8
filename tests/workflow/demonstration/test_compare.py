"""The demonstration, and the same with one changed prompt, compared."""

import csv
import sys

from tests.workflow.study import Study


def test_a_changed_prompt_and_what_it_does(demonstration: Study, demonstration_copy: Study) -> None:
    """Only what is asked with the prompt can differ; the chat server looks at the picture and the class list."""
    study = demonstration_copy
    study.edit("config.yaml", "prompt: resources/prompts/cw.v1.txt", "prompt: resources/prompts/cw.v2.txt")
    study.make("results/table4.csv")
    done = study.run(sys.executable, "-m", "mllm_classify", "compare", str(demonstration.folder), str(study.folder))
    assert done.returncode == 0, done.stderr
    found = {it.stem: list(csv.DictReader(it.open())) for it in (study.folder / "compare").glob("*.csv")}
    assert [row["setting"] for row in found["settings"]] == ["tasks.CW.prompt"]
    answers = {row["what"]: row for row in found["shared"] if row["what"].startswith("answers of")}
    assert answers.keys() == {f"answers of {it['name']}" for it in study.config["models"]}
    for what, row in answers.items():
        assert int(row["both"]) > 0
        assert what == "answers of conse-chat" or row["equal"] == row["both"]
    rows = found["differences"]
    assert {row["model"] for row in rows} == {it["name"] for it in study.config["models"]}
    changed = {(row["model"], row["scoring"].split("+")[0]) for row in found["answers"]}
    assert changed <= {("conse-chat", "CW"), ("conse-chat", "CW inclusion")}
    for row in rows:
        if row["model"] != "conse-chat":
            assert (row["difference"], row["only_A"], row["only_B"], row["p"]) == ("0.00", "0", "0", "1")
    assert (study.folder / "compare/compare.html").read_text().count("<h2>") == 4
    print(answers["answers of conse-chat"], len(found["answers"]))
