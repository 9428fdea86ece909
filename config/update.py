"""What updateAB is allowed to vary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.section import Section


class Update(Section):
    """Checks of updateAB (updateAB page; NOCHECK of config.createAB)."""

    profile: Literal["dfos", "phoenix"] = Field(
        "dfos", description="phoenix ignores nocheck: CALIB is always checked, SCIENCE (IDP) never"
    )
    nocheck: bool = Field(False, description="NOCHECK: MCALIB and MASSOC lines are left as they are")

    def checks(self, mode: str) -> bool:
        """Whether MCALIB and MASSOC lines of a MODE are checked for REAL or VIRTUAL."""
        return mode == "CALIB" if self.profile == "phoenix" else not self.nocheck
