"""Certification: one AB after the other, its evidence and picture, a verdict by one key.

Every decision is saved before the next AB is shown, so leaving and coming back works at any
moment. Nothing is decided here: the engine takes or refuses the answer, and a refused one costs
neither comment nor place.
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

from engine.errors import DfosError
from engine.questions import LATER
from screens import theme
from screens.comment import CommentField, pick_line, toggled
from screens.cover import Reading, cover_lines, plain_lines
from screens.glyphs import Glyphs, glyphs
from screens.jump import Jump
from screens.keys import KeysScreen, Verbs
from screens.links import EngineLink, Library, Review
from screens.log_view import LogView
from screens.messages import BoardChanged
from screens.sitting import ACCEPT, REJECT, Sitting, word_of
from screens.why import WhyScreen
from screens.widgets.confirm import Confirm
from screens.widgets.evidence import is_bad
from screens.widgets.lines import LineBlock, Spans
from screens.widgets.listing import Listing
from screens.widgets.picture import ASCII, BLOCKS
from screens.widgets.review_pane import ReviewPane
from screens.widgets.sitting_lines import name_line, title_line, verdict_line


class Certify(Screen[None]):
    """Judge the ABs in review, beginning with `first` (''), or the first one without a verdict.

    `comments` are the standing comments on the digits; `graphics` how pictures are drawn.
    """

    CSS_PATH = "certify.tcss"
    AUTO_FOCUS = ""
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Verbs}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "accept", "accept", tooltip="its products may move"),
        Binding("r", "reject", "reject", tooltip="its products stay where they are; needs a comment"),
        Binding("c", "comment", "comment", tooltip="type the comment of the next verdict"),
        Binding("1", "pick(1)", "standing comment", tooltip="1 to 9 put a standing comment in, or take it out"),
        *[Binding(str(n), f"pick({n})", show=False) for n in range(2, 10)],
        Binding("n", "go(1)", "next", tooltip="the next AB, decided or not"),
        Binding("b", "go(-1)", "back", tooltip="the AB before"),
        Binding("u", "undo", "undo", tooltip="take the last verdict back; its history stays"),
        Binding("j", "jump", "jump", tooltip="to any AB, by number, name or state"),
        Binding("A", "accept_green", "accept all green", tooltip="all undecided ABs with only green scores"),
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
        Binding("escape,q", "leave", "leave", tooltip="decisions so far are kept"),
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
        self._draw()
        self.call_after_refresh(self._show, self.sitting.current)

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
            self.app.push_screen(WhyScreen(self.sitting.current, self._library, self._glyphs), self._after_why)

    def _after_why(self, wish: str | None) -> None:
        if wish == "log":
            self.action_log()
        elif wish == "retry":
            self.hint("an AB is run again from the AB monitor; leave with esc first")

    def action_text(self) -> None:
        """The AB file."""
        self.run_worker(self._read_text(self.sitting.current), group="read", exclusive=True)

    def action_cover(self) -> None:
        """The coversheet."""
        self.run_worker(self._read_cover(self.sitting.current), group="read", exclusive=True)

    async def _read_text(self, ab: str) -> None:
        if ab:
            try:
                text = await self._library.ab_text(ab)
            except Exception as trouble:  # noqa: BLE001 - said, and nothing is lost
                self.hint(f"the AB cannot be shown: {trouble}", bad=True)
                return
            lines = plain_lines(text.splitlines(), self.size.width - 6, self._glyphs)
            self.app.push_screen(Reading(ab, lines, self._glyphs))

    async def _read_cover(self, ab: str) -> None:
        if ab:
            try:
                cover = await self._library.cover(ab)
            except Exception as trouble:  # noqa: BLE001 - said, and nothing is lost
                self.hint(f"the coversheet cannot be shown: {trouble}", bad=True)
                return
            self.app.push_screen(
                Reading(f"coversheet {ab}", cover_lines(cover, self.size.width - 4, self._glyphs), self._glyphs)
            )

    def action_leave(self) -> None:
        """Leave; only what is neither saved nor finished is worth a second key."""
        self._keep_draft()
        open_drafts = [ab for ab in self.sitting.drafts if self.sitting.state(ab) not in ("ACCEPTED", "REJECTED")]
        if not self._leaving and (self._saving or open_drafts):
            self._leaving = True
            what = "still saving" if self._saving else f"a comment without a verdict ({open_drafts[0]}) would be lost"
            self.hint(f"{what}; esc again leaves", bad=True)
            return
        self.dismiss()

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

    def on_input_submitted(self) -> None:
        """Enter in the comment: reject when that was waiting for it, else back to the keys."""
        if self._rejecting:
            self.action_reject()
        else:
            self.on_comment_field_left()

    def on_comment_field_left(self) -> None:
        """Back to the keys."""
        self._rejecting = False
        self.set_focus(None)
        self.hint("")

    def on_comment_field_cleaned(self) -> None:
        """Say what became of the character."""
        self.hint("a comment is one line without '#' and tabs: made a space")

    # --- verdicts -----------------------------------------------------------------------------

    def action_accept(self) -> None:
        """Accept the AB on the screen."""
        review = self._judged()
        if review is None:
            return
        if not review.may_accept:
            self.hint(f"it cannot be accepted: {review.why_not or 'no reason given'}; r rejects it", bad=True)
        else:
            self._decide(review, ACCEPT)

    def action_reject(self) -> None:
        """Reject the AB on the screen; without a comment ask for it."""
        review = self._judged()
        if review is None:
            return
        if self.query_one(CommentField).value.strip():
            self._decide(review, REJECT)
            return
        self._rejecting = True
        self.query_one(CommentField).focus()
        self.hint("why is it rejected? One line, then enter; esc does not reject")

    def _judged(self) -> Review | None:
        """The evidence on the screen, when a verdict may be given on it now."""
        ab = self.sitting.current
        review = self.pane.ready(ab)
        if not ab:
            self.hint("no AB waits for a verdict")
        elif self._saving:
            self.hint("the last verdict is still being saved")
        elif review is None:
            self.hint(f"no verdict without evidence: {self.pane.trouble or 'it is still being looked up'}", bad=True)
        elif not self._number(review):
            self.hint("no question is open for this AB, so no verdict can be given; w says why", bad=True)
        else:
            return review
        return None

    def _number(self, review: Review) -> int:
        return review.question or self.sitting.numbers.get(review.ab, 0)

    def _decide(self, review: Review, choice: str) -> None:
        comment = self.query_one(CommentField).value.strip()
        self._saving = True
        self.run_worker(self._save(review.ab, self._number(review), choice, comment), group="answer")

    async def _save(self, ab: str, number: int, choice: str, comment: str) -> None:
        try:
            said = await self._answer(ab, number, choice, comment)
        finally:
            self._saving = False
        if said:
            self.hint(f"not saved: {said}", bad=True)
            return
        if self.sitting.current != ab:
            self._draw()
            return
        self.query_one(CommentField).value = ""
        following, done = self.sitting.next_undecided(ab), word_of(self.sitting.state(ab))
        if following:
            self._show(following, f"{ab.removesuffix('.ab')} {done}, u takes it back")
        else:
            self._show(ab, f"{done}; all {len(self.sitting.names)} are decided. u takes it back, esc leaves")

    async def _answer(self, ab: str, number: int, choice: str, comment: str) -> str:
        """Have an answer saved; '' or why it was not."""
        try:
            await self._link.answer(number, choice or LATER, comment)
        except (DfosError, OSError) as trouble:
            return str(trouble) or repr(trouble)
        self.sitting.decided(ab, choice, comment, number)
        self.pane.forget(ab)
        self._saved = self._now()
        return ""

    def action_undo(self) -> None:
        """Take the last verdict of this sitting back, else the one on the screen."""
        sitting = self.sitting
        ab = sitting.undoable[-1] if sitting.undoable else sitting.current
        if not ab or sitting.state(ab) not in ("ACCEPTED", "REJECTED"):
            self.hint("there is nothing to undo")
        elif self._saving:
            self.hint("the last verdict is still being saved")
        else:
            self._saving = True
            self.run_worker(self._undo(ab), group="answer")

    async def _undo(self, ab: str) -> None:
        comment = self.sitting.comment(ab)
        try:
            review = await self.pane.review(ab)
            said = await self._answer(ab, self._number(review), "", "")
        except Exception as trouble:  # noqa: BLE001 - said, and nothing is lost
            said = str(trouble) or repr(trouble)
        finally:
            self._saving = False
        if said:
            self._show(ab, f"not taken back: {said}; a or r decides anew")
            return
        if comment:
            self.sitting.drafts[ab] = comment
            self.query_one(CommentField).value = comment if self.sitting.current == ab else ""
        self._show(ab, "taken back: it waits for a verdict again")

    def action_accept_green(self) -> None:
        """Accept what is green and undecided, after saying how many."""
        green = self.sitting.green
        if not green:
            self.hint("no undecided AB has only green scores")
        elif self._saving:
            self.hint("the last verdict is still being saved")
        else:
            many = f"{len(green)} ABs" if len(green) > 1 else "1 AB"
            text = [
                f"{many} without a verdict and with only green scores, of {len(self.sitting.names)} in this sitting.",
                "One with errors in its log or a finding in red is left for you. u takes them back one by one.",
            ]
            confirm = Confirm(
                "Accept all remaining green?", text, f"accept {many}", "judge them one by one", self._glyphs
            )
            self.app.push_screen(confirm, self._accept_green)

    def _accept_green(self, sure: bool | None) -> None:
        if sure:
            self._saving = True
            self.run_worker(self._accept_each(self.sitting.green), group="answer")

    async def _accept_each(self, green: list[str]) -> None:
        accepted, left = 0, []
        try:
            for ab in green:
                self.hint(f"accepted {accepted} of {len(green)}")
                why = await self._accept_one(ab)
                if why:
                    left.append(f"{ab.removesuffix('.ab')}: {why}")
                else:
                    accepted += 1
        finally:
            self._saving = False
        told = f"accepted {accepted} of {len(green)}"
        told += f", left for you: {left[0]}" + (f" and {len(left) - 1} more" if len(left) > 1 else "") if left else ""
        current = self.sitting.current
        undecided = self.sitting.state(current) == "REVIEW"
        self._show(current if undecided else self.sitting.next_undecided(current) or current, told)

    async def _accept_one(self, ab: str) -> str:
        try:
            review = await self.pane.review(ab)
        except Exception as trouble:  # noqa: BLE001 - said, and the AB stays open
            return str(trouble) or repr(trouble)
        if not review.may_accept:
            return review.why_not or "may not be accepted"
        if not self._number(review):
            return "no question is open"
        bad = [finding.name for finding in review.findings if is_bad(finding)]
        if bad or any("ERROR" in flag.upper() for flag in review.log_flags):
            return f"RED: {', '.join(bad)}" if bad else "errors in the log"
        return await self._answer(ab, self._number(review), ACCEPT, "")

    # --- the engine ---------------------------------------------------------------------------

    def on_board_changed(self, event: BoardChanged) -> None:
        """ABs came, went, were decided elsewhere or run again; the eye stays on its AB."""
        sitting, current = self.sitting, self.sitting.current
        changed = sitting.refresh()
        mine = [ab for ab in event.change.rows if ab in sitting.names]
        for ab in mine:
            self.pane.forget(ab)
        if sitting.current != current:
            gone = f"{current.removesuffix('.ab')} is no longer in review" if current else ""
            following, sitting.current = sitting.current, current
            self._show(following, gone)
        elif current in mine:
            self.pane.show(current)
            self._draw()
        elif changed or mine or event.change.head:
            self._draw()
