"""QC scores of an AB: green 0, red 1, grey not scored (score_help).

Written as one character per score, so a tired eye reads them without colour:
`.` green, `o` red, `-` not scored.
"""

from __future__ import annotations

from dataclasses import dataclass

GREEN, RED, GREY = ".", "o", "-"


@dataclass(frozen=True, slots=True)
class Score:
    """One QC score: what was measured, against which limits, with which result."""

    name: str
    value: str
    limit: str
    mark: str  # GREEN, RED or GREY
    remark: str = ""


def digest(scores: tuple[Score, ...]) -> str:
    """The scores as one string, e.g. `..o.`."""
    return "".join(score.mark for score in scores)


def colour(marks: str) -> str:
    """green, red or grey: what certification modes go by (decision 15).

    Red if anything is red, green if at least one value was scored and none is red, grey if none was scored
    (phoenix-and-certification section 10, inferred).
    """
    return "red" if RED in marks else "green" if GREEN in marks else "grey"
