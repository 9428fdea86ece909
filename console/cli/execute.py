"""`dfos exec`: carry out a job file, ours or one that the classic createJob made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config.tree import DfoTree
    from engine.create.jobs.job_files import JobFile, Queued
    from engine.stores.orders import Order


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos exec",
        "Carry out a job file: processAB and processQC calls, one per line (execAB_..., execQC_...).\n"
        "JOBS_NIGHT and JOBS_AUTO name such files; a name is taken out when its job has ended.",
        "ABs that are done already are passed over. A line that is no such call is reported, never run.\n"
        + words.codes(
            11, 12, 14, c1="some ABs failed, or lines were passed over", c2="usage, or the file cannot be read"
        ),
    )
    made.add_argument("file", metavar="FILE", help="a path, or a name in $DFO_JOB_DIR")
    made.add_argument("--dry-run", action="store_true", help="show what would run")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Carry out the calls of a file, or of every file that a queue names."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from engine.create.jobs import job_files

    path = tree.job / given.file if Path(given.file).name == given.file else Path(given.file)
    if path.name not in job_files.QUEUES:
        return _carried_out(tree, [path], given)
    codes = [0]
    entries = job_files.queue(path)
    for entry in entries:
        if entry.strange:
            print(f"dfos exec: {entry.where}: names no job file, left alone: {entry.line}", file=sys.stderr)
            codes.append(1)
    for jobs in _batches([entry for entry in entries if not entry.strange], _concentration(tree, given)):
        code = _carried_out(tree, [tree.job / entry.name for entry in jobs], given)
        codes.append(code)
        if code in (0, 1) and not given.dry_run:
            for entry in jobs:
                job_files.done(tree, path, entry.line)
        elif code not in (0, 1):
            break
    if len(codes) == 1:
        words.say([f"{path.name}: nothing to do"])
    return max(codes)


def _concentration(tree: DfoTree, given: argparse.Namespace) -> bool:
    import os

    from console.account import open_settings

    return open_settings(tree, os.environ, given.set).settings.qc.concentration


def _batches(entries: Sequence[Queued], concentration: bool) -> list[list[Queued]]:
    """The job files in turn; with QC job concentration all execQC files together, behind all others."""
    from engine.create.jobs.job_files import EXEC_QC, FILES

    checks = [entry for entry in entries if concentration and entry.name.startswith(f"{FILES[EXEC_QC]}_")]
    return [*([entry] for entry in entries if entry not in checks), *([checks] if checks else [])]


def _carried_out(tree: DfoTree, paths: Sequence[Path], given: argparse.Namespace) -> int:
    from console.running import carry_out
    from engine.create.jobs import job_files
    from engine.workflows.month import concentrated

    lost: list[str] = []
    orders: list[Order] = []
    for path in paths:
        found = job_files.read(path)
        lost += [f"{line.where}: no processAB or processQC call, passed over: {line.text}" for line in found.strange]
        orders += _orders(tree, found, lost)
    if len(paths) > 1:
        orders = concentrated(orders)
    for text in lost:
        print(f"dfos exec: {text}", file=sys.stderr)
    if given.dry_run:
        nothing = f"{', '.join(path.name for path in paths)}: nothing to do"
        words.say([f"{order.pool}: {_what(order)}" for order in orders] or [nothing])
        return 1 if lost else 0
    code = carry_out(tree, orders, given) if orders else 0
    return code or (1 if lost else 0)


def _what(order: Order) -> str:
    names = order.options["abs"].split()
    tool = "processQC" if order.options["qc"] == "only" else "processAB"
    return f"{tool} of {len(names)} ABs, first {names[0]}"


def _orders(tree: DfoTree, found: JobFile, lost: list[str]) -> Iterator[Order]:
    """One order per stretch of calls of one tool, MODE and DATE; `lost` gets the ABs that are not there."""
    from itertools import groupby

    from engine.create.jobs.job_files import EXEC_QC
    from engine.errors import BadAb
    from engine.stores.abs import read
    from engine.stores.orders import Order

    known: list[tuple[str, str, str, str]] = []
    for call in found.calls:
        place = tree.ab / call.ab
        if not place.exists():
            moved = next(tree.log.glob(f"*/{call.ab}"), None)
            why = "has moved already (processAB -a runs it again)" if moved else "is not in $DFO_AB_DIR"
            lost.append(f"{found.path.name}: {call.ab} {why}, passed over")
            continue
        try:
            ab = read(place)
        except BadAb as trouble:
            lost.append(str(trouble))
            continue
        known.append((call.tool, ab.mode, ab.date, ab.name))
    for (tool, mode, date), calls in groupby(known, key=lambda item: item[:3]):
        names = " ".join(call[3] for call in calls)
        how = {"qc": "only", "file": "yes"} if tool == EXEC_QC else {"qc": "no"}
        yield Order(mode, date, "P", options={"abs": names, **how})
