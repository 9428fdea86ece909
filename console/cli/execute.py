"""`dfos exec`: carry out a job file, ours or one that the classic createJob made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.tree import DfoTree
    from engine.create.jobs.job_files import Queued
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
        return _carried_out(tree, [path], given, dry=given.dry_run)
    codes = [0]
    entries = job_files.queue(path)
    for entry in entries:
        if entry.strange:
            print(f"dfos exec: {entry.where}: names no job file, left alone: {entry.line}", file=sys.stderr)
            codes.append(1)
    for jobs in _batches([entry for entry in entries if not entry.strange], _concentration(tree, given)):
        codes.append(run_lines(tree, path, jobs, given, dry=given.dry_run))
        if codes[-1] not in (0, 1):
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


def run_lines(
    tree: DfoTree, path: Path, jobs: Sequence[Queued], given: argparse.Namespace, *, dry: bool = False
) -> int:
    """Carry out the job files that lines of JOBS_NIGHT or JOBS_AUTO name; when they have ended the lines go."""
    from engine.create.jobs import job_files

    code = _carried_out(tree, [tree.job / entry.name for entry in jobs], given, dry=dry)
    if code in (0, 1) and not dry:
        for entry in jobs:
            job_files.done(tree, path, entry.line)
    return code


def _carried_out(tree: DfoTree, paths: Sequence[Path], given: argparse.Namespace, *, dry: bool) -> int:
    from console.job_orders import orders_of, what_of
    from console.running import carry_out
    from engine.create.jobs import job_files
    from engine.workflows.month import concentrated

    lost: list[str] = []
    orders: list[Order] = []
    for path in paths:
        found, passed = orders_of(tree, job_files.read(path))
        orders += found
        lost += passed
    if len(paths) > 1:
        orders = concentrated(orders)
    for text in lost:
        print(f"dfos exec: {text}", file=sys.stderr)
    if dry:
        nothing = f"{', '.join(path.name for path in paths)}: nothing to do"
        words.say([f"{order.pool}: {what_of(order)}" for order in orders] or [nothing])
        return 1 if lost else 0
    code = carry_out(tree, orders, given) if orders else 0
    return code or (1 if lost else 0)
