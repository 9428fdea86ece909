"""`dfos exec`: carry out a job file, ours or one that the classic createJob made."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli import words
from console.exit_codes import ExitCode, worst
from engine.core.sizes import counted
from engine.errors import DfosError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from config.tree import DfoTree
    from engine.create.jobs.job_files import JobFile, Queued
    from engine.stores.orders import Order


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos exec",
        "Carry out a job file: processAB and processQC calls, one per line (execAB_..., execQC_...).\n"
        "JOBS_NIGHT and JOBS_AUTO name such files; a name is taken out when none of its ABs waits any more.",
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
        return _carried_out(tree, [job_files.read(path)], given, dry=given.dry_run)
    entries = job_files.queue(path)
    strange = [entry for entry in entries if entry.strange]
    for entry in strange:
        print(f"dfos exec: {entry.where}: {entry.why}, left alone: {entry.line}", file=sys.stderr)
    batches = _batches([entry for entry in entries if not entry.strange], _concentration(tree, given))
    if not batches:
        words.say([f"{path.name}: nothing to do, {_empty(path, entries)} (createJob names job files in it)"])
        return 1 if strange else 0
    return worst([*_in_turn(tree, path, batches, given), *([1] if strange else [])])


def _in_turn(tree: DfoTree, path: Path, batches: list[list[Queued]], given: argparse.Namespace) -> list[int]:
    """Carry out the jobs of a queue; their exit codes. One that is in trouble, or waits for another, holds nobody.

    While ABs get done, jobs that still have some to do are taken up again: they may have waited for a later one.
    """
    codes: dict[int, int] = {}
    todo = dict(enumerate(batches))
    while todo:
        before = _with_status(tree, chain(*batches), "SUCCESSFUL")
        for number, jobs in list(todo.items()):
            try:
                codes[number] = run_lines(tree, path, jobs, given, dry=given.dry_run)
            except DfosError as trouble:
                where = "" if trouble.where == jobs[0].where else f"{jobs[0].where}: "
                print(f"dfos exec: {where}{trouble}", file=sys.stderr)
                codes[number] = trouble.exit_code
            if codes[number] == ExitCode.INTERRUPTED:
                return list(codes.values())
        todo = {number: jobs for number, jobs in todo.items() if _open(tree, jobs)}
        if given.dry_run or _with_status(tree, chain(*batches), "SUCCESSFUL") == before:
            break
    for jobs in todo.values():
        for entry in jobs:
            if not given.dry_run:
                left = counted(len(_open(tree, [entry])), "AB")
                print(f"dfos exec: {entry.job} stays in {path.name}, {left} not processed", file=sys.stderr)
    return list(codes.values())


def _open(tree: DfoTree, jobs: Iterable[Queued]) -> frozenset[str]:
    """The ABs of these jobs that are still to be processed."""
    return _with_status(tree, jobs, "CREATED")


def _with_status(tree: DfoTree, jobs: Iterable[Queued], status: str) -> frozenset[str]:
    """The ABs of these jobs with a PROCESS_STATUS; none for a job file that cannot be read."""
    from engine.create.jobs import job_files
    from engine.stores.abs import read

    found = set()
    for entry in jobs:
        with suppress(DfosError):
            for call in job_files.job_of(tree, entry).calls:
                with suppress(DfosError):
                    if read(tree.ab / call.ab).status == status:
                        found.add(call.ab)
    return frozenset(found)


def _concentration(tree: DfoTree, given: argparse.Namespace) -> bool:
    import os

    from console.account import open_settings

    return open_settings(tree, os.environ, given.set).settings.qc.concentration


def _batches(entries: Sequence[Queued], concentration: bool) -> list[list[Queued]]:
    """The job files in turn, calls that follow each other together; with QC job concentration all execQC files
    together, behind all others."""
    from engine.create.jobs.job_files import EXEC_QC, FILES

    checks = [entry for entry in entries if concentration and entry.name.startswith(f"{FILES[EXEC_QC]}_")]
    batches: list[list[Queued]] = []
    for entry in entries:
        if entry in checks:
            continue
        if entry.call and batches and batches[-1][0].call:
            batches[-1].append(entry)
        else:
            batches.append([entry])
    return [*batches, *([checks] if checks else [])]


def _empty(path: Path, entries: Sequence[Queued]) -> str:
    """Why a queue has nothing that can be carried out."""
    if not path.exists():
        return f"there is no {path.name}"
    return "none of its lines can be carried out" if entries else "it is empty"


def _files(tree: DfoTree, path: Path, jobs: Sequence[Queued]) -> list[JobFile]:
    """The job files of some lines; calls that stand there themselves are one."""
    from engine.create.jobs.job_files import JobFile, job_of

    if all(entry.call for entry in jobs):
        return [JobFile(path, tuple(entry.call for entry in jobs if entry.call), ())]
    return [job_of(tree, entry) for entry in jobs]


def run_lines(
    tree: DfoTree, path: Path, jobs: Sequence[Queued], given: argparse.Namespace, *, dry: bool = False
) -> int:
    """Carry out the job files that lines of JOBS_NIGHT or JOBS_AUTO name; the lines go once no AB of theirs waits."""
    from engine.create.jobs import job_files

    code = _carried_out(tree, _files(tree, path, jobs), given, dry=dry)
    if code in (0, 1) and not dry:
        for entry in jobs:
            if not _open(tree, [entry]):
                job_files.done(tree, path, entry.line)
    return code


def _carried_out(tree: DfoTree, files: Sequence[JobFile], given: argparse.Namespace, *, dry: bool) -> int:
    from console.hosting.job_orders import orders_of, what_of
    from console.link.running import carry_out
    from engine.workflows.month import concentrated

    lost: list[str] = []
    orders: list[Order] = []
    for file in files:
        found, passed = orders_of(tree, file)
        orders += found
        lost += passed
    if len(files) > 1:
        orders = concentrated(orders)
    for text in lost:
        print(f"dfos exec: {text}", file=sys.stderr)
    if dry:
        nothing = f"{', '.join(file.path.name for file in files)}: nothing to do"
        words.say([f"{order.pool}: {what_of(order)}" for order in orders] or [nothing])
        return 1 if lost else 0
    code = carry_out(tree, orders, given) if orders else 0
    return code or (1 if lost else 0)
