"""The head of certification: how far we are, whether this AB is all right, which AB it is. Pure."""

from __future__ import annotations

from engine.board import Board
from screens import theme
from screens.glyphs import Glyphs, clock, width_of
from screens.review.reviewed import Review
from screens.review.sitting import Sitting, word_of
from screens.widgets.board_lines import engine_ended, marks
from screens.widgets.evidence import judged
from screens.widgets.lines import Span, Spans, spread


def title_line(sitting: Sitting, alive: bool, saved: float, width: int, glyphs: Glyphs) -> Spans:
    """Instance, k of n, how many are left; when the last verdict was saved."""
    board: Board = sitting.board
    left: list[Span] = [(f" {glyphs.clean(board.run.instance)} " if board.run else " ", theme.BOLD)]
    for mark in marks(board):
        left += [(f" {mark} ", theme.BANNER), (" ", None)]
    if sitting.names:
        to_go = len(sitting.undecided)
        left.append((f" Certify {sitting.place} of {len(sitting.names)}", theme.BOLD))
        left.append(
            (f" {glyphs.dot} {to_go} to go", theme.ASK) if to_go else (f" {glyphs.dot} all decided", theme.GOOD)
        )
    else:
        left.append((" Certify: nothing to do", None))
    if width >= 100 or not marks(board):
        for state in ("ACCEPTED", "REJECTED"):
            if sitting.count(state):
                left.append((f" {glyphs.dot} {sitting.count(state)} {word_of(state)}", None))
    right: list[Span] = [(f"saved {clock(saved)} ", theme.GOOD)] if saved else []
    if not alive:
        right = [("engine ended ", None)] if engine_ended(board, alive) else [(" engine silent ", theme.BANNER)]
    return spread(left, right, width, glyphs)


def verdict_line(sitting: Sitting, review: Review | None, trouble: str, glyphs: Glyphs) -> Spans:
    """State of the AB and whether all is right with it, in words; or what was decided."""
    ab = sitting.current
    if not ab:
        return [(" No AB waits for a verdict.", None)]
    state = sitting.state(ab)
    spans: list[Span] = [(f" {glyphs.state(state)} {word_of(state)}", theme.of_state(state))]
    if state in ("ACCEPTED", "REJECTED"):
        comment = glyphs.clean(sitting.comment(ab))
        return [*spans, (f': "{comment}"' if comment else ", without comment", None)]
    if trouble:
        return [*spans, (f": the evidence cannot be had: {glyphs.clean(trouble)}", theme.BAD)]
    if review is None:
        return [*spans, (": looking up the evidence", None)]
    return [*spans, (": ", None), judged(review, glyphs)]


def name_line(sitting: Sitting, review: Review | None, width: int, glyphs: Glyphs) -> Spans:
    """A rule with the AB in it: name, target, PATTERN, run_ID."""
    ab = sitting.current
    if not ab:
        return [(glyphs.rule * width, theme.DIM)]
    parts = [ab.removesuffix(".ab"), sitting.target(ab)]
    parts += [review.pattern, review.run_id] if review else []
    name = "  ".join(glyphs.clean(part) for part in parts if part)
    name = glyphs.fit(name, min(width_of(name), width - 6))
    rest = width - width_of(name) - 4
    return [(f"{glyphs.rule * 2} ", theme.DIM), (name, theme.BOLD), (f" {glyphs.rule * rest}", theme.DIM)]
