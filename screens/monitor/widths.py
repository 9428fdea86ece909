"""`W`: how many ABs run at once, of every kind: what holds now, what is configured, and another number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.screen import Screen

from engine.errors import DfosError
from screens.ask.ask_line import AskLine
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.shown import Width
from screens.start import start

CONFIGURED = "configured"
_MOST = 11  # kinds that are named one by one


def ask_widths(
    screen: Screen[Any], link: EngineLink, library: Library, glyphs: Glyphs, tell: Callable[[str], object]
) -> None:
    """Show them over a screen and ask for a change. `tell` shows one line to the operator."""

    async def look() -> None:
        try:
            found = await library.widths()
        except (DfosError, OSError, TimeoutError) as trouble:
            tell(f"cannot tell the widths: {trouble}")
            return
        screen.app.push_screen(AskLine("Streams", told(found), "", glyphs), lambda said: typed(found, said or ""))

    def typed(found: Sequence[Width], said: str) -> None:
        wanted = changes(found, said)
        if isinstance(wanted, str):
            tell(wanted)
        else:
            start(screen, order, wanted, group="orders")

    async def order(wanted: list[tuple[str, int]]) -> None:
        try:
            for kind, count in wanted:
                tell(await link.command("streams", n=count, kind=kind))
        except (DfosError, OSError, TimeoutError) as trouble:
            tell(f"streams failed: {trouble}")

    start(screen, look, exclusive=True, group="widths", opens=True)


def told(widths: Sequence[Width]) -> list[str]:
    """One line each, then what may be typed."""
    lines = [_line(width) for width in widths[:_MOST]]
    more = [f"and {len(widths) - _MOST} more"] if len(widths) > _MOST else []
    return [*lines, *more, f"A number for all, a kind and its number, or '{CONFIGURED}':"]


def changes(widths: Sequence[Width], said: str) -> list[tuple[str, int]] | str:
    """(kind, how many; 0: as configured) for what was typed; a sentence when it makes no sense."""
    words = said.split()
    known = {width.kind for width in widths}
    if not words:
        return "nothing changed"
    if words == [CONFIGURED]:
        return [(one.kind, 0) for one in widths if one.width != one.configured] or "all is as configured"
    *kind, count = words
    name = " ".join(kind)
    if name not in known:
        return f"no kind '{name}' here"
    if count == CONFIGURED:
        return [(name, 0)]
    if not count.isdecimal() or not int(count):
        return f"'{count}' is no number of streams; p pauses"
    return [(name, int(count))]


def _line(one: Width) -> str:
    by = f" (configured {one.configured}; by {one.who}, {one.at[:16]})" if one.width != one.configured else ""
    return f"{one.kind or 'all together'}  {one.width}{by}"
