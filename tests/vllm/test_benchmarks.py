"""The benchmarks that need vLLM run at their smallest sizes, and print their tables."""

import pytest

from tests.benchmarks.test_benchmarks import FAILURE, printed

SMALLEST = {
    "likelihood": ["--names", "12", "--images", "2", "--few", "1"],
    "vllm": ["--images", "8", "--rounds", "1"],
}


@pytest.mark.parametrize("script", SMALLEST)
def test_a_script_prints_its_table(script, tmp_path):
    more = ["--state", str(tmp_path / "state.jsonl")] if script == "likelihood" else []
    output = printed(script, *SMALLEST[script], *more)
    assert not FAILURE.search(output)
    table = [line for line in output.splitlines() if line.startswith("|")]
    assert len(table) >= 5
    if script == "likelihood":
        assert output.count("classes are brute force's on") == 2
        assert len((tmp_path / "state.jsonl").read_text().splitlines()) == 3
