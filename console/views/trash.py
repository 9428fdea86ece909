"""The trash as a person sees it: by transaction, with sizes and the day until which it is kept. Changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from config.tree import DfoTree
from engine.core.sizes import size_text
from engine.release.undo.trash_look import Retirement, pools, retirements
from engine.stores.database import connect
from screens.release.released import Thrown


def thrown(tree: DfoTree, today: str = "") -> list[Thrown]:
    """What each transaction retired, oldest first; `today` is the UTC day (ISO) that decides what has expired."""
    today = today or datetime.now(UTC).strftime("%Y-%m-%d")
    there = retirements(tree)
    db = connect(tree.journal, readonly=True) if tree.journal.exists() else None
    try:
        of = pools(tree, db, {item.label for item in there})
    finally:
        if db is not None:
            db.close()
    return [_thrown(item, *of[item.label], today) for item in there]


def file_lines(tree: DfoTree, wanted: Thrown) -> list[str]:
    """The files of one transaction in lines: bytes, where each came from, why."""
    files = [file for item in retirements(tree) if (item.day, item.label) == _key(wanted) for file in item.files]
    return [f"{size_text(file.size):>9}  {tree.shorten(file.origin)}  ({file.why})" for file in files]


def _thrown(item: Retirement, mode: str, date: str, today: str) -> Thrown:
    why, expired = _why(item), item.expired(today)
    return Thrown(item.label, mode, date, item.day, item.who, why, item.until, len(item.files), item.size, expired)


def _key(wanted: Thrown) -> tuple[str, str]:
    return wanted.day, wanted.label


def _why(item: Retirement) -> str:
    whys = item.reasons
    if not whys:
        return ""
    more = len(whys) - 1
    return whys[0][0] + (f", and {more} other reason{'s' if more > 1 else ''}" if more else "")
