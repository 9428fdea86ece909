"""Every key of a screen, searchable; and the same verbs in the command palette.

Both read the screen's own bindings, so they cannot tell of a key that does not exist.
A screen's `Binding` says in `description` the verb, in `tooltip` the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.screen import ModalScreen, Screen

from engine.board import Board
from screens import theme
from screens.glyphs import Glyphs, glyphs, wrapped
from screens.widgets.board_lines import marked
from screens.widgets.lines import LineBlock
from screens.widgets.search_line import SearchLine
from screens.widgets.text_view import TextView

_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "space": "space",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A verb of a screen: its keys as printed on a keyboard, what it does, and the action."""

    keys: str
    verb: str
    help: str
    action: str


def key_name(key: str) -> str:
    """A key as an operator calls it."""
    return _NAMES.get(key, key)


def keys_of(screen: Screen[Any]) -> list[Key]:
    """The verbs of a screen in the order they were written, then those of the app."""
    found: dict[str, Key] = {}
    for binding in _bindings(screen):
        names = " ".join(key_name(key.strip()) for key in binding.key.split(","))
        if binding.action in found:
            old = found[binding.action]
            found[binding.action] = Key(f"{old.keys} {names}", old.verb, old.help, old.action)
        elif binding.description:
            found[binding.action] = Key(names, binding.description, binding.tooltip, binding.action)
    return list(found.values())


def _bindings(screen: Screen[Any]) -> Iterator[Binding]:
    for cls in type(screen).__mro__:
        if cls is Screen or cls is ModalScreen:
            break
        for binding in cls.__dict__.get("BINDINGS", ()):
            yield binding if isinstance(binding, Binding) else Binding(*binding)


class KeysScreen(ModalScreen[None]):
    """`?`: every key of the screen below, found by typing a part of its name."""

    DEFAULT_CSS = """
    KeysScreen { background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "back", "back"),
        Binding("slash", "search", "search"),
        Binding("down,j", "scroll(1)", "down"),
        Binding("up,k", "scroll(-1)", "up"),
        Binding("pagedown,space", "page(1)", "page down"),
        Binding("pageup", "page(-1)", "page up"),
    ]

    def __init__(self, of: Screen[Any], alphabet: Glyphs | None = None) -> None:
        super().__init__()
        self._keys = keys_of(of)
        link = getattr(of, "link", None)
        self._board: Board | None = getattr(link, "board", None)
        self._glyphs = alphabet or glyphs()

    def compose(self) -> ComposeResult:
        """Title, list, line to type in, footer."""
        yield LineBlock(self._glyphs, id="keys-title")
        yield TextView(self._glyphs, id="keys-list")
        yield SearchLine("part of a key or verb")
        yield LineBlock(self._glyphs, id="keys-foot")

    def on_mount(self) -> None:
        """Show all keys."""
        title = marked("Keys", self._board) if self._board is not None else "Keys"
        self.query_one("#keys-title", LineBlock).say([[(f" {title}", theme.BOLD)]])
        self.query_one("#keys-foot", LineBlock).say([[(" / search   esc back", None)]])
        self._show("")
        self.query_one(TextView).focus()

    def _show(self, part: str) -> None:
        part = part.casefold()
        chosen = [key for key in self._keys if part in f"{key.keys} {key.verb} {key.help}".casefold()]
        room = max(20, (self.app.size.width or 80) - 33)
        lines = []
        for key in chosen:
            first, *rest = wrapped(key.help, room)
            lines.append(f" {key.keys:<15} {key.verb:<15} {first}".rstrip())
            lines += [" " * 33 + part for part in rest]
        self.query_one(TextView).show(lines or [" no such key"])

    def on_search_line_typed(self, event: SearchLine.Typed) -> None:
        """Narrow the list."""
        self._show(event.text)

    def on_search_line_closed(self, event: SearchLine.Closed) -> None:
        """Back to the list."""
        self._show(event.text)
        self.query_one(TextView).focus()

    def action_search(self) -> None:
        """Type a part of a key or verb."""
        self.query_one(SearchLine).ask()

    def action_scroll(self, lines: int) -> None:
        """Scroll."""
        view = self.query_one(TextView)
        view.go_to(view.top + lines)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        view = self.query_one(TextView)
        view.go_to(view.top + pages * view.page)

    def action_back(self) -> None:
        """Close."""
        self.dismiss()


class Verbs(Provider):
    """The command palette's verbs: everything the screen below has a key for, and what it lists in `PALETTE`."""

    def _verbs(self) -> list[Key]:
        extra = getattr(self.screen, "PALETTE", ())
        return [*keys_of(self.screen), *extra]

    def _label(self, key: Key) -> str:
        return f"{key.verb}  ({key.keys})" if key.keys else key.verb

    async def discover(self) -> Hits:
        """All verbs, before anything is typed."""
        for key in self._verbs():
            yield DiscoveryHit(self._label(key), self._runner(key.action), help=key.help or None)

    async def search(self, query: str) -> Hits:
        """The verbs that match."""
        matcher = self.matcher(query)
        for key in self._verbs():
            label = self._label(key)
            score = max(matcher.match(label), matcher.match(key.help) * 0.8)
            if score > 0:
                yield Hit(score, matcher.highlight(label), self._runner(key.action), help=key.help or None)

    def _runner(self, action: str):  # type: ignore[no-untyped-def]
        screen = self.screen

        async def run() -> None:
            await screen.run_action(action)

        return run
