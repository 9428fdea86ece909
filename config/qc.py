"""processQC: which procedure measures which AB, how it is scored, where the values go."""

from __future__ import annotations

from pydantic import Field

from config.section import Section


class QcSlot(Section):
    """A QC procedure for one data type; the first slot that fits an AB is taken, the shipped ones first."""

    instruments: tuple[str, ...] = Field((), description="INSTRUMENT of the ABs; empty: any")
    raw_types: tuple[str, ...] = Field((), description="RAW_TYPEs of the ABs; empty: any")
    tags: tuple[str, ...] = Field((), description="tags in the AB names; empty: any")
    catgs: tuple[str, ...] = Field((), description="PRO.CATGs (with * and ?), one of which the AB makes; empty: any")
    procedure: str = Field(
        "generic",
        description="shipped: generic, muse_single, muse_deep, bias_dark; else an executable in $DFO_PROC_DIR",
    )
    scores: str = Field("generic", description="score definitions, config/scores/<name>.yaml")
    table: str = Field("", description="QC1 table of the values, config/qc1/<name>.yaml; '' for none")
    sources: str = Field("", description="QC1 table with one row per source; '' for none")
    trend: tuple[str, ...] = Field((), description="QC1 tables whose ABMAGlim over exposure time is drawn")
    flag: str = Field("", description="data type in config/qcflags/<INSTRUMENT>.yaml for QCFLAG; '' for none")
    local: str = Field("", description="stem of the local copy of ingest calls, qc1_<stem>.dat; '' for the RAW_TYPE")


class Qc(Section):
    """The QC of ABs (config.processQC, config.scoreQC, config.writeQC)."""

    streams: int = Field(1, ge=1, description="QC jobs at once; 1: serial, as MUSE needs it")
    concentration: bool = Field(
        False,
        description="QCJOB_CONCENTRATION: of a month all ABs first, then the QC jobs of all its dates as one batch",
    )
    database: str = Field(
        "",
        description="QC1 database: '' for SQLite in $DFO_MON_DIR/ENGINE, sqlite:///<path>, or postgresql://<user>@<host>/<name>",
    )
    password_file: str = Field("", description="file with the password of the database, mode 0600; '' for none")
    procedures: dict[str, QcSlot] = Field({}, description="slots by name; an AB without one is scored generically")
    rawdisp: bool = Field(True, description="RAWDISP_SUPPORT: screenshots of raw frames, for the 7 latest dates only")
    rawdisp_most: int = Field(10, ge=1, description="raw frames of one AB that are drawn, evenly taken")
    timeout_s: float = Field(600.0, gt=0, description="seconds a QC job may measure or plot one AB")
