"""The columns of the AB monitor: which there is room for, and what an AB shows in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style

from engine.board import Row
from engine.core.status import AT_WORK, STATES
from screens import theme
from screens.glyphs import Glyphs, begun, duration, width_of

LEAD = 4  # cursor, blank, symbol, blank


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it shows, its heading, its width in cells."""

    name: str
    title: str
    width: int
    right: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """Widest text of each kind among all ABs, in cells, and the beginning of the names that is left out.

    `target` is 0 where no AB has one: then there is no such column, and more room for the kind.
    """

    name: int = 18
    kind: int = 7
    target: int = 6
    recipe: int = 6
    score: int = 5
    prefix: str = ""

    @staticmethod
    def of(rows: Mapping[str, Row], prefix: str, glyphs: Glyphs) -> Measure:
        """The measure of these ABs."""

        def widest(values: set[str], least: int, most: int) -> int:
            return min(most, max((width_of(glyphs.clean(value)) for value in values), default=least))

        targets = {row.target for row in rows.values() if row.target}
        names = max((len(row.ab) for row in rows.values()), default=18) - len(prefix) - len(".ab")
        return Measure(
            name=max(8, min(26, names)),
            kind=max(4, widest({row.kind for row in rows.values()}, 7, 10 if targets else 18)),
            target=max(6, widest(targets, 6, 12)) if targets or not rows else 0,
            recipe=max(6, widest({row.recipe for row in rows.values()}, 6, 18)),
            score=max(5, widest({row.score for row in rows.values()}, 5, 12)),
            prefix=prefix,
        )


def columns_for(width: int, measure: Measure) -> tuple[Column, ...]:
    """The columns that fit into `width` cells: state always, the others by what they are worth."""
    ab = Column("ab", "AB", max(8, min(measure.name, width - LEAD - 1 - 14)))
    kind = Column("kind", "kind", measure.kind)
    target = Column("target", "target", measure.target)
    stream = Column("stream", "str", 3, right=True)
    time = Column("time", "time", 6, right=True)
    score = Column("score", "score", measure.score)
    recipe = Column("recipe", "recipe", measure.recipe)
    started = Column("started", "started", 11, right=True)
    chosen = [ab]
    room = width - LEAD - ab.width - 1 - 14  # the state is never narrower than 14
    for column in (time, kind, target, score, stream):
        if column.width and room >= column.width + 1:
            chosen.append(column)
            room -= column.width + 1
    all_but_two = 6 if target.width else 5
    for column, spare in ((recipe, 10), (started, 8)):
        if len(chosen) >= all_but_two and room >= column.width + 1 + spare:
            chosen.append(column)
            room -= column.width + 1
    state = 14 + room
    message = 0
    if len(chosen) == all_but_two + 2 and state >= 48:
        message = state - 1 - 28
        state = 28
    picked = {column.name: column for column in chosen}
    picked["state"] = Column("state", "state", state)
    if message:
        picked["message"] = Column("message", "last message", message)
    order = ("ab", "kind", "recipe", "target", "stream", "state", "started", "time", "score", "message")
    return tuple(picked[name] for name in order if name in picked)


def heading(columns: tuple[Column, ...], glyphs: Glyphs, prefix: str, note: str) -> str:
    """The line of column titles; the state column's title carries `note` (how the list is sorted)."""
    titles = []
    for column in columns:
        title = column.title
        if column.name == "ab" and prefix:
            common = prefix.strip(".-")
            names = (f"AB {common}", common, f"AB {common.partition('.')[2]}", "AB")
            title = next(name for name in names if width_of(name) <= column.width)
        elif column.name == "state" and note:
            title = f"state {note}"
        titles.append(glyphs.fit(title, column.width, column.right))
    return " " * LEAD + " ".join(titles)


def short(ab: str, prefix: str) -> str:
    """An AB's name as the list shows it: without what all share, without `.ab`."""
    return ab.removeprefix(prefix).removesuffix(".ab")


def told(text: str, prefix: str) -> str:
    """A sentence in which ABs are called as in the list."""
    return re.sub(re.escape(prefix) + r"(\S+?)\.ab\b", r"\1", text) if prefix else text


def row_spans(
    row: Row, columns: tuple[Column, ...], prefix: str, now: float, glyphs: Glyphs, *, cursor: bool = False
) -> list[tuple[str, Style | None]]:
    """One AB as a line. With `cursor` the line is drawn as the selected one."""
    state = STATES[row.state]
    style = None if cursor else theme.of_state(row.state)
    before = [f"{glyphs.cursor if cursor else ' '} "]
    texts: list[tuple[str, Style | None]] = [(before[0], None), (glyphs.state(row.state) + " ", style)]
    has_message = any(column.name == "message" for column in columns)
    for column in columns:
        if column.name == "state":
            reason = told(row.reason, prefix)
            texts.extend(
                _state_spans(row, reason, state.word, style, column.width, glyphs, with_message=not has_message)
            )
        else:
            texts.append((glyphs.fit(_cell(row, column.name, prefix, now), column.width, column.right), None))
        texts.append((" ", None))
    texts.pop()
    return [(text, theme.SELECTED) for text, _ in texts] if cursor else texts


def _state_spans(
    row: Row, reason: str, word: str, style: Style | None, width: int, glyphs: Glyphs, *, with_message: bool
) -> list[tuple[str, Style | None]]:
    if not reason and with_message and row.state in AT_WORK:
        reason = row.message
    if not reason and row.state == "REJECTED":
        reason = row.comment
    if word.partition(" ")[0] == "waits" and reason.startswith("waits "):
        word, reason = glyphs.clean(reason), ""
    if width_of(word) >= width or not reason:
        return [(glyphs.fit(word, width), style)]
    return [(word, style), (glyphs.fit(" " + _unsaid(reason, word), width - len(word)), None)]


def _unsaid(reason: str, word: str) -> str:
    """The reason without repeating the state's word in front."""
    return reason[len(word) :].lstrip(" :,") or reason if reason.lower().startswith(word.lower()) else reason


def _cell(row: Row, name: str, prefix: str, now: float) -> str:
    if name == "ab":
        return short(row.ab, prefix)
    if name == "stream":
        return str(row.stream) if row.stream else ""
    if name == "time":
        return duration(row.running_s(now))
    if name == "started":
        return begun(row.started, now)
    return str(getattr(row, name))
