"""What a section contributes to the lineage of the jobs that use it."""

from typing import Any

from pydantic import BaseModel

from mllm_classify.config.marks import COLUMNS, CONTENT, DISPLAY, RUNTIME
from mllm_classify.io.files import portable_values, read_bytes, read_csv, sha256


def identity(section: BaseModel) -> dict[str, Any]:
    """What a section contributes to the lineage of the jobs that use it.

    RUNTIME and DISPLAY keys are left out (the tables' lineage names what they show). CONTENT keys become the file's
    SHA-256, and paths of this machine what stands for them in an archive: a study goes on elsewhere.
    """
    result: dict[str, Any] = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if RUNTIME in field.metadata or DISPLAY in field.metadata:
            continue
        columns = next((mark for mark in field.metadata if isinstance(mark, COLUMNS)), None)
        if columns is not None:
            result[key] = value and [[row.get(column, "") for column in columns] for _, row in read_csv(value)]
        elif CONTENT in field.metadata and value is not None:
            result[key] = sha256(read_bytes(value))
        elif isinstance(value, BaseModel):
            result[key] = identity(value)
        elif isinstance(value, list) and any(isinstance(it, BaseModel) for it in value):
            result[key] = [identity(it) for it in value]
        else:
            result[key] = portable_values(value)
    return result
