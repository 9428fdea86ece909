"""Colours that sixteen-colour terminals have, on whatever background the operator chose.

Colour only repeats what symbol and word say. The default fore- and background are left alone,
the selection is reverse video: it works on light and dark terminals, on a VT220 and with NO_COLOR.
The app registers `DFOS` and sets `theme = DFOS.name`.
"""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme

DFOS = Theme(
    name="dfos",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "border": "ansi_cyan",
        "border-blurred": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "block-cursor-text-style": "none",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-background": "ansi_cyan",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_cyan",
        "screen-selection-foreground": "ansi_black",
        "footer-background": "ansi_default",
    },
)

PLAIN: Style | None = None
BOLD = Style(bold=True)
DIM = Style(dim=True)
SELECTED = Style(reverse=True)
HEADING = Style(underline=True)
BAD = Style(color="red", bold=True)
WARN = Style(color="yellow")
GOOD = Style(color="green")
WORK = Style(color="cyan", bold=True)
ASK = Style(color="magenta", bold=True)
BANNER = Style(reverse=True, bold=True)
FOUND = Style(color="yellow", reverse=True)

_STATES: dict[str, Style | None] = {
    "CREATED": PLAIN,
    "PARENT": PLAIN,
    "BLOCKED": WARN,
    "SLOT": PLAIN,
    "PAUSED": WARN,
    "RUNNING": WORK,
    "SUSPENDED": WARN,
    "JUDGED": WORK,
    "INTERRUPTED": BAD,
    "STALE": WARN,
    "FAILED": BAD,
    "DONE": GOOD,
    "REVIEW": ASK,
    "REJECTED": WARN,
    "ACCEPTED": GOOD,
    "MOVED": GOOD,
    "INGESTED": GOOD,
}


def of_state(name: str) -> Style | None:
    """How a state's symbol and word are drawn; None is the terminal's own colours."""
    return _STATES.get(name)
