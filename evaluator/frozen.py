"""The base of what is stored, printed and sent between processes."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Stored or sent between processes; an infinite error survives JSON as a word."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
