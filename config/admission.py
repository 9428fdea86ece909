"""What may start on this host: memory, disk, and the size of one AB."""

from __future__ import annotations

from pydantic import Field

from config.section import Section


class Admission(Section):
    """Which ABs may start beside those that run."""

    memory_gb: float = Field(0.0, ge=0, description="memory for all recipes together, GB; 0: 90 % of the host's")
    disk_reserve_gb: float = Field(
        0.0, ge=0, description="start nothing that would leave less free in $DFS_PRODUCT or the work area, GB"
    )
    ask_above: int = Field(0, ge=0, description="an AB with more main inputs is asked about before it starts; 0: never")
    refuse_above: int = Field(0, ge=0, description="an AB with more main inputs is never started; 0: no limit")
