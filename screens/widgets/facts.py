"""What the board knows of one AB, in words."""

from __future__ import annotations

from engine.board import Board, Row
from engine.core.status import STATES, said
from screens.glyphs import Glyphs, clock, duration


def facts(row: Row, board: Board, now: float, glyphs: Glyphs) -> list[str]:
    """What the board knows of an AB, a fact a line; also the monitor's pane."""
    state = STATES[row.state]
    found = [
        f"state     {glyphs.state(row.state)} {said(state.word, row.reason or state.meaning)}",
        f"kind      {row.kind}",
        f"recipe    {row.recipe}",
        f"input     {row.raw_type}",
        f"batch     {row.mode} {row.date}",
    ]
    if row.target:
        found.append(f"target    {row.target}")
    if row.started:
        stream = f" in stream {row.stream}" if row.stream else ""
        found.append(f"started   {clock(row.started)} UT{stream}")
    if row.running_s(now):
        found.append(f"time      {duration(row.running_s(now))}   expected {duration(row.forecast_s)}")
    elif row.forecast_s:
        found.append(f"time      expected {duration(row.forecast_s)}")
    if row.score:
        found.append(f"score     {row.score}   (. green, o red, - not scored)")
    if row.verdict:
        found.append(f"verdict   {row.verdict}: {row.comment}" if row.comment else f"verdict   {row.verdict}")
    if row.message:
        found.append(f"last      {row.message}")
    return found


def relatives(names: list[str], board: Board, glyphs: Glyphs) -> list[str]:
    """ABs with their states, a line each."""
    found = []
    for name in names:
        row = board.rows.get(name)
        if row is None:
            found.append(f"  ? {name.removesuffix('.ab')}  not in this run")
        else:
            phrase = said(STATES[row.state].word, row.reason)
            found.append(f"  {glyphs.state(row.state)} {name.removesuffix('.ab')}  {row.kind}  {phrase}")
    return found
