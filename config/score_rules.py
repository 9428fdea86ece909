"""Score definitions (config/scores/*.yaml): which measured value is compared with which limits.

The grammar of config.scoreQC is lost; this one is ours. An account's own file of the same name in
`$DFO_CONFIG_DIR/scores` counts before the shipped one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from config.data_file import validated
from config.section import Section


class Statistics(Section):
    """Limits from the history in QC1: mean +/- `percent` %, or mean +/- `sigma` standard deviations."""

    percent: float = Field(0.0, ge=0, description="width in per cent of the mean; 0: not used")
    sigma: float = Field(0.0, ge=0, description="width in standard deviations; 0: not used")
    days: float = Field(90.0, gt=0, description="time window around the observation, days (usually 3 months)")
    least: int = Field(5, ge=2, description="with fewer points it is not scored")
    same: tuple[str, ...] = Field((), description="columns that must have this AB's value, e.g. the setup")
    side: Literal["both", "low", "high"] = Field("both", description="which of the limits counts")

    @model_validator(mode="after")
    def _one_width(self) -> Statistics:
        if bool(self.percent) == bool(self.sigma):
            raise ValueError("either percent or sigma must be given")
        return self


class ScoreRule(Section):
    """One score. Limits may be numbers, or names of `scoring` settings."""

    name: str = Field(description="name of the score", pattern=r"[A-Za-z][A-Za-z0-9_]*")
    param: str = Field(description="measured value that is compared")
    low: float | str | None = Field(None, description="smallest value that is good")
    high: float | str | None = Field(None, description="largest value that is good")
    statistics: Statistics | None = Field(None, description="limits from the history")
    show: str = Field("", description="how the value is shown, with $<measured value>; '' for the value itself")
    limit: str = Field("", description="how the limits are shown; '' for the limits themselves")
    unit: str = Field("", description="unit behind the value")
    description: str = Field("", description="what it means")
    absent: Literal["skip", "grey", "red"] = Field("grey", description="when the procedure gives no such value")
    unmeasured: Literal["grey", "red"] = Field("grey", description="when it could not be measured")
    hc: bool = Field(False, description="the parameter is on the health-check monitor")


class ScoreSet(Section):
    """The scores of a data type, in order."""

    source: str = Field(description="where they are from")
    scores: tuple[ScoreRule, ...] = Field(description="the scores")

    @model_validator(mode="after")
    def _once(self) -> ScoreSet:
        names = [rule.name for rule in self.scores]
        if len(set(names)) != len(names):
            raise ValueError("a score stands twice")
        return self


def score_set(name: str, config_dir: Path | None) -> ScoreSet:
    """The definitions of that name; ConfigTrouble says what is wrong with them, and where."""
    return validated(ScoreSet, "scores", name, config_dir)
