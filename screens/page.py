"""A text that is looked up when it is opened: a header, the steps of a run, the files of a job."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from engine.errors import DfosError
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink
from screens.start import start
from screens.widgets.lines import Spans
from screens.widgets.text_screen import TextScreen
from screens.widgets.text_view import Styler


class Page(TextScreen):
    """Shows what `look_up` gives, with everything a text screen can: scroll, search, back."""

    def __init__(
        self,
        title: str,
        look_up: Callable[[], Awaitable[Sequence[str]]],
        link: EngineLink,
        alphabet: Glyphs | None = None,
        clock: Callable[[], float] = time.time,
        style: Styler | None = None,
    ) -> None:
        self._style = style
        super().__init__(link, alphabet, clock)
        self._title = title
        self._look_up = look_up

    def styler(self) -> Styler | None:
        """As the opener wants it."""
        return self._style

    def subject(self) -> Spans:
        """What it is."""
        return [(f" {self.glyphs.clean(self._title)}", theme.BOLD)]

    def on_mount(self) -> None:
        """Look it up."""
        start(self, self._read, exclusive=True)

    async def _read(self) -> None:
        try:
            lines = await self._look_up()
        except (DfosError, OSError) as trouble:
            self.hint(f"it cannot be read: {trouble}")
            return
        self.view.show([f" {line}" for line in lines] or [" nothing"])
        self.frame()
