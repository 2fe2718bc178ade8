from mllm_classify.io import limits
from mllm_classify.io.files import PROJECT


def test_the_page_states_every_limit():
    page = (PROJECT / "docs/limits.md").read_text()
    for name, value in vars(limits).items():
        if name.isupper():
            assert f"{value:,}" in page, name
