"""The tool `emptyTrash`: what has been in the trash long enough is deleted; the only place where anything is.

What is removed is written down first, in `$DFO_LST_DIR/list_trash_emptied.txt` and in a manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import telling
from engine.context import Context
from engine.core.done import Done
from engine.core.sizes import counted, size_text
from engine.errors import UsageTrouble
from engine.questions import Choice, Question
from engine.release.manifest import UNREAD, Entry, manifest_step
from engine.release.undo.trash_look import UNLISTED, Retirement, named, pools, retirements
from engine.stores.answers import Answers
from engine.stores.orders import Order

EMPTY = "trash.empty"
RECORD = "list_trash_emptied.txt"


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Delete what has expired of a MODE and DATE, or the transactions named in the option `transactions` (comma).

    Named ones are asked for, with count and size; nobody says yes in AUTO unless all of them have expired.
    """
    wanted = [label for label in order.options.get("transactions", "").split(",") if label]
    with lock.pool(context.tree, order.mode, order.date, "emptyTrash", context.who):
        today = context.utc()[:10]
        chosen = _chosen(context, order, wanted, today)
        if not chosen:
            return Done(0, "nothing in the trash has expired")
        if wanted and not await _sure(context, order, chosen, today):
            return Done(0, "nothing was deleted")
        await _execute(context, order, chosen)
    if not any(item.files for item in chosen):
        return Done(0, f"nothing was left of {', '.join(item.label for item in chosen)}")
    return Done(0, f"{_counted(chosen)} deleted; see {RECORD}")


def _chosen(context: Context, order: Order, wanted: Sequence[str], today: str) -> list[Retirement]:
    there = named(context.tree, wanted) if wanted else retirements(context.tree)
    of = pools(context.tree, context.db, {item.label for item in there})
    pool = (order.mode, order.date)
    for item in there if wanted else ():
        if of[item.label] != pool:
            raise UsageTrouble(f"{item.label} is not of {order.mode} {order.date}, but of {' '.join(of[item.label])}")
    return [item for item in there if of[item.label] == pool and (wanted or item.expired(today))]


async def _sure(context: Context, order: Order, chosen: Sequence[Retirement], today: str) -> bool:
    expired = all(item.expired(today) for item in chosen)
    labels = ", ".join(item.label for item in chosen)
    mark = hashlib.sha256(repr([(item.label, len(item.files), item.size) for item in chosen]).encode()).hexdigest()
    question = Question(
        id=f"{EMPTY}:{order.mode} {order.date}:{mark[:12]}",
        kind=EMPTY,
        subject=f"{order.mode} {order.date}",
        text=f"Delete {_counted(chosen)} of {labels} for good?",
        choices=(
            Choice("no", "No", "nothing is deleted"),
            Choice("yes", "Yes, delete", f"{_counted(chosen)} are gone; what retired them can never be undone"),
        ),
        safe="no",
        auto="yes" if expired else None,
        details=tuple(_line(context.tree, file) for item in chosen for file in item.files)[:200],
        asked_by=context.who,
        asked_at=context.utc(),
    )
    choice = order.options.get("yes", "")
    if choice != "yes":
        answer = await context.operator.ask(question)
        question.checked(answer.choice, answer.comment)
        choice = answer.choice
    Answers(context.db).close(question.id)  # for this time only
    return choice == "yes"


async def _execute(context: Context, order: Order, chosen: Sequence[Retirement]) -> None:
    context.bus.publish(ev.PhaseStarted("trash", f"delete {_counted(chosen)}"))
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        "emptyTrash",
        order.mode,
        order.date,
        context.who,
        lambda begun: steps(context.tree, begun, chosen),
        begun=context.utc(),
        summary=f"delete {_counted(chosen)} from the trash: {', '.join(item.label for item in chosen)}",
    )
    await journal.run(transaction, context.utc, telling(context.bus, "trash"))


def steps(tree: DfoTree, transaction: Transaction, chosen: Sequence[Retirement]) -> Iterator[Step]:
    """Written down first, then deleted."""
    yield Step("make directories", "make_dir", {"path": str(tree.lst)}, f"make {tree.lst}")
    head = f"{transaction.begun} {transaction.who} {transaction.label}"
    lines = [f"{head} {item.label} {_line(tree, file)}" for item in chosen for file in item.files]
    yield Step("write down what goes", "add_lines", {"path": str(tree.lst / RECORD), "lines": lines}, f"write {RECORD}")
    entries = (Entry(UNREAD, file.size, "emptied", str(file.path), "") for item in chosen for file in item.files)
    yield manifest_step(tree, transaction, entries)
    for item in chosen:
        yield Step(
            "delete", "expunge", {"path": str(item.place)}, f"delete {counted(len(item.files), 'file')} of {item.label}"
        )
    for day in dict.fromkeys(item.place.parent for item in chosen):
        yield Step("remove empty days", "remove_dir", {"path": str(day)}, f"remove {day} if empty")


def _line(tree: DfoTree, file: Any) -> str:
    origin = UNLISTED if file.why == UNLISTED else tree.shorten(file.origin)
    text = f"{file.size} {origin} ({file.why})"
    return "".join(char if char.isprintable() else "?" for char in text).encode("utf-8", "replace").decode()


def _counted(chosen: Sequence[Retirement]) -> str:
    files = counted(sum(len(item.files) for item in chosen), "file")
    return f"{files} ({size_text(sum(item.size for item in chosen))})"
