"""How the rules are read where their sources leave it open: every choice has a name here, and can be changed.

Source: domain facts on OCA sections 4, 4.1 and 4.2; what is marked there as inferred or as a gap is a field here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

TimeRule = Literal["CLOSEST", "NEXT", "PREVIOUS", "ATTACHED"]


@dataclass(frozen=True, slots=True)
class Window:
    """How far in time a calibration may be, in days from the group's time: (from, to), None for no limit.

    Inside `plan` it is OK, outside NOK; outside `extended` it is no match at all.
    """

    plan: tuple[float, float] | None = None
    extended: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The open points of the rule language, decided; the defaults are the inferred ones.

    `regexp_search`: a regular expression may match anywhere (False: the whole value).
    `tolerance`: two numbers are equal when they differ by no more.
    `tags`: where the tag of a file in the SOF comes from, the first key that has a value.
    `template`: the keys that make files one template; `arms`: keys that divide it further where a file has them.
    `single`: grouping by one of these means one group per file.
    `alone`: a file that lacks one of these, when it is grouped by it, stays alone.
    `time_rules` and `windows`: by association tag; without an entry CLOSEST and no limit.
    """

    regexp_search: bool = True
    tolerance: float = 0.0
    tags: tuple[str, ...] = ("DO.CLASS", "DO.CATG", "REFLEX.CATG", "PRO.CATG")
    template: tuple[str, ...] = ("TPL.START", "INSTRUME")
    arms: tuple[str, ...] = ("OCS.CON.QUAD", "SEQ.ARM")
    single: tuple[str, ...] = ("ARCFILE",)
    alone: tuple[str, ...] = ("TPL.START", "OBS.START", "ARCFILE")
    time_rules: Mapping[str, TimeRule] = field(default_factory=dict)
    windows: Mapping[str, Window] = field(default_factory=dict)
