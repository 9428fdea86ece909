"""Values against limits: green, red, or grey when not scored (score_help). Pure.

Aggregation (phoenix-and-certification section 10, inferred): red if any scored value is red, green if at
least one is scored and none red, grey otherwise; see `engine.core.score.colour`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from string import Template

from config.score_rules import ScoreRule, ScoreSet, Statistics
from engine.core.score import GREEN, GREY, RED, Score
from engine.process.qc.subject import Value

History = Sequence[tuple[float, float]]  # (MJD, value)


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with the numbers behind it. `points`: how many of the history were used."""

    score: Score
    param: str
    number: float | None
    low: float | None
    high: float | None
    points: int
    hc: bool


@dataclass(frozen=True, slots=True)
class Past:
    """The history of a value; `trouble` says why there is none."""

    points: History = ()
    trouble: str = ""


def scored(
    rules: ScoreSet,
    values: Mapping[str, Value],
    limits: Mapping[str, float],
    past: Callable[[str, Statistics], Past],
) -> tuple[Scored, ...]:
    """All scores of a set. `limits` are the named ones of the settings, `past` gives the history of a value."""
    return tuple(
        _scored(rule, values, limits, past) for rule in rules.scores if rule.param in values or rule.absent != "skip"
    )


def _scored(
    rule: ScoreRule,
    values: Mapping[str, Value],
    limits: Mapping[str, float],
    past: Callable[[str, Statistics], Past],
) -> Scored:
    low, high = _limit(rule.low, limits), _limit(rule.high, limits)
    value = values.get(rule.param)
    points, remark = 0, ""
    if rule.statistics:
        history = past(rule.param, rule.statistics)
        points = len(history.points)
        if history.trouble or points < rule.statistics.least:
            remark = history.trouble or f"{points} of at least {rule.statistics.least} points of history"
        else:
            low, high = from_history(rule.statistics, [point for _, point in history.points])
    limit = rule.limit or _limit_text(low, high, rule.unit)
    if not isinstance(value, int | float) or value != value:
        why = rule.absent if rule.param not in values else rule.unmeasured
        mark = RED if why == "red" else GREY
        said = "not measured for this AB" if rule.param not in values else "could not be measured"
        shown = "-" if value is None else str(value)
        return Scored(Score(rule.name, shown, limit, mark, said), rule.param, None, low, high, points, rule.hc)
    good = (low is None or value >= low) and (high is None or value <= high)
    unscored = bool(remark) and low is None and high is None
    mark = GREY if unscored else GREEN if good else RED
    return Scored(
        Score(rule.name, _shown(rule, value, values), limit, mark, remark),
        rule.param,
        value,
        low,
        high,
        points,
        rule.hc,
    )


def from_history(statistics: Statistics, history: Sequence[float]) -> tuple[float | None, float | None]:
    """The limits that a history gives: mean +/- x % or +/- k standard deviations."""
    mean = fmean(history)
    width = abs(mean) * statistics.percent / 100 if statistics.percent else statistics.sigma * stdev(history)
    low = mean - width if statistics.side != "high" else None
    return low, mean + width if statistics.side != "low" else None


def _limit(limit: float | str | None, named: Mapping[str, float]) -> float | None:
    if isinstance(limit, str):
        return named.get(limit)
    return limit


def _limit_text(low: float | None, high: float | None, unit: str) -> str:
    if low is not None and high is not None:
        return f"{low:.6g} to {high:.6g}{unit}"
    if low is not None:
        return f">= {low:.6g}{unit}"
    return f"<= {high:.6g}{unit}" if high is not None else ""


def _shown(rule: ScoreRule, value: float, values: Mapping[str, Value]) -> str:
    if rule.show:
        return Template(rule.show).safe_substitute({name: "-" if v is None else v for name, v in values.items()})
    return f"{value:.5g}{' ' + rule.unit if rule.unit else ''}" if isinstance(value, float) else str(value)
