"""`P`: every plugin slot of the instance, what is configured, and whether it was found."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.style import Style

from engine.errors import DfosError
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.shown import Slot
from screens.start import start
from screens.widgets.lines import Spans
from screens.widgets.text_screen import TextScreen
from screens.widgets.text_view import Styler


def slot_lines(slots: list[Slot], glyphs: Glyphs) -> list[str]:
    """A slot a line: name, plugin, found or MISSING, where or why not."""
    name = max((len(slot.slot) for slot in slots), default=4)
    plugin = min(34, max((len(slot.plugin) for slot in slots), default=6))
    lines = []
    for slot in slots:
        word = ("found" if slot.found else "MISSING") if slot.plugin else "-"
        where = glyphs.clean(slot.where)
        lines.append(
            f"  {glyphs.fit(slot.slot, name)}  {glyphs.fit(slot.plugin or 'none', plugin)}  {word:<7}  {where}"
        )
    return [line.rstrip() for line in lines] or ["  this instance has no plugin slots"]


def slot_style(line: str) -> Style | None:
    """Missing plugins stand out."""
    return theme.BAD if "  MISSING" in line else None


class PluginsScreen(TextScreen):
    """Slot, plugin, found or missing."""

    def __init__(
        self,
        link: EngineLink,
        library: Library,
        alphabet: Glyphs | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(link, alphabet, clock)
        self.library = library
        self._slots: list[Slot] = []

    def styler(self) -> Styler:
        """Missing ones."""
        return slot_style

    def subject(self) -> Spans:
        """How many, how many missing."""
        missing = sum(1 for slot in self._slots if slot.plugin and not slot.found)
        used = sum(1 for slot in self._slots if slot.plugin)
        spans: list[tuple[str, Style | None]] = [(f" Plugins: {len(self._slots)} slots, {used} configured", None)]
        if missing:
            spans.append((f", {missing} MISSING", theme.BAD))
        return spans

    def on_mount(self) -> None:
        """Ask."""
        start(self, self._read, exclusive=True)

    async def _read(self) -> None:
        try:
            self._slots = await self.library.plugins()
        except (DfosError, OSError) as trouble:
            self.hint(f"the plugins cannot be listed: {trouble}")
            return
        self.view.show(slot_lines(self._slots, self.glyphs))
        self.frame()
