"""Colours that sixteen-colour terminals have, on whatever background the operator chose.

Colour only repeats what symbol and word say. The default fore- and background are left alone,
the selection is reverse video: it works on light and dark terminals, on a VT220 and with NO_COLOR.
The app registers `DFOS` and sets `theme = DFOS.name`.
"""

from __future__ import annotations

from dataclasses import replace

from rich.style import Style
from textual.theme import BUILTIN_THEMES

DFOS = replace(
    BUILTIN_THEMES["ansi-dark"],
    name="dfos",
    accent="ansi_cyan",
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "border": "ansi_cyan",
        "border-blurred": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "block-cursor-text-style": "none",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
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
