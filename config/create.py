"""What createAB, refreshVCAL and filterRaw are allowed to vary (config.createAB)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from config.section import Section

TimeRule = Literal["CLOSEST", "NEXT", "PREVIOUS", "ATTACHED"]


class Validity(Section):
    """How one category of calibrations is chosen in time (tut_assoc, calselManager)."""

    rule: TimeRule = Field("CLOSEST", description="CLOSEST, NEXT or PREVIOUS in time, ATTACHED: of the same OBS.ID")
    plan: tuple[float, ...] = Field((), description="calibration plan, days before and after; outside: NOK")
    extended: tuple[float, ...] = Field((), description="extended range, days before and after; outside: no match")

    @model_validator(mode="after")
    def _pairs(self) -> Validity:
        for pair in (self.plan, self.extended):
            if pair and (len(pair) != 2 or pair[0] > pair[1]):
                raise ValueError("a range is two numbers of days, e.g. [-2.0, 2.0]")
        return self


class Unwanted(Section):
    """Raw files that filterRaw reports as unwanted: too few of them in one group (RAW_MINNUM)."""

    raw_type: str = Field(description="RAW.TYPE, or DO.CATG where the rules set none; * for every one")
    raw_minnum: int = Field(2, ge=1, description="RAW_MINNUM: a group with fewer files is reported")


class Create(Section):
    """config.createAB."""

    rules: str = Field(
        "", description="OCA rule file; '' finds it in $DFO_CONFIG_DIR/OCA, else the one of the installed pipeline"
    )
    conf_version: str = Field("1.0", description="CONF_VERSION: stands in every AB as CONFIG_VERSION")
    drs_type: Literal["CPL", "CON", "INT"] = Field("CPL", description="DRS_TYPE: how createJob runs the ABs")
    mcal_days: int = Field(7, ge=0, description="N_MCAL_LIST: real calibrations of so many nights before and after")
    vcal_days: int = Field(7, ge=0, description="N_VCAL_LIST: virtual calibrations of so many nights before and after")
    gen_dir: str = Field("$DFO_CAL_DIR/gen", description="GEN_CALDIR: static calibrations")
    second_step: tuple[str, ...] = Field(
        (), description="PROD_STEP2: products that start ABs of a second step, besides those the rules organise"
    )
    massoc: tuple[str, ...] = Field(
        (), description="associations that are listed as MASSOC and not given to the recipe"
    )
    mandatory: tuple[str, ...] = Field(
        ("MJD-OBS", "DPR.CATG"), description="keys without which a raw file makes no AB (filterRaw: EMPTY)"
    )
    unwanted: tuple[Unwanted, ...] = Field((), description="filter rules of filterRaw")
    arms: tuple[str, ...] = Field(
        ("OCS.CON.QUAD", "SEQ.ARM"),
        description="keys that divide a template: quadrants or arms side by side are templates of their own",
    )
    validity: dict[str, Validity] = Field({}, description="time rule by category of calibration")
    visitor: tuple[str, ...] = Field((), description="programmes (OBS.PROG.ID) in visitor mode: OBS_MODE VM, else SM")
    not_yet: bool = Field(False, description="the night is still open: a template that is not finished makes no AB yet")
