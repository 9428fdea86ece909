"""The tool `restore`: files come out of the trash, back to where they were, where that name is free."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import telling
from engine.atomic.shifts import shifts
from engine.atomic.trash import Retired
from engine.context import Context
from engine.core.done import Done
from engine.core.sizes import counted, size_text
from engine.errors import MoveTrouble, UsageTrouble
from engine.release.manifest import UNREAD, Entry, manifest_step
from engine.release.undo.trash_look import UNLISTED, pools, sought
from engine.stores.orders import Order

_SHOWN = 3
_WHOLE = re.compile(r"(create|move|rename|update|undo)-\d{6}", re.ASCII)
# What a run wrote anew: the older one beside the newer one is no way back, both would count.
_ANEW = ("the AB before ", "the page before ", "the virtual calibration before ", "this virtual calibration is real ")


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Bring back what the option `what` names: a transaction, a place in the trash, or where a file came from.

    A whole move, rename or update is taken back by `undo` alone: UsageTrouble, unless the option `force` says yes;
    what such a run wrote anew stays then. Exit code 1 when some stay because their name is taken; MoveTrouble when
    none can go back.
    """
    what = order.options.get("what", "")
    with lock.pool(context.tree, order.mode, order.date, "restore", context.who):
        files = sought(context.tree, what)
        of = pools(context.tree, context.db, {file.transaction for file in files})
        strange = next((label for label, pool in of.items() if pool != (order.mode, order.date)), None)
        if strange:
            raise UsageTrouble(f"{strange} is not of {order.mode} {order.date}, but of {' '.join(of[strange])}")
        wanted, older = _bulk(order, what, files)
        free, taken = _sorted(context.tree, wanted)
        if not free:
            raise MoveTrouble(
                f"nothing was brought back: {'; '.join(taken[:_SHOWN])}" if taken else "nothing of it is in the trash",
                where=what,
                remedy="move away what stands there, then call again",
            )
        if older:
            context.bus.publish(ev.Notice("warning", f"stays in the trash: {older}"))
        for text in taken:
            context.bus.publish(ev.Notice("warning", f"stays in the trash: {text}"))
        size = size_text(sum(file.size for file in free))
        context.bus.publish(ev.PhaseStarted("restore", f"{counted(len(free), 'file')} ({size}) from the trash"))
        journal = Journal(context.db, context.tree)
        transaction = journal.begin(
            "restore",
            order.mode,
            order.date,
            context.who,
            lambda begun: steps(context.tree, begun, free),
            begun=context.utc(),
            summary=f"bring {counted(len(free), 'file')} ({size}) back from the trash: {what}",
        )
        await journal.run(transaction, context.utc, telling(context.bus, "restore"))
    more = f"; in the trash stays what has no free name, {len(taken)}: {taken[0]}" if taken else ""
    kept = f"; in the trash stays {older}" if older else ""
    return Done(1 if taken else 0, f"{counted(len(free), 'file')} ({size}) back at the old place{more}{kept}")


def steps(tree: DfoTree, transaction: Transaction, files: Sequence[Retired]) -> Iterator[Step]:
    """Directories, then the files, then the manifest."""
    for folder in dict.fromkeys(str(path) for path in (tree.lst, *(file.origin.parent for file in files))):
        yield Step("make directories", "make_dir", {"path": folder}, f"make {folder}")
    yield from shifts("bring back", ((file.path, file.origin) for file in files), "bring back")
    entries = (Entry(UNREAD, file.size, "restored", str(file.path), str(file.origin)) for file in files)
    yield manifest_step(tree, transaction, entries)


def _bulk(order: Order, what: str, files: Sequence[Retired]) -> tuple[Sequence[Retired], str]:
    """The files of a whole run that may come back, and words about those that do not."""
    match = _WHOLE.fullmatch(what)
    if match is None or not files:
        return files, ""
    mine = [file for file in files if not file.why.startswith(_ANEW)]
    whys = Counter(file.why for file in files if file.why.startswith(_ANEW))
    older = ", ".join(f"{why} ({count})" for why, count in sorted(whys.items()))
    if order.options.get("force") != "yes":
        pool = f"-m {order.mode} -d {order.date}"
        back = f"use dfos undo {pool}" if match[1] != "undo" else "carry it out again"
        kept = f", not {older}" if older else ""
        raise UsageTrouble(
            f"{what} as a whole does not come out of the trash: {back}",
            where=f"{order.mode} {order.date}",
            remedy=f"single files by their path; --force brings back {counted(len(mine), 'file')}{kept}",
        )
    return mine, older


def _sorted(tree: DfoTree, files: Sequence[Retired]) -> tuple[list[Retired], list[str]]:
    """The files whose old name is free, and a sentence for each of the others."""
    free: dict[Path, Retired] = {}
    taken = []
    for file in files:
        if file.why == UNLISTED:
            taken.append(f"{file.path.name}: nobody knows where it came from")
        elif os.path.lexists(file.origin):
            status = file.origin.lstat()
            when = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            kind = "a directory" if file.origin.is_dir() else f"a file of {size_text(status.st_size)}"
            taken.append(f"{tree.shorten(file.origin)}: {kind} from {when} UT stands there")
        elif file.origin in free:
            taken.append(f"{tree.shorten(file.origin)}: another file of this name comes back there")
        else:
            free[file.origin] = file
    return list(free.values()), taken
