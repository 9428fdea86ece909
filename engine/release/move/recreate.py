"""What becomes of products that stand in the final directory already (step 2.2): keep, recreate, or stop."""

from __future__ import annotations

import hashlib

from engine.context import Context
from engine.core.product import MOVE
from engine.core.sizes import size_text
from engine.errors import MoveTrouble
from engine.questions import RECREATE, RECREATE_SURE, Choice, Question
from engine.release.move.plan import MovePlan
from engine.release.move.survey import Snapshot
from engine.stores.answers import Answers

KEEP, RECREATED, STOP = "keep", "recreate", "stop"


async def recreated(context: Context, snapshot: Snapshot, plan: MovePlan, wish: bool | None = None) -> str:
    """KEEP, RECREATED or STOP. `wish` was given with the order (None: it was not); AUTO keeps unless it says so.

    Whoever recreates is asked a second time, with the number of files and their size, unless the order is AUTO: then
    MoveTrouble when the archive has some of them and may not get others instead.
    """
    content = [size for size in snapshot.final.values() if size >= 0]
    if wish is False or not content:
        return RECREATED if wish else KEEP
    if wish and context.auto:
        _refuse_archived(context, snapshot)
        return RECREATED
    if wish is None and context.settings.move.tool_mode == "AUTO":
        return KEEP
    held = f"{len(content)} file{'s' * (len(content) != 1)} ({size_text(sum(content))})"
    archived = len(snapshot.archived & snapshot.final.keys())
    held += f", {archived} of them in the archive," if archived else ""
    first = _whether(context, snapshot, plan, held)
    if wish is None:
        choice = await _asked(context, first)
        if choice != RECREATED:
            return _acted_on(context, choice, first)
    sure = _whether_sure(context, snapshot, plan, held)
    choice = RECREATED if await _asked(context, sure) == "yes" else STOP
    return _acted_on(context, choice, *([] if wish else [first]), sure)


def _refuse_archived(context: Context, snapshot: Snapshot) -> None:
    names = sorted(snapshot.archived & snapshot.final.keys())
    if names and not context.settings.archive.enable_updates:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise MoveTrouble(
            f"nothing was moved: in the archive already, {len(names)}: {', '.join(names[:3])}{more}",
            where=f"{snapshot.mode} {snapshot.date}",
            remedy="--recreate would retire them unasked: call it on a terminal, keep them (without --recreate), or set"
            " archive.enable_updates",
        )


def _id(kind: str, snapshot: Snapshot) -> str:
    mark = hashlib.sha256(repr(sorted(snapshot.final.items())).encode()).hexdigest()[:12]
    return f"{kind}:{snapshot.mode} {snapshot.date}:{mark}"


def _whether(context: Context, snapshot: Snapshot, plan: MovePlan, held: str) -> Question:
    days = context.settings.move.trash_days
    return Question(
        id=_id(RECREATE, snapshot),
        kind=RECREATE,
        subject=f"{snapshot.mode} {snapshot.date}",
        text=f"{plan.final_dir} holds {held} already",
        choices=(
            Choice(KEEP, "Keep", f"back to PIPEFILE, {len(plan.of(MOVE))} new ones join, versions anew over all"),
            Choice(RECREATED, "Recreate", f"the {held} go to the trash for {days} days"),
            Choice(STOP, "Stop", "nothing is changed"),
        ),
        safe=KEEP,
        auto=KEEP,
        details=tuple(plan.describe()[:200]),
        asked_by=context.who,
        asked_at=context.utc(),
    )


def _whether_sure(context: Context, snapshot: Snapshot, plan: MovePlan, held: str) -> Question:
    new = len(plan.of(MOVE))
    return Question(
        id=_id(RECREATE_SURE, snapshot),
        kind=RECREATE_SURE,
        subject=f"{snapshot.mode} {snapshot.date}",
        text=f"Really empty {plan.final_dir}: {held}?",
        choices=(
            Choice("no", "No", "nothing is changed, moveProducts stops"),
            Choice("yes", "Yes, recreate", f"{held} go to the trash, only the {new} new ones stand there"),
        ),
        safe="no",
        auto="no",
        asked_by=context.who,
        asked_at=context.utc(),
        follows=_id(RECREATE, snapshot),
        upon=RECREATED,
    )


async def _asked(context: Context, question: Question) -> str:
    answer = await context.operator.ask(question)
    question.checked(answer.choice, answer.comment)
    return answer.choice


def _acted_on(context: Context, choice: str, *questions: Question) -> str:
    """The answers were for this time only; the next move asks again. Both stand until the second one is in."""
    for question in questions:
        Answers(context.db).close(question.id)
    return choice
