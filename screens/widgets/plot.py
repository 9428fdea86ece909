"""A small plot of characters: a parameter over time between its limits; readable in sixteen colours and in none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from screens import theme
from screens.glyphs import Glyphs
from screens.widgets.lines import Span, Spans

_LABEL = 10  # cells for the numbers at the left


def plot_lines(
    points: Sequence[tuple[float, float]],
    now: float | None,
    low: float | None,
    high: float | None,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Spans]:
    """`height` lines of `width` cells: history as dots, limits dashed, the present value `X` at the right.

    Values that are no numbers are left out. Without any value there is one line that says so.
    """
    known = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    now = now if now is not None and math.isfinite(now) else None
    values = [y for _, y in known] + ([now] if now is not None else [])
    if not values or height < 2 or width < _LABEL + 8:
        return [[(" no value to draw", theme.DIM)]]
    limits = [limit for limit in (low, high) if limit is not None and math.isfinite(limit)]
    bottom, top = _range([*values, *limits])
    columns = width - _LABEL - 2
    grid = [[" "] * columns for _ in range(height)]

    def row_of(value: float) -> int:
        share = (top / 2 - value / 2) / (top / 2 - bottom / 2)  # halves: two numbers may be as far apart as floats go
        return min(height - 1, max(0, round(share * (height - 1))))

    for limit in limits:
        line = grid[row_of(limit)]
        line[::2] = ["-"] * len(line[::2])
    first, last = (min(x for x, _ in known), max(x for x, _ in known)) if known else (0.0, 0.0)
    for x, y in known:
        share = 1.0 if last / 2 == first / 2 else (x / 2 - first / 2) / (last / 2 - first / 2)
        at = min(columns - 3, max(0, round(share * (columns - 3))))
        grid[row_of(y)][at] = glyphs.dot
    marked = row_of(now) if now is not None else -1
    if marked >= 0:
        grid[marked][columns - 1] = "X"
    bad = now is not None and ((low is not None and now < low) or (high is not None and now > high))
    lines: list[Spans] = []
    for y, cells in enumerate(grid):
        label = _number(top) if y == 0 else _number(bottom) if y == height - 1 else ""
        spans: list[Span] = [(f"{label:>{_LABEL}} {glyphs.wall}", theme.DIM), ("".join(cells[:-1]), None)]
        spans.append((cells[-1], (theme.BAD if bad else theme.GOOD) if y == marked else None))
        lines.append(spans)
    return lines


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low / 2 == high / 2:  # the same, or so small that halves cannot tell them apart
        spare = abs(low) * 0.05 or 1.0
        return low - spare, high + spare
    return low, high


def _number(value: float) -> str:
    return f"{value:.4g}"[:_LABEL]
