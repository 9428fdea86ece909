"""Certification: one AB after the other, its evidence and picture, a verdict by one key.

Every decision is saved before the next AB is shown, so leaving and coming back works at any
moment. Nothing is decided here: the engine takes or refuses the answer, and a refused one costs
neither comment nor place.
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.errors import DfosError
from engine.questions import LATER
from screens.messages import BoardChanged
from screens.review.comment import CommentField
from screens.review.reviewed import Review
from screens.review.sitting import ACCEPT, REJECT, word_of
from screens.review.sitting_screen import SittingScreen
from screens.start import start
from screens.widgets.confirm import Confirm
from screens.widgets.evidence import is_bad


class Certify(SittingScreen):
    """Judge the ABs in review, beginning with `first` (''), or the first one without a verdict.

    `comments` are the standing comments on the digits; `graphics` how pictures are drawn.
    """

    CSS_PATH = "certify.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "accept", "accept", tooltip="its products may move"),
        Binding("r", "reject", "reject", tooltip="its products stay where they are; needs a comment"),
        Binding("u", "undo", "undo", tooltip="take the last verdict back; its history stays"),
        Binding("A", "accept_green", "accept all green", tooltip="all undecided ABs with only green scores"),
        Binding("escape,q", "leave", "leave", tooltip="decisions so far are kept"),
    ]

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

    def on_input_submitted(self) -> None:
        """Enter in the comment: reject when that was waiting for it, else back to the keys."""
        if self._rejecting:
            self.action_reject()
        else:
            self.on_comment_field_left()

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
        start(self, self._save, review.ab, self._number(review), choice, comment, group="answer")

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
            start(self, self._undo, ab, group="answer")

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
            start(self, self._accept_each, self.sitting.green, group="answer")

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

    # --- leaving, and the engine ---------------------------------------------------------------------------

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
