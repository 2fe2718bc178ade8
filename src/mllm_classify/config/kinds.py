"""Every kind of model that an entry may be.

To add a kind, add its section to `AnyModel`, and the module of its name to `predict/`.
"""

from typing import Annotated

from pydantic import Field

from mllm_classify.config.chat import EndpointModel, EngineModel, OpenAIModel, VLLMModel
from mllm_classify.config.marks import tags
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.vision import ConseModel, DinoTxtModel, KnnModel, OpenClipModel, TimmModel

AnyModel = Annotated[
    TimmModel
    | ConseModel
    | OpenClipModel
    | DinoTxtModel
    | KnnModel
    | RecordedModel
    | EndpointModel
    | OpenAIModel
    | EngineModel
    | VLLMModel,
    Field(discriminator="kind"),
]
KINDS = tags(AnyModel, "kind")
