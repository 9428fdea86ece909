"""pgi_phoenix_GEN_MCAL (HDR_PGI): checks for unsuccessful downloads of master calibrations (the page).

What it does with them is not told; here each AB that names a missing one is complained of, so that it is seen before
the processing begins. Such an AB still runs: the file may come meanwhile, and without it the AB fails by name.
"""

from __future__ import annotations

from posixpath import basename

from engine.core.ab import AB
from engine.pgi import Complaint


def check(abs: tuple[AB, ...], missing: tuple[str, ...]) -> tuple[Complaint, ...]:
    """One complaint for every AB that lacks calibrations, with the first of them."""
    gone = set(missing)
    found = []
    for ab in abs:
        lacking = [calib for calib in ab.calibs if calib.path in gone]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            found.append(Complaint(ab.name, f"{lacking[0].catg} {basename(lacking[0].path)} could not be had{more}"))
    return tuple(found)
