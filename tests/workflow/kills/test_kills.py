"""A dozen of the kills of `python -m tests.kills`, on a study that has jobs of every command of the workflow."""

from collections.abc import Iterator

import pytest

from mllm_classify.__main__ import COMMANDS
from tests.kills import WORKFLOW, Killed, commands, undisturbed

BY_HAND = {"new", "adopt", "compare"}
"""What no rule starts."""
ASKING = {"predict chat", "predict own", "probe", "judge", "ask-judge", "ask own", "embed answers served"}
"""Kinds of jobs that send requests: a killed one sends few of them again."""
OTHERS = ["annotate tasks", "ask siglip", "choices", "make figure", "report assemble"]
NUMBERS = range(10 * WORKFLOW)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    with undisturbed(tmp_path_factory.mktemp("kills")) as it:
        yield it


def test_rules_start_every_command_that_no_user_starts_by_hand() -> None:
    """So that a study which has jobs of all that rules start (`Killed` looks) lacks none of the stages."""
    assert {command.split()[0] for command in commands()} == COMMANDS.keys() - BY_HAND


def test_each_kind_of_job_comes_in_turn(killed: Killed) -> None:
    """Snakemake every twentieth time; of a thousand kills, a kind gets as many as any other, or one more."""
    drawn = [killed.drawn(number) for number in range(1000)]
    of_jobs = [job.kind for job in drawn if job is not None]
    assert len(of_jobs) == 950
    counts = {of_jobs.count(kind) for kind in killed.kinds}
    assert max(counts) - min(counts) <= 1
    figures = killed.kinds["make figure"]
    assert {tuple(job.files) for job in drawn if job in figures} == {tuple(job.files) for job in figures}


@pytest.mark.parametrize("kind", [*sorted(ASKING), *OTHERS, "snakemake"])
def test_a_killed_job_is_finished_by_the_next_as_if_nothing_had_been(killed: Killed, kind: str) -> None:
    number = next(number for number in NUMBERS if killed.named(number) == kind)
    assert killed.kill(number) == (kind, [])
    if (job := killed.drawn(number)) is not None:
        assert bool(killed.alone[job.name].asked) == (kind in ASKING)
