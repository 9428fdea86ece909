"""The evidence for one AB as lines: findings with their words, flags of the log, earlier verdicts.

Pure: a review and a width in, spans out. A finding's word says what a colour would.
"""

from __future__ import annotations

from rich.style import Style

from screens import theme
from screens.glyphs import Glyphs, width_of
from screens.review.reviewed import Finding, Review, Verdict
from screens.widgets.lines import Span, Spans
from screens.widgets.listing import wrapped

_BAD = ("RED", "FAILED", "MISSING", "BAD", "NOK")


def is_bad(finding: Finding) -> bool:
    """True for a finding a person must look at."""
    return finding.word.upper().startswith(_BAD)


def evidence_lines(review: Review, width: int, glyphs: Glyphs) -> list[Spans]:
    """Everything there is to judge by, the findings in the order given."""
    label = max([width_of(glyphs.clean(finding.name)) for finding in review.findings] + [7])
    label = min(label, width // 3) + 2
    lines: list[Spans] = []
    for finding in review.findings:
        lines += _labelled(finding.name, finding.value, finding.word, _style(finding), label, width, glyphs)
    if review.log_flags:
        count = len(review.log_flags)
        said = f"{count} line{'s' if count > 1 else ''} flagged, l shows all"
        lines += _labelled("log", said, "", None, label, width, glyphs)
        for flag in review.log_flags:
            lines += _labelled("", flag, "", None, label, width, glyphs)
    else:
        lines += _labelled("log", "no errors, no warnings", "", None, label, width, glyphs)
    for number, verdict in enumerate(review.history):
        lines += _labelled("" if number else "history", told(verdict), "", None, label, width, glyphs)
    return lines


def told(verdict: Verdict) -> str:
    """An earlier decision in words: when, what, who, why."""
    comment = f': "{verdict.comment}"' if verdict.comment else ""
    return f"{verdict.when.replace('T', ' ')[:16]} {verdict.verdict} by {verdict.who}{comment}"


def judged(review: Review, glyphs: Glyphs) -> Span:
    """Is everything all right with this AB? One sentence."""
    if not review.may_accept:
        return f"cannot be accepted: {glyphs.clean(review.why_not) or 'no reason given'}", theme.BAD
    bad = [glyphs.clean(finding.name) for finding in review.findings if is_bad(finding)]
    if bad:
        return f"RED: {', '.join(bad)}", theme.BAD
    errors = sum("ERROR" in flag.upper() for flag in review.log_flags)
    if errors:
        return f"{errors} error{'s' if errors > 1 else ''} in the log", theme.WARN
    words = [finding.word for finding in review.findings if finding.word]
    unscored = sum(word.lower() in ("not scored", "grey", "gray") for word in words)
    flagged = f", {len(review.log_flags)} flagged in the log" if review.log_flags else ""
    if unscored or not words:
        return f"nothing red, {unscored or 'everything'} not scored{flagged}", None
    return f"all {len(words)} checks ok{flagged}", theme.GOOD


def _style(finding: Finding) -> Style | None:
    if is_bad(finding):
        return theme.BAD
    return theme.GOOD if finding.word.lower() == "ok" else None


def _labelled(
    name: str, value: str, word: str, style: Style | None, label: int, width: int, glyphs: Glyphs
) -> list[Spans]:
    word = glyphs.clean(word)
    room = width - label - 1 - (width_of(word) + 2 if word else 0)
    found: list[Spans] = []
    for number, part in enumerate(wrapped(value, room, glyphs)):
        first = number == 0
        spans: list[Span] = [(glyphs.fit(name if first else "", label), theme.DIM), (part, None)]
        if first and word:
            spans += [(" " * (room - width_of(part) + 2), None), (word, style)]
        found.append(spans)
    return found
