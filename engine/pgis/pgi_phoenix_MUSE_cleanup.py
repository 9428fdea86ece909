"""pgi_phoenix_MUSE_cleanup (CLEANUP_PLUGIN): which FITS of a MUSE date give way to their headers.

The page says: all ingested FITS files, IDPs and ancillary. Their product codes are those of the archive's names:
cubes MU_SCB*, white-light images MU_SIM*, exposure maps MU_SXPM. Files of other names under SCIENCE (e.g.
those the converter did not touch) stay FITS, inferred; calibrations are all archived under their own names.
Source: phoenix_MUSE_DEEP, "Post-processing"; product codes: archive names.
"""

from __future__ import annotations

from posixpath import basename

DELIVERED = ("MU_SCB", "MU_SIM", "MU_SXPM")


def spare(mode: str, date: str, files: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are neither IDP nor ancillary."""
    if mode != "SCIENCE":
        return ()
    return tuple(file for file in files if not basename(file).startswith(DELIVERED))
