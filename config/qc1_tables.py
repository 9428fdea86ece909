"""Definitions of QC1 tables (config/qc1/*.yaml), after those of QC1_tdf: names, types, flags, descriptions.

The full schema of the muse_sci_* tables is lost; columns that no page names say so (`source: inferred`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from config.data_file import validated
from config.section import Section

_NAME = r"[a-z][a-z0-9_]{0,59}"
KEY = "mjd_obs"  # with the `f` columns the key of every table


class Qc1Column(Section):
    """One column (field_name, keyword_name, field_type, plot flag, length, default_value, description)."""

    name: str = Field(description="field_name", pattern=_NAME)
    type: Literal["varchar", "float", "integer", "datetime"] = Field("float", description="field_type")
    flag: Literal["", "f", "xd", "yd", "xy"] = Field("", description="f: filter and key; xd, yd, xy: axes of plots")
    keyword: tuple[str, ...] = Field((), description="header keywords of the product, the first that is there counts")
    value: str = Field("", description="measured value or fact it holds; '' for that of its own name")
    length: int = Field(80, ge=1, le=4000, description="characters of a varchar")
    default: str | int | float | None = Field(None, description="what omitted values become; key columns: '' or 0")
    description: str = Field("", description="what it is")
    source: str = Field("inferred", description="the page that names it, or inferred")


class Qc1Table(Section):
    """A QC1 table."""

    name: str = Field(description="its name", pattern=_NAME)
    description: str = Field(description="what a row is")
    source: str = Field(description="where its definition is from")
    columns: tuple[Qc1Column, ...] = Field(description="the columns; mjd_obs must be among them")

    @model_validator(mode="after")
    def _whole(self) -> Qc1Table:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("a column stands twice")
        if KEY not in names:
            raise ValueError("mjd_obs is missing; it is part of every key")
        if self.name == "qc1_score":
            raise ValueError("qc1_score is not a table of values")
        return self

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a row: all `f` columns and mjd_obs."""
        return (*(column.name for column in self.columns if column.flag == "f"), KEY)


def qc1_table(name: str, config_dir: Path | None) -> Qc1Table:
    """The definition of that name; ConfigTrouble says what is wrong with it, and where."""
    return validated(Qc1Table, "qc1", name, config_dir)
