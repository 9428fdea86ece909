"""What every group of settings has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of keys; frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
