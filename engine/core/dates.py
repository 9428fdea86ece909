"""DATE labels: civil dates, pseudo-dates of deep runs, the pre-imaging placeholder.

A DATE is a label, never a calendar day: `2099-99-99` and `2095-09-34` are legal
(decision 1). Nothing here sorts by calendar or subtracts.
"""

from __future__ import annotations

import re

from engine.errors import UsageTrouble

MODES = ("CALIB", "SCIENCE")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-\d{2}")
_RUN = re.compile(r"(\d{2,3})\.([A-Z])-(\d{4})([A-Z]?)")


def is_date(text: str) -> bool:
    """True for YYYY-MM-DD."""
    return bool(_DATE.fullmatch(text)) and text.isascii()


def date_label(text: str) -> str:
    """The DATE label in `text`; UsageTrouble when it is not YYYY-MM-DD by pattern."""
    if not is_date(text):
        raise UsageTrouble(f"'{text}' is not a DATE", remedy="write it as YYYY-MM-DD, e.g. 2014-07-12 or 2099-99-99")
    return text


def is_month(text: str) -> bool:
    """True for YYYY-MM: a pool of all DATEs that begin with it."""
    return bool(_MONTH.fullmatch(text)) and text.isascii()


def month_label(text: str) -> str:
    """The month in `text`; UsageTrouble when it is not YYYY-MM by pattern."""
    if not is_month(text):
        raise UsageTrouble(f"'{text}' is not a month", remedy="write it as YYYY-MM, e.g. 2014-10")
    return text


def within(pool: str, date: str) -> bool:
    """Does a DATE belong to a pool? A DATE is its own pool; a month YYYY-MM holds all that begin with it."""
    return date == pool or (is_month(pool) and date.startswith(f"{pool}-"))


def mode_label(text: str) -> str:
    """CALIB or SCIENCE; UsageTrouble names both otherwise."""
    if text not in MODES:
        raise UsageTrouble(f"'{text}' is not a MODE", remedy="use " + " or ".join(MODES))
    return text


def pseudo_date(run_id: str) -> str:
    """The pseudo-date of a deep run by the rule of decision 2: `094.A-0116B` -> `2094-01-16`.

    UsageTrouble when the rule does not cover the run ID (4-digit periods, new-style IDs).
    """
    found = _RUN.fullmatch(run_id)
    if not found:
        raise UsageTrouble(
            f"no rule maps run '{run_id}' to a pseudo-date",
            remedy="add a line 'run_ID pseudo_date created' to the pseudo-date registry",
        )
    period, number = found[1].zfill(3), found[3]
    return f"2{period}-{number[:2]}-{number[2:]}"
