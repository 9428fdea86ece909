"""A verdict and a comment per reviewed AB; nothing leaves without one.

All open questions of a pool are asked at once, so that a person goes through them in any order;
each decision is saved and published when it is made. What is answered by score says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.score import colour
from engine.core.status import may_become
from engine.errors import DfosError, MoveTrouble
from engine.questions import CERTIFY, LATER, Answer, Choice, Parked, Question
from engine.release.comments import Comments
from engine.release.proof import inspected, missing
from engine.release.seen import About, Present, Stood, about, covered
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
from engine.stores.contents import Contents, Note
from engine.stores.verdicts import ACCEPTED, WORDS, Verdict, Verdicts

_STATES = {READY: "ACCEPTED", REJECTED: "REJECTED"}


@dataclass(frozen=True, slots=True)
class Certified:
    """The reviewed ABs by verdict, the questions that stay open, and where every AB of the pool stands."""

    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    parked: tuple[Question, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A reviewed AB: the ABs whose products its verdict is about, where they stand, and the verdict that counts.

    `base` is the id of the first question of its attempt, `notes` what was asked about since, `about` the question
    about what stands there now. `anew` says why an earlier verdict does not count.
    """

    ab: AB
    covers: tuple[AB, ...]
    stands: Mapping[str, Stood]
    base: str
    notes: tuple[Note, ...]
    about: About
    verdict: Verdict | None = None
    anew: str = ""


async def judged(context: Context, pool: Sequence[AB]) -> dict[str, Judged]:
    """The reviewed ABs of a pool with the verdicts that count for what stands in $DFS_PRODUCT now. Changes nothing."""
    heads = reviewed(pool, context.settings)
    verdicts, contents = Verdicts(context.db), Contents(context.db)
    bases = {ab.name: verdicts.question_id(ab) for ab in heads}
    notes = {ab.name: contents.of(bases[ab.name]) for ab in heads}
    raw_types = [*(row.raw_type for row in context.settings.move.raw_types), *(ab.raw_type for ab in pool)]

    def looked() -> dict[str, Judged]:
        present, covers = Present(context.tree, raw_types), covered(pool, heads, context.settings)
        found = {}
        for ab in heads:
            stands, base = present.of(covers[ab.name]), bases[ab.name]
            is_about = about(base, notes[ab.name], stands, {})
            found[ab.name] = Judged(ab, covers[ab.name], stands, base, notes[ab.name], is_about)
        return found

    found = await asyncio.to_thread(looked)
    return {name: _with_verdict(verdicts, one) for name, one in found.items()}


def _with_verdict(verdicts: Verdicts, one: Judged) -> Judged:
    verdict, why = verdicts.of(one.ab, one.about.question), one.about.why
    if why:
        given = (verdicts.of(one.ab, note.question) for note in one.notes)
        earlier = next((found for found in given if found), None)
        since = f"it was {earlier.verdict} by {earlier.who} at {earlier.when}" if earlier else "it was asked about"
        why = f"{why}, since {since}"
    return replace(one, verdict=verdict, anew=why)


async def certify(context: Context, abs_: Iterable[AB], scores: Mapping[str, str], only: str = "") -> Certified:
    """Get a verdict on every reviewed AB of a pool that was processed and has none yet.

    A verdict counts for the products it was given on: where others stand now it is asked anew, and said why.
    `scores` are score digests by AB (`..o.`); `only` restricts the questions to one AB and what it
    was made from. Questions that nobody may answer now are parked and returned. A failed AB is not
    asked about: it cannot be accepted.
    """
    pool = list(abs_)
    verdicts = Verdicts(context.db)
    heads = await judged(context, pool)
    comments: dict[str, Comments] = {}
    _note(context, comments, [(one.ab, one.verdict) for one in heads.values() if one.verdict])
    scope = scope_of(pool, only)
    open_ = [
        one for one in heads.values() if not one.verdict and one.ab.status == "SUCCESSFUL" and one.ab.name in scope
    ]
    for one in open_:
        _returned(context, one)
        _show(context, one.ab.name, "REVIEW", one.anew)
    harm, seen = await asyncio.to_thread(_inspected, context, open_)
    open_ = [_with_verdict(verdicts, one) for one in seen]
    _keep(context, [*(one for one in heads.values() if one.verdict), *open_])
    asked = await asyncio.gather(
        *(_decide(context, verdicts, comments, one, scores.get(one.ab.name, ""), harm[one.ab.name]) for one in open_),
        return_exceptions=True,
    )
    parked = tuple(result.question for result in asked if isinstance(result, Parked))
    for result in asked:
        if isinstance(result, BaseException) and not isinstance(result, Parked):
            raise result
    questions = {name: one.about.question for name, one in heads.items()}
    questions |= {one.ab.name: one.about.question for one in open_}
    return _concluded(context, verdicts, pool, questions, parked)


def _inspected(context: Context, open_: list[Judged]) -> tuple[dict[str, str], list[Judged]]:
    """What is wrong with each, and the question that what was read for it belongs to."""
    harm, seen = {}, []
    for one in open_:
        harm[one.ab.name], sums = inspected(context.tree, one.ab)
        is_about = about(one.base, one.notes, one.stands, sums) if one.stands else one.about
        seen.append(replace(one, about=is_about))
    return harm, seen


def _keep(context: Context, heads: list[Judged]) -> None:
    """Note what each question is about. What was asked about products that are no longer there is closed."""
    contents, answers = Contents(context.db), Answers(context.db)
    noted = [one for one in heads if one.about.files is not None and (one.about.fresh or one.about.touched)]
    contents.keep((one.base, Note(one.about.question, one.about.files or {})) for one in noted)
    again = {one.ab.name: one for one in noted if one.about.fresh and one.anew}
    for one in again.values():
        context.bus.publish(ev.Notice("warning", f"{one.ab.name} is certified anew: {one.anew}"))
    for question in answers.open() if again else ():
        if question.kind == CERTIFY and question.subject in again:
            one = again[question.subject]
            if question.id != one.about.question:
                answers.close(question.id)
                gone = Answer(question.id, "", one.anew, context.who, context.utc())
                context.bus.publish(ev.QuestionAnswered(question.number, *_said(gone)))


def _said(answer: Answer) -> tuple[str, str, str, str, str]:
    return answer.question, answer.choice, answer.comment, answer.who, answer.when


def _concluded(
    context: Context, verdicts: Verdicts, pool: list[AB], questions: Mapping[str, str], parked: tuple[Question, ...]
) -> Certified:
    heads = [ab for ab in pool if ab.name in questions]
    known = {ab.name: verdict for ab in heads if (verdict := verdicts.of(ab, questions[ab.name]))}
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
    context: Context, verdicts: Verdicts, comments: dict[str, Comments], one: Judged, score: str, why_not: str
) -> None:
    ab = one.ab
    verdict = None if why_not else _by_score(context, ab, score)
    if verdict is None:
        question = question_about(context, ab, score, why_not, one.about.question, one.anew)
        answer = await context.operator.ask(question)
        if why_not and WORDS.get(answer.choice) == ACCEPTED:
            raise MoveTrouble(f"it was accepted, but {why_not}", where=ab.name, remedy="run it again, or reject it")
        if answer.choice not in WORDS:
            raise Parked(Answers(context.db).ask(question))
        question.checked(answer.choice, answer.comment)
        verdict = Verdict(WORDS[answer.choice], answer.comment, answer.who, answer.when)
    verdicts.record(ab, verdict, one.about.question)
    _note(context, comments, [(ab, verdict)])
    context.bus.publish(ev.AbDecided(ab.name, verdict.verdict, verdict.comment, verdict.who, verdict.when))
    _show(context, ab.name, "ACCEPTED" if verdict.verdict == ACCEPTED else "REJECTED", verdict.comment)


def would_be(context: Context, heads: Iterable[Judged], scores: Mapping[str, str]) -> dict[str, Verdict]:
    """The verdicts that would be given by score, by AB; nothing is decided, and no product is read."""
    found = {}
    for one in heads:
        if one.verdict is None and one.ab.status == "SUCCESSFUL" and not missing(context.tree, one.ab):
            verdict = _by_score(context, one.ab, scores.get(one.ab.name, ""))
            if verdict:
                found[one.ab.name] = verdict
    return found


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


def question_about(context: Context, ab: AB, score: str, why_not: str = "", id: str = "", anew: str = "") -> Question:
    """The question a person is asked about one AB. With `why_not` (damaged products) it can only be rejected.

    `id` says which products it is about ('': the first question of the attempt), `anew` why it is asked again.
    """
    accept = Choice("accept", "Accept", "its products move to their final place and names, and are archived")
    reject = Choice("reject", "Reject", "its products stay in $DFS_PRODUCT, with what was made for it alone", True)
    digest = f"score {colour(score)} {score}" if score else "not scored"
    frames = pattern(ab, context.settings)
    details = (
        f"kind {kind_name(ab, context.settings) or ab.recipe}",
        *([f"PATTERN {frames}"] if frames else []),
        digest,
        *([f"asked anew: {anew}"] if anew else []),
    )
    return Question(
        id=id or Verdicts(context.db).question_id(ab),
        kind=CERTIFY,
        subject=ab.name,
        text=f"Certify {ab.name}"
        + (f" of {ab.target}" if ab.target else "")
        + (" anew, its products are others now" if anew else "")
        + (f": {why_not}" if why_not else ""),
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


def _returned(context: Context, one: Judged) -> None:
    """An AB that moved before and was delivered again is shown as one that waits."""
    row = context.board.rows.get(one.ab.name)
    if row is not None and row.state in ("MOVED", "INGESTED"):
        context.bus.publish(replace(row.seen(), state="DONE", reason="delivered again", verdict="", comment=""))


def _show(context: Context, name: str, state: str, reason: str) -> None:
    row = context.board.rows.get(name)
    if row is None or (row.state != state and may_become(row.state, state)):
        context.bus.publish(ev.AbChanged(name, state, reason))
