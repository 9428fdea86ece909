"""The naming tables of renameProducts: which products get which code, and what follows it in their name.

One YAML file per instrument (`naming/*.yaml`), taken from the product_codes pages; an account chooses
one with `rename.table` and may override any key of it. Every row keeps its source mark.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.section import Section

THE_FIRST_THERE = "the first there is"
THE_ONE_NOT_OPEN = "the one that is not OPEN"


class Code(Section):
    """A product code: which products get it and which setup values follow in the name."""

    code: str = Field(pattern=r"^[A-Z0-9]{4}$", description="four characters, unique within the instrument")
    pro_catg: str = Field(description="PRO.CATG; {NAME} takes a value of captures.NAME, e.g. MASTER_BIAS_{CCD}")
    when: dict[str, str] = Field(
        {},
        description="further conditions: a header keyword, a capture, raw_type or ab_type, each with a pattern"
        " (* and ?, alternatives with |); '' in ab_type for no tag",
    )
    setup: str = Field("", description="name of the list in `setups` that follows the date; or give params")
    params: tuple[str, ...] = Field((), description="setup values, e.g. {DET.READ.CURNAME}, {INS.GRAT2.WLEN:.0f}nm")
    versions: bool = Field(True, description="no: the version is always A, a second product of that name is an error")
    shared: bool = Field(False, description="yes: other PRO.CATGs may have this code too")
    recipe: str = Field("", description="recipe that makes it, for information")
    prodcatg: str = Field("", description="Phase 3 class of the product")
    what: str = Field("", description="what it is, for information")
    source: str = Field("", description="where the row comes from")


class NameField(Section):
    """A named setup value: made of one or several header keywords."""

    keys: tuple[str, ...] = Field((), description="header keywords, in the order of the format")
    by: str = Field("", description="the capture, field or keyword whose value chooses among keys_by")
    keys_by: dict[str, tuple[str, ...]] = Field(
        {}, description="header keywords by value of `by` (patterns; the first that fits); [] leaves the value out"
    )
    rule: Literal["all", "the first there is", "the one that is not OPEN"] = Field(
        "all", description="which of the keywords count"
    )
    map: dict[str, str] = Field({}, description="text by value (or pattern, e.g. '*'); other values are an error")
    scale: float = Field(1.0, description="factor for numbers")
    format: str = Field("", description="how the values are written, e.g. {:.0f}x{:.0f}")
    skip_if_empty: bool = Field(False, description="yes: a missing keyword is no error, the value is left out")
    source: str = Field("", description="where the field comes from")


class Gap(Section):
    """A row that the sources name but do not complete: a note, never a rule."""

    code: str = Field("", description="product code as the source has it")
    pro_catg: str = Field("", description="PRO.CATG as the source has it; '' when it is lost")
    what: str = Field("", description="what it is")
    name: str = Field("", description="how its names look")
    why: str = Field(description="what is lost")
    source: str = Field("", description="where the row comes from")


class Rename(Section):
    """config.renameProducts: the naming table of the instrument, and the plugins."""

    table: str = Field("", description="naming table: shipped (MUSE, UVES, ...) or $DFO_CONFIG_DIR/naming/<NAME>.yaml")
    pre_plugin: str = Field("", description="PRE_PLUGIN: may change key values before names are made")
    special_plugin: str = Field("", description="SPECIAL_PLUGIN: sees the names before anything is renamed")
    instrument_code: str = Field("", description="two characters, e.g. MU")
    prefix: str = Field("", description="how raw file names begin, e.g. MUSE; general calibrations must not")
    time_digits: int = Field(3, ge=0, le=3, description="decimals of the seconds in science names")
    captures: dict[str, tuple[str, ...]] = Field({}, description="values a {NAME} in pro_catg may have")
    fields: dict[str, NameField] = Field({}, description="named setup values")
    setups: dict[str, tuple[str, ...]] = Field({}, description="lists of setup values that several codes share")
    calib: tuple[Code, ...] = Field((), description="CALIBNAME codes (M, P); first match wins")
    science: tuple[Code, ...] = Field((), description="USERSCINAME codes (S); first match wins")
    gen: tuple[Code, ...] = Field((), description="codes of general (static) calibrations (G); first match wins")
    replace: dict[str, str] = Field({}, description="text for a whole setup value, e.g. OBJECT: OBJ")
    characters: dict[str, str] = Field({}, description="text for single characters in setup values, e.g. '/': '-'")
    gaps: tuple[Gap, ...] = Field((), description="rows the sources do not complete; not used")

    def codes(self, mode: str) -> tuple[Code, ...]:
        """The codes of a MODE: CALIB, SCIENCE or GEN."""
        return {"CALIB": self.calib, "SCIENCE": self.science, "GEN": self.gen}[mode]
