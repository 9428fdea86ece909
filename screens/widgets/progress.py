"""How far a phase is, how fast it goes and how long it still takes: always with numbers."""

from __future__ import annotations

from engine.board import Board
from engine.core.sizes import size_text
from screens.glyphs import Glyphs, duration, width_of
from screens.widgets.lines import Spans, spread

BAR = 16


def progress_words(board: Board) -> str:
    """`1,200 of 10,000  400/s  31.2 MB/s  00:22 left`; '' while nothing is counted."""
    progress, pace = board.progress, board.pace
    if progress is None or board.ended:
        return ""
    words = [f"{progress.done:,} of {progress.of:,}"]
    if pace.rate > 0:
        words.append(f"{pace.rate:,.0f}/s" if pace.rate >= 10 else f"{pace.rate:.2g}/s")
        if pace.bytes_rate > 0:
            words.append(f"{size_text(int(pace.bytes_rate))}/s")
        if progress.done < progress.of and pace.left_s is not None:
            words.append(f"{duration(max(pace.left_s, 0.1))} left")
    return "  ".join(words)


def bytes_words(board: Board) -> str:
    """`3.1 of 78.4 GB` where bytes are known; '' elsewhere."""
    pace = board.pace
    if not pace.bytes_done:
        return ""
    of = f" of {size_text(pace.bytes_of)}" if pace.bytes_of else ""
    return f"{size_text(pace.bytes_done)}{of}"


def progress_line(board: Board, width: int, glyphs: Glyphs) -> Spans:
    """Phase, bar, count, rate, remaining time, and what it is at; empty while nothing is counted."""
    words, progress = progress_words(board), board.progress
    if not words or progress is None:
        return []
    phase = glyphs.clean(progress.phase)
    left = f" {phase} {glyphs.bar(progress.done, progress.of, BAR)} {words}"
    more = bytes_words(board) or ("" if progress.text.endswith("left") else glyphs.clean(progress.text))
    right = f"{more} " if more and width_of(left) + width_of(more) + 3 <= width else ""
    return spread([(left, None)], [(right, None)] if right else [], width, glyphs)
