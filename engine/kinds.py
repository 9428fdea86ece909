"""The kinds of ABs of an instance profile, as the cascade knows them."""

from __future__ import annotations

from config.schema import Settings
from engine.core.cascade import Kind


def kinds_of(settings: Settings) -> tuple[Kind, ...]:
    """The kinds of the instance's profile, in its order."""
    return tuple(
        Kind(
            name,
            kind.recipe,
            kind.tag,
            kind.raw_types,
            kind.rank,
            kind.streams,
            kind.forecast_s,
            kind.memory_gb,
            kind.time_limit_s,
            kind.forecast_per_input_s,
            kind.memory_gb_per_input,
            kind.disk_gb,
            kind.disk_gb_per_input,
        )
        for name, kind in settings.kinds.items()
    )
