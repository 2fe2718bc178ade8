"""What programs that work on an archive's data are given."""

import json

from mllm_classify.bundle import confined

SHOWN = """
import json, os, sys
print(json.dumps({"variables": dict(os.environ), "path": sys.path, "here": os.getcwd()}))
"""


def test_programs_have_no_key_and_nothing_of_the_environment_that_would_lead_them_elsewhere(tmp_path, monkeypatch):
    kept = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "TMPDIR": str(tmp_path)}
    others = {
        **dict.fromkeys(("OPENAI_API_KEY", "MY_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "SNAKEMAKE_PROFILE"), "secret"),
        **dict.fromkeys(("PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONINSPECT", "MPLBACKEND"), "/elsewhere"),
        **dict.fromkeys(("BASH_ENV", "ENV", "LD_PRELOAD", "GIT_DIR", "XDG_CONFIG_HOME", "MPLCONFIGDIR"), "/elsewhere"),
    }  # fmt: skip
    for name, value in (kept | others).items():
        monkeypatch.setenv(name, value)
    work = tmp_path / "work"
    work.mkdir()
    (work / "shown.py").write_text("print('of the archive')")
    module = tmp_path / "modules"
    module.mkdir()
    (module / "shown.py").write_text(SHOWN)
    monkeypatch.setattr(confined, "PROJECT", tmp_path)
    (tmp_path / "src").symlink_to(module)
    told = json.loads(confined.run(work, "shown").stdout)
    assert kept.items() <= told["variables"].items()
    assert "secret" not in told["variables"].values()
    assert "/elsewhere" not in told["variables"].values()
    assert str(work) == told["here"]
    assert not {"", ".", str(work)} & set(told["path"])
