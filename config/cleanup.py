"""How cleanupProducts finds its way."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.section import Section


class Cleanup(Section):
    """What a DATE looks like that is slimmed down to headers."""

    layout: Literal["auto", "dfos", "phoenix"] = Field(
        "auto",
        description="dfos: the FITS of DATE; phoenix: those of SCIENCE DATE/conv, then what they were made from; "
        "auto: phoenix where DATE/conv is there",
    )
