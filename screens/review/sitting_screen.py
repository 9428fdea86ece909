"""A sitting on the screen: going from AB to AB, looking at what there is, typing a comment.

What is decided about them is `screens/review/certify.py`'s business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.containers import Horizontal
from textual.screen import Screen

from screens import theme
from screens.glyphs import Glyphs, glyphs
from screens.keys import KeysScreen, Verbs
from screens.links import EngineLink, Library
from screens.monitor.log_view import LogView
from screens.monitor.why import WhyScreen
from screens.review.comment import CommentField, pick_line, toggled
from screens.review.cover import Reading, cover_lines, plain_lines
from screens.review.jump import Jump
from screens.review.sitting import Sitting
from screens.start import start
from screens.widgets.board_lines import marked
from screens.widgets.lines import LineBlock, Spans
from screens.widgets.listing import Listing
from screens.widgets.picture import ASCII, BLOCKS
from screens.widgets.review_pane import ReviewPane
from screens.widgets.sitting_lines import name_line, title_line, verdict_line


class SittingScreen(Screen[None]):
    """Shows the ABs of a sitting one by one, with evidence, picture and comment line."""

    AUTO_FOCUS = ""
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Verbs}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "comment", "comment", tooltip="type the comment of the next verdict"),
        Binding("1", "pick(1)", "standing comment", tooltip="1 to 9 put a standing comment in, or take it out"),
        *[Binding(str(n), f"pick({n})", show=False) for n in range(2, 10)],
        Binding("n", "go(1)", "next", tooltip="the next AB, decided or not"),
        Binding("b", "go(-1)", "back", tooltip="the AB before"),
        Binding("j", "jump", "jump", tooltip="to any AB, by number, name or state"),
        Binding("tab", "picture(1)", "next picture"),
        Binding("shift+tab", "picture(-1)", "picture before"),
        Binding("l", "log", "log", tooltip="the recipe's log"),
        Binding("w", "why", "why", tooltip="why this AB is where it is"),
        Binding("v", "text", "AB text", tooltip="the AB file"),
        Binding("V", "cover", "coversheet", tooltip="the ABs that went in, and historical ones to compare"),
        Binding("up", "scroll(-1)", "evidence up"),
        Binding("down", "scroll(1)", "evidence down"),
        Binding("pageup", "page(-1)", "evidence page up"),
        Binding("pagedown,space", "page(1)", "evidence page down"),
        Binding("question_mark", "keys", "keys", tooltip="this list"),
        Binding("colon", "app.command_palette", "commands", tooltip="every verb by name"),
    ]

    def __init__(
        self,
        link: EngineLink,
        library: Library,
        first: str = "",
        *,
        comments: Sequence[str] = (),
        graphics: str = "",
        alphabet: Glyphs | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.sitting = Sitting(link.board, first)
        self._link = link
        self._library = library
        self._standing = tuple(comments)
        self._glyphs = alphabet or glyphs()
        self._graphics = graphics
        self._now = now
        self._saved = 0.0
        self._saving = False
        self._rejecting = False
        self._leaving = False

    # --- what is on the screen --------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Head, picture and evidence, comment, hint, keys."""
        alphabet = self._glyphs
        graphics = self._graphics or (ASCII if alphabet.ascii or self.app.no_color else BLOCKS)
        yield LineBlock(alphabet, id="head")
        yield ReviewPane(self._library, graphics, alphabet)
        yield LineBlock(alphabet, id="rule")
        with Horizontal(id="comment-row"):
            yield LineBlock(alphabet, id="comment-label")
            yield CommentField(id="comment")
        yield LineBlock(alphabet, id="pick")
        yield LineBlock(alphabet, id="hint")
        yield LineBlock(alphabet, id="keys")

    def on_mount(self) -> None:
        """Show the first AB as soon as the size of the picture is known."""
        self._say("comment-label", [(" comment ", theme.DIM)])
        self.query_one("#pick").display = bool(self._standing)
        self._draw()
        self.call_after_refresh(lambda: self.pane.show(self.sitting.current))

    def on_resize(self, event: events.Resize) -> None:
        """As wide as the terminal."""
        self._draw()

    def on_screen_resume(self) -> None:
        """Back from a log or list: no field has the keys."""
        self.set_focus(None)

    @property
    def pane(self) -> ReviewPane:
        """Picture and evidence."""
        return self.query_one(ReviewPane)

    def _say(self, where: str, *lines: Spans) -> None:
        self.query_one(f"#{where}", LineBlock).say(lines)

    def hint(self, text: str, bad: bool = False) -> None:
        """One line above the keys, until the next key."""
        self._say("hint", [(f" {self._glyphs.clean(text)}", theme.WARN if bad else None)])

    def _draw(self) -> None:
        """All that is not evidence or picture."""
        width, rule = self.size.width, self._glyphs.rule
        sitting, review = self.sitting, self.pane.ready(self.sitting.current)
        self._say(
            "head",
            title_line(sitting, self._link.alive, self._saved, width, self._glyphs),
            verdict_line(sitting, review, self.pane.trouble, self._glyphs),
            name_line(sitting, review, width, self._glyphs),
        )
        self._say("rule", [(rule * width, theme.DIM)])
        comment = self.query_one(CommentField)
        self._say("pick", pick_line(self._standing, comment.value, width, self._glyphs))
        if comment.has_focus:
            do = "reject with this comment" if self._rejecting else "keep the comment"
            self._say("keys", [(f" enter {do}   esc back to the keys, the text stays", None)], [])
            return
        green = len(self.sitting.green)
        all_green = f"A all green ({green})  " if green else ""
        self._say(
            "keys",
            [(" a accept   r reject   c comment   n next  b back  j jump   u undo", None)],
            [(f" {all_green}tab picture  l log  w why  v AB  V cover  esc leave  ? keys", None)],
        )

    # --- going from AB to AB ------------------------------------------------------------------

    def _show(self, ab: str, hint: str = "") -> None:
        """Bring an AB on the screen."""
        self._keep_draft()
        self.sitting.current, self._rejecting = ab, False
        self.query_one(CommentField).value = self.sitting.drafts.get(ab, "")
        self.set_focus(None)
        self.hint(hint)
        self.pane.show(ab)
        self._draw()

    def _keep_draft(self) -> None:
        ab, text = self.sitting.current, self.query_one(CommentField).value
        if ab and text.strip():
            self.sitting.drafts[ab] = text
        else:
            self.sitting.drafts.pop(ab, None)

    def on_review_pane_loaded(self, event: ReviewPane.Loaded) -> None:
        """The evidence came: say what it says, and look ahead."""
        self._draw()
        self.pane.ahead([self.sitting.next_undecided(event.ab), self.sitting.neighbour(1)])

    # --- keys ---------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A key ends the last hint; one without meaning costs nothing but a new one."""
        if self.focused is self.query_one(CommentField):
            return
        if event.key not in ("escape", "q"):
            self._leaving = False
        known = event.key in self.active_bindings
        self.hint("" if known or not event.is_printable else f"'{event.character}' does nothing here; ? lists the keys")

    def action_go(self, by: int) -> None:
        """To the neighbour."""
        ab = self.sitting.neighbour(by)
        to_go = len(self.sitting.undecided)
        if ab:
            self._show(ab)
        else:
            self.hint(f"this is the {'last' if by > 0 else 'first'} one; {to_go} to go, j jumps")

    def action_jump(self) -> None:
        """Choose from the list."""
        if self.sitting.names:
            self.app.push_screen(Jump(self.sitting, self._glyphs), self._jumped)

    def _jumped(self, ab: str | None) -> None:
        if ab:
            self._show(ab)

    def action_picture(self, by: int) -> None:
        """The next picture of the AB; the choice holds for the ABs to come."""
        if not self.pane.next_picture(by):
            self.hint("there is no other picture")

    def action_scroll(self, by: int) -> None:
        """Evidence up and down."""
        self.query_one("#evidence", Listing).action_move(by)

    def action_page(self, by: int) -> None:
        """Evidence by pages."""
        self.query_one("#evidence", Listing).action_page(by)

    def action_keys(self) -> None:
        """Every key."""
        self.app.push_screen(KeysScreen(self, self._glyphs))

    def action_log(self) -> None:
        """The recipe's log."""
        if self.sitting.current:
            self.app.push_screen(LogView(self.sitting.current, self._link, self._library, self._glyphs, self._now))

    def action_why(self) -> None:
        """The chain behind this AB."""
        if self.sitting.current:
            self.app.push_screen(
                WhyScreen(self.sitting.current, self._library, self._glyphs, again=False), self._after_why
            )

    def _after_why(self, wish: str | None) -> None:
        if wish == "log":
            self.action_log()

    def action_text(self) -> None:
        """The AB file."""
        start(self, self._read_text, self.sitting.current, group="read", exclusive=True, opens=True)

    def action_cover(self) -> None:
        """The coversheet."""
        start(self, self._read_cover, self.sitting.current, group="read", exclusive=True, opens=True)

    async def _read_text(self, ab: str) -> None:
        if ab:
            try:
                text = await self._library.ab_text(ab)
            except Exception as trouble:  # noqa: BLE001 - said, and nothing is lost
                self.hint(f"the AB cannot be shown: {trouble}", bad=True)
                return
            lines = plain_lines(text.splitlines(), self.size.width - 6, self._glyphs)
            self.app.push_screen(Reading(marked(ab, self.sitting.board), lines, self._glyphs))

    async def _read_cover(self, ab: str) -> None:
        if ab:
            try:
                cover = await self._library.cover(ab)
            except Exception as trouble:  # noqa: BLE001 - said, and nothing is lost
                self.hint(f"the coversheet cannot be shown: {trouble}", bad=True)
                return
            self.app.push_screen(
                Reading(
                    marked(f"coversheet {ab}", self.sitting.board),
                    cover_lines(cover, self.size.width - 4, self._glyphs),
                    self._glyphs,
                )
            )

    # --- the comment --------------------------------------------------------------------------

    def action_comment(self) -> None:
        """To the comment line."""
        if self.sitting.current:
            self.query_one(CommentField).focus()

    def action_pick(self, number: int) -> None:
        """A standing comment in or out."""
        field = self.query_one(CommentField)
        if number > len(self._standing):
            self.hint(f"there is no standing comment {number}; c types one")
            return
        field.value = toggled(field.value, self._standing[number - 1])
        field.cursor_position = len(field.value)
        self._draw()

    def on_descendant_focus(self) -> None:
        """Other keys count in the comment line."""
        self._draw()

    def on_descendant_blur(self) -> None:
        """And the usual ones outside."""
        self.call_after_refresh(self._draw)

    def on_comment_field_left(self) -> None:
        """Back to the keys."""
        self._rejecting = False
        self.set_focus(None)
        self.hint("")

    def on_comment_field_cleaned(self) -> None:
        """Say what became of the character."""
        self.hint("a comment is one line without '#' and tabs: made a space")
