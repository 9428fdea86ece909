"""A verdict and a comment per reviewed AB; nothing leaves without one.

All open questions of a pool are asked at once, so that a person goes through them in any order;
each decision is saved and published when it is made. What is answered by score says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.score import colour
from engine.core.status import may_become
from engine.errors import DfosError, MoveTrouble
from engine.questions import CERTIFY, LATER, Choice, Parked, Question
from engine.release.comments import Comments
from engine.release.proof import damage
from engine.release.standing import (
    READY,
    REJECTED,
    Standing,
    kind_name,
    pattern,
    reviewed,
    scope_of,
    standings,
)
from engine.release.update.update_ab import one_line
from engine.stores.answers import Answers
from engine.stores.verdicts import ACCEPTED, WORDS, Verdict, Verdicts

_STATES = {READY: "ACCEPTED", REJECTED: "REJECTED"}


@dataclass(frozen=True, slots=True)
class Certified:
    """The reviewed ABs by verdict, the questions that stay open, and where every AB of the pool stands."""

    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    parked: tuple[Question, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)


async def certify(context: Context, abs_: Iterable[AB], scores: Mapping[str, str], only: str = "") -> Certified:
    """Get a verdict on every reviewed AB of a pool that was processed and has none yet.

    `scores` are score digests by AB (`..o.`); `only` restricts the questions to one AB and what it
    was made from. Questions that nobody may answer now are parked and returned. A failed AB is not
    asked about: it cannot be accepted.
    """
    pool = list(abs_)
    verdicts = Verdicts(context.db)
    heads = reviewed(pool, context.settings)
    known = {ab.name: verdicts.of(ab) for ab in heads}
    comments: dict[str, Comments] = {}
    _note(context, comments, [(ab, verdict) for ab in heads if (verdict := known[ab.name])])
    scope = scope_of(pool, only)
    open_ = [ab for ab in heads if known[ab.name] is None and ab.status == "SUCCESSFUL" and ab.name in scope]
    for ab in open_:
        _show(context, ab.name, "REVIEW", "")
    harm = {ab.name: await asyncio.to_thread(damage, context.tree, ab) for ab in open_}
    asked = await asyncio.gather(
        *(_decide(context, verdicts, comments, ab, scores.get(ab.name, ""), harm[ab.name]) for ab in open_),
        return_exceptions=True,
    )
    parked = tuple(result.question for result in asked if isinstance(result, Parked))
    for result in asked:
        if isinstance(result, BaseException) and not isinstance(result, Parked):
            raise result
    return _concluded(context, verdicts, pool, parked)


def _concluded(context: Context, verdicts: Verdicts, pool: list[AB], parked: tuple[Question, ...]) -> Certified:
    heads = reviewed(pool, context.settings)
    known = {ab.name: verdict for ab in heads if (verdict := verdicts.of(ab))}
    found = standings(pool, context.settings, known)
    for name, standing in found.items():
        if standing.standing in _STATES:
            _show(context, name, _STATES[standing.standing], standing.why)
    return Certified(
        tuple(name for name, verdict in known.items() if verdict.verdict == ACCEPTED),
        tuple(name for name, verdict in known.items() if verdict.verdict != ACCEPTED),
        parked,
        found,
    )


async def _decide(
    context: Context, verdicts: Verdicts, comments: dict[str, Comments], ab: AB, score: str, why_not: str
) -> None:
    verdict = None if why_not else _by_score(context, ab, score)
    if verdict is None:
        question = question_about(context, ab, score, why_not)
        answer = await context.operator.ask(question)
        if why_not and WORDS.get(answer.choice) == ACCEPTED:
            raise MoveTrouble(f"it was accepted, but {why_not}", where=ab.name, remedy="run it again, or reject it")
        if answer.choice not in WORDS:
            raise Parked(Answers(context.db).ask(question))
        question.checked(answer.choice, answer.comment)
        verdict = Verdict(WORDS[answer.choice], answer.comment, answer.who, answer.when)
    verdicts.record(ab, verdict)
    _note(context, comments, [(ab, verdict)])
    context.bus.publish(ev.AbDecided(ab.name, verdict.verdict, verdict.comment, verdict.who, verdict.when))
    _show(context, ab.name, "ACCEPTED" if verdict.verdict == ACCEPTED else "REJECTED", verdict.comment)


def mode_of(context: Context, ab: AB) -> str:
    """interactive, auto_green or auto_all: by RAW_TYPE, else by kind, else for all."""
    rules = context.settings.certification
    return rules.modes.get(ab.raw_type) or rules.modes.get(kind_name(ab, context.settings)) or rules.mode


def _by_score(context: Context, ab: AB, score: str) -> Verdict | None:
    mode, seen = mode_of(context, ab), colour(score)
    if mode == "interactive" or (mode == "auto_green" and seen != "green"):
        return None
    comment = "" if seen == "green" else f"auto, {'red' if seen == 'red' else 'not scored'}"
    return Verdict(ACCEPTED, comment, mode, context.utc())


def question_about(context: Context, ab: AB, score: str, why_not: str = "") -> Question:
    """The question a person is asked about one AB. With `why_not` (damaged products) it can only be rejected."""
    accept = Choice("accept", "Accept", "its products move to their final place and names, and are archived")
    reject = Choice("reject", "Reject", "its products stay in $DFS_PRODUCT, with what was made for it alone", True)
    digest = f"score {colour(score)} {score}" if score else "not scored"
    frames = pattern(ab, context.settings)
    details = (
        f"kind {kind_name(ab, context.settings) or ab.recipe}",
        *([f"PATTERN {frames}"] if frames else []),
        digest,
    )
    return Question(
        id=Verdicts(context.db).question_id(ab),
        kind=CERTIFY,
        subject=ab.name,
        text=f"Certify {ab.name}" + (f" of {ab.target}" if ab.target else "") + (f": {why_not}" if why_not else ""),
        choices=(reject,) if why_not else (accept, reject),
        safe=LATER,
        details=details,
        asked_by=context.who,
        asked_at=context.utc(),
    )


def _note(context: Context, comments: dict[str, Comments], decided: Iterable[tuple[AB, Verdict]]) -> None:
    """Write comments into the comment files, those too that a crash kept from being written."""
    lines: dict[str, list[str]] = {}
    for ab, verdict in decided:
        comment = one_line(verdict.comment)
        if comment:
            frames = pattern(ab, context.settings) or "-"
            line = f"{ab.name} {ab.raw_type} {frames} {verdict.verdict} {verdict.who} {verdict.when} {comment}"
            lines.setdefault(ab.date, []).append(line)
    for date, wanted in lines.items():
        file = comments.setdefault(date, Comments(context.tree, date))
        try:
            file.add(wanted)
        except OSError as trouble:
            raise DfosError(
                f"the comment cannot be written: {trouble.strerror}",
                where=str(file.path),
                remedy="the verdict is saved; put this right and go on",
            ) from trouble


def _show(context: Context, name: str, state: str, reason: str) -> None:
    row = context.board.rows.get(name)
    if row is None or (row.state != state and may_become(row.state, state)):
        context.bus.publish(ev.AbChanged(name, state, reason))
