"""On PYTHONPATH, lets vLLM serve PaliGemma without torchvision.

To learn how many tokens an image has, it imports the image processors of all vision towers; Pixtral's needs torchvision,
which has no build that fits the CPU build of torch everywhere. The tower here is SigLIP's.
"""

import sys
import types


def unused(*_: object) -> None:
    msg = "this stands in for Pixtral's image processor, which is not there"
    raise NotImplementedError(msg)


name = "transformers.models.pixtral.image_processing_pixtral"
module = types.ModuleType(name)
module._num_image_tokens = unused  # type: ignore[attr-defined]
sys.modules[name] = module
