"""Every kind of model that an entry may be."""

from typing import Annotated, get_args

from pydantic import Field

from mllm_classify.config.chat import EndpointModel, EngineModel, OpenAIModel, VLLMModel
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
KINDS = {kind for model in get_args(get_args(AnyModel)[0]) for kind in get_args(model.model_fields["kind"].annotation)}
