from mllm_classify.tables.render import as_markdown, write
from tests import plain
from tests.tables.studies import STUDY, scored, weasels


def test_the_weasel_family_by_class_under_both_label_sets():
    """Images 0, 2 and 4 are of minks; image 3 has no expert label."""
    found, _ = weasels(
        scored("a", "CW", "11010", expert="100-1"),
        scored("a", "CW+", "11111", expert="111-1"),
        scored("v", "CW", "00000", expert="00000"),
    )
    shown = ("model", "task", "class", "n", "ImGT", "expert")
    assert [[row[name] for name in shown] for row in found] == [
        ["Model A", "CW+", "all", "4", "100.00", "100.00"],
        ["Model A", "CW+", "mink", "3", "100.00", "100.00"],
        ["Model A", "CW+", "otter", "1", "100.00", "100.00"],
        ["Model A", "CW", "all", "4", "50.00", "50.00"],
        ["Model A", "CW", "mink", "3", "33.33", "66.67"],
        ["Model A", "CW", "otter", "1", "100.00", "0.00"],
        ["Vision", "CW", "all", "5", "0.00", "0.00"],
        ["Vision", "CW", "mink", "3", "0.00", "0.00"],
        ["Vision", "CW", "otter", "2", "0.00", "0.00"],
    ]
    low, high = plain.statistics.wilson(2, 4)
    assert [found[3][f"expert_{end}"] for end in ("low", "high")] == [f"{low:.2f}", f"{high:.2f}"]


def test_weasels_to_which_the_expert_gave_no_class_follow_the_rule():
    frames = [scored("v", "CW", "1100", expert="1010")]
    found, table = weasels(*frames, none=["i2"])
    assert [[row[name] for name in ("class", "n", "ImGT", "expert")] for row in found] == [
        ["all", "4", "50.00", "50.00"],
        ["mink", "2", "50.00", "100.00"],
        ["otter", "2", "50.00", "0.00"],
    ]
    assert "of 1 images, to which no class applies, every answer is right" in as_markdown(table)
    found, table = weasels(*frames, none=["i2"], study=STUDY._replace(n_images="excluded"))
    assert [[row[name] for name in ("class", "n", "ImGT", "expert")] for row in found] == [
        ["all", "3", "66.67", "33.33"],
        ["mink", "1", "100.00", "100.00"],
        ["otter", "2", "50.00", "0.00"],
    ]
    assert "of 1 images, to which no class applies, none counts" in as_markdown(table)


def test_weasels_that_a_label_set_leaves_open_are_not_counted_among_them():
    _, table = weasels(scored("v", "CW", "11", expert="11"), none=["i0", "i8", "i9"], left_open=["i8", "i9"])
    assert "of 1 images, to which no class applies" in as_markdown(table)


def test_without_expert_labels_the_weasel_table_is_its_header(tmp_path):
    found, table = weasels(scored("v", "CW", "11", "11", "S+ S+"))
    assert found == []
    write(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("model,task,class,n,ImGT,expert,")
